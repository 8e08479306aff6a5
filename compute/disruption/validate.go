package disruption

import (
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/automode-dev/automode/compute/solver"
)

// Dropped is a step that no longer holds.
type Dropped struct {
	Step Step
	Why  string
}

// Validate tells which steps of a plan still hold in a later snapshot, in the
// order of the plan. Steps whose nodes and destinations are as they were are
// kept without asking the solver again; the others are asked about one by one
// beside those kept, and may come back with other destinations.
func Validate(plan Plan, s Snapshot) (Plan, []Dropped) {
	p := newPlanner(&s)
	var dropped []Dropped
	var changed []Step
	for _, step := range plan.Steps {
		if why := p.holds(&step); why != "" {
			dropped = append(dropped, Dropped{step, why})
		} else if p.unchanged(&plan, &step) {
			p.accept([]Step{step})
		} else {
			changed = append(changed, step)
		}
	}
	for _, step := range changed {
		again, why := p.askAgain(&step)
		if why != "" {
			dropped = append(dropped, Dropped{step, why})
			for _, r := range step.Nodes {
				p.release(p.candidate(r.Node))
			}
			continue
		}
		p.accept([]Step{again})
	}
	return p.result(), dropped
}

// holds tells why the nodes of a step may no longer go, and holds budgets for
// them where they may.
func (p *planner) holds(s *Step) string {
	for i, r := range s.Nodes {
		why := p.stillGoes(s, r)
		if why == "" {
			p.hold(p.candidate(r.Node))
			continue
		}
		for _, held := range s.Nodes[:i] {
			p.release(p.candidate(held.Node))
		}
		return fmt.Sprintf("node %s: %s", r.Node, why)
	}
	return ""
}

func (p *planner) stillGoes(s *Step, r Removal) string {
	c := p.candidate(r.Node)
	if c == nil || c.Claim != r.Claim {
		return "is gone"
	}
	why := c.graceful()
	switch s.Reason {
	case Drifted:
		if why = c.eventual(); why == "" && c.Drifted.IsZero() {
			why = "is no longer drifted"
		}
	case Expired:
		if !c.Expires.After(p.s.Now) {
			return c.blocked
		}
	case Empty:
		if why == "" && !c.empty() {
			why = "is no longer empty"
		}
		fallthrough
	default:
		if why == "" && !p.consolidatable(c) {
			why = c.why
		}
	}
	if why == "" && !p.room(c, s.Reason) {
		why = c.why
	}
	return why
}

// unchanged tells whether all that a step relies on is as it was.
func (p *planner) unchanged(plan *Plan, s *Step) bool {
	for i := range s.Claims {
		if !p.available(&s.Claims[i]) {
			return false
		}
	}
	for name, print := range p.fingerprints([]Step{*s}) {
		if plan.prints[name] != print {
			return false
		}
	}
	return true
}

// available tells whether the offering that a claim was chosen for can be had.
func (p *planner) available(c *solver.Claim) bool {
	t := p.types.typ(c.Pool, c.Cheapest.Type)
	return t != nil && slices.ContainsFunc(t.Offerings, func(o solver.Offering) bool {
		return o.Available && o.Zone() == c.Cheapest.Zone && o.CapacityType() == c.Cheapest.CapacityType && o.Price <= c.Cheapest.Price
	})
}

// askAgain finds new places for the pods of a step. It must need no more new
// nodes than before.
func (p *planner) askAgain(s *Step) (Step, string) {
	q := question{consolidating: s.Reason == Underutilized}
	for _, r := range s.Nodes {
		q.nodes = append(q.nodes, p.candidate(r.Node))
	}
	if s.Static != "" {
		return *s, ""
	}
	a := p.overlay.ask(q)
	t := part{nodes: q.nodes, claims: a.plan.Claims, placements: a.plan.Placements, unplaced: a.plan.Unplaced}
	switch {
	case len(t.unplaced) > 0:
		return Step{}, unplacedMessage(t.unplaced)
	case len(t.claims) > len(s.Claims):
		return Step{}, fmt.Sprintf("would need %d new nodes instead of %d", len(t.claims), len(s.Claims))
	case s.Reason == Underutilized:
		v := p.approve(t)
		return v.step, v.why
	}
	return t.step(s.Reason), ""
}

// fingerprints hash what steps rely on: the nodes they remove and those that
// take their pods, pending pods that will go there included.
func (p *planner) fingerprints(steps []Step) map[string]uint64 {
	wanted := map[string]bool{}
	for i := range steps {
		for _, r := range steps[i].Nodes {
			wanted[r.Node] = true
		}
		for _, placement := range steps[i].Placements {
			wanted[placement.Node] = true
		}
	}
	out := make(map[string]uint64, len(wanted))
	for i := range p.s.Nodes {
		if n := &p.s.Nodes[i]; wanted[n.Name] {
			out[n.Name] = p.fingerprint(n)
		}
	}
	return out
}

func (p *planner) fingerprint(n *Node) uint64 {
	var parts []string
	for _, pod := range n.Pods {
		parts = append(parts, fmt.Sprintf("%s %t", pod.UID, active(pod)))
	}
	for _, pod := range p.overlay.pending[n.Name] {
		parts = append(parts, "+"+string(pod.UID))
	}
	for k, v := range n.Labels {
		parts = append(parts, k+"="+v)
	}
	slices.Sort(parts)
	h := fnv.New64a()
	for _, s := range parts {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	fmt.Fprint(h, n.Claim, n.Initialized, n.Deleting, n.Taints, n.Allocatable.Cpu(), n.Allocatable.Memory(), n.Allocatable.Pods())
	return h.Sum64()
}
