package disruption

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/automode-dev/automode/compute/solver"
)

// part is a piece of an answer that can be carried out alone: nodes that go,
// the claims that take pods of them, and where the rest of the pods go. Nodes
// that share a claim are in one part.
type part struct {
	nodes      []*candidate
	claims     []solver.Claim
	placements []solver.Placement
	unplaced   []solver.Unplaced
}

// parts splits an answer, in the order of the nodes asked about.
func (a *answer) parts(nodes []*candidate) []part {
	parent := make(map[*candidate]*candidate, len(nodes))
	var find func(c *candidate) *candidate
	find = func(c *candidate) *candidate {
		if up, ok := parent[c]; ok && up != c {
			root := find(up)
			parent[c] = root
			return root
		}
		return c
	}
	for i := range a.plan.Claims {
		first := a.source[a.plan.Claims[i].Pods[0]]
		for _, pod := range a.plan.Claims[i].Pods[1:] {
			if x, y := find(first), find(a.source[pod]); x != y {
				parent[y] = x
			}
		}
	}
	index := map[*candidate]int{}
	var out []part
	for _, c := range nodes {
		root := find(c)
		i, ok := index[root]
		if !ok {
			i = len(out)
			index[root] = i
			out = append(out, part{})
		}
		out[i].nodes = append(out[i].nodes, c)
		out[i].unplaced = append(out[i].unplaced, a.unplaced[c]...)
	}
	for i := range a.plan.Claims {
		at := index[find(a.source[a.plan.Claims[i].Pods[0]])]
		out[at].claims = append(out[at].claims, a.plan.Claims[i])
	}
	for _, placement := range a.plan.Placements {
		split := map[int][]*corev1.Pod{}
		var order []int
		for _, pod := range placement.Pods {
			at := index[find(a.source[pod])]
			if split[at] == nil {
				order = append(order, at)
			}
			split[at] = append(split[at], pod)
		}
		for _, at := range order {
			out[at].placements = append(out[at].placements, solver.Placement{Node: placement.Node, Pods: split[at]})
		}
	}
	return out
}

// step is the part as a step of a plan, prices as the solver has them.
func (t *part) step(reason Reason) Step {
	s := Step{Reason: reason, Claims: t.claims, Placements: t.placements}
	for _, c := range t.nodes {
		s.Nodes = append(s.Nodes, removal(c))
		s.PriceBefore += c.price
		s.Cost += c.cost
	}
	for i := range t.claims {
		s.PriceAfter += t.claims[i].Cheapest.Price
	}
	return s
}
