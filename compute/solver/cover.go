package solver

import (
	"cmp"
	"container/heap"
	"math"
	"slices"
)

// Bounds of the search for covers: parts that a measure divides the whole into, the most of them that are asked for,
// measures, sets of nodes that are kept in mind, candidates and pods beyond which and effort below which there is none.
const (
	coverParts    = 4096
	coverMost     = coverParts + coverParts/10
	coverMeasures = 16
	coverStates   = 20_000
	coverCands    = 128
	coverPods     = 400
	coverEffort   = 0.5
)

// cover finds the cheapest sets of whole nodes that are large enough for pods by every measure. A measure values each
// pod, and a node by the most that the pods on it can be worth; a set of nodes that is worth less than the pods by any
// measure cannot hold them, so that the cheapest set that passes all is a bound for whole nodes. It is seldom below
// the fractional one: the share of DaemonSets and of what the system keeps is less on a large node, but the last node is
// seldom a large one, and prices come in steps.
type cover struct {
	cands    []int // candidates that no other beats, dearest first
	prices   []float64
	measures []measure
	apart    [][]int // measures that no two of share candidates: what they cost adds up
}

// measure is a way to value pods, the whole of them worth coverParts, rounded so that no set of nodes is undervalued.
type measure struct {
	values []float64 // of a pod of each item, of the whole 1
	worth  []int32   // of each of the cover's candidates
	least  []float64 // price of what is worth so many parts at least
}

// measure finds out what the pods come to in whole nodes, where that may be more than in fractions.
func (k *packer) measure() {
	if k.pods() > worthPods && len(k.items) > worthKinds || k.effort < coverEffort || len(k.p.reservations) > 0 || len(k.cands) == 0 || k.bound <= 0 {
		return
	}
	cands := k.unbeaten()
	if len(cands) > coverCands {
		return
	}
	k.appraise(cands)
	k.cover = k.newCover(cands)
	k.whole = max(k.bound, k.cover.least(k.cover.needOf(k.counts())))
}

// newCover measures the candidates, those that no other beats.
func (k *packer) newCover(cands []int) *cover {
	v := &cover{cands: slices.Clone(cands)}
	slices.Reverse(v.cands)
	for _, c := range v.cands {
		v.prices = append(v.prices, k.cands[c].price)
	}
	everything := func(int) bool { return true }
	var all []int
	for d, n := range k.demand {
		if n > 0 {
			all = append(all, v.measure(k, everything, func(i int) float64 { return k.items[i].float[d] })...)
		}
	}
	all = append(all, v.measure(k, everything, func(i int) float64 { return k.items[i].value })...)
	for _, m := range all {
		v.apart = append(v.apart, []int{m})
	}
	v.measureParts(k)
	return v
}

// measureParts adds what sets of labels without a common candidate, such as those of zones, need each.
func (v *cover) measureParts(k *packer) {
	parts := k.parts()
	if len(parts) == 0 || len(parts) == 1 && !slices.ContainsFunc(k.items, func(it packItem) bool { return !within(it.label, parts[0]) }) {
		return
	}
	for _, value := range []func(int) float64{
		func(i int) float64 { return k.items[i].value },
		func(i int) float64 { return k.items[i].float[dimCPU] },
		func(i int) float64 { return k.items[i].float[dimMemory] },
	} {
		var sum []int
		for _, label := range parts {
			sum = append(sum, v.measure(k, func(i int) bool { return within(k.items[i].label, label) }, value)...)
		}
		v.apart = append(v.apart, sum)
	}
}

// parts lists sets of labels of items that have no candidate in common, the narrowest first.
func (k *packer) parts() []bitset {
	var all, out []bitset
	for i := range k.items {
		all = append(all, k.items[i].label)
	}
	slices.SortStableFunc(all, func(a, b bitset) int { return cmp.Compare(a.size(), b.size()) })
	for _, label := range all {
		if !slices.ContainsFunc(out, func(b bitset) bool { return b.intersects(label) }) {
			out = append(out, label)
		}
	}
	return out
}

// within tells whether a is a part of b.
func within(a, b bitset) bool {
	for i, w := range a {
		if w&^b[i] != 0 {
			return false
		}
	}
	return true
}

// measure adds a measure, and returns its number, unless there are too many or nothing is worth anything.
func (v *cover) measure(k *packer, counts func(item int) bool, value func(item int) float64) []int {
	m := measure{values: make([]float64, len(k.items)), worth: make([]int32, len(v.cands))}
	total := 0.0
	for i := range k.items {
		if counts(i) {
			m.values[i] = value(i)
			total += m.values[i] * float64(k.items[i].count)
		}
	}
	if total <= 0 || len(v.measures) == coverMeasures {
		return nil
	}
	for i := range m.values {
		m.values[i] /= total
	}
	s := newKnapsack(k)
	for j, c := range v.cands {
		m.worth[j] = int32(min(coverMost, math.Ceil(s.most(m.values, c)*coverParts)))
	}
	m.price(v.prices)
	v.measures = append(v.measures, m)
	return []int{len(v.measures) - 1}
}

