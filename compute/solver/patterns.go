package solver

import (
	"cmp"
	"math"
	"slices"
)

// Bounds of column generation: kinds of pods it is worth its time for, and where there are few of each; how few are few;
// rounds of buying in whole numbers, the work of which grows with the kinds; rounds, steps per search for a pattern, when
// a pattern is as good as the best, and effort below which there are none for pods under rules per node.
const (
	patternItems  = 100
	patternRare   = 30
	patternEach   = 8
	patternDives  = 60
	patternRounds = 40
	patternSteps  = 1500
	patternEnough = 1 + 1e-4
	patternEffort = 0.2
)

// pattern is one way to fill a node: how many pods of each item.
type pattern struct {
	cand  int
	price float64
	pods  []float64
}

// patterns packs by column generation: a linear programme chooses how often to buy which patterns, and its duals tell
// which pattern it lacks. As patterns hold whole pods, its optimum is a bound that knows how badly large pods share nodes.
// It begins with the patterns of a packing and returns the best one that rounding its choice leads to.
func (k *packer) patterns(from *packing) (packing, bool) {
	if !k.fewKinds() || !k.unlimited() || !k.settled() {
		return packing{}, false
	}
	columns := k.firstPatterns(from)
	cands := k.unbeaten()
	lp := k.patternProgramme(columns)
	s := newKnapsack(k)
	for range int(max(4, min(1, k.effort)*patternRounds)) {
		if lp.run(); !lp.feasible() || k.stopped() {
			return packing{}, false
		}
		optimum, values := 0.0, make([]float64, len(k.items))
		for i, y := range lp.y {
			optimum += y
			values[i] = y / float64(k.items[i].count)
		}
		more, worths := k.lacking(s, cands, values)
		scale := 1.0
		for c, worth := range worths {
			scale = min(scale, k.cands[c].price/max(1e-12, worth))
		}
		k.whole = max(k.whole, optimum*scale)
		if len(more) == 0 || scale >= 0.9995 {
			k.measureWorths(values, worths)
			break
		}
		for _, p := range more {
			lp.add(p.price, k.sharesOf(&p))
		}
		columns = append(columns, more...)
	}
	return k.round(columns, lp.bought()), true
}

// fewKinds tells whether there are few enough kinds of pods for column generation.
func (k *packer) fewKinds() bool {
	return len(k.items) <= patternRare || len(k.items) <= patternItems && k.pods() >= patternEach*len(k.items)
}

// patternProgramme is the linear programme that buys patterns for all pods, a row per item.
func (k *packer) patternProgramme(columns []pattern) *simplex {
	var prices []float64
	var shares [][]float64
	rows := make([]int, len(k.items))
	for i := range rows {
		rows[i] = i
	}
	for j := range columns {
		prices, shares = append(prices, columns[j].price), append(shares, k.sharesOf(&columns[j]))
	}
	return newSimplex(prices, shares, slices.Repeat([]float64{1}, len(rows)), rows)
}

// sharesOf is how much of each item a pattern holds.
func (k *packer) sharesOf(p *pattern) []float64 {
	out := make([]float64, len(p.pods))
	for i, n := range p.pods {
		out[i] = n / float64(k.items[i].count)
	}
	return out
}

// settled tells whether the labels of a node follow from its offering alone, and whether rules per node, where there are
// any, are worth the effort.
func (k *packer) settled() bool {
	little := k.effort < patternEffort
	return len(k.pl.minValues) == 0 && !slices.ContainsFunc(k.items, func(it packItem) bool { return it.rest != 0 || little && it.class.perNode })
}

// firstPatterns are those of a packing, and of each item alone on the node that suits it best.
func (k *packer) firstPatterns(from *packing) []pattern {
	var out []pattern
	for i := range from.bins {
		b := &from.bins[i]
		p := pattern{b.cand, b.price, make([]float64, len(k.items))}
		for _, l := range b.load {
			p.pods[l.item] += float64(l.n)
		}
		out = append(out, p)
	}
	for i := range k.items {
		best, least := pattern{}, math.Inf(1)
		for c := range k.cands {
			cand := &k.cands[c]
			n := k.items[i].class.perNodeRoom(nil, nil, k.items[i].vec.times(cand.room, k.items[i].count))
			if n > 0 && k.items[i].bits.has(cand.off) && cand.price/float64(n) < least {
				least = cand.price / float64(n)
				best = pattern{c, cand.price, make([]float64, len(k.items))}
				best.pods[i] = float64(n)
			}
		}
		if best.pods != nil {
			out = append(out, best)
		}
	}
	return out
}

