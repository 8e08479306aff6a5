package solver

import corev1 "k8s.io/api/core/v1"

// Plan is the decision with its reasons.
type Plan struct {
	// Placements say which pod goes to which node that exists, in order of the nodes.
	Placements []Placement
	// Claims are the nodes to create.
	Claims []Claim
	// Unplaced are the pods that nothing fits, in the order of the snapshot.
	Unplaced []Unplaced

	// Price is what the claims cost in dollars per hour.
	Price float64
	// Bound is a price that no set of new nodes for the same pods can be below:
	// the optimum with nodes that may be bought in fractions, the pods being in the zones and other domains that
	// spreads, affinities and preferences were settled in.
	Bound float64
	// WholeBound is the same for nodes that are bought whole: between Bound and what the cheapest plan costs.
	WholeBound float64
	// Method names the way of packing that gave the cheapest claims, per pool.
	Method map[string]string
}

// Placement puts pods on an existing node.
type Placement struct {
	Node string
	Pods []*corev1.Pod
}

// Claim is a node to create.
type Claim struct {
	Pool string
	Pods []*corev1.Pod
	// Types are the interchangeable instance types, cheapest first.
	Types []string
	// Requirements narrow the pool's own, instance types not included.
	Requirements []Requirement
	// Requests is what the pods and the DaemonSets of the cheapest type ask for.
	Requests corev1.ResourceList
	// Cheapest is the offering that the price is of.
	Cheapest Choice
	// MinValuesRelaxed tells that the pool's minValues could not be kept.
	MinValuesRelaxed bool
}

// Choice is a type in one of its offerings.
type Choice struct {
	Type         string
	Zone         string
	CapacityType string
	Reservation  string
	Price        float64
}

// Unplaced is a pod that was left out.
type Unplaced struct {
	Pod *corev1.Pod
	// Reasons holds one line per pool, in the order the pools were tried.
	Reasons []Reason
	// Nearest is the least change that would let the pod be placed, where one is known.
	Nearest string
}

// Reason is why a pool could not take a pod.
type Reason struct {
	Pool    string
	Kind    ReasonKind
	Message string
}

// ReasonKind sorts reasons for tables and metrics.
type ReasonKind string

// Why a pool cannot take a pod.
const (
	ReasonNoPool       ReasonKind = "NoPool"       // there is no pool at all
	ReasonStatic       ReasonKind = "Static"       // the pool is static: its number of nodes is fixed
	ReasonNoTypes      ReasonKind = "NoTypes"      // the pool's requirements leave no type
	ReasonTaints       ReasonKind = "Taints"       // the pod does not tolerate a taint
	ReasonRequirements ReasonKind = "Requirements" // selectors or affinity exclude all nodes of the pool
	ReasonResources    ReasonKind = "Resources"    // no type is large enough
	ReasonLacking      ReasonKind = "Lacking"      // no type has any of a resource
	ReasonOfferings    ReasonKind = "Offerings"    // the types that fit are not available now
	ReasonMinValues    ReasonKind = "MinValues"    // too few types are left for the pool's minValues
	ReasonTopology     ReasonKind = "Topology"     // spread or (anti-)affinity rules allow no domain
	ReasonHostPorts    ReasonKind = "HostPorts"    // a DaemonSet uses the pod's host port
	ReasonLimits       ReasonKind = "Limits"       // the pool's limits are reached
)
