package disruption

import (
	"github.com/automode-dev/automode/compute/solver"
)

// Plan is the decision with its reasons.
type Plan struct {
	// Steps can be taken at the same time; each can fail without harm to the others.
	Steps []Step
	// Stays tells for each managed node that is not in a step why, by name.
	Stays []Stay
	// Pools tells which budgets leave no node to disrupt.
	Pools []BlockedPool

	// PriceBefore and PriceAfter are what the nodes of the cluster cost in
	// dollars per hour, without and with the steps.
	PriceBefore, PriceAfter float64
	// Solves is how many what-ifs the decision took.
	Solves int

	prints map[string]uint64 // of the nodes that the plan relies on
}

// Step removes nodes after their replacements are ready.
type Step struct {
	Reason Reason
	// Nodes to remove, by name.
	Nodes []Removal
	// Claims to create first.
	Claims []solver.Claim
	// Placements is where pods go on nodes that stay.
	Placements []solver.Placement
	// Static is the pool to create len(Nodes) plain claims of: its nodes are
	// replaced one by one whatever runs on them.
	Static string
	// PriceBefore and PriceAfter are what the removed and the created nodes cost.
	PriceBefore, PriceAfter float64
	// Scores are those of the pools with policy Balanced.
	Scores []Score
	// Cost is the disruption cost: one per node and what evicting its pods weighs.
	Cost float64
}

// Saving is what a step saves in dollars per hour.
func (s *Step) Saving() float64 { return s.PriceBefore - s.PriceAfter }

// Removal is a node that a step removes.
type Removal struct {
	Node, Claim, Pool string
	Price             float64
}

// Score is how a step does under the policy Balanced.
type Score struct {
	Pool                string
	Savings, Disruption float64 // shares of the pool, 0 to 1
	Score, Threshold    float64
}

// Stay is a node that stays.
type Stay struct {
	Node, Claim string
	Kind        StayKind
	// Message is what an event about it says.
	Message string
}

// StayKind is the reason word of the event about a node that stays.
type StayKind string

// Why nodes stay.
const (
	// Blocked nodes may not be disrupted for any reason.
	Blocked StayKind = "DisruptionBlocked"
	// Unconsolidatable nodes are not cheaper to do without.
	Unconsolidatable StayKind = "Unconsolidatable"
	// Rejected nodes could go, but it does not pay enough.
	Rejected StayKind = "ConsolidationRejected"
	// Budgeted nodes wait for a disruption budget.
	Budgeted StayKind = "Budget"
	// Needed nodes are young or changing; the question was not asked.
	Needed StayKind = "NotConsolidatable"
)

// BlockedPool is a pool whose budgets allow nothing for a reason.
type BlockedPool struct {
	Pool   string
	Reason Reason
}
