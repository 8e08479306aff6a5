package engine

import (
	"context"
	"fmt"
	"math"
	"time"

	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	kfake "sigs.k8s.io/karpenter/pkg/cloudprovider/fake"
	"sigs.k8s.io/karpenter/pkg/controllers/disruption"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/operator/injection"
	"sigs.k8s.io/karpenter/pkg/operator/options"
)

// Karpenter is Karpenter's own provisioner and consolidation with a cluster in
// their state, one worker, the default options.
type Karpenter struct {
	ctx         context.Context
	objects     *objects
	cluster     *state.Cluster
	provider    *kfake.CloudProvider
	recorder    events.Recorder
	provisioner *provisioning.Provisioner
	queue       *disruption.Queue
}

// NewKarpenter puts the objects of a cluster where Karpenter looks for them.
func NewKarpenter(c *Cluster) (*Karpenter, error) {
	k := &Karpenter{objects: newObjects(), provider: kfake.NewCloudProvider(), recorder: events.NewRecorder(&record.FakeRecorder{})}
	k.ctx = options.ToContext(injection.WithControllerName(context.Background(), "provisioner"), &options.Options{
		PreferencePolicy: options.PreferencePolicyRespect, MinValuesPolicy: options.MinValuesPolicyStrict, IgnoreDRARequests: true, CPURequests: 1000,
		FeatureGates: options.FeatureGates{ReservedCapacity: true}})
	k.provider.InstanceTypes = c.Types
	k.objects.addAll(c)
	k.cluster = state.NewCluster(clock.RealClock{}, k.objects, k.provider)
	k.provisioner = provisioning.NewProvisioner(k.objects, k.recorder, k.provider, k.cluster, clock.RealClock{}, nil, nil)
	k.queue = disruption.NewQueue(k.objects, k.recorder, k.cluster, clock.RealClock{}, k.provisioner)
	for _, n := range c.Nodes {
		k.cluster.UpdateNodeClaim(n.Claim.DeepCopy())
		if err := k.cluster.UpdateNode(k.ctx, n.Node.DeepCopy()); err != nil {
			return nil, fmt.Errorf("adding node %s: %w", n.Name, err)
		}
		for _, p := range n.Pods {
			if err := k.cluster.UpdatePod(k.ctx, p.DeepCopy()); err != nil {
				return nil, fmt.Errorf("adding pod %s: %w", p.Name, err)
			}
		}
	}
	return k, nil
}

// addAll takes in all objects of a cluster.
func (o *objects) addAll(c *Cluster) {
	for _, p := range c.Pools {
		o.add(p)
	}
	for _, d := range c.DaemonSets {
		o.add(d)
	}
	for _, p := range c.PDBs {
		o.add(p)
	}
	for _, p := range c.Waiting {
		o.add(p)
	}
	for _, n := range c.Nodes {
		o.add(n.Node)
		o.add(n.Claim)
		for _, p := range n.Pods {
			o.add(p)
		}
	}
}

// Provision does what Karpenter's provisioner does when pods wait, but for the
// minute after which it would stop.
func (k *Karpenter) Provision() (Decision, error) {
	nodes := k.cluster.DeepCopyNodes()
	pods, err := k.provisioner.GetPendingPods(k.ctx)
	if err != nil {
		return Decision{}, err
	}
	s, err := k.provisioner.NewScheduler(k.ctx, pods, nodes.Active(), nil,
		scheduling.DisableReservedCapacityFallback, scheduling.NumConcurrentReconciles(1), scheduling.MinValuesPolicy(options.MinValuesPolicyStrict))
	if err != nil {
		return Decision{}, fmt.Errorf("setting up Karpenter's scheduler: %w", err)
	}
	results, err := s.Solve(k.ctx, pods)
	if err != nil {
		return Decision{}, fmt.Errorf("running Karpenter's scheduler: %w", err)
	}
	d := fromResults(results.TruncateInstanceTypes(k.ctx, scheduling.MaxInstanceTypes))
	d.LeftOut = len(results.PodErrors)
	return d, nil
}

