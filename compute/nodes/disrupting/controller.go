package disrupting

import (
	"context"
	"sync"
	"time"

	"github.com/awslabs/operatorpkg/reconciler"
	"github.com/awslabs/operatorpkg/singleton"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	karpenterstate "sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/operator/injection"

	"github.com/automode-dev/automode/compute/disruption"
	"github.com/automode-dev/automode/compute/disruption/survey"
	"github.com/automode-dev/automode/compute/solver"
	"github.com/automode-dev/automode/compute/state"
)

// Name of the controller.
const Name = "disruption"

const (
	// tick is how often steps under way are looked at.
	tick = time.Second
	// rest is how long nothing may have changed before a decision. A decision
	// waits for that share times as long as the last one took, within bounds:
	// where PodDisruptionBudgets let a few pods go at a time, the time between
	// decisions is what consolidation takes.
	rest          = 2 * time.Second
	share         = 20
	leastPatience = 5 * time.Second
	mostPatience  = 10 * time.Second
	// budgets open and close by the minute.
	lookAgain = time.Minute
	// crowd is how many pods without a node that are younger than recent postpone decisions, until all but few of them
	// have one: while the scheduler finds places for thousands, which nodes are too many is anybody's guess, and each
	// eviction gives it more to do.
	crowd  = 2000
	few    = 100
	recent = 10 * time.Minute
)

// TypeLister lists the instance types of a NodePool; none while its NodeClass is not ready.
type TypeLister interface {
	GetInstanceTypes(ctx context.Context, pool *karpv1.NodePool) ([]*cloudprovider.InstanceType, error)
}

// Parts are what the controller works with.
type Parts struct {
	Kube    client.Client
	Picture *state.Picture
	Synced  func() bool // whether the picture is complete
	Cluster *karpenterstate.Cluster
	Types   TypeLister
	// Recorder writes events.
	Recorder events.Recorder
	Clock    clock.Clock
	// Nominate binds evicted pods' successors to the replacements that they are for, or writes that on them where the
	// scheduler follows it; nil leaves both out.
	Nominate client.Client
	// VolumeLimits is how many volumes an instance type may attach, by CSI driver; nil where that is not known.
	VolumeLimits func(instanceType string) map[string]int
	// MaxTypes bounds the instance types of a claim.
	MaxTypes int
	// Settings are asked for before each decision; nil stands for none.
	Settings func() Settings
}

// Settings change what is decided; the zero value is Karpenter's behaviour.
type Settings struct {
	disruption.Options
	// ComparePools takes replacements from the cheapest of the NodePools of equal weight, not from the one first by name.
	ComparePools bool
}

// Controller carries out disruption plans. One loop does all of it.
type Controller struct {
	Parts
	translated state.Types
	cache      *solver.Cache       // for all what-ifs
	running    map[string]*running // by id
	removed    map[string]bool     // provider ids of nodes whose claims were deleted, until the picture shows it
	resumed    bool
	sayings    *sayings
	fillings   map[string]*filling // by claim
	assumed    assumed
	crowd      bool // thousands of new pods wait for the scheduler

	mu       sync.Mutex
	changes  int       // of the picture that may change a decision
	changed  time.Time // the last of them
	decided  time.Time // the last decision, and what it was made on
	decision int
	waiting  bool          // the last decision left nodes that wait for budgets or pods
	took     time.Duration // to decide
}

// NewController makes the controller. Changed has to be told of every change of the picture.
func NewController(parts Parts) *Controller {
	return &Controller{Parts: parts, translated: state.Types{VolumeLimits: parts.VolumeLimits}, cache: solver.NewCache(), running: map[string]*running{}, removed: map[string]bool{}, sayings: newSayings(), fillings: map[string]*filling{}}
}

// Register adds the controller to the manager.
func (c *Controller) Register(_ context.Context, m manager.Manager) error {
	return ctrl.NewControllerManagedBy(m).
		Named(Name).
		WatchesRawSource(singleton.Source()).
		Complete(singleton.AsReconciler(c))
}

// Changed notes changes that may change a decision. Heartbeats do not.
func (c *Controller) Changed(before, after client.Object) {
	if before != nil && after != nil && !matters(before, after) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	c.changed = c.Clock.Now()
}

