package solver

import "slices"

// Solve decides where the pods of a snapshot go.
//
// Preferences to stay apart on hostnames are rules at first sight and wishes at second: two replicas that would rather not
// share a node get two, thousands do not get thousands. They are kept as rules where that takes no more than one new node or
// a tenth of the new nodes more than without them, and leaves no pod out for it.
func Solve(s Snapshot) Plan {
	if s.Options.Cache == nil {
		s.Options.Cache = NewCache() // attempts of one call share it
	}
	p, plan := decide(s)
	if s.Options.ComparePools {
		return p.compare(plan)
	}
	return plan
}

// decide makes a plan for one way to choose among pools.
func decide(s Snapshot) (*problem, Plan) {
	p, plan := solve(&s)
	if len(plan.Unplaced) > 0 {
		plan = p.rescue(plan)
	}
	budget := len(plan.Claims) + max(1, len(plan.Claims)/10)
	s.Options.apart = p.wishesWithin(budget)
	if len(s.Options.apart) == 0 {
		return p, plan
	}
	if _, apart := solve(&s); len(apart.Claims) <= budget && len(apart.Unplaced) <= len(plan.Unplaced) {
		return p, apart
	}
	return p, plan
}

// wishesWithin lists the groups that prefer hostnames of their own and that so many new nodes, with those that exist, could
// satisfy. Group ids are the same in every compilation of a snapshot.
func (p *problem) wishesWithin(nodes int) map[int]bool {
	wishes := map[int]bool{}
	for _, g := range p.groups.list {
		if g.soft && g.hostname && g.kind != affinity && p.nodesApart(g) <= nodes+len(p.nodes) {
			wishes[g.id] = true
		}
	}
	return wishes
}

// nodesApart is how many nodes the pods to place need to keep a group's rule: at most maxSkew of them on each, or one.
func (p *problem) nodesApart(g *group) int {
	pods := 0
	for _, c := range p.classes {
		if slices.Contains(c.owns, g) && slices.Contains(c.selected, g) {
			pods += len(c.pods)
		}
	}
	each := 1
	if g.kind == spread {
		each = max(1, g.maxSkew)
	}
	return (pods + each - 1) / each
}
