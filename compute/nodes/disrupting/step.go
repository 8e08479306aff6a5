package disrupting

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/rand"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/automode-dev/automode/compute/disruption"
)

// AnnotationStep is on a NodeClaim that is being removed and says by which step.
const AnnotationStep = "automode.dev/disruption"

// record is the annotation's content: all that is needed to carry on.
type record struct {
	ID      string            `json:"id"`
	Reason  disruption.Reason `json:"reason"`
	Started time.Time         `json:"started"`
	// Replacements are the names of the claims that must be ready first.
	Replacements []string `json:"replacements,omitempty"`
}

// running is a step under way.
type running struct {
	record
	targets []target
	// ready holds the replacements that were seen ready for pods.
	ready map[string]bool
}

// target is a node that goes.
type target struct {
	node, claim, providerID, pool string
	static                        bool
}

func (r *running) decision() string {
	if len(r.Replacements) > 0 {
		return "replace"
	}
	return "delete"
}

// newRecord names a step and its replacements. The names follow from the step,
// so that creating them twice makes no more.
func newRecord(step *disruption.Step, now time.Time) record {
	r := record{Reason: step.Reason, Started: now.UTC().Truncate(time.Second)}
	var claims []string
	for _, n := range step.Nodes {
		claims = append(claims, n.Claim)
	}
	slices.Sort(claims)
	r.ID = short(strings.Join(claims, " ") + now.UTC().String())
	pools := make([]string, 0, len(step.Claims))
	for i := range step.Claims {
		pools = append(pools, step.Claims[i].Pool)
	}
	if step.Static != "" {
		for range step.Nodes {
			pools = append(pools, step.Static)
		}
	}
	for i, pool := range pools {
		r.Replacements = append(r.Replacements, fmt.Sprintf("%s-%s", pool, short(fmt.Sprintf("%s %d", r.ID, i))[:5]))
	}
	return r
}

// short is a name of letters and digits that follows from the text.
func short(text string) string {
	h := fnv.New64a()
	h.Write([]byte(text))
	return rand.SafeEncodeString(fmt.Sprintf("%016x", h.Sum64()))
}

func (r record) marshal() string {
	text, err := json.Marshal(r)
	if err != nil {
		panic(fmt.Sprintf("marshalling a record of strings and a time: %v", err))
	}
	return string(text)
}

// recordOf reads the annotation of a claim; false where there is none.
func recordOf(claim *karpv1.NodeClaim) (record, bool) {
	text, ok := claim.Annotations[AnnotationStep]
	if !ok {
		return record{}, false
	}
	var r record
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return record{ID: "unreadable"}, true
	}
	return r, true
}