func matters(before, after client.Object) bool {
	switch a := after.(type) {
	case *corev1.Node:
		b := before.(*corev1.Node)
		return survey.Ready(a) != survey.Ready(b) || !equality.Semantic.DeepEqual(a.Spec, b.Spec) || !equality.Semantic.DeepEqual(a.Labels, b.Labels) ||
			!equality.Semantic.DeepEqual(a.Annotations, b.Annotations) || !equality.Semantic.DeepEqual(a.Status.Allocatable, b.Status.Allocatable)
	case *corev1.Pod:
		b := before.(*corev1.Pod)
		return a.Spec.NodeName != b.Spec.NodeName || a.Status.Phase != b.Status.Phase || a.DeletionTimestamp.IsZero() != b.DeletionTimestamp.IsZero() ||
			!equality.Semantic.DeepEqual(a.Annotations, b.Annotations) || !equality.Semantic.DeepEqual(a.Labels, b.Labels)
	case *karpv1.NodePool:
		b := before.(*karpv1.NodePool)
		return a.Generation != b.Generation || a.StatusConditions().Root().IsTrue() != b.StatusConditions().Root().IsTrue()
	}
	return before.GetResourceVersion() != after.GetResourceVersion()
}

// Reconcile moves steps under way on and decides on further ones when it is time.
func (c *Controller) Reconcile(ctx context.Context) (reconciler.Result, error) {
	ctx = injection.WithControllerName(ctx, Name)
	if !c.Synced() {
		return reconciler.Result{RequeueAfter: 100 * time.Millisecond}, nil
	}
	if err := c.resume(ctx); err != nil {
		return reconciler.Result{}, err
	}
	c.walk(ctx)
	filling := c.Nominate != nil && c.fill(ctx)
	if changes, due := c.due(); due {
		if err := c.decide(ctx, changes); err != nil {
			return reconciler.Result{}, err
		}
		c.walk(ctx) // steps without replacements need not wait
	}
	if filling {
		return reconciler.Result{RequeueAfter: fillTick}, nil
	}
	return reconciler.Result{RequeueAfter: tick}, nil
}

// due tells whether it is time for a decision: the cluster has changed and come
// to rest since the last, or time alone may have changed the answer.
func (c *Controller) due() (changes int, due bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.Clock.Now()
	since := now.Sub(c.decided)
	patience := min(max(share*c.took, leastPatience), mostPatience)
	switch {
	case c.changes != c.decision && (now.Sub(c.changed) >= rest || since >= patience):
		due = true
	case since >= lookAgain, c.waiting && since >= patience:
		due = true
	}
	return c.changes, due
}

func (c *Controller) noteDecision(changes int, waiting bool, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.decided, c.decision, c.waiting, c.took = c.Clock.Now(), changes, waiting, took
}

func (c *Controller) current() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changes
}

// decide plans, and takes the steps that still hold.
func (c *Controller) decide(ctx context.Context, changes int) error {
	c.tidy(ctx)
	if c.crowded() {
		c.noteDecision(changes, true, 0)
		return nil
	}
	k, err := c.look(ctx)
	if err != nil {
		return err
	}
	start := c.Clock.Now()
	plan := disruption.Disrupt(k.Snapshot)
	took := c.Clock.Since(start)
	c.noteDecision(changes, waits(plan), took)
	c.tellPlan(ctx, k, plan, took)
	if len(plan.Steps) == 0 {
		return nil
	}
	if c.current() != changes {
		if k, err = c.look(ctx); err != nil {
			return err
		}
		var dropped []disruption.Dropped
		if plan, dropped = disruption.Validate(plan, k.Snapshot); len(dropped) > 0 {
			c.tellDropped(ctx, k, dropped)
		}
	}
	begun := make([]*running, len(plan.Steps))
	workqueue.ParallelizeUntil(context.WithoutCancel(ctx), 20, len(plan.Steps), func(i int) {
		r, err := c.begin(ctx, k, &plan.Steps[i])
		if r == nil {
			log.FromContext(ctx).Error(err, "leaving a disruption step out")
			return
		}
		r.failed = err
		begun[i] = r
	})
	for _, r := range begun {
		if r != nil {
			c.running[r.ID] = r
		}
	}
	return nil
}

// crowded tells whether thousands of new pods wait for the scheduler, or did a moment ago and some still do.
func (c *Controller) crowded() bool {
	since, pods := c.Clock.Now().Add(-recent), 0
	for _, pod := range c.Picture.Unbound() {
		if pod.CreationTimestamp.After(since) {
			pods++
		}
	}
	c.crowd = pods >= crowd || c.crowd && pods >= few
	return c.crowd
}

func waits(plan disruption.Plan) bool {
	for i := range plan.Stays {
		if k := plan.Stays[i].Kind; k == disruption.Budgeted || k == disruption.Blocked {
			return true
		}
	}
	return len(plan.Steps) > 0
}
