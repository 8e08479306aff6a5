package disruption

import (
	"cmp"
	"math"
	"slices"
)

// What the search may cost, counted in nodes and pods that the solver has to
// look at. It stands for time without reading a clock.
const (
	searchWork   = 60_000
	workPerSolve = 200
	workPerPod   = 3
)

// consolidate looks for sets of nodes whose pods run for less elsewhere: on
// other nodes, or on new ones that together cost less.
func (p *planner) consolidate() {
	candidates := p.byRatio(func(c *candidate) bool { return p.consolidatable(c) && !c.empty() })
	candidates = slices.DeleteFunc(candidates, func(c *candidate) bool {
		s, hopeless := p.hopeless(c)
		if hopeless {
			c.stay(Rejected, "score %.2f < threshold %.2f (k: 2, savings %.1f%%, disruption %.1f%%)", s.Score, s.Threshold, 100*s.Savings, 100*s.Disruption)
		}
		return hopeless
	})
	p.doWithout(candidates)
	p.repack(p.remaining(candidates))
	p.single(p.remaining(candidates))
	p.pairs(p.remaining(candidates))
}

func (p *planner) remaining(candidates []*candidate) []*candidate {
	var out []*candidate
	for _, c := range candidates {
		if !c.taken {
			out = append(out, c)
		}
	}
	return out
}

// doWithout removes nodes whose pods have room on nodes that stay.
func (p *planner) doWithout(candidates []*candidate) {
	if len(candidates) == 0 {
		return
	}
	s := newScreen(p, candidates)
	var set []*candidate
	for _, c := range candidates {
		if !p.room(c, Underutilized) {
			continue
		}
		if s.remove(c) {
			p.hold(c)
			set = append(set, c)
		}
	}
	steps, left := p.settle(set, len(set) <= rounds)
	p.accept(steps)
	for _, c := range left {
		p.release(c)
	}
}

// rounds is how often a set is tried with fewer nodes.
const rounds = 6

// settle asks about a set of nodes and leaves out those that are in the way,
// until all that is left can go.
func (p *planner) settle(set []*candidate, patient bool) (steps []Step, left []*candidate) {
	for round := 0; len(set) > 0; round++ {
		if round >= rounds && !patient || p.tired() && round > 0 {
			return nil, append(left, set...)
		}
		a := p.overlay.ask(question{nodes: set, consolidating: true})
		steps = nil
		drop := map[*candidate]bool{}
		for _, t := range a.parts(set) {
			v := p.approve(t)
			if v.why == "" {
				steps = append(steps, v.step)
				continue
			}
			for _, c := range a.worst(t) {
				c.stay(v.kind, "%s", v.why)
				drop[c] = true
			}
		}
		if len(drop) == 0 {
			return steps, left
		}
		var next []*candidate
		for _, c := range set {
			if drop[c] {
				left = append(left, c)
			} else {
				next = append(next, c)
			}
		}
		set = next
	}
	return nil, left
}

// worst lists the nodes of a part that are most in the way: those with pods
// that find no place, or else the half of which most goes to new nodes.
func (a *answer) worst(t part) []*candidate {
	var out []*candidate
	for _, c := range t.nodes {
		if len(a.unplaced[c]) > 0 {
			out = append(out, c)
		}
	}
	if len(out) > 0 {
		return out
	}
	moved := map[*candidate]int{}
	for i := range t.claims {
		for _, pod := range t.claims[i].Pods {
			moved[a.source[pod]]++
		}
	}
	nodes := slices.Clone(t.nodes)
	slices.SortStableFunc(nodes, func(x, y *candidate) int { return cmp.Compare(moved[y], moved[x]) })
	return nodes[:(len(nodes)+1)/2]
}

// repack replaces many nodes by fewer or cheaper ones at once: it tries those
// that waste most in sets of falling size and keeps the set that saves most.
func (p *planner) repack(candidates []*candidate) {
	waste := p.waste(candidates)
	slices.SortStableFunc(candidates, func(a, b *candidate) int { return cmp.Compare(waste[b], waste[a]) })
	var set []*candidate
	for _, c := range candidates {
		if waste[c] > 0 && p.room(c, Underutilized) {
			p.hold(c)
			set = append(set, c)
		}
	}
	var best []Step
	for n := len(set); n >= 2 && !p.tired(); n /= 2 {
		steps, _ := p.settle(set[:n], false)
		if worth(steps) > worth(best) {
			best = steps
		}
	}
	p.accept(best)
	for _, c := range set {
		if !c.taken {
			p.release(c)
		}
	}
}

