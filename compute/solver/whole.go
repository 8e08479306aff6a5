package solver

import (
	"cmp"
	"math"
	"slices"
)

// Bounds of the search for the least price in whole nodes: nodes in a set beyond which fractions hardly matter, and steps.
const (
	wholeMost  = 40
	wholeSteps = 20_000
)

// wholeNodes is the least price of whole nodes that can hold pods worth a total, each candidate no more than its worth.
// It is never below the bound, which buys fractions: a node's share of DaemonSets and of what the system keeps is less on
// a large node, but the last node is seldom a large one.
func (k *packer) wholeNodes(worths []float64, total, bound float64) float64 {
	menu := k.menu(worths)
	if len(menu) == 0 || total/menu[0].worth > wholeMost {
		return bound
	}
	for _, slack := range [...]float64{0.0005, 0.005} {
		s := &cover{menu: menu, best: math.Inf(1), keep: 1 - slack, steps: wholeSteps}
		for _, m := range menu {
			s.best = min(s.best, m.price*math.Ceil(total/m.worth*(1-1e-9)))
		}
		if s.search(0, 0, total*(1-1e-9)); s.steps > 0 {
			return max(bound, s.best*s.keep)
		}
	}
	return bound
}

// kind is a kind of node by what it costs and can hold.
type kind struct{ price, worth float64 }

// menu lists the kinds of nodes that no other beats in price and worth, most worth for its price first.
func (k *packer) menu(worths []float64) []kind {
	var all, out []kind
	for c, worth := range worths {
		if worth > 0 && !math.IsInf(worth, 1) {
			all = append(all, kind{k.cands[c].price, worth})
		}
	}
	slices.SortFunc(all, func(a, b kind) int {
		if a.price != b.price {
			return cmp.Compare(a.price, b.price)
		}
		return cmp.Compare(b.worth, a.worth)
	})
	most := 0.0
	for _, m := range all {
		if m.worth > most {
			most = m.worth
			out = append(out, m)
		}
	}
	slices.SortStableFunc(out, func(a, b kind) int { return cmp.Compare(a.price*b.worth, b.price*a.worth) })
	return out
}

// cover looks for the cheapest numbers of each kind that are worth enough, by branch and bound.
type cover struct {
	menu  []kind
	best  float64
	keep  float64 // the share of the best price that another must stay below
	steps int
}

// search buys kinds from one on for what is still needed.
func (s *cover) search(from int, cost, need float64) {
	if need <= 0 {
		s.best = min(s.best, cost)
		return
	}
	if s.steps--; s.steps <= 0 || from == len(s.menu) {
		return
	}
	m := s.menu[from]
	if cost+need*m.price/m.worth >= s.best*s.keep {
		return
	}
	for n := math.Ceil(need / m.worth); n >= 0 && s.steps > 0; n-- {
		s.search(from+1, cost+n*m.price, need-n*m.worth)
	}
}
