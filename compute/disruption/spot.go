package disruption

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/automode-dev/automode/compute/solver"
)

// spotTypes is how many cheaper types there must be before a spot node is
// replaced by a spot node. Launching one of so many cheapest types keeps the
// next decision from finding another yet a little cheaper.
const spotTypes = 15

// spotToSpot narrows the types further where spot nodes become spot nodes.
func (p *planner) spotToSpot(r *pricing, types []*solver.InstanceType, reqs []solver.Requirement) ([]*solver.InstanceType, string) {
	if p.s.Options.Spot == SpotByExpectedCost {
		return p.expectedlyCheaper(r, types, reqs), ""
	}
	if len(r.nodes) > 1 {
		return types, ""
	}
	if len(types) < spotTypes {
		return nil, fmt.Sprintf("SpotToSpotConsolidation requires %d cheaper instance type options than the current candidate to consolidate, got %d", spotTypes, len(types))
	}
	most := spotTypes
	for pool := p.pools[r.claim.Pool]; minValues(pool, types[:most], reqs) != "" && most < len(types); {
		most++
	}
	return types[:most], ""
}

// expectedlyCheaper keeps types whose price with the cost of interruptions is
// below that of the nodes replaced. The move itself costs a restart of each.
func (p *planner) expectedlyCheaper(r *pricing, types []*solver.InstanceType, reqs []solver.Requirement) []*solver.InstanceType {
	options := &p.s.Options
	now, prices := 0.0, 0.0
	for _, c := range r.nodes {
		now += c.price + options.Interruptions[c.Labels[corev1.LabelInstanceTypeStable]]*options.RestartCost
		prices += c.price
	}
	limit := (now - options.RestartCost*float64(len(r.nodes))/spotHorizon) * r.limit / prices
	return slices.DeleteFunc(slices.Clone(types), func(t *solver.InstanceType) bool {
		_, most, _, ok := launchPrices(t, reqs)
		return !ok || most+options.Interruptions[t.Name]*options.RestartCost >= limit
	})
}

// spotHorizon is over how many hours a move must pay for itself.
const spotHorizon = 24
