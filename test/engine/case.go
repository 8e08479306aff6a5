package engine

import (
	corev1 "k8s.io/api/core/v1"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/automode-dev/automode/compute/solver"
)

// Case is one problem in Karpenter's terms, from which both sides get theirs.
type Case struct {
	Name       string
	Pods       []*corev1.Pod
	Nodes      []*corev1.Node
	Bound      []*corev1.Pod // pods on nodes
	Pools      []*v1.NodePool
	Types      []*cloudprovider.InstanceType
	DaemonSets []*corev1.Pod
	Namespaces []*corev1.Namespace
	// IgnorePreferences leaves soft constraints out on both sides.
	IgnorePreferences bool
}

// Snapshot is the case as the solver takes it.
func (c *Case) Snapshot() solver.Snapshot {
	s := solver.Snapshot{DaemonSets: c.DaemonSets, Namespaces: map[string]map[string]string{}, WellKnown: map[string]bool{}}
	s.Options.IgnorePreferences = c.IgnorePreferences
	for key := range v1.WellKnownLabels {
		s.WellKnown[key] = true
	}
	for _, n := range c.Namespaces {
		s.Namespaces[n.Name] = n.Labels
	}
	for _, p := range c.Pods {
		s.Pods = append(s.Pods, solver.Pod{Pod: p})
	}
	types := make([]*solver.InstanceType, len(c.Types))
	for i, t := range c.Types {
		types[i] = convertType(t)
	}
	for _, p := range c.Pools {
		s.Pools = append(s.Pools, convertPool(p, types))
	}
	for _, n := range c.Nodes {
		s.Nodes = append(s.Nodes, c.convertNode(n))
	}
	return s
}

func (c *Case) convertNode(n *corev1.Node) solver.Node {
	out := solver.Node{Name: n.Name, Pool: n.Labels[v1.NodePoolLabelKey], Labels: n.Labels, Taints: n.Spec.Taints,
		Allocatable: n.Status.Allocatable, Capacity: n.Status.Capacity, Initialized: true} // Karpenter takes nodes without a claim for initialized
	for _, p := range c.Bound {
		if p.Spec.NodeName == n.Name {
			out.Pods = append(out.Pods, p)
		}
	}
	return out
}

func convertPool(p *v1.NodePool, types []*solver.InstanceType) solver.Pool {
	t := p.Spec.Template
	out := solver.Pool{Name: p.Name, Taints: t.Spec.Taints, Types: types, Limits: corev1.ResourceList(p.Spec.Limits), Labels: map[string]string{v1.NodePoolLabelKey: p.Name}}
	if p.Spec.Weight != nil {
		out.Weight = *p.Spec.Weight
	}
	for k, v := range t.Labels {
		out.Labels[k] = v
	}
	for _, r := range t.Spec.Requirements {
		req := solver.Requirement{Key: r.Key, Operator: r.Operator, Values: r.Values}
		if r.MinValues != nil {
			req.MinValues = *r.MinValues
		}
		out.Requirements = append(out.Requirements, req)
	}
	return out
}

func convertType(t *cloudprovider.InstanceType) *solver.InstanceType {
	out := &solver.InstanceType{Name: t.Name, Capacity: t.Capacity, Allocatable: t.Allocatable()}
	for _, r := range t.Requirements.NodeSelectorRequirements() {
		out.Requirements = append(out.Requirements, solver.Requirement{Key: r.Key, Operator: r.Operator, Values: r.Values})
	}
	for _, o := range t.Offerings {
		of := solver.Offering{Price: o.Price, Available: o.Available, Labels: map[string]string{}}
		for key, r := range o.Requirements {
			of.Labels[key] = r.Any()
		}
		if o.CapacityType() == v1.CapacityTypeReserved {
			of.Reservation, of.Remaining = o.ReservationID(), o.ReservationCapacity
		}
		out.Offerings = append(out.Offerings, of)
	}
	return out
}

// covered tells whether every domain of a node is also one that some pool could
// make. Karpenter's anti-affinity does not see other domains.
func (c *Case) covered() bool {
	known := map[string]bool{}
	for _, p := range c.Pools {
		reqs := scheduling.NewNodeSelectorRequirementsWithMinValues(p.Spec.Template.Spec.Requirements...)
		for _, t := range c.Types {
			for _, o := range t.Offerings {
				for _, key := range []string{corev1.LabelTopologyZone, v1.CapacityTypeLabelKey} {
					if v := o.Requirements.Get(key).Any(); o.Available && reqs.Get(key).Has(v) {
						known[key+v] = true
					}
				}
			}
		}
	}
	for _, n := range c.Nodes {
		for _, key := range []string{corev1.LabelTopologyZone, v1.CapacityTypeLabelKey} {
			if !known[key+n.Labels[key]] {
				return false
			}
		}
	}
	return true
}

// register tells Karpenter's topology of the domains of nodes. It knows those of
// pools that a pod tolerates, which is not enough for the rules of other pods.
func (c *Case) register(w *world) {
	spread := map[string]bool{}
	for _, p := range c.Pods {
		for _, s := range p.Spec.TopologySpreadConstraints {
			spread[s.TopologyKey] = true
		}
	}
	for _, n := range w.nodes {
		for _, key := range []string{corev1.LabelTopologyZone, v1.CapacityTypeLabelKey} {
			if domain, ok := n.Labels()[key]; ok && !spread[key] {
				w.topology.Register(key, domain)
			}
		}
	}
}

// labelsOf are the labels of a node of a type in one of its offerings.
func labelsOf(t *cloudprovider.InstanceType, o *cloudprovider.Offering) map[string]string {
	out := map[string]string{}
	add := func(reqs scheduling.Requirements) {
		for key, r := range reqs {
			if values := r.Values(); r.Operator() == corev1.NodeSelectorOpIn && len(values) == 1 {
				out[key] = values[0]
			}
		}
	}
	add(t.Requirements)
	add(o.Requirements)
	return out
}
