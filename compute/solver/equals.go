package solver

import (
	"cmp"
	"slices"
)

// Pools of equal weight are compared by price in several attempts, each a whole plan: what a pod's share of a node costs
// says little about few pods, which may not fill the node, and about pods that could share one. One attempt goes by name,
// so that comparing never costs more than not comparing.
const (
	maxRivals   = 4    // pools that are tried as the first of their weight
	manyToShare = 2000 // pods fill their nodes, so that the price of a share is right
)

// compare finds the cheapest plan among the attempts, of which the first is given.
func (p *problem) compare(best Plan) Plan {
	s := *p.s
	s.Options.apart = nil
	for _, first := range p.rivals() {
		if stop := s.Options.Stop; stop != nil && stop() {
			break
		}
		s.Options.first, s.Options.ComparePools = first, first != byName
		if _, plan := decide(s); cheaper(&plan, &best) {
			best = plan
		}
	}
	return best
}

// byName stands for the attempt that does not compare.
const byName = ""

// rivals are the attempts worth their time: by name, and with each of the pools first that most pods could have used
// instead of another of the same weight. There is none where no pod has a choice.
func (p *problem) rivals() []string {
	wanted := map[*pool]int{}
	for _, it := range p.items {
		if equals := p.equals(it, false); len(equals) > 1 {
			for _, pl := range equals {
				wanted[pl] += len(it.class.pods)
			}
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	if len(p.s.Pods) > manyToShare {
		return []string{byName}
	}
	var pools []*pool
	for _, pl := range p.pools {
		if wanted[pl] > 0 {
			pools = append(pools, pl)
		}
	}
	slices.SortStableFunc(pools, func(a, b *pool) int { return cmp.Compare(wanted[b], wanted[a]) })
	out := []string{byName}
	for _, pl := range pools[:min(len(pools), maxRivals)] {
		out = append(out, pl.Name)
	}
	return out
}

// equals are the pools of the heaviest weight that suit an item, in order of name.
func (p *problem) equals(it *item, soft bool) []*pool {
	var out []*pool
	for _, pl := range p.pools {
		if len(out) > 0 && pl.Weight < out[0].Weight {
			break
		}
		if f := p.feasibleIn(it, pl); f.ok() && f.soft == soft {
			out = append(out, pl)
		}
	}
	return out
}

// cheapestPool is the pool among equals that comes first in this attempt, or else the one in which an item's share of a
// node costs least.
func (p *problem) cheapestPool(it *item, soft bool) *pool {
	var best *pool
	least := 0.0
	for _, pl := range p.equals(it, soft) {
		if pl.Name == p.s.Options.first {
			return pl
		}
		if price := p.unitPrice(it.class, pl, p.feasibleIn(it, pl).bits); best == nil || price < least {
			best, least = pl, price
		}
	}
	return best
}

// cheaper tells whether plan a is better than b: less important pods left out, or as many and less money, or the same with
// fewer nodes.
func cheaper(a, b *Plan) bool {
	if c := slices.Compare(leftPriorities(a), leftPriorities(b)); c != 0 {
		return c < 0
	}
	if d := a.Price - b.Price; d < -1e-9 || d > 1e-9 {
		return d < 0
	}
	return len(a.Claims) < len(b.Claims)
}

// leftPriorities are the priorities of the pods that a plan leaves out, highest first.
func leftPriorities(plan *Plan) []int32 {
	out := make([]int32, len(plan.Unplaced))
	for i, u := range plan.Unplaced {
		if u.Pod.Spec.Priority != nil {
			out[i] = *u.Pod.Spec.Priority
		}
	}
	slices.SortFunc(out, func(a, b int32) int { return cmp.Compare(b, a) })
	return out
}