// worth is what steps save, less a little for what they disturb.
func worth(steps []Step) float64 {
	sum := 0.0
	for i := range steps {
		sum += steps[i].Saving() - disturbance*steps[i].Cost
	}
	return sum
}

// disturbance settles between ways to save the same, in dollars per hour.
const disturbance = 1e-5

// waste is what a node costs beyond what its pods would cost at the best price
// for a unit of cpu or of memory.
func (p *planner) waste(candidates []*candidate) map[*candidate]float64 {
	cpu, memory := math.Inf(1), math.Inf(1)
	for i := range p.s.Pools {
		for _, t := range p.s.Pools[i].Types {
			for j := range t.Offerings {
				o := &t.Offerings[j]
				if !o.Available || p.s.Pools[i].Static {
					continue
				}
				if n := t.Allocatable.Cpu().MilliValue(); n > 0 {
					cpu = min(cpu, o.Price/float64(n))
				}
				if n := t.Allocatable.Memory().Value(); n > 0 {
					memory = min(memory, o.Price/float64(n))
				}
			}
		}
	}
	out := make(map[*candidate]float64, len(candidates))
	for _, c := range candidates {
		var cpus, bytes int64
		for _, pod := range c.pods {
			r := requests(pod)
			cpus += r.Cpu().MilliValue()
			bytes += r.Memory().Value()
		}
		least := 0.0
		if !math.IsInf(cpu, 1) {
			least = max(float64(cpus)*cpu, float64(bytes)*memory)
		}
		out[c] = c.price - least
	}
	return out
}

// single asks about nodes one by one, as long as the search goes on.
func (p *planner) single(candidates []*candidate) {
	for _, c := range interleave(candidates) {
		if p.tired() {
			c.unexamined()
			continue
		}
		p.try(c)
	}
}

// pairs asks about two nodes at a time, where there are few.
func (p *planner) pairs(candidates []*candidate) {
	const most = 24
	if len(candidates) > most {
		return
	}
	for i, a := range candidates {
		for _, b := range candidates[i+1:] {
			if p.tired() {
				return
			}
			if !a.taken && !b.taken {
				p.try(a, b)
			}
		}
	}
}

// try takes a set of nodes as a whole, or not at all.
func (p *planner) try(set ...*candidate) {
	for i, c := range set {
		before := *c
		if !p.room(c, Underutilized) {
			if len(set) > 1 {
				*c = before // what was found out about it alone says more
			}
			for _, h := range set[:i] {
				p.release(h)
			}
			return
		}
		p.hold(c)
	}
	a := p.overlay.ask(question{nodes: set, consolidating: true})
	var steps []Step
	for _, t := range a.parts(set) {
		v := p.approve(t)
		if v.why != "" {
			if len(set) == 1 {
				set[0].stay(v.kind, "%s", v.why)
			}
			steps = nil
			break
		}
		steps = append(steps, v.step)
	}
	p.accept(steps)
	for _, c := range set {
		if !c.taken {
			p.release(c)
		}
	}
}

func (c *candidate) unexamined() {
	if c.why == "" {
		c.stay(Needed, "Not examined in this pass")
	}
}

// interleave takes candidates of all pools in turn.
func interleave(candidates []*candidate) []*candidate {
	byPool := map[string][]*candidate{}
	var pools []string
	for _, c := range candidates {
		if byPool[c.Pool] == nil {
			pools = append(pools, c.Pool)
		}
		byPool[c.Pool] = append(byPool[c.Pool], c)
	}
	var out []*candidate
	for i := 0; len(out) < len(candidates); i++ {
		for _, pool := range pools {
			if i < len(byPool[pool]) {
				out = append(out, byPool[pool][i])
			}
		}
	}
	return out
}
