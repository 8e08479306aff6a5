package provisioning

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/awslabs/operatorpkg/reconciler"
	"github.com/awslabs/operatorpkg/singleton"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	karpenterstate "sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/operator/injection"
	podutils "sigs.k8s.io/karpenter/pkg/utils/pod"

	"github.com/automode-dev/automode/compute/disruption/survey"
	"github.com/automode-dev/automode/compute/solver"
	"github.com/automode-dev/automode/compute/state"
)

const (
	// lookAgain is how often pods that still wait are looked at without anything having changed.
	lookAgain = 10 * time.Second
	// thinking bounds the search for a cheaper plan, for which pods wait.
	thinking = 3 * time.Second
)

// TypeLister lists the instance types of a NodePool; none while its NodeClass is not ready.
type TypeLister interface {
	GetInstanceTypes(ctx context.Context, pool *karpv1.NodePool) ([]*cloudprovider.InstanceType, error)
}

// Validator says why a pod cannot be thought about at all.
type Validator interface {
	Validate(ctx context.Context, pod *corev1.Pod) error
}

// Parts are what the controller works with.
type Parts struct {
	Kube      client.Client
	Picture   *state.Picture
	Synced    func() bool // whether the picture is complete
	Cluster   *karpenterstate.Cluster
	Types     TypeLister
	Validator Validator
	Recorder  events.Recorder
	Clock     clock.Clock
	// Nominate writes the plan on the pods, where the scheduler follows it, and binds crowds; nil leaves both out. It is used
	// often in a short time, so that its limit on requests should be high.
	Nominate client.Client
	// VolumeLimits is how many volumes an instance type may attach, by CSI driver; nil where that is not known.
	VolumeLimits func(instanceType string) map[string]int
	// MaxTypes bounds the instance types of a claim.
	MaxTypes int
	// Live reads ReplicaSets and Jobs, past any cache; nil plans for no pods that are still to be made.
	Live client.Reader
	// ComparePools is asked before each look whether price decides among NodePools of equal weight; nil stands for no.
	ComparePools func() bool
}

// Controller provisions nodes. One loop does all of it.
type Controller struct {
	Parts
	batch      *batch
	translated state.Types
	cache      *solver.Cache
	promises   *promises
	awaited    *awaited
	nominator  *nominator
	spreading  sync.Mutex // one at a time decides which pods that must be spread are bound
	arrivals   *arrivals
	placed     map[types.UID]bool // by the last look, on nodes that take pods
	nudged     time.Time
	busy       bool // the last look found pods finding their places

	mu   sync.Mutex
	seen map[types.UID]bool // waiting pods that the last look considered
}

// NewController makes the controller. Changed has to be told of every change of the picture.
func NewController(parts Parts) *Controller {
	return &Controller{Parts: parts, batch: newBatch(parts.Clock), translated: state.Types{VolumeLimits: parts.VolumeLimits}, cache: solver.NewCache(), promises: newPromises(), awaited: newAwaited(parts.Live), nominator: newNominator(parts.Nominate, parts.Recorder, parts.Clock), arrivals: newArrivals(), seen: map[types.UID]bool{}}
}

// Prepare binds or nominates the pods that are planned for a node which is ready, and tells whether it may take pods now.
// Where it may not yet, it is to be asked again.
func (c *Controller) Prepare(ctx context.Context, node string) bool {
	if c.Nominate != nil && c.nominator.mayFill(node) && (c.arrivals.has(node) || c.nominator.crowded()) {
		if m := c.Picture.Machine(node); m != nil && !m.Starting() {
			c.nominator.fill(ctx, node)
		}
	}
	if c.arrivals.wait(node, c.Clock.Now()) {
		return false
	}
	if c.Nominate != nil {
		c.bindSpread(ctx, node)
		if !c.nominator.seen(node) {
			return false
		}
		c.nominator.open(ctx, node)
	}
	return c.arrivals.written(node)
}

// Trigger has the waiting pods looked at soon, whatever for.
func (c *Controller) Trigger(types.UID) { c.batch.call() }

