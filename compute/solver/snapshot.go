package solver

import (
	corev1 "k8s.io/api/core/v1"
)

// Snapshot is everything that a decision depends on. Solve does not change it.
type Snapshot struct {
	// Pods are those to place: pending ones, and those of nodes that go away.
	Pods []Pod
	// Nodes are those that stay, in flight or running. A node that goes away is
	// left out and its pods stand in Pods.
	Nodes []Node
	// Pools are the NodePools that are ready, in any order.
	Pools []Pool
	// DaemonSets holds one pod per DaemonSet, built from its template.
	DaemonSets []*corev1.Pod
	// Namespaces maps each namespace to its labels, for namespace selectors.
	Namespaces map[string]map[string]string
	// Census, when set, made what stands as Occupancy of nodes.
	Census *Census
	// WellKnown are the label keys that a pod may require although its pool does
	// not define them; nil stands for the keys of instance types and offerings.
	WellKnown map[string]bool

	Options Options
}

// Options change how Solve decides. The zero value is Karpenter's behaviour
// with cost in mind.
type Options struct {
	// IgnorePreferences drops all soft constraints.
	IgnorePreferences bool
	// RelaxMinValues allows fewer distinct values than minValues asks for where
	// there are not enough (Karpenter's BestEffort policy).
	RelaxMinValues bool
	// ComparePools chooses by price among pools of equal weight instead of by name.
	ComparePools bool
	// MaxTypes bounds the instance types listed in a claim, cheapest first; 0 means 600.
	MaxTypes int
	// Effort scales how long the search for a cheaper plan goes on; 0 means 1.
	Effort float64
	// Stop, when set, is asked between attempts whether to return what there is,
	// by several goroutines at a time. It makes the plan depend on when it says so.
	Stop func() bool

	// Cache keeps what is known of instance types for the next call; nil keeps nothing.
	Cache *Cache

	apart map[int]bool // soft groups that are rules in this attempt, by id
	first string       // the pool that comes before others of its weight in this attempt, with ComparePools
}

// Pod is a pod to place with what its volumes ask of a node.
type Pod struct {
	*corev1.Pod
	// VolumeTopology lists alternatives; a node must meet one of them. None
	// means that volumes do not care.
	VolumeTopology [][]Requirement
	// Volumes maps a CSI driver to the volumes the pod attaches through it.
	Volumes map[string][]string
}

// Requirement is a condition on one label of a node.
type Requirement struct {
	Key      string
	Operator corev1.NodeSelectorOperator // In NotIn Exists DoesNotExist Gt Lt Gte Lte
	Values   []string
	// MinValues is how many distinct values the claim must stay open to; only
	// in a pool's requirements.
	MinValues int
}

// Operators beyond those of the core API, as NodePools have them.
const (
	OpGte corev1.NodeSelectorOperator = "Gte"
	OpLte corev1.NodeSelectorOperator = "Lte"
)

// Node is a node that pods may be placed on.
type Node struct {
	Name   string
	Pool   string // empty for nodes that no pool owns
	Labels map[string]string
	// Taints without those that go away by themselves while the node starts.
	Taints      []corev1.Taint
	Allocatable corev1.ResourceList
	Capacity    corev1.ResourceList
	// Pods bound to the node, those of DaemonSets included, finished ones not.
	Pods []*corev1.Pod
	// Occupancy is what the snapshot's census says of Pods; nil is worked out.
	Occupancy *Occupancy
	// Initialized nodes are filled before others.
	Initialized bool
	// VolumeLimits is how many volumes of a CSI driver may be attached.
	VolumeLimits map[string]int
	// Attached lists the volumes that are attached, by CSI driver.
	Attached map[string][]string
}

// Pool is a NodePool with the instance types it may use.
type Pool struct {
	Name         string
	Weight       int32
	Labels       map[string]string // of the template, the pool's own label included
	Requirements []Requirement
	Taints       []corev1.Taint
	Limits       corev1.ResourceList // what is allowed in total; "nodes" counts nodes
	Types        []*InstanceType     // pools may share the types
	// Static pools have as many nodes as their replicas say: pods may use those, but never get new ones.
	Static bool
}

// InstanceType is what could be launched.
type InstanceType struct {
	Name string
	// Requirements are the labels of such a node that do not depend on the
	// offering. A key with several values leaves the choice open.
	Requirements []Requirement
	Capacity     corev1.ResourceList
	Allocatable  corev1.ResourceList
	// VolumeLimits is how many volumes of a CSI driver may be attached; a driver
	// not listed has no limit.
	VolumeLimits map[string]int
	Offerings    []Offering
}

// Offering is one way to buy an instance type.
type Offering struct {
	Labels    map[string]string // zone, capacity type, zone id, reservation id
	Price     float64           // dollars per hour
	Available bool
	// Reservation is the id of the capacity reservation behind the offering, and
	// Remaining how many instances it has left.
	Reservation string
	Remaining   int
}

// CapacityType is the offering's label karpenter.sh/capacity-type.
func (o *Offering) CapacityType() string { return o.Labels[capacityTypeLabel] }

// Zone is the offering's zone.
func (o *Offering) Zone() string { return o.Labels[corev1.LabelTopologyZone] }

const (
	capacityTypeLabel = "karpenter.sh/capacity-type"
	nodePoolLabel     = "karpenter.sh/nodepool"
	limitNodes        = corev1.ResourceName("nodes")
)
