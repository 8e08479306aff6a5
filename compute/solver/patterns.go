package solver

import (
	"cmp"
	"math"
	"slices"
)

// Bounds of column generation: kinds of pods it is worth its time for, rounds, and steps per search for a pattern.
const (
	patternItems  = 20
	patternRounds = 40
	patternSteps  = 2000
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
	if len(k.items) > patternItems || !k.mayGrow() || !k.onlySize() {
		return packing{}, false
	}
	columns := k.firstPatterns(from)
	cands := k.unbeaten()
	counts := make([]float64, len(k.items))
	for i := range k.items {
		counts[i] = float64(k.items[i].count)
	}
	var bought map[int]float64
	s := newKnapsack(k)
	for range int(max(4, min(1, k.p.effort())*patternRounds)) {
		prices, room := make([]float64, len(columns)), make([][]float64, len(columns))
		for j, c := range columns {
			prices[j], room[j] = c.price, c.pods
		}
		optimum, values, chosen := buy(prices, room, counts)
		if math.IsInf(optimum, 1) {
			return packing{}, false
		}
		bought = chosen
		more, worths := k.lacking(s, cands, values)
		scale := 1.0
		for c, worth := range worths {
			scale = min(scale, k.cands[c].price/max(1e-12, worth))
		}
		k.whole = max(k.whole, optimum*scale)
		if len(more) == 0 || k.whole >= optimum*0.9995 {
			k.whole = max(k.whole, k.wholeNodes(scaled(worths, scale), optimum*scale, optimum*scale))
			break
		}
		columns = append(columns, more...)
	}
	return k.round(columns, bought), true
}

// onlySize tells whether nothing but size and offerings decides what may share a node.
func (k *packer) onlySize() bool {
	return len(k.pl.minValues) == 0 && !slices.ContainsFunc(k.items, func(it packItem) bool { return it.class.perNode || it.rest != 0 })
}

func scaled(values []float64, by float64) []float64 {
	out := slices.Clone(values)
	for i := range out {
		out[i] *= by
	}
	return out
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
			n := k.items[i].vec.times(cand.room, k.items[i].count)
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
		if f.search(c, s.y, price*(1+1e-6)); f.steps > 0 {
			worths[c] = min(worths[c], f.best)
		}
		if f.found != nil {
			out = append(out, pattern{c, price, f.found})
		}
	}
	return out, worths
}

// patternSearch looks for the most valuable pattern of a candidate by branch and bound.
type patternSearch struct {
	k      *packer
	values []float64
	duals  []float64 // no pod is worth more than what it takes under them
	order  []int     // items, most value for what they take first
	room   vector
	pods   []float64
	best   float64
	found  []float64
	steps  int
}

// search looks for a pattern of more value than some.
func (f *patternSearch) search(c int, duals []float64, than float64) {
	f.duals, f.best, f.found, f.steps = duals, than, nil, patternSteps
	f.room = append(f.room[:0], f.k.cands[c].room...)
	f.pods = make([]float64, len(f.k.items))
	f.order = f.order[:0]
	density := make([]float64, len(f.k.items))
	for i := range f.k.items {
		if f.values[i] > 0 && f.k.items[i].bits.has(f.k.cands[c].off) {
			f.order = append(f.order, i)
			density[i] = f.values[i] / max(1e-12, dot(duals, f.k.items[i].float))
		}
	}
	slices.SortStableFunc(f.order, func(a, b int) int { return cmp.Compare(density[b], density[a]) })
	f.branch(0, 0)
}

func (f *patternSearch) branch(at int, value float64) {
	if value > f.best {
		f.best, f.found = value, slices.Clone(f.pods)
	}
	if f.steps--; f.steps <= 0 || at == len(f.order) || value+f.worthOfRoom() <= f.best*(1+1e-9) {
		return
	}
	i := f.order[at]
	it := &f.k.items[i]
	most := it.vec.times(f.room, it.count)
	f.room.addTimes(it.vec, -int64(most))
	for n := most; n >= 0 && f.steps > 0; n-- {
		f.pods[i] = float64(n)
		f.branch(at+1, value+float64(n)*f.values[i])
		if n > 0 {
			f.room.add(it.vec)
		}
	}
	f.pods[i] = 0
}

// worthOfRoom bounds what the room that is left can hold.
func (f *patternSearch) worthOfRoom() float64 {
	worth := 0.0
	for d, n := range f.room {
		worth += max(0, f.duals[d]) * float64(max(0, n))
	}
	return worth
}

// round buys patterns in whole numbers, packs the pods that are left by other methods, and returns the cheapest packing.
func (k *packer) round(columns []pattern, bought map[int]float64) packing {
	best := packing{left: math.MaxInt}
	for _, up := range [...]float64{0, 0.3, 0.6} {
		bins, left := k.buyWhole(columns, bought, up)
		for _, pr := range []params{{tries: 16}, {tries: 16, balanced: true}} {
			out := k.newFiller().run(pr, slices.Clone(left), k.order(0), k.pl.limits.clone(), slices.Clone(k.p.reservations))
			out.bins = append(out.bins, bins...)
			k.finish(&out)
			if out.method = "patterns"; better(&out, &best) {
				best = out
			}
		}
	}
	return best
}

// buyWhole buys patterns in whole numbers, rounded up where little is missing, and returns the pods that are left.
func (k *packer) buyWhole(columns []pattern, bought map[int]float64, up float64) ([]bin, []int) {
	var bins []bin
	left := k.counts()
	for j, p := range columns {
		times := int(math.Floor(bought[j] + up + 1e-9))
		b := bin{cand: p.cand, sum: make(vector, len(k.p.res.names))}
		for i, n := range p.pods {
			if n > 0 {
				times = min(times, left[i]/int(n))
				b.load = append(b.load, load{i, int(n)})
				b.sum.addTimes(k.items[i].vec, int64(n))
			}
		}
		if b.copies = times; times > 0 {
			for _, l := range b.load {
				left[l.item] -= l.n * times
			}
			bins = append(bins, b)
		}
	}
	return bins, left
}