// Changed wakes the controller up when a change may need or allow nodes.
func (c *Controller) Changed(before, after client.Object) {
	switch after := after.(type) {
	case *corev1.Pod:
		if after.Spec.NodeName != "" {
			c.nominator.settled(after.UID)
		}
		if before, ok := before.(*corev1.Pod); ok && before.Status.NominatedNodeName != "" && after.Status.NominatedNodeName == "" && after.Spec.NodeName == "" {
			c.nominator.dropped(after)
			c.batch.call() // others may have taken its room
		}
		if waits(after) && !c.known(after.UID) {
			c.Cluster.AckPods(after)
			c.batch.call()
		}
	case *karpv1.NodeClaim:
		if after.Status.ProviderID != "" {
			c.nominator.launched(after)
			c.arrivals.launched(after)
		}
		if before, ok := before.(*karpv1.NodeClaim); ok && before.Annotations[state.AnnotationPlaces] != after.Annotations[state.AnnotationPlaces] {
			c.batch.call() // pods without a place there have waited for that
		}
	case *corev1.Node:
		if !state.Closed(after) {
			c.nominator.opened(after.Name)
		}
		if before, ok := before.(*corev1.Node); ok && goes(after) && !goes(before) {
			c.batch.call()
		}
	}
	if after != nil {
		return
	}
	switch before := before.(type) {
	case *corev1.Pod:
		c.nominator.settled(before.UID)
	case *corev1.Node:
		c.nominator.nodeLeft(before.Name)
		c.arrivals.forget(before.Name)
	case *karpv1.NodeClaim:
		c.nominator.forget(before.Name)
		c.arrivals.claimLeft(before)
		if before.Status.NodeName == "" {
			c.batch.call() // its pods need another
		}
	}
}

func waits(pod *corev1.Pod) bool {
	return pod.Spec.NodeName == "" && podutils.FailedToSchedule(pod) && !podutils.IsOwnedByDaemonSet(pod)
}

func goes(node *corev1.Node) bool {
	return !node.DeletionTimestamp.IsZero() ||
		slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.MatchTaint(&karpv1.DisruptedNoScheduleTaint) })
}

func (c *Controller) known(uid types.UID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[uid]
}

