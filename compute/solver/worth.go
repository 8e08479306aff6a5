package solver

import (
	"cmp"
	"math"
	"slices"
)

// Bounds of the search for what pods are worth: pods it is worth its time for, kinds of them if there are more, rounds, kinds of pods that are told apart one
// by one, parts and ratios by which others are, when it ends, and how much values are held on to.
const (
	worthPods   = 2000
	worthKinds  = 800
	worthRounds = 40
	worthItems  = 64
	worthParts  = 5
	worthRatios = 4
	worthEnough = 0.997 // of the optimum
	worthBlend  = 0.5   // of the best values so far
)

// appraise improves on the bound, and on what pods are worth, by column generation: a linear programme buys fillings of
// nodes, its duals say what the pods are worth, and where a node could hold more than it costs, that filling is added.
// A large pod comes to be worth more than small ones of the same size together, because only some nodes can hold it.
// Fillings may hold fractions of pods, so that the search for one is a linear programme too; that only lowers the bound.
func (k *packer) appraise(cands []int) {
	a := newAppraisal(k, cands)
	a.alone(cands)
	a.fill(cands)
	rows := make([]int, len(a.traits))
	for t := range rows {
		rows[t] = t
	}
	lp := newSimplex(a.prices, a.columns, slices.Repeat([]float64{1}, len(rows)), rows)
	blend, rounds := worthBlend, worthRounds
	if len(k.items) > worthItems {
		rounds /= 2
	}
	for range rounds {
		if lp.run(); !lp.feasible() || k.stopped() {
			return
		}
		optimum := a.take(lp.y)
		before, total := len(a.columns), a.blend(blend)
		scale := a.fill(cands)
		if total*scale > k.bound*(1+1e-9) {
			k.bound = total * scale
			for i := range k.items {
				k.items[i].value = a.values[i] * scale
			}
		}
		if k.bound >= optimum*worthEnough || len(a.columns) == before && blend == 0 {
			return
		}
		if len(a.columns) == before {
			blend = 0
		}
		for j := before; j < len(a.columns); j++ {
			lp.add(a.prices[j], a.columns[j])
		}
	}
}

// blend mixes a part of the best values so far into those of the programme, which jump about otherwise, and returns what all
// pods are worth.
func (a *appraisal) blend(part float64) float64 {
	total := 0.0
	for i := range a.values {
		a.values[i] += part * (a.k.items[i].value - a.values[i])
		total += a.values[i] * float64(a.k.items[i].count)
	}
	return total
}

func newAppraisal(k *packer, cands []int) *appraisal {
	a := &appraisal{k: k, s: newKnapsack(k), values: make([]float64, len(k.items))}
	for _, trait := range k.traits(cands) {
		demand := 0.0
		for i := range k.items {
			demand += trait[i] * float64(k.items[i].count)
		}
		if demand > 0 {
			a.traits, a.demand = append(a.traits, trait), append(a.demand, demand)
		}
	}
	for i := range k.items {
		a.values[i] = k.items[i].value
	}
	return a
}

// take turns what the whole of each trait is worth into what pods are, and returns what they all are.
func (a *appraisal) take(duals []float64) float64 {
	clear(a.values)
	optimum := 0.0
	for t, y := range duals {
		optimum += y
		for i, part := range a.traits[t] {
			a.values[i] += y * part / a.demand[t]
		}
	}
	return optimum
}

// appraisal is a search for what pods are worth.
type appraisal struct {
	k       *packer
	s       *knapsack
	traits  [][]float64
	demand  []float64 // of each trait, the sum over all pods
	values  []float64
	prices  []float64
	columns [][]float64 // of each filling, its share of the demand of each trait
}

// alone adds fillings of one item each, on the candidate that it takes least of.
func (a *appraisal) alone(cands []int) {
	for i := range a.k.items {
		best, at, most := math.Inf(1), -1, 0.0
		for _, c := range cands {
			if n := a.k.most(i, c); n > 0 && a.k.cands[c].price/n < best {
				best, at, most = a.k.cands[c].price/n, c, n
			}
		}
		if at >= 0 {
			a.add(at, func(add func(i int, n float64)) { add(i, most) })
		}
	}
}

// most is how many pods of an item a candidate can hold, in fractions, and no more than there are.
func (k *packer) most(i, c int) float64 {
	it := &k.items[i]
	if !it.bits.has(k.cands[c].off) {
		return 0
	}
	n := float64(it.count)
	for d, f := range it.float {
		if f > 0 {
			n = min(n, k.cands[c].float[d]/f)
		}
	}
	return n
}

// fill adds the best filling of each candidate that holds more than it costs, and returns the factor that brings all
// values down to where none does.
func (a *appraisal) fill(cands []int) float64 {
	scale := 1.0
	for _, c := range cands {
		price := a.k.cands[c].price
		worth := a.s.most(a.values, c)
		scale = min(scale, price/max(1e-12, worth))
		if worth <= price*(1+1e-6) {
			continue
		}
		a.add(c, a.s.filled)
	}
	return scale
}

// add notes a filling of a candidate.
func (a *appraisal) add(c int, each func(add func(i int, n float64))) {
	column := make([]float64, len(a.traits))
	each(func(i int, n float64) {
		for t := range a.traits {
			column[t] += a.traits[t][i] * n / a.demand[t]
		}
	})
	a.prices, a.columns = append(a.prices, a.k.cands[c].price), append(a.columns, column)
}

// traits are what pods are valued by. A few kinds of pods have a value each; many have values for the resources that
// differ between groups, a group being those that suit about the same candidates.
func (k *packer) traits(cands []int) [][]float64 {
	var out [][]float64
	if len(k.items) <= worthItems {
		for i := range k.items {
			trait := make([]float64, len(k.items))
			trait[i] = 1
			out = append(out, trait)
		}
		return out
	}
	groups := k.grouped(cands)
	for d, n := range k.demand {
		if n <= 0 {
			continue
		}
		width := 1
		if d == dimCPU || d == dimMemory {
			width = slices.Max(groups) + 1
		}
		traits := make([][]float64, width)
		for g := range traits {
			traits[g] = make([]float64, len(k.items))
		}
		for i := range k.items {
			traits[min(groups[i], width-1)][i] = k.items[i].float[d]
		}
		out = append(out, traits...)
	}
	return out
}

// grouped numbers groups of items alike: parts by the candidates that suit them, and of each part quarters by memory per cpu.
func (k *packer) grouped(cands []int) []int {
	suit, ratio := make([]int, len(k.items)), make([]float64, len(k.items))
	order := make([]int, len(k.items))
	for i := range k.items {
		order[i] = i
		ratio[i] = k.items[i].float[dimMemory] / max(1, k.items[i].float[dimCPU])
		for _, c := range cands {
			if k.items[i].bits.has(k.cands[c].off) {
				suit[i]++
			}
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(slices.Compare(k.items[a].label, k.items[b].label), cmp.Compare(suit[a], suit[b]))
	})
	groups, number := make([]int, len(k.items)), 0
	for n := range worthParts {
		part := order[n*len(order)/worthParts : (n+1)*len(order)/worthParts]
		slices.SortStableFunc(part, func(a, b int) int { return cmp.Compare(ratio[a], ratio[b]) })
		for at, i := range part {
			groups[i] = number + at*worthRatios/len(part)
		}
		number += worthRatios
	}
	return groups
}
