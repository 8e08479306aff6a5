package nodeclass

import (
	"context"
	"fmt"
	"sync"
	"time"

	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/events"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	"github.com/automode-dev/automode/compute"
	"github.com/automode-dev/automode/compute/nodes"
)

// trialLasts is how long the outcome of a trial counts while the NodeClass stays the same.
const trialLasts = 15 * time.Minute

// validate tries the launch calls. The outcome is shown and does not decide whether the NodeClass is ready: a claim
// that fails for the same reason says so itself.
func (c *Controller) validate(ctx context.Context, class *eksv1.NodeClass) error {
	if c.trial == nil || !class.StatusConditions().Root().IsTrue() {
		return nil
	}
	key := fmt.Sprint(class.Hash(), class.Status.Subnets, class.Status.SecurityGroups, class.Status.InstanceProfile)
	if c.tried.fresh(class.UID, key) {
		return nil
	}
	err := c.trial(ctx, class)
	switch compute.KindOf(err) {
	case "":
		class.StatusConditions().SetTrue(eksv1.ConditionValidationSucceeded)
		c.tried.remember(class.UID, key)
	case compute.Unauthorized:
		_, message := nodes.Reason(err)
		class.StatusConditions().SetFalse(eksv1.ConditionValidationSucceeded, "UnauthorizedOperation", "Controller isn't authorized to call ec2:"+operation(err)+": "+message)
	case compute.Throttled:
		return fmt.Errorf("validating node class %q: %w", class.Name, err)
	default:
		_, message := nodes.Reason(err)
		class.StatusConditions().SetFalse(eksv1.ConditionValidationSucceeded, "ValidationFailed", message)
		c.tried.remember(class.UID, key)
	}
	return nil
}

// operation is the name of the call that failed: trials wrap their errors as "trying <operation>: …".
func operation(err error) string {
	var name string
	if _, scanErr := fmt.Sscanf(err.Error(), "trying %s", &name); scanErr != nil || len(name) < 2 {
		return "RunInstances"
	}
	return name[:len(name)-1]
}

// tried remembers the last trial per NodeClass.
type tried struct {
	mu   sync.Mutex
	last map[types.UID]trialOf
}

type trialOf struct {
	key string
	at  time.Time
}

func newTried() *tried { return &tried{last: map[types.UID]trialOf{}} }

func (t *tried) fresh(uid types.UID, key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, ok := t.last[uid]
	return ok && last.key == key && time.Since(last.at) < trialLasts
}

func (t *tried) remember(uid types.UID, key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last[uid] = trialOf{key, time.Now()}
}

func waitingOnClaims(class *eksv1.NodeClass, claims []karpv1.NodeClaim) events.Event {
	var names []string
	for _, claim := range claims[:min(len(claims), 5)] {
		names = append(names, claim.Name)
	}
	return events.Event{
		InvolvedObject: class,
		Type:           corev1.EventTypeNormal,
		Reason:         "WaitingOnNodeClaimTermination",
		Message:        fmt.Sprintf("Waiting on NodeClaim termination for %d claims: %v", len(claims), names),
		DedupeValues:   []string{string(class.UID)},
	}
}