// measureWorths adds a measure that is known: what pods are worth, and at most what can be on each of the candidates.
func (k *packer) measureWorths(values, worths []float64) {
	if k.cover == nil {
		return
	}
	m := measure{values: slices.Clone(values), worth: make([]int32, len(k.cover.cands))}
	total := 0.0
	for i := range k.items {
		total += values[i] * float64(k.items[i].count)
	}
	if total <= 0 {
		return
	}
	for i := range m.values {
		m.values[i] /= total
	}
	for j, c := range k.cover.cands {
		m.worth[j] = int32(min(coverMost, math.Ceil(worths[c]/total*(1+1e-9)*coverParts)))
	}
	m.price(k.cover.prices)
	k.cover.measures = append(k.cover.measures, m)
	k.cover.apart = append(k.cover.apart, []int{len(k.cover.measures) - 1})
	k.whole = max(k.whole, k.cover.least(k.cover.needOf(k.counts())))
}

// price works out what being worth so many parts costs at least.
func (m *measure) price(prices []float64) {
	var menu []int
	for j, w := range m.worth {
		if w > 0 && !slices.ContainsFunc(menu, func(o int) bool { return m.worth[o] >= w && prices[o] <= prices[j] }) {
			menu = slices.DeleteFunc(menu, func(o int) bool { return w >= m.worth[o] && prices[j] <= prices[o] })
			menu = append(menu, j)
		}
	}
	m.least = make([]float64, coverMost+1)
	for need := 1; need <= coverMost; need++ {
		best := math.Inf(1)
		for _, j := range menu {
			best = min(best, prices[j]+m.least[max(0, need-int(m.worth[j]))])
		}
		m.least[need] = best
	}
}

// needOf is what so many pods of each item are worth by every measure.
func (v *cover) needOf(counts []int) []int32 {
	need := make([]int32, len(v.measures))
	for m := range v.measures {
		sum := 0.0
		for i, n := range counts {
			sum += v.measures[m].values[i] * float64(n)
		}
		need[m] = int32(math.Floor(min(1, sum) * (1 - 1e-9) * coverParts))
	}
	return need
}

// least is a price that what is worth so much cannot be below.
func (v *cover) least(need []int32) float64 {
	most := 0.0
	for _, sum := range v.apart {
		price := 0.0
		for _, m := range sum {
			price += v.measures[m].least[max(0, need[m])]
		}
		most = max(most, price)
	}
	return most
}

// coverState is a set of nodes: another one and a candidate more.
type coverState struct {
	need   []int32 // what it lacks
	cost   float64
	least  float64 // no set that includes it and covers all costs less
	before int     // index of the other one
	cand   int     // index into the cover's candidates
	lacks  bool
}

// coverSearch finds sets in the order of their price.
type coverSearch struct {
	*cover
	states []coverState
	queue  []int
	below  float64
	child  []int32
}

// search calls use with sets of candidates that cover a need for less than a price, cheapest first, until it says no or
// so many sets are in mind. It returns a price that no cover is below.
func (v *cover) search(need []int32, below float64, states int, use func(cands []int, price float64) bool) float64 {
	s := &coverSearch{cover: v, below: below, child: make([]int32, len(need))}
	bound := v.least(need)
	if bound >= below {
		return below
	}
	s.add(coverState{need: need, least: bound, before: -1, lacks: true})
	found := false
	for len(s.queue) > 0 && len(s.states) < states {
		at := heap.Pop(s).(int)
		if !found {
			bound = max(bound, s.states[at].least)
		}
		if s.states[at].lacks {
			s.expand(at)
			continue
		}
		found = true
		if !use(s.set(at), s.states[at].cost) {
			return bound
		}
	}
	if !found && len(s.queue) == 0 {
		return below
	}
	if !found {
		bound = max(bound, s.states[s.queue[0]].least)
	}
	return bound
}

// expand adds one more node to a set, none dearer than the last, so that each set is found once.
func (s *coverSearch) expand(at int) {
	from := s.states[at]
	for j := from.cand; j < len(s.cands); j++ {
		cost := from.cost + s.prices[j]
		if cost >= s.below*(1-1e-9) {
			continue
		}
		lacks, helps := false, false
		for m := range s.measures {
			worth := s.measures[m].worth[j]
			s.child[m] = max(0, from.need[m]-worth)
			lacks = lacks || s.child[m] > 0
			helps = helps || worth > 0 && from.need[m] > 0
		}
		if !helps {
			continue
		}
		if least := max(from.least, cost+s.least(s.child)); least < s.below*(1-1e-9) {
			s.add(coverState{need: slices.Clone(s.child), cost: cost, least: least, before: at, cand: j, lacks: lacks})
		}
	}
}

func (s *coverSearch) add(state coverState) {
	s.states = append(s.states, state)
	heap.Push(s, len(s.states)-1)
}

// set lists the candidates of a state.
func (s *coverSearch) set(at int) []int {
	var out []int
	for ; s.states[at].before >= 0; at = s.states[at].before {
		out = append(out, s.cands[s.states[at].cand])
	}
	slices.Reverse(out)
	return out
}

// Len, Less, Swap, Push and Pop order the sets by what they come to at least, and equal ones by how far they are.
func (s *coverSearch) Len() int { return len(s.queue) }

func (s *coverSearch) Less(i, j int) bool {
	a, b := &s.states[s.queue[i]], &s.states[s.queue[j]]
	if a.least != b.least {
		return a.least < b.least
	}
	if a.cost != b.cost {
		return a.cost > b.cost
	}
	return s.queue[i] < s.queue[j]
}

func (s *coverSearch) Swap(i, j int) { s.queue[i], s.queue[j] = s.queue[j], s.queue[i] }

func (s *coverSearch) Push(x any) { s.queue = append(s.queue, x.(int)) }

func (s *coverSearch) Pop() any {
	last := s.queue[len(s.queue)-1]
	s.queue = s.queue[:len(s.queue)-1]
	return last
}
