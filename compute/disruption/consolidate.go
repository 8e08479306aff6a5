package disruption

import (
	"cmp"
	"math"
	"slices"

	"github.com/automode-dev/automode/compute/solver"
)

// What the search may cost, counted in nodes and pods that the solver has to
// look at. It stands for time without reading a clock.
const (
	searchWork   = 60_000
	rehearseWork = 20_000 // kept back for steps that are planned again
	workPerSolve = 200
	workPerPod   = 3
)

// consolidate looks for sets of nodes whose pods run for less elsewhere: on
// other nodes, or on new ones that together cost less. It starts with what can
// go without replacement and improves on it: a set of nodes is asked about
// together with the steps that would move pods onto them, and what comes out
// replaces those steps where it is worth more.
func (p *planner) consolidate() {
	candidates := p.byRatio(func(c *candidate) bool { return p.consolidatable(c) && !c.empty() })
	candidates = slices.DeleteFunc(candidates, p.ruledOut)
	if len(candidates) == 0 {
		return
	}
	f := &search{p: p}
	f.doWithout(candidates)
	f.repack(candidates)
	f.single(candidates)
	f.pairs(candidates)
	if len(f.steps) > 0 {
		p.accept(f.rehearsed())
	}
}

// rehearsed is the steps as they hold in whatever order pods are evicted. Nodes
// that drop out of them may still go for new nodes.
func (f *search) rehearsed() []Step {
	r := newRehearsal(f.p)
	f.p.work = max(f.p.work, 0) + int(f.p.effort*rehearseWork)
	planned := f.p.nodesOf(f.steps)
	f.steps = r.rehearse(f.steps)
	if rest := f.unused(planned); len(rest) > 0 {
		o := f.p.overlay.clone()
		o.commit(f.steps)
		more, _ := f.settle(o, question{nodes: rest, alone: true}, false)
		// Nodes that stayed in the first rehearsal go in this one.
		if again := r.rehearse(append(slices.Clone(f.steps), more...)); worth(again) > worth(f.steps) {
			f.steps = again
		}
	}
	for _, c := range f.unused(planned) {
		f.p.release(c)
		c.stay(Rejected, "Pods may find no place: they fit elsewhere only if kube-scheduler packs them tightly")
	}
	return f.steps
}

// unused is the nodes of a list that are in no step.
func (f *search) unused(list []*candidate) []*candidate {
	chosen := f.chosen()
	return slices.DeleteFunc(slices.Clone(list), func(c *candidate) bool { return chosen[c.Name] })
}

func (p *planner) nodesOf(steps []Step) []*candidate {
	var nodes []*candidate
	for i := range steps {
		for _, r := range steps[i].Nodes {
			nodes = append(nodes, p.candidate(r.Node))
		}
	}
	return nodes
}

// ruledOut finds candidates that no search can help.
func (p *planner) ruledOut(c *candidate) bool {
	if c.receives {
		c.stay(Needed, "Takes pods of nodes that are replaced")
		return true
	}
	s, hopeless := p.hopeless(c)
	if hopeless {
		c.stay(Rejected, "score %.2f < threshold %.2f (k: 2, savings %.1f%%, disruption %.1f%%)", s.Score, s.Threshold, 100*s.Savings, 100*s.Disruption)
	}
	return hopeless
}

// search is the best set of steps found so far. Its nodes are held.
type search struct {
	p     *planner
	steps []Step
}

// doWithout removes nodes whose pods have room on nodes that stay.
func (f *search) doWithout(candidates []*candidate) {
	s := newScreen(f.p, candidates)
	var set []*candidate
	for _, c := range candidates {
		if !f.p.room(c, Underutilized) {
			continue
		}
		if s.remove(c) {
			f.p.hold(c)
			set = append(set, c)
		}
	}
	for n := len(set); n > 0 && !f.improve(set[:n], false) && !f.p.tired(); {
		n /= 2
		for _, c := range set[:n] {
			f.p.hold(c)
		}
	}
}

// improve asks about nodes that are held, along with the nodes of steps that
// move pods to them, and keeps what comes out if it is worth more. Nodes that
// are not to go after all are released.
func (f *search) improve(set []*candidate, patient bool) bool {
	if len(set) == 0 {
		return false
	}
	keep, redo := f.affected(set)
	all := slices.Clone(set)
	for i := range redo {
		for _, r := range redo[i].Nodes {
			all = append(all, f.p.candidate(r.Node))
		}
	}
	o := f.p.overlay
	if len(keep) > 0 {
		o = o.clone()
		o.commit(keep)
	}
	steps, left := f.settle(o, question{nodes: all}, patient)
	if worth(steps) <= worth(redo) {
		for _, c := range set {
			f.p.release(c)
		}
		return false
	}
	for _, c := range left {
		f.p.release(c)
	}
	f.steps = append(keep, steps...)
	return true
}