func (c *Controller) remember(pods []*corev1.Pod) {
	seen := make(map[types.UID]bool, len(pods))
	for _, pod := range pods {
		seen[pod.UID] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = seen
}

// Register adds the controller to the manager.
func (c *Controller) Register(_ context.Context, m manager.Manager) error {
	if c.Nominate != nil {
		if err := m.Add(c.nominator); err != nil {
			return fmt.Errorf("adding the nominator: %w", err)
		}
	}
	return ctrl.NewControllerManagedBy(m).
		Named("provisioner").
		WatchesRawSource(singleton.Source()).
		Complete(singleton.AsReconciler(c))
}

// Reconcile waits for something to do and does it.
func (c *Controller) Reconcile(ctx context.Context) (reconciler.Result, error) {
	ctx = injection.WithControllerName(ctx, "provisioner")
	patience := lookAgain
	if c.busy {
		patience = calm
	}
	if !c.batch.wait(ctx, patience) {
		return reconciler.Result{}, nil
	}
	if !c.Synced() {
		return reconciler.Result{RequeueAfter: 100 * time.Millisecond}, nil
	}
	if err := c.provision(ctx); err != nil {
		c.batch.call() // look again after the usual window
		return reconciler.Result{}, err
	}
	return reconciler.Result{RequeueAfter: singleton.RequeueImmediately}, nil
}

// provision is one look at the cluster: what waits, what is promised, what to create.
func (c *Controller) provision(ctx context.Context) error {
	now := c.Clock.Now()
	leaving := c.leaving()
	machines := c.Picture.Machines()
	waiting := c.Picture.Waiting(func(*corev1.Pod) bool { return true })
	c.remember(waiting)
	if len(waiting) > 0 {
		// When some do not fit, the scheduler's queue is worth looking at: one plan for all is cheaper than one for each
		// part that the scheduler has got to, and those that do fit are placed on nodes that exist anyway.
		waiting = append(waiting, c.Picture.Untried(now)...)
	}
	expected := survey.Expected(machines)
	waiting = slices.DeleteFunc(waiting, func(pod *corev1.Pod) bool {
		owner := metav1.GetControllerOfNoCopy(pod)
		return owner != nil && expected[owner.UID]
	})
	kept := c.review(ctx, machines, waiting, leaving, now)
	pods, ignored := c.valid(ctx, slices.DeleteFunc(waiting, func(pod *corev1.Pod) bool {
		// The scheduler may be about to get to a pod that is new, unless it is one of many.
		return kept.pods[pod.UID] || !waits(pod) && pod.CreationTimestamp.After(now.Add(-idleWindow)) && c.awaited.makerOf(pod) == nil
	}))
	if len(pods) == 0 && !slices.ContainsFunc(machines, func(m *state.Machine) bool { return m.Leaving() || leaving(m.ProviderID()) }) {
		c.tellRejected(ctx, ignored)
		c.nudge(ctx, places(machines, kept, nil))
		return nil
	}
	start := c.Clock.Now()
	pools, snapshot, plan, rejected := c.decide(ctx, pods, kept, leaving)
	plan.Claims = slices.DeleteFunc(plan.Claims, onlyFor(disrupted(machines)))
	c.tellRejected(ctx, append(ignored, rejected...))
	c.nudge(ctx, places(machines, kept, plan.Placements))
	if len(snapshot.Pods) == 0 {
		return nil
	}
	c.tellPlan(ctx, snapshot, plan, machines, c.Clock.Since(start))
	c.reserve(machines, plan.Placements)
	return c.create(ctx, pools, plan)
}

// review brings what is promised up to date.
func (c *Controller) review(ctx context.Context, machines []*state.Machine, waiting []*corev1.Pod, leaving func(string) bool, now time.Time) kept {
	unbound, nodes := c.Picture.Unbound(), map[string]string{}
	for _, m := range machines {
		if m.Claim != nil {
			nodes[m.Claim.Name] = nodeName(m)
		}
	}
	c.awaited.exchange(unbound, c.promises.all(), func(claim string, from, to *corev1.Pod) {
		if c.promises.give(claim, from, to) && c.Nominate != nil {
			c.nominator.plan(claim, nodes[claim], []*corev1.Pod{to})
		}
	})
	c.awaited.review(ctx, waiting, c.Picture.Made, now)
	kept := c.promises.review(machines, append(unbound, c.awaited.pods()...), leaving, now)
	c.awaited.keep(func(pod types.UID) bool { return kept.pods[pod] })
	maps.DeleteFunc(kept.nodes, func(pod *corev1.Pod, _ string) bool { return c.awaited.has(pod) })
	c.busy = kept.busy
	if c.Nominate != nil {
		c.nominator.review(kept)
	}
	c.protect(ctx, machines, kept)
	return kept
}

// reserve promises nodes that are there, or on their way, to pods that may not find them by themselves: because they do not
// take pods yet, or because the pod has lost its place once.
func (c *Controller) reserve(machines []*state.Machine, placements []solver.Placement) {
	byName := make(map[string]*state.Machine, len(machines))
	for _, m := range machines {
		byName[m.Name()] = m
	}
	for _, placement := range placements {
		m := byName[placement.Node]
		if m == nil || m.Claim == nil {
			continue
		}
		pods := slices.DeleteFunc(slices.Clone(placement.Pods), func(pod *corev1.Pod) bool {
			return pod.Spec.NodeName != "" || m.Node != nil && takesPods(m) && !c.promises.lapsed[pod.UID]
		})
		c.promise(m.Claim.Name, pods)
		if c.Nominate != nil {
			c.nominator.plan(m.Claim.Name, nodeName(m), c.awaited.real(pods))
		}
	}
}

// promise has pods wait for the node of a claim.
func (c *Controller) promise(claim string, pods []*corev1.Pod) {
	c.promises.add(claim, pods)
	c.awaited.placed(claim, pods)
}

// leaving tells of nodes that disruption has decided on, by provider id.
func (c *Controller) leaving() func(string) bool {
	marked := map[string]bool{}
	for n := range c.Cluster.Nodes() {
		if n.MarkedForDeletion() {
			marked[n.ProviderID()] = true
		}
	}
	return func(providerID string) bool { return marked[providerID] }
}

// disrupted are the names of nodes that a step of disruption removes.
func disrupted(machines []*state.Machine) map[string]bool {
	names := map[string]bool{}
	for _, m := range machines {
		if m.Node != nil && m.Claim != nil && m.Claim.Annotations[survey.AnnotationStep] != "" {
			names[m.Node.Name] = true
		}
	}
	return names
}

// onlyFor tells of planned claims that are for nothing but pods still running on the given nodes. The step that removes
// those nodes has seen to their room: it knows which type each replacement will be, and here a replacement that is not
// launched counts as the least of its types. Where it was wrong after all, its pods will wait, and are planned for then.
func onlyFor(nodes map[string]bool) func(solver.Claim) bool {
	return func(claim solver.Claim) bool {
		return !slices.ContainsFunc(claim.Pods, func(pod *corev1.Pod) bool { return !nodes[pod.Spec.NodeName] })
	}
}

// protect keeps nodes that pods are promised to from being taken for empty.
func (c *Controller) protect(ctx context.Context, machines []*state.Machine, kept kept) {
	for _, m := range machines {
		if len(kept.byMachine[m.Name()]) > 0 && m.ProviderID() != "" {
			c.Cluster.NominateNodeForPod(ctx, m.ProviderID())
		}
	}
}

// valid leaves out pods that ask for what no node of ours can be.
func (c *Controller) valid(ctx context.Context, pods []*corev1.Pod) (valid []*corev1.Pod, ignored []state.Rejected) {
	for _, pod := range pods {
		if err := c.Validator.Validate(ctx, pod); err != nil {
			ignored = append(ignored, state.Rejected{Pod: pod, Err: err})
			continue
		}
		valid = append(valid, pod)
	}
	return valid, ignored
}
