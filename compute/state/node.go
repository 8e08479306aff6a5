package state

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/automode-dev/automode/compute/solver"
)

// Machine is a node with its claim: one of them may be missing. A claim without a node is in flight; a node without a
// claim is somebody else's.
type Machine struct {
	Node  *corev1.Node
	Claim *karpv1.NodeClaim
	// Pods that are bound to the node and not finished, in order of namespace and name.
	Pods []*corev1.Pod
}

// Name is the node's name, the claim's while there is no node.
func (m *Machine) Name() string {
	if m.Node != nil {
		return m.Node.Name
	}
	return m.Claim.Name
}

// ProviderID is empty while the claim is not launched.
func (m *Machine) ProviderID() string {
	if m.Node != nil && m.Node.Spec.ProviderID != "" {
		return m.Node.Spec.ProviderID
	}
	if m.Claim != nil {
		return m.Claim.Status.ProviderID
	}
	return ""
}

// Pool is the name of the NodePool, empty for nodes that none owns.
func (m *Machine) Pool() string {
	if m.Claim != nil {
		return m.Claim.Labels[karpv1.NodePoolLabelKey]
	}
	return m.Node.Labels[karpv1.NodePoolLabelKey]
}

// Registered tells whether the node has joined and been made known as the claim's.
func (m *Machine) Registered() bool {
	return m.Claim == nil || m.labelled(karpv1.NodeRegisteredLabelKey)
}

// Initialized tells whether the node is ready for pods.
func (m *Machine) Initialized() bool {
	return m.Claim == nil || m.labelled(karpv1.NodeInitializedLabelKey)
}

// Starting tells whether the node is yet to get what Karpenter waits for before it is initialized, but for being ready: it has
// a startup taint, or lacks a resource that its claim asks for, which a device plugin brings.
func (m *Machine) Starting() bool {
	if m.Node == nil || m.Claim == nil {
		return false
	}
	for name, asked := range m.Claim.Spec.Resources.Requests {
		if there := m.Node.Status.Allocatable[name]; !asked.IsZero() && there.IsZero() {
			return true
		}
	}
	return slices.ContainsFunc(m.Node.Spec.Taints, func(taint corev1.Taint) bool {
		return slices.ContainsFunc(m.Claim.Spec.StartupTaints, func(t corev1.Taint) bool { return t.MatchTaint(&taint) })
	})
}

func (m *Machine) labelled(key string) bool { return m.Node != nil && m.Node.Labels[key] == "true" }

// Leaving tells whether the node is being deleted.
func (m *Machine) Leaving() bool {
	return m.Node != nil && !m.Node.DeletionTimestamp.IsZero() || m.Claim != nil && !m.Claim.DeletionTimestamp.IsZero()
}

// Labels are the node's, or those its claim promises until it has joined.
func (m *Machine) Labels() map[string]string {
	if m.Registered() {
		return m.Node.Labels
	}
	return m.Claim.Labels
}

// Taints that stay: those that go away by themselves while a node starts are left out until it is initialized, and that of
// a node which is closed until its pods are nominated always.
func (m *Machine) Taints() []corev1.Taint {
	var taints []corev1.Taint
	if m.Registered() {
		taints = m.Node.Spec.Taints
	} else {
		taints = m.Claim.Spec.Taints
	}
	if slices.ContainsFunc(taints, closes) {
		taints = slices.DeleteFunc(slices.Clone(taints), closes)
	}
	if m.Initialized() {
		return taints
	}
	return slices.DeleteFunc(slices.Clone(taints), func(taint corev1.Taint) bool {
		return scheduling.IsKnownEphemeralTaint(&taint) ||
			slices.ContainsFunc(m.Claim.Spec.StartupTaints, func(t corev1.Taint) bool { return t.MatchTaint(&taint) })
	})
}

// Allocatable is what pods may use: what the node reports, and what the claim promises where it does not yet.
func (m *Machine) Allocatable() corev1.ResourceList {
	return m.amounts(func(n *corev1.Node) corev1.ResourceList { return n.Status.Allocatable }, func(c *karpv1.NodeClaim) corev1.ResourceList { return c.Status.Allocatable })
}

