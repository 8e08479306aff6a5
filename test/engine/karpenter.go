package engine

import (
	"context"
	"fmt"
	"math"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	kfake "sigs.k8s.io/karpenter/pkg/cloudprovider/fake"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/operator/injection"
	"sigs.k8s.io/karpenter/pkg/operator/options"
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
}

// newWorld puts the case's nodes, and extra ones, into Karpenter's state.
func (c *Case) newWorld(extra []*corev1.Node, opts ...scheduling.Options) (*world, error) {
	w := &world{types: map[string][]*cloudprovider.InstanceType{}}
	w.ctx = options.ToContext(injection.WithControllerName(context.Background(), "provisioner"), &options.Options{
		PreferencePolicy: options.PreferencePolicyRespect, MinValuesPolicy: options.MinValuesPolicyStrict, IgnoreDRARequests: true,
		FeatureGates: options.FeatureGates{ReservedCapacity: true}})
	b := fake.NewClientBuilder().WithIndex(&corev1.Pod{}, "spec.nodeName", func(o client.Object) []string {
		return []string{o.(*corev1.Pod).Spec.NodeName}
	})
	for _, n := range c.Namespaces {
		b = b.WithObjects(n)
	}
	for _, n := range c.Nodes {
		b = b.WithObjects(n.DeepCopy())
	}
	for _, p := range c.Bound {
		b = b.WithObjects(p.DeepCopy())
	}
	w.client = b.Build()
	w.cluster = state.NewCluster(clock.RealClock{}, w.client, kfake.NewCloudProvider())
	for _, n := range append(append([]*corev1.Node{}, c.Nodes...), extra...) {
		if err := w.cluster.UpdateNode(w.ctx, n.DeepCopy()); err != nil {
			return nil, fmt.Errorf("adding node %s: %w", n.Name, err)
		}
	}
	for _, p := range c.Bound {
		if err := w.cluster.UpdatePod(w.ctx, p.DeepCopy()); err != nil {
			return nil, fmt.Errorf("adding pod %s: %w", p.Name, err)
		}
	}
	w.nodes = w.cluster.DeepCopyNodes()
	for _, p := range c.Pools {
		w.types[p.Name] = c.Types
	}
	for _, p := range c.Pods {
		w.pods = append(w.pods, p.DeepCopy())
	}
	var err error
	w.topology, err = scheduling.NewTopology(w.ctx, w.client, w.cluster, w.nodes, c.orderedPools(), w.types, w.pods, opts...)
	return w, err
}

// orderedPools lists the pools as Karpenter's provisioner hands them on.
func (c *Case) orderedPools() []*v1.NodePool {
	list := &v1.NodePoolList{}
	for _, p := range c.Pools {
		list.Items = append(list.Items, *p)
	}
	return orderByWeight(list)
}

// Outcome is what one side made of a case.
type Outcome struct {
	Nodes    int
	Price    float64
	Unplaced int
	Reasons  map[string]error
	Time     time.Duration
	CPU      time.Duration // of all threads, the garbage collector included
}

// Karpenter runs Karpenter's scheduler on the case, with one worker as in its
// default deployment.
func (c *Case) Karpenter() (Outcome, error) {
	opts := []scheduling.Options{scheduling.NumConcurrentReconciles(1)}
	if c.IgnorePreferences {
		opts = append(opts, scheduling.IgnorePreferences)
	}
	w, err := c.newWorld(nil, opts...)
	if err != nil {
		return Outcome{}, err
	}
	start, cpu := time.Now(), cpuTime()
	s := scheduling.NewScheduler(w.ctx, w.client, c.orderedPools(), w.cluster, w.nodes, w.topology, w.types, c.DaemonSets,
		events.NewRecorder(&record.FakeRecorder{}), clock.RealClock{}, nil, nil, opts...)
	res, err := s.Solve(w.ctx, w.pods)
	out := Outcome{Nodes: len(res.NewNodeClaims), Unplaced: len(res.PodErrors), Time: time.Since(start), CPU: cpuTime() - cpu, Reasons: map[string]error{}}
	for p, e := range res.PodErrors {
		out.Reasons[p.Namespace+"/"+p.Name] = e
	}
	for _, n := range res.NewNodeClaims {
		out.Price += cheapest(n)
	}
	return out, err
}

// cheapest is the price of a NodeClaim when the lowest-price strategy launches it.
func cheapest(n *scheduling.NodeClaim) float64 {
	price := math.Inf(1)
	for _, t := range n.InstanceTypeOptions {
		for _, o := range t.Offerings.Available().Compatible(n.Requirements) {
			price = min(price, o.Price)
		}
	}
	return price
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