// unbeaten lists the candidates that no other beats in price and in all of its room.
func (k *packer) unbeaten() []int {
	var out []int
	for _, c := range k.byPrice {
		if !slices.ContainsFunc(out, func(o int) bool { return k.beats(o, c) }) {
			out = append(out, c)
		}
	}
	return out
}

// beats tells whether a candidate, no dearer than another, has as much room and suits as much.
func (k *packer) beats(a, b int) bool {
	for d, n := range k.cands[b].room {
		if k.cands[a].room[d] < n {
			return false
		}
	}
	for i := range k.items {
		if k.items[i].bits.has(k.cands[b].off) && !k.items[i].bits.has(k.cands[a].off) {
			return false
		}
	}
	return true
}

// lacking finds a pattern for each candidate that holds pods worth more than the node costs, and what the pods on each
// candidate are worth at most.
func (k *packer) lacking(s *knapsack, cands []int, values []float64) ([]pattern, []float64) {
	var out []pattern
	worths := make([]float64, len(k.cands))
	f := &patternSearch{k: k, values: values}
	for _, c := range cands {
		price := k.cands[c].price
		if worths[c] = s.most(values, c); worths[c] <= price*(1+1e-6) {
			continue
		}
		worths[c] = min(worths[c], f.search(c, s, price*(1+1e-6)))
		if f.found != nil {
			out = append(out, pattern{c, price, f.found})
		}
	}
	return out, worths
}

// patternSearch looks for the most valuable pattern of a candidate by branch and bound, from the best filling with fractions
// of pods on.
type patternSearch struct {
	k      *packer
	values []float64
	duals  []float64 // what the room for pods is worth
	beyond []float64 // what the items from one in the order on are worth at most beyond what they take
	order  []int     // items: those of the filling, then most value for what they take first
	start  []int     // how many of them the filling has, of the first in the order
	room   vector
	places []float64 // left of the hostname rules that are dimensions of value
	tally  tally
	ports  []hostPort
	pods   []float64
	best   float64
	found  []float64
	open   float64 // what is not looked at is worth no more
	steps  int
}

// search looks for a pattern of more value than some, after the best filling in fractions was found, and returns a value that
// none is above.
func (f *patternSearch) search(c int, s *knapsack, than float64) float64 {
	f.duals, f.best, f.found, f.open, f.steps = s.duals(), than, nil, 0, patternSteps
	f.room = append(f.room[:0], f.k.cands[c].room...)
	f.places = append(f.places[:0], f.k.cands[c].float[len(f.room):]...)
	f.tally, f.ports = f.tally[:0], f.ports[:0]
	f.pods = make([]float64, len(f.k.items))
	f.arrange(c, s)
	f.branch(0, 0)
	return max(f.best, f.open)
}

// arrange puts the items in order.
func (f *patternSearch) arrange(c int, s *knapsack) {
	f.order, f.start = f.order[:0], f.start[:0]
	s.filled(func(i int, n float64) {
		f.order, f.start = append(f.order, i), append(f.start, int(n+1e-9))
	})
	density := make([]float64, len(f.k.items))
	for i := range f.k.items {
		if f.values[i] > 0 && f.k.items[i].bits.has(f.k.cands[c].off) && !slices.Contains(f.order[:len(f.start)], i) {
			f.order = append(f.order, i)
			density[i] = f.values[i] / max(1e-12, dot(f.duals, f.k.items[i].float))
		}
	}
	slices.SortStableFunc(f.order[len(f.start):], func(a, b int) int { return cmp.Compare(density[b], density[a]) })
	f.beyond = slices.Grow(f.beyond[:0], len(f.order)+1)[:len(f.order)+1]
	f.beyond[len(f.order)] = 0
	for at := len(f.order) - 1; at >= 0; at-- {
		it := &f.k.items[f.order[at]]
		f.beyond[at] = f.beyond[at+1] + float64(it.count)*max(0, f.values[f.order[at]]-dot(f.duals, it.float))
	}
}

// branch looks at all that the pods so far can be completed to, nearest to the filling first.
func (f *patternSearch) branch(at int, value float64) {
	if value > f.best {
		f.best, f.found = value, slices.Clone(f.pods)
	}
	if at == len(f.order) {
		return
	}
	if upper := value + f.beyond[at] + f.worthOfRoom(); upper <= f.best*(1+1e-9) {
		return
	} else if f.steps--; f.steps <= 0 || upper <= f.best*patternEnough {
		f.open = max(f.open, upper)
		return
	}
	i := f.order[at]
	it := &f.k.items[i]
	most := it.class.perNodeRoom(f.tally, f.ports, it.vec.times(f.room, it.count))
	first := most
	if at < len(f.start) {
		first = min(most, f.start[at])
	}
	tally, ports := f.tally, f.ports
	for n := range most + 1 {
		n = outward(first, most, n)
		f.take(it, n)
		f.pods[i] = float64(n)
		f.branch(at+1, value+float64(n)*f.values[i])
		f.take(it, -n)
		f.tally, f.ports = tally, ports
	}
	f.pods[i] = 0
}

