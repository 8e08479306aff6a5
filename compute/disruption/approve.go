package disruption

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/automode-dev/automode/compute/solver"
)

// verdict is whether a part of an answer may become a step.
type verdict struct {
	step Step
	kind StayKind // when it may not
	why  string
}

func no(kind StayKind, format string, args ...any) verdict {
	return verdict{kind: kind, why: fmt.Sprintf(format, args...)}
}

const notCheaper = "Can't replace with a cheaper node"

// approve judges a part of an answer about consolidation.
func (p *planner) approve(t part) verdict {
	if len(t.unplaced) > 0 {
		return no(Unconsolidatable, "%s", unplacedMessage(t.unplaced))
	}
	v := verdict{step: t.step(Underutilized)}
	if len(t.claims) > 0 {
		if v = p.cheapen(t); v.why != "" {
			return v
		}
	}
	saving := v.step.Saving()
	if least := max(p.s.Options.MinSaving, p.s.Options.MinSavingRatio*v.step.PriceBefore); least > 0 && saving < least {
		return no(Rejected, "Saves $%.4f per hour, less than the least saving of $%.4f", saving, least)
	}
	return p.balance(t, v)
}

// cheapen narrows the claims of a part to instance types with which the whole
// is cheaper whatever is launched of them.
func (p *planner) cheapen(t part) verdict {
	s := t.step(Underutilized)
	s.Claims = slices.Clone(t.claims)
	if s.PriceBefore <= s.PriceAfter {
		return no(Unconsolidatable, notCheaper)
	}
	share := s.PriceBefore / s.PriceAfter
	s.PriceAfter = 0
	spotOnly := !slices.ContainsFunc(t.nodes, func(c *candidate) bool { return c.Labels[capacityTypeLabel] != spot })
	for i := range s.Claims {
		claim := &s.Claims[i]
		rule := pricing{claim: claim, limit: claim.Cheapest.Price * share, spotOnly: spotOnly, single: len(t.claims) == 1, nodes: t.nodes}
		if why := p.narrow(&rule); why != "" {
			return no(Unconsolidatable, "%s", why)
		}
		s.PriceAfter += claim.Cheapest.Price
	}
	return verdict{step: s}
}

// pricing is the question which types of a claim are cheap enough.
type pricing struct {
	claim    *solver.Claim
	limit    float64 // types must launch below it
	spotOnly bool    // all nodes replaced are spot
	single   bool    // there is no other claim
	nodes    []*candidate
}

// narrow leaves a claim the types below the price limit and fixes its capacity
// type where another would be dearer; it tells why none is left.
func (p *planner) narrow(r *pricing) string {
	pool := p.pools[r.claim.Pool]
	reqs := append(slices.Clone(pool.Requirements), r.claim.Requirements...)
	toSpot := r.spotOnly && p.mayLaunch(r.claim, reqs, spot)
	if toSpot {
		if p.s.Options.Spot == SpotNever {
			return "SpotToSpotConsolidation is disabled, can't replace a spot node with a spot node"
		}
		reqs = append(reqs, inRequirement(capacityTypeLabel, spot))
	}
	kept := p.below(r, reqs)
	if toSpot && len(kept) > 0 {
		var why string
		if kept, why = p.spotToSpot(r, kept, reqs); why != "" {
			return why
		}
	}
	if len(kept) == 0 {
		return notCheaper
	}
	if why := minValues(pool, kept, reqs); why != "" && !r.claim.MinValuesRelaxed {
		return "Filtering by price: " + why
	}
	r.claim.Requirements = slices.Clone(r.claim.Requirements)
	if toSpot || p.mayLaunch(r.claim, reqs, spot) && p.mayLaunch(r.claim, reqs, onDemand) {
		r.claim.Requirements = withRequirement(r.claim.Requirements, inRequirement(capacityTypeLabel, spot))
		reqs = append(reqs, inRequirement(capacityTypeLabel, spot))
	}
	r.claim.Types = nil
	for _, t := range kept {
		r.claim.Types = append(r.claim.Types, t.Name)
	}
	p.reprice(r.claim, kept, reqs)
	return ""
}

// below lists the types of a claim that launch below the limit. Where one node
// becomes one, a type that one of the removed nodes has limits the price too:
// else it would be better to keep that node.
func (p *planner) below(r *pricing, reqs []solver.Requirement) []*solver.InstanceType {
	limit := r.limit
	if r.single {
		for _, c := range r.nodes {
			if len(r.nodes) > 1 && slices.Contains(r.claim.Types, c.Labels[corev1.LabelInstanceTypeStable]) {
				limit = min(limit, c.price)
			}
		}
	}
	var out []*solver.InstanceType
	for _, name := range r.claim.Types {
		t := p.types.typ(r.claim.Pool, name)
		if t == nil {
			continue
		}
		if _, most, _, ok := launchPrices(t, reqs); ok && most < limit-1e-9 {
			out = append(out, t)
		}
	}
	return out
}

// mayLaunch tells whether a claim is open to a capacity type.
func (p *planner) mayLaunch(c *solver.Claim, reqs []solver.Requirement, capacityType string) bool {
	for _, name := range c.Types {
		t := p.types.typ(c.Pool, name)
		if t == nil {
			continue
		}
		for range launchable(t, reqs, capacityType) {
			return true
		}
	}
	return false
}

// reprice finds the cheapest offering among the types left.
func (p *planner) reprice(c *solver.Claim, types []*solver.InstanceType, reqs []solver.Requirement) {
	found := false
	for _, t := range types {
		for o := range launchable(t, reqs, "") {
			if !found || o.Price < c.Cheapest.Price {
				c.Cheapest = solver.Choice{Type: t.Name, Zone: o.Zone(), CapacityType: o.CapacityType(), Reservation: o.Reservation, Price: o.Price}
				found = true
			}
		}
	}
}

// minValues tells which of a pool's minValues the types do not reach.
func minValues(pool *Pool, types []*solver.InstanceType, reqs []solver.Requirement) string {
	for i := range pool.Requirements {
		r := &pool.Requirements[i]
		if r.MinValues > 0 && distinct(types, r.Key, reqs) < r.MinValues {
			return fmt.Sprintf("minValues requirement is not met for label(s) (label(s)=[%s])", r.Key)
		}
	}
	return ""
}

func inRequirement(key string, values ...string) solver.Requirement {
	return solver.Requirement{Key: key, Operator: corev1.NodeSelectorOpIn, Values: values}
}

// withRequirement replaces what requirements say about a key.
func withRequirement(reqs []solver.Requirement, r solver.Requirement) []solver.Requirement {
	out := slices.DeleteFunc(reqs, func(x solver.Requirement) bool { return x.Key == r.Key })
	return append(out, r)
}
