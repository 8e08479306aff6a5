package plan

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/resource"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	karpscheduling "sigs.k8s.io/karpenter/pkg/scheduling"
	"sigs.k8s.io/karpenter/pkg/utils/resources"

	"github.com/automode-dev/automode/compute/instancetypes"
	"github.com/automode-dev/automode/compute/nodes"
	"github.com/automode-dev/automode/compute/solver"
	"github.com/automode-dev/automode/compute/state"
)

// staticNode is a node that a static pool has yet to make. Pods do not decide about it; those that wait may use it.
type staticNode struct {
	solver.Node
	plan Node
}

// staticNodes are the nodes that static pools lack. Each is what the controllers would launch for a claim of the pool.
func (s *Scenario) staticNodes(picture *state.Picture, m *market) ([]staticNode, error) {
	have := map[string]int64{}
	for _, machine := range picture.Machines() {
		if !machine.Leaving() {
			have[machine.Pool()]++
		}
	}
	var out []staticNode
	for _, pool := range picture.Pools() {
		if pool.Spec.Replicas == nil || !pool.DeletionTimestamp.IsZero() {
			continue
		}
		want := *pool.Spec.Replicas
		if limit, ok := pool.Spec.Limits[resources.Node]; ok {
			want = min(want, limit.Value())
		}
		if want <= have[pool.Name] || pool.Spec.Template.Spec.NodeClassRef == nil {
			continue
		}
		launched, err := launched(pool, m)
		if err != nil {
			return nil, err
		}
		for i := have[pool.Name]; launched != nil && i < want; i++ {
			out = append(out, s.staticNode(pool, launched, m, fmt.Sprintf("%s-%d", pool.Name, i+1)))
		}
	}
	return out, nil
}

// launch is what a claim becomes.
type launch struct {
	*cloudprovider.InstanceType
	offering *cloudprovider.Offering // the cheapest
	zones    []string                // where that price is asked, its own first
	names    []string                // of types that would do, cheapest first
}

// launched tells what a plain claim of a pool would be launched as; nil where nothing is available.
func launched(pool *karpv1.NodePool, m *market) (*launch, error) {
	claim := scheduling.NewNodeClaimTemplate(pool).ToNodeClaim()
	selection, err := nodes.Select(context.Background(), claim, m.types(pool))
	if err != nil {
		return nil, fmt.Errorf("choosing instance types for static NodePool %q: %w", pool.Name, err)
	}
	if len(selection.Types) == 0 {
		return nil, nil
	}
	found := &launch{InstanceType: selection.Types[0]}
	for _, it := range selection.Types {
		found.names = append(found.names, it.Name)
	}
	for _, o := range found.Offerings.Available().Compatible(selection.Requirements) {
		switch {
		case found.offering == nil || o.Price < found.offering.Price:
			found.offering, found.zones = o, []string{o.Zone()}
		case o.Price == found.offering.Price && !slices.Contains(found.zones, o.Zone()):
			found.zones = append(found.zones, o.Zone())
		}
	}
	return found, nil
}

func (s *Scenario) staticNode(pool *karpv1.NodePool, l *launch, m *market, name string) staticNode {
	n := solver.Node{
		Name: name, Pool: pool.Name, Taints: pool.Spec.Template.Spec.Taints, Labels: maps.Clone(state.Pool(pool, nil).Labels),
		Allocatable: l.Allocatable(), Capacity: l.Capacity, VolumeLimits: m.translated.VolumeLimits(l.Name),
	}
	maps.Copy(n.Labels, instancetypes.SingleValued(l.Requirements))
	for _, r := range l.offering.Requirements {
		if r.Operator() == corev1.NodeSelectorOpIn && r.Len() == 1 {
			n.Labels[r.Key] = r.Any()
		}
	}
	n.Labels[corev1.LabelHostname] = name
	return staticNode{n, Node{
		NodePool: pool.Name, Static: true, InstanceType: l.Name, Zones: l.zones, CapacityType: l.offering.CapacityType(), Price: l.offering.Price,
		Fee: s.fee(l.Name), Allocatable: n.Allocatable, InstanceTypes: l.names,
	}}
}

// planned is the node in the plan's terms, with the pods that it gets.
func (n *staticNode) planned(daemons, pods []*corev1.Pod) Node {
	out := n.plan
	out.Pods, out.Requests = podNames(pods), corev1.ResourceList{}
	for _, pod := range slices.Concat(n.of(daemons), pods) {
		out.Requests = resources.MergeInto(out.Requests, resource.PodRequests(pod, resource.PodResourcesOptions{}))
	}
	return out
}

// of are the DaemonSets' pods that run on the node.
func (n *staticNode) of(daemons []*corev1.Pod) []*corev1.Pod {
	node := &corev1.Node{}
	node.Name, node.Labels = n.Name, n.Labels
	return slices.DeleteFunc(slices.Clone(daemons), func(pod *corev1.Pod) bool {
		fits, err := nodeaffinity.GetRequiredNodeAffinity(pod).Match(node)
		return err != nil || !fits || karpscheduling.Taints(n.Taints).ToleratesPod(pod) != nil
	})
}

// staticNode finds a node that a static pool has yet to make; nil for another.
func (d *decision) staticNode(name string) *staticNode {
	for i := range d.static {
		if d.static[i].Name == name {
			return &d.static[i]
		}
	}
	return nil
}

// unlessStatic leaves out the pods that go to nodes which static pools have yet to make.
func (d *decision) unlessStatic(pods []*corev1.Pod) []*corev1.Pod {
	placed := map[*corev1.Pod]bool{}
	for _, placement := range d.plan.Placements {
		for _, pod := range placement.Pods {
			placed[pod] = d.staticNode(placement.Node) != nil
		}
	}
	return slices.DeleteFunc(slices.Clone(pods), func(pod *corev1.Pod) bool { return placed[pod] })
}
