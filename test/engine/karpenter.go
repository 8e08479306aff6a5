package engine

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	kfake "sigs.k8s.io/karpenter/pkg/cloudprovider/fake"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/operator/injection"
	"sigs.k8s.io/karpenter/pkg/operator/options"
	requirements "sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/automode-dev/automode/compute/solver"
	picture "github.com/automode-dev/automode/compute/state"
)

// world is a case set up for Karpenter's code.
type world struct {
	ctx      context.Context
	client   client.Client
	cluster  *state.Cluster
	nodes    []*state.StateNode
	types    map[string][]*cloudprovider.InstanceType
	topology *scheduling.Topology
	pods     []*corev1.Pod
	volumes  map[types.UID][]requirements.Requirements // by pod: what its volumes ask of a node, as alternatives
}

// newWorld puts the case's nodes, and extra ones, into Karpenter's state.
func (c *Case) newWorld(extra []*corev1.Node, opts ...scheduling.Options) (*world, error) {
	w := &world{types: map[string][]*cloudprovider.InstanceType{}}
	w.ctx = options.ToContext(injection.WithControllerName(context.Background(), "provisioner"), &options.Options{
		PreferencePolicy: options.PreferencePolicyRespect, MinValuesPolicy: options.MinValuesPolicyStrict, IgnoreDRARequests: true,
		FeatureGates: options.FeatureGates{ReservedCapacity: true}})
	objects := newObjects()
	c = c.started()
	for _, o := range c.objects() {
		objects.add(o)
	}
	w.client = objects
	w.cluster = state.NewCluster(clock.RealClock{}, w.client, kfake.NewCloudProvider())
	for _, n := range c.Claims {
		w.cluster.UpdateNodeClaim(n.DeepCopy())
	}
	for _, n := range slices.Concat(c.Nodes, extra) {
		if err := w.cluster.UpdateNode(w.ctx, n.DeepCopy()); err != nil {
			return nil, fmt.Errorf("adding node %s: %w", n.Name, err)
		}
	}
	for _, p := range c.Bound {
		if err := w.cluster.UpdatePod(w.ctx, p.DeepCopy()); err != nil {
			return nil, fmt.Errorf("adding pod %s: %w", p.Name, err)
		}
	}
	w.nodes = w.cluster.DeepCopyNodes().Active()
	for _, p := range c.orderedPools() {
		w.types[p.Name] = c.Types
	}
	w.volumes = map[types.UID][]requirements.Requirements{}
	for _, p := range c.toPlace() {
		p = p.DeepCopy()
		alternatives, err := scheduling.NewVolumeTopology(w.client).GetRequirements(w.ctx, p)
		if err != nil {
			return nil, fmt.Errorf("reading the volumes of pod %s: %w", p.Name, err)
		}
		w.pods, w.volumes[p.UID] = append(w.pods, p), alternatives
	}
	var err error
	w.topology, err = scheduling.NewTopology(w.ctx, w.client, w.cluster, w.nodes, c.orderedPools(), w.types, w.pods, opts...)
	return w, err
}

// started is the case with nodes that have lost their startup taints. Karpenter
// counts no pods on the others where spreads honour taints.
func (c *Case) started() *Case {
	out := *c
	out.Nodes = nil
	for _, n := range c.Nodes {
		n = n.DeepCopy()
		n.Spec.Taints = c.claimOf(n.Name).Spec.Taints
		out.Nodes = append(out.Nodes, n)
	}
	return &out
}

// orderedPools lists the pools as Karpenter's provisioner hands them on, static ones left out.
func (c *Case) orderedPools() []*v1.NodePool {
	list := &v1.NodePoolList{}
	for _, p := range c.Pools {
		if p.Spec.Replicas == nil {
			list.Items = append(list.Items, *p)
		}
	}
	return orderByWeight(list)
}

// Karpenter is what Karpenter's scheduler makes of the case, with one worker as
// in its default deployment.
func (c *Case) Karpenter() (solver.Plan, error) {
	oneWorker := scheduling.NumConcurrentReconciles(1)
	w, err := c.newWorld(nil, oneWorker)
	if err != nil {
		return solver.Plan{}, err
	}
	s := scheduling.NewScheduler(w.ctx, w.client, c.orderedPools(), w.cluster, w.nodes, w.topology, w.types, c.DaemonSets,
		events.NewRecorder(&record.FakeRecorder{}), clock.RealClock{}, w.volumes, nil, oneWorker)
	res, err := s.Solve(w.ctx, w.pods)
	if err != nil {
		return solver.Plan{}, fmt.Errorf("running Karpenter's scheduler: %w", err)
	}
	var plan solver.Plan
	for _, n := range res.ExistingNodes {
		plan.Placements = append(plan.Placements, solver.Placement{Node: n.Name(), Pods: n.Pods})
	}
	for _, n := range res.NewNodeClaims {
		claim := claimOf(n)
		if _, o := c.offering(&claim); o != nil && o.CapacityType() == v1.CapacityTypeReserved {
			claim.Cheapest.Reservation = o.ReservationID()
		}
		plan.Claims = append(plan.Claims, claim)
	}
	for p := range res.PodErrors {
		plan.Unplaced = append(plan.Unplaced, solver.Unplaced{Pod: p})
	}
	return plan, nil
}

// claimOf puts a claim of Karpenter's into the solver's terms, without the labels that every node of its pool gets.
func claimOf(n *scheduling.NodeClaim) solver.Claim {
	l := launched(n)
	out := solver.Claim{Pool: l.Pool, Pods: n.Pods, Cheapest: solver.Choice{Type: l.Type, Zone: l.Zone, CapacityType: l.CapacityType, Price: l.Price}}
	for _, t := range n.InstanceTypeOptions {
		out.Types = append(out.Types, t.Name)
	}
	for _, r := range n.Requirements.NodeSelectorRequirements() {
		if _, ok := n.Labels[r.Key]; !ok && r.Key != v1.NodeRegisteredLabelKey && r.Key != v1.NodeInitializedLabelKey {
			out.Requirements = append(out.Requirements, picture.Requirement(r))
		}
	}
	return out
}

// cpuTime is what the process has used: on a busy machine it says more than the
// clock does.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
