package disruption

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/automode-dev/automode/compute/solver"
)

// removeEmpty removes nodes whose pods nobody would miss.
func (p *planner) removeEmpty() {
	empty := p.byRatio(func(c *candidate) bool { return c.empty() && p.consolidatable(c) })
	for _, c := range empty {
		if !p.room(c, Empty) {
			continue
		}
		p.hold(c)
		p.accept([]Step{{Reason: Empty, Nodes: []Removal{removal(c)}, PriceBefore: c.price, Cost: c.cost}})
	}
}

// byRatio lists candidates, those first whose removal is worth most.
func (p *planner) byRatio(keep func(*candidate) bool) []*candidate {
	var out []*candidate
	for _, c := range p.candidates {
		if keep(c) {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b *candidate) int { return cmp.Compare(b.ratio(), a.ratio()) })
	return out
}

// replaceStatic replaces drifted and expired nodes of static pools one for one,
// as far as their limits on nodes allow both at a time.
func (p *planner) replaceStatic() {
	count := map[string]int{}
	for _, c := range p.candidates {
		count[c.Pool]++
	}
	for _, c := range p.byDrift(func(c *candidate) bool { return c.pool != nil && c.pool.Static && !c.Drifted.IsZero() }) {
		room := true
		if limit, ok := c.pool.Limits["nodes"]; ok {
			room = int64(count[c.Pool]) < limit.Value()
		}
		switch why := c.eventual(); {
		case why != "":
			c.stuck(Blocked, "%s", why)
		case p.nodesIn(c.Pool) > c.pool.Replicas:
			c.stuck(Budgeted, "NodePool %q is scaling down", c.Pool)
		case !room:
			c.stuck(Blocked, "NodePool %q has no room for a replacement within its limit on nodes", c.Pool)
		case p.room(c, Drifted):
			count[c.Pool]++
			p.hold(c)
			p.accept([]Step{{Reason: Drifted, Nodes: []Removal{removal(c)}, Static: c.Pool, PriceBefore: c.price, PriceAfter: c.price, Cost: c.cost}})
		}
	}
}

// nodesIn counts a pool's nodes that are not going.
func (p *planner) nodesIn(pool string) int {
	n := 0
	for _, c := range p.candidates {
		if c.Pool == pool && !c.Deleting && !c.Terminating {
			n++
		}
	}
	return n
}

// byDrift lists candidates, empty ones first, then by how long they have drifted.
func (p *planner) byDrift(keep func(*candidate) bool) []*candidate {
	var out []*candidate
	for _, c := range p.candidates {
		if !c.taken && keep(c) {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b *candidate) int {
		if e, f := len(a.pods) == 0, len(b.pods) == 0; e != f {
			if e {
				return -1
			}
			return 1
		}
		return a.Drifted.Compare(b.Drifted)
	})
	return out
}

// replaceExpired gives pods of nodes at the end of their life a place. When the
// time has come neither budgets nor pods stop it; before, both do.
func (p *planner) replaceExpired() {
	var due, soon []*candidate
	for _, c := range p.candidates {
		switch {
		case c.taken || c.blocked != "" || c.Expires.IsZero() || c.pool.Static:
		case !c.Expires.After(p.s.Now):
			due = append(due, c)
		case c.Expires.Add(-p.s.Options.ExpireAhead).Before(p.s.Now) && c.graceful() == "" && p.s.Options.ExpireAhead > 0:
			soon = append(soon, c)
		}
	}
	for _, list := range [][]*candidate{due, soon} {
		slices.SortStableFunc(list, func(a, b *candidate) int { return a.Expires.Compare(b.Expires) })
	}
	for _, c := range due {
		p.hold(c)
	}
	p.replace(due, Expired)
	p.replace(slices.DeleteFunc(soon, func(c *candidate) bool { return !p.take(c, Expired) }), Expired)
}

// take holds a node where budgets and PDBs have room for it.
func (p *planner) take(c *candidate, reason Reason) bool {
	if !p.room(c, reason) {
		return false
	}
	p.hold(c)
	return true
}

// replaceDrifted replaces nodes that no longer are as their pool wants them, as
// many at a time as budgets allow.
func (p *planner) replaceDrifted() {
	var batch []*candidate
	for _, c := range p.byDrift(func(c *candidate) bool { return !c.Drifted.IsZero() && (c.pool == nil || !c.pool.Static) }) {
		if why := c.eventual(); why != "" {
			c.stuck(Blocked, "%s", why)
		} else if p.take(c, Drifted) {
			batch = append(batch, c)
		}
	}
	p.replace(batch, Drifted)
}

// replace finds places for the pods of nodes that have to go, whatever it
// costs. Nodes that have to go as well take none, unless there is no other way.
func (p *planner) replace(batch []*candidate, reason Reason) {
	avoid := map[string]bool{}
	for _, c := range p.candidates {
		if !c.Drifted.IsZero() || !c.Expires.IsZero() && c.Expires.Add(-p.s.Options.ExpireAhead-time.Hour).Before(p.s.Now) {
			avoid[c.Name] = true
		}
	}
	left := p.replaceBatch(batch, reason, avoid)
	left = p.replaceBatch(left, reason, nil)
	for _, c := range left {
		p.release(c)
	}
}

// replaceBatch asks for all nodes at once, leaves out those with pods that find
// no place, and asks again.
func (p *planner) replaceBatch(batch []*candidate, reason Reason, avoid map[string]bool) (left []*candidate) {
	for len(batch) > 0 {
		a := p.overlay.ask(question{nodes: batch, avoid: avoid})
		if len(a.unplaced) == 0 {
			p.accept(p.plainSteps(a, batch, reason))
			return left
		}
		var next []*candidate
		for _, c := range batch {
			if u := a.unplaced[c]; len(u) > 0 {
				c.stuck(Blocked, "%s", unplacedMessage(u))
				left = append(left, c)
			} else {
				next = append(next, c)
			}
		}
		batch = next
	}
	return left
}

func (p *planner) plainSteps(a answer, batch []*candidate, reason Reason) []Step {
	var out []Step
	for _, part := range a.parts(batch) {
		s := part.step(reason)
		out = append(out, s)
	}
	return out
}

// unplacedMessage says which pods would find no place and why, in Karpenter's words.
func unplacedMessage(list []solver.Unplaced) string {
	const most = 5
	var b strings.Builder
	b.WriteString("Not all pods would schedule, ")
	for i, u := range list {
		if i == most {
			fmt.Fprintf(&b, " and %d other(s)", len(list)-most)
			break
		}
		var why []string
		for _, r := range u.Reasons {
			if r.Pool == "" {
				why = append(why, r.Message)
				continue
			}
			why = append(why, r.Pool+": "+r.Message)
		}
		fmt.Fprintf(&b, "%s => %s ", podName(u.Pod), strings.Join(why, "; "))
	}
	return strings.TrimSpace(b.String())
}