// outward is the step-th of the numbers from 0 to most, those nearest to first before the others.
func outward(first, most, step int) int {
	near := min(first, most-first)
	switch {
	case step <= 2*near && step%2 == 1:
		return first + (step+1)/2
	case step <= 2*near:
		return first - step/2
	case first > near:
		return most - step
	}
	return step
}

// take notes so many pods of an item; the tally is a new one then.
func (f *patternSearch) take(it *packItem, n int) {
	f.room.addTimes(it.vec, -int64(n))
	for r := range f.places {
		f.places[r] -= float64(n) * it.float[len(f.room)+r]
	}
	if n > 0 && it.class.perNode {
		f.tally = slices.Clone(f.tally)
		it.class.note(&f.tally, n)
		f.ports = append(slices.Clip(f.ports), it.class.ports...)
	}
}

// worthOfRoom bounds what the room that is left is worth.
func (f *patternSearch) worthOfRoom() float64 {
	worth := 0.0
	for d, n := range f.room {
		worth += max(0, f.duals[d]) * float64(max(0, n))
	}
	for r, n := range f.places {
		worth += max(0, f.duals[len(f.room)+r]) * max(0, n)
	}
	return worth
}

// round buys patterns in whole numbers, again and again for the pods that are left, has other methods pack what is left
// at each point, and returns the cheapest packing.
func (k *packer) round(columns []pattern, bought map[int]float64) packing {
	best := packing{left: math.MaxInt}
	left := k.counts()
	var bins []bin
	dives := patternDives * min(1, float64(patternRare)/float64(len(k.items)))
	for range int(max(2, min(1, k.effort)*dives)) {
		for _, pr := range []params{{tries: 16}, {tries: 16, balanced: true}} {
			out := k.newFiller().run(pr, slices.Clone(left), k.order(0), k.pl.limits.clone(), slices.Clone(k.p.reservations))
			out.bins = append(out.bins, bins...)
			k.finish(&out)
			if out.method = "patterns"; better(&out, &best) {
				best = out
			}
		}
		more := k.buyWhole(columns, bought, left)
		if bins = append(bins, more...); len(more) == 0 || slices.Max(left) == 0 || k.stopped() {
			break
		}
		columns, bought = k.rebuy(columns, left)
	}
	return best
}

// buyWhole buys patterns in whole numbers, or the one of which most is bought once, and takes its pods off those left.
func (k *packer) buyWhole(columns []pattern, bought map[int]float64, left []int) []bin {
	var bins []bin
	first, most := -1, 0.0
	for j := range columns {
		if bought[j] > most+1e-9 {
			first, most = j, bought[j]
		}
	}
	for j := range columns {
		times := int(math.Floor(bought[j] + 1e-9))
		if most < 1-1e-9 && j == first {
			times = 1
		}
		if b := k.binOf(&columns[j], times, left); b.copies > 0 {
			bins = append(bins, b)
		}
	}
	return bins
}

// binOf is a pattern so many times, or as often as the pods last, which it takes off those left.
func (k *packer) binOf(p *pattern, times int, left []int) bin {
	b := bin{cand: p.cand, sum: make(vector, len(k.p.res.names))}
	for i, n := range p.pods {
		if n > 0 {
			times = min(times, left[i]/int(n))
			b.load = append(b.load, load{i, int(n)})
			b.sum.addTimes(k.items[i].vec, int64(n))
		}
	}
	if len(b.load) == 0 {
		return b
	}
	b.copies = times
	for _, l := range b.load {
		left[l.item] -= l.n * times
	}
	return b
}

// rebuy buys patterns for the pods that are left, each without what it would have of others.
func (k *packer) rebuy(columns []pattern, left []int) ([]pattern, map[int]float64) {
	counts, prices := make([]float64, len(left)), make([]float64, len(columns))
	var cut []pattern
	var pods [][]float64
	for j := range columns {
		p := pattern{columns[j].cand, columns[j].price, slices.Clone(columns[j].pods)}
		for i, n := range left {
			p.pods[i] = min(p.pods[i], float64(n))
		}
		cut, pods, prices[j] = append(cut, p), append(pods, p.pods), p.price
	}
	for i, n := range left {
		counts[i] = float64(n)
	}
	_, _, bought := buy(prices, pods, counts)
	return cut, bought
}