// Capacity is what the node has, like Allocatable.
func (m *Machine) Capacity() corev1.ResourceList {
	return m.amounts(func(n *corev1.Node) corev1.ResourceList { return n.Status.Capacity }, func(c *karpv1.NodeClaim) corev1.ResourceList { return c.Status.Capacity })
}

func (m *Machine) amounts(ofNode func(*corev1.Node) corev1.ResourceList, ofClaim func(*karpv1.NodeClaim) corev1.ResourceList) corev1.ResourceList {
	if m.Initialized() {
		return ofNode(m.Node)
	}
	promised := ofClaim(m.Claim)
	if len(promised) == 0 {
		// Not launched yet: every type that may come has room for what was planned.
		promised = m.Claim.Spec.Resources.Requests
	}
	if m.Node == nil {
		return promised
	}
	reported := maps.Clone(ofNode(m.Node))
	if reported == nil {
		reported = corev1.ResourceList{}
	}
	for name, quantity := range promised {
		if had, ok := reported[name]; !ok || had.IsZero() {
			reported[name] = quantity
		}
	}
	return reported
}

// Machines lists all nodes and claims in order of name.
func (p *Picture) Machines() []*Machine {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.machines()
}

// Machine finds that of a node by its name; nil where there is none.
func (p *Picture) Machine(node string) *Machine {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.machine(node)
}

func (p *Picture) machine(name string) *Machine {
	node, ok := p.nodes[name]
	if !ok {
		return nil
	}
	m := &Machine{Node: node, Pods: sortedPods(p.bound[name])}
	if claim, ok := p.claimByID[node.Spec.ProviderID]; ok && node.Spec.ProviderID != "" {
		m.Claim = p.claims[claim]
	}
	return m
}

func (p *Picture) machines() []*Machine {
	list := make([]*Machine, 0, len(p.nodes)+4)
	for name := range p.nodes {
		list = append(list, p.machine(name))
	}
	for _, claim := range p.claims {
		if node, ok := p.nodeByID[claim.Status.ProviderID]; ok && claim.Status.ProviderID != "" && p.nodes[node] != nil {
			continue
		}
		list = append(list, &Machine{Claim: claim})
	}
	slices.SortFunc(list, func(a, b *Machine) int { return strings.Compare(a.Name(), b.Name()) })
	return list
}

func sortedPods(set map[types.NamespacedName]*corev1.Pod) []*corev1.Pod {
	list := slices.Collect(maps.Values(set))
	slices.SortFunc(list, byName)
	return list
}

func byName(a, b *corev1.Pod) int {
	if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
		return c
	}
	return strings.Compare(a.Name, b.Name)
}

// translate puts the machine into the solver's terms. The types are those of its pool.
func (p *Picture) translate(m *Machine, types map[string]*solver.InstanceType) solver.Node {
	n := solver.Node{
		Name: m.Name(), Pool: m.Pool(), Labels: m.Labels(), Taints: m.Taints(), Allocatable: m.Allocatable(), Capacity: m.Capacity(),
		Pods: m.Pods, Initialized: m.Initialized(),
	}
	n.VolumeLimits = p.volumeLimits(m, types)
	if m.Claim != nil && len(m.Claim.Status.Capacity) == 0 && m.Node == nil {
		promise(&n, m.Claim, types)
	}
	if m.Labels()[corev1.LabelHostname] == "" {
		n.Labels = maps.Clone(n.Labels)
		if n.Labels == nil {
			n.Labels = map[string]string{}
		}
		n.Labels[corev1.LabelHostname] = m.Name()
	}
	for _, pod := range m.Pods {
		for driver, volumes := range p.podVolumes(pod) {
			if n.Attached == nil {
				n.Attached = map[string][]string{}
			}
			n.Attached[driver] = append(n.Attached[driver], volumes...)
		}
	}
	return n
}
