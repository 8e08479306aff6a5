package disruption

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/automode-dev/automode/compute/solver"
)

// Snapshot is everything that a decision depends on. Disrupt does not change it.
type Snapshot struct {
	// Now is the time that ages, schedules and annotations are measured at.
	Now time.Time
	// Nodes are all nodes and the claims that are on their way to become one.
	Nodes []Node
	// Pending are the pods that wait for a node. They are placed before any node is judged.
	Pending []solver.Pod
	// Pools are the NodePools that are ready, static ones included.
	Pools []Pool
	// PDBs are the PodDisruptionBudgets.
	PDBs []PDB
	// DaemonSets, Namespaces and WellKnown are those of the solver's snapshot.
	DaemonSets []*corev1.Pod
	Namespaces map[string]map[string]string
	WellKnown  map[string]bool

	// Solver is passed to the solver. Its Stop is replaced by that of Options.
	Solver  solver.Options
	Options Options
}

// Node is a node with what decides about its end. The embedded Pods are those
// bound to it, pods of DaemonSets included.
type Node struct {
	solver.Node
	// Claim is the name of the NodeClaim; empty for nodes that are not ours.
	Claim string
	// Joined tells that the node object exists, Ready that it is ready.
	Joined, Ready bool
	// Deleting nodes are going away already or about to; their pods look for places.
	Deleting bool
	// Terminating tells that the instance is being terminated: budgets no longer count the node.
	Terminating bool
	// Nominated nodes are expected to take pending pods.
	Nominated bool
	// DoNotDisrupt is the annotation karpenter.sh/do-not-disrupt: "true" on the node or its claim.
	DoNotDisrupt bool
	// Consolidatable is the claim's condition of that name.
	Consolidatable bool
	// Buffered nodes hold room that was bought as a buffer.
	Buffered bool
	// Drifted is since when the claim has been drifted; zero when it is not.
	Drifted time.Time
	// Created and Expires are when the claim's life began and ends; zero Expires means never.
	Created, Expires time.Time
	// Settled is when pods last came or went, or else when the node was initialized.
	Settled time.Time
	// TerminationGracePeriod bounds how long pods can hold up the drain; nil means for ever.
	TerminationGracePeriod *time.Duration
	// Volumes holds what pods with volumes ask of a node, by pod.
	Volumes map[types.UID]PodVolumes
}

// PodVolumes is the volume side of a solver.Pod.
type PodVolumes struct {
	Topology [][]solver.Requirement
	Attached map[string][]string
}

// Pool is a NodePool with its disruption settings.
type Pool struct {
	solver.Pool
	Policy Policy
	// ConsolidateAfter is how long a node must be settled; nil means never.
	ConsolidateAfter *time.Duration
	Budgets          []Budget
	// Replicas is how many nodes a static pool keeps; they are never consolidated.
	Replicas int
}

// Policy is a NodePool's consolidation policy.
type Policy string

// The consolidation policies. Empty means WhenEmptyOrUnderutilized.
const (
	WhenEmpty                Policy = "WhenEmpty"
	WhenEmptyOrUnderutilized Policy = "WhenEmptyOrUnderutilized"
	Balanced                 Policy = "Balanced"
)

// Budget bounds how many nodes of a pool may be on their way out at a time.
type Budget struct {
	// Nodes is a count, or a percentage of the pool's nodes, rounded up.
	Nodes string
	// Reasons that the budget is for; none means all.
	Reasons []Reason
	// Schedule is a cron line in UTC at which the budget becomes active for
	// Duration; empty means always.
	Schedule string
	Duration time.Duration
}

// Reason is why a node is removed.
type Reason string

// The reasons. Only the first three are known to budgets.
const (
	Empty         Reason = "Empty"
	Underutilized Reason = "Underutilized"
	Drifted       Reason = "Drifted"
	Expired       Reason = "Expired"
)

// PDB is a PodDisruptionBudget.
type PDB struct {
	Namespace, Name string
	Selector        labels.Selector
	// Allowed is status.disruptionsAllowed.
	Allowed int
	// FullyBlocking PDBs can never allow a disruption (maxUnavailable 0, minAvailable 100%).
	FullyBlocking bool
	// EvictUnhealthy is the policy AlwaysAllow for pods that are not ready.
	EvictUnhealthy bool
}

// Options change how Disrupt decides. The zero value is Karpenter's behaviour
// with several nodes for several.
type Options struct {
	// MinSaving is what a consolidation step must save at least, in dollars per hour.
	MinSaving float64
	// MinSavingRatio is the same as a share of what the removed nodes cost, 0 to 1.
	MinSavingRatio float64
	// UtilizationThreshold leaves alone nodes of which a larger share of cpu or
	// memory is asked for, 0 to 1; 0 means no such limit.
	UtilizationThreshold float64
	// ExpireAhead replaces nodes this long before they expire, within budgets, so
	// that the end of their life finds them empty.
	ExpireAhead time.Duration
	// Spot says how spot nodes are replaced by spot nodes.
	Spot SpotRule
	// Interruptions and RestartCost are for SpotByExpectedCost: interruptions per
	// hour of each instance type, and what one costs in dollars per node.
	Interruptions map[string]float64
	RestartCost   float64
	// Effort scales how long the search goes on; 0 means 1.
	Effort float64
	// Stop, when set, is asked between what-ifs whether to return what there is.
	// It makes the plan depend on when it says so.
	Stop func() bool
}

// SpotRule is how spot nodes may be replaced by spot nodes.
type SpotRule string

const (
	// SpotByTypes asks for 15 cheaper instance types where one node is replaced,
	// as Karpenter does, and launches one of the cheapest 15.
	SpotByTypes SpotRule = ""
	// SpotByExpectedCost compares price and the cost of interruptions.
	SpotByExpectedCost SpotRule = "ExpectedCost"
	// SpotNever leaves spot nodes alone unless their pods fit elsewhere.
	SpotNever SpotRule = "Never"
)