// affected splits the steps into those that a removal of nodes leaves alone and
// those with pods that were to go there.
func (f *search) affected(set []*candidate) (keep, redo []Step) {
	going := make(map[string]bool, len(set))
	for _, c := range set {
		going[c.Name] = true
	}
	for _, s := range f.steps {
		if slices.ContainsFunc(s.Placements, func(x solver.Placement) bool { return going[x.Node] }) {
			redo = append(redo, s)
		} else {
			keep = append(keep, s)
		}
	}
	return keep, redo
}

// chosen tells whether a node is in a step of the search.
func (f *search) chosen() map[string]bool {
	out := map[string]bool{}
	for i := range f.steps {
		for _, r := range f.steps[i].Nodes {
			out[r.Node] = true
		}
	}
	return out
}

// rounds is how often a set is tried with fewer nodes.
const rounds = 6

// settle asks about a set of nodes and leaves out those that are in the way,
// until all that is left can go.
func (f *search) settle(o *overlay, q question, patient bool) (steps []Step, left []*candidate) {
	set := q.nodes
	q.consolidating = true
	for round := 0; len(set) > 0; round++ {
		if round >= rounds && !patient || f.p.tired() && round > 0 {
			return nil, append(left, set...)
		}
		q.nodes = set
		a := o.ask(q)
		steps = nil
		drop := map[*candidate]bool{}
		for _, t := range a.parts(set) {
			v := f.p.approve(t)
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
// that waste most in sets of falling size and keeps what saves most.
func (f *search) repack(candidates []*candidate) {
	waste, chosen := f.p.waste(candidates), f.chosen()
	list := slices.DeleteFunc(slices.Clone(candidates), func(c *candidate) bool { return chosen[c.Name] || waste[c] <= 0 })
	slices.SortStableFunc(list, func(a, b *candidate) int { return cmp.Compare(waste[b], waste[a]) })
	tried := 0 // budgets may leave the same set of more nodes or fewer
	for n := len(list); n >= 2 && !f.p.tired(); n /= 2 {
		var set []*candidate
		for _, c := range list[:n] {
			if f.p.room(c, Underutilized) {
				f.p.hold(c)
				set = append(set, c)
			}
		}
		if len(set) < 2 || len(set) == tried {
			for _, c := range set {
				f.p.release(c)
			}
			if len(set) < 2 {
				return
			}
			continue
		}
		tried = len(set)
		if f.improve(set, false) {
			tried = 0
			chosen = f.chosen()
			list = slices.DeleteFunc(list, func(c *candidate) bool { return chosen[c.Name] })
			n = min(n, len(list))
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
const disturbance = 1e-4

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
func (f *search) single(candidates []*candidate) {
	chosen := f.chosen()
	for _, c := range interleave(candidates) {
		switch {
		case chosen[c.Name]:
		case f.p.tired():
			c.unexamined()
		default:
			f.try(c)
		}
	}
}

// pairs asks about two nodes at a time, where there are few.
func (f *search) pairs(candidates []*candidate) {
	const most = 24
	chosen := f.chosen()
	list := slices.DeleteFunc(slices.Clone(candidates), func(c *candidate) bool { return chosen[c.Name] })
	if len(list) > most {
		return
	}
	for i, a := range list {
		for _, b := range list[i+1:] {
			if f.p.tired() {
				return
			}
			if !chosen[a.Name] && !chosen[b.Name] && f.try(a, b) {
				chosen = f.chosen()
			}
		}
	}
}

// try asks about a set of nodes, where budgets have room for all of them.
func (f *search) try(set ...*candidate) bool {
	before := make([]candidate, len(set))
	for i, c := range set {
		before[i] = *c
		if !f.p.room(c, Underutilized) {
			for _, h := range set[:i] {
				f.p.release(h)
			}
			if len(set) > 1 {
				c.kind, c.why = before[i].kind, before[i].why // what it is like alone says more
			}
			return false
		}
		f.p.hold(c)
	}
	if f.improve(set, len(set) == 1) {
		return true
	}
	for i, c := range set {
		if len(set) > 1 {
			c.kind, c.why = before[i].kind, before[i].why
		}
	}
	return false
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