// Consolidate is one pass of Karpenter's disruption controller: empty nodes, else
// several nodes, else one node. Drift is left out, and so are the wait of 15
// seconds for validation, and the minutes after which it would take what it has:
// a busy machine would cut it short.
func (k *Karpenter) Consolidate() (Decision, error) {
	ctx := injection.WithControllerName(unhurried{k.ctx}, "disruption")
	disruption.SingleNodeConsolidationTimeoutDuration = math.MaxInt64 // read from the clock, not from the context
	c := disruption.MakeConsolidation(clock.RealClock{}, k.cluster, k.objects, k.provisioner, k.provider, k.recorder, k.queue)
	valid := disruption.WithValidator(accepted{})
	for _, method := range []disruption.Method{disruption.NewEmptiness(c, valid), disruption.NewMultiNodeConsolidation(c, valid), disruption.NewSingleNodeConsolidation(c, valid)} {
		commands, err := k.compute(ctx, method)
		if err != nil {
			return Decision{}, fmt.Errorf("computing commands of method %s: %w", method.ConsolidationType(), err)
		}
		if len(commands) > 0 {
			return fromCommand(commands[0]), nil // consolidation gives one at a time
		}
	}
	return Decision{}, nil
}

func (k *Karpenter) compute(ctx context.Context, method disruption.Method) ([]disruption.Command, error) {
	candidates, totals, err := disruption.GetCandidatesWithTotals(ctx, k.cluster, k.objects, k.recorder, clock.RealClock{}, k.provider, method.ShouldDisrupt, method.Class(), k.queue, nil)
	if err != nil || len(candidates) == 0 {
		return nil, err
	}
	if setter, ok := method.(disruption.NodePoolTotalsSetter); ok {
		setter.SetNodePoolTotals(totals)
	}
	allowed, err := disruption.BuildDisruptionBudgetMapping(ctx, k.cluster, clock.RealClock{}, k.objects, k.provider, k.recorder, method.Reason())
	if err != nil {
		return nil, err
	}
	return method.ComputeCommands(ctx, allowed, candidates...)
}

// unhurried is a context with a deadline that has passed and does not matter:
// contexts with a timeout that are made of it get none.
type unhurried struct{ context.Context }

// Deadline is sooner than any other.
func (unhurried) Deadline() (time.Time, bool) { return time.Time{}, true }

// accepted is a validator that takes every command for valid.
type accepted struct{}

// Validate returns the command at once.
func (accepted) Validate(_ context.Context, c disruption.Command, _ time.Duration) (disruption.Command, error) {
	return c, nil
}

func fromCommand(c disruption.Command) Decision {
	d := fromResults(c.Results)
	for _, x := range c.Candidates {
		d.Remove = append(d.Remove, x.Name())
	}
	return d
}

func fromResults(results scheduling.Results) Decision {
	d := Decision{Place: map[string][]string{}}
	for _, n := range results.ExistingNodes {
		if len(n.Pods) > 0 {
			d.Place[n.Name()] = podNames(n.Pods)
		}
	}
	for _, n := range results.NewNodeClaims {
		d.Launch = append(d.Launch, launched(n))
	}
	return d
}

// launched is what the lowest-price strategy makes of a claim.
func launched(n *scheduling.NodeClaim) Launch {
	out := Launch{Pool: n.NodePoolName, Pods: podNames(n.Pods)}
	for _, t := range n.InstanceTypeOptions {
		for _, o := range t.Offerings.Available().Compatible(n.Requirements) {
			if l := (Launch{out.Pool, t.Name, o.Zone(), o.CapacityType(), o.Price, out.Pods}); out.Type == "" || l.before(out) {
				out = l
			}
		}
	}
	return out
}

// before orders by price, then by name.
func (l Launch) before(m Launch) bool {
	if l.Price != m.Price {
		return l.Price < m.Price
	}
	return l.Type+l.Zone+l.CapacityType < m.Type+m.Zone+m.CapacityType
}
