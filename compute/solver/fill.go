package solver

import (
	"math"
	"slices"
	"sort"
)

// filler fills nodes one pattern at a time: the most valuable item that is left
// opens a node, the candidate is the one that costs least for what it can be
// filled with, and the pattern is repeated as often as the items last.
type filler struct {
	k      *packer
	params params
	left   []int // pods left per item
	order  []int // items by value, those that are used up drop out
	floors floors
	total  int
	worth  float64 // value of the pods left
	lim    limits
	held   []int // reservations left

	room  vector
	load  []load
	tally tally
	ports []hostPort
	used  []int // pods per item on the node being filled
	open  []int // items that may still go onto it
	shape shape

	best      []load
	last      int // candidate of the node before, and its price for its value
	lastRatio float64
}

// params tell the methods of the portfolio apart.
type params struct {
	name     string
	balanced bool    // choose what uses the most abundant resource, not the most valuable
	tries    int     // candidates that are tried per node
	quick    bool    // stay with a candidate for as long as it fills well
	maxCPU   int64   // no candidate with more cpu, 0 for all
	skew     float64 // shifts the duals towards cpu (below 0) or memory (above 0)
}

// fill packs all items by one method.
func (k *packer) fill(pr params) packing {
	f := k.newFiller()
	return f.run(pr, k.counts(), k.order(pr.skew), k.pl.limits.clone(), slices.Clone(k.p.reservations))
}

// newFiller makes a filler that can run many times.
func (k *packer) newFiller() *filler {
	return &filler{k: k, used: make([]int, len(k.items)), room: make(vector, len(k.p.res.names))}
}

// order lists the items by value, shifted by a power of their memory per cpu.
// Where limits may leave some out, priority comes first.
func (k *packer) order(skew float64) []int {
	values := make([]float64, len(k.items))
	out := make([]int, len(k.items))
	usual := k.demand[dimMemory] / max(1, k.demand[dimCPU])
	for i := range values {
		out[i] = i
		values[i] = k.items[i].value
		if skew != 0 && usual > 0 {
			own := k.items[i].float[dimMemory] / max(1, k.items[i].float[dimCPU])
			values[i] *= math.Pow(max(1e-6, own/usual), skew)
		}
	}
	limited := len(k.pl.limits.names) > 0
	sort.SliceStable(out, func(a, b int) bool {
		if x, y := k.items[out[a]].class.priority, k.items[out[b]].class.priority; limited && x != y {
			return x > y
		}
		return values[out[a]] > values[out[b]]
	})
	return out
}

// run packs what left says of the items in the order, which it uses up.
func (f *filler) run(pr params, left, order []int, lim limits, held []int) packing {
	out, _ := f.runBelow(math.Inf(1), pr, left, order, lim, held)
	return out
}

// runBelow does so unless the result costs as much as a limit. Pods cost no
// less than their value, so that this shows before all of them are packed.
func (f *filler) runBelow(limit float64, pr params, left, order []int, lim limits, held []int) (packing, bool) {
	f.params, f.left, f.order, f.lim, f.held, f.total, f.worth, f.lastRatio = pr, left, order, lim, held, 0, 0, 0
	for _, i := range order {
		f.total += left[i]
		f.worth += f.k.items[i].value * float64(left[i])
	}
	out := packing{method: pr.name}
	f.floors = floors{}
	for f.total > 0 {
		f.compact()
		b, ok := f.next()
		if !ok {
			break
		}
		f.k.finishBin(&b)
		out.price += b.price * float64(b.copies)
		out.bins = append(out.bins, b)
		if out.price+f.worth*(1-1e-4) >= limit {
			return out, false
		}
	}
	out.left = f.total
	return out, true
}

// compact drops items that are used up from the order; from a long one with floors, which that costs, now and then only.
func (f *filler) compact() {
	if f.floors.made() {
		for len(f.order) > 0 && f.left[f.order[0]] == 0 {
			f.drop()
		}
		if f.floors.nodes++; f.floors.nodes < compactAfter {
			return
		}
	}
	kept := f.order[:0]
	for _, i := range f.order {
		if f.left[i] > 0 {
			kept = append(kept, i)
		}
	}
	f.order = kept
	f.floors = f.newFloors()
}

// drop takes the first item off the order.
func (f *filler) drop() {
	f.order = f.order[1:]
	f.floors.dropped++
}

// next fills one pattern.
func (f *filler) next() (bin, bool) {
	for len(f.order) > 0 {
		anchor := f.order[0]
		if b, ok := f.likeLast(anchor); ok {
			return b, true
		}
		best, cand := math.Inf(1), -1
		load := f.best[:0]
		for _, c := range f.choices(anchor) {
			price := f.k.cands[c].price
			if price >= best*f.worth*(1+1e-6) {
				continue // not even with all pods that are left
			}
			if value := f.try(c, anchor); value > 0 && price/value < best*(1-1e-9) {
				best, cand = price/value, c
				load = append(load[:0], f.load...)
			}
		}
		f.best = load
		if cand >= 0 {
			f.last, f.lastRatio = cand, best
			return f.commit(cand, load), true
		}
		f.drop() // limits leave no room for it
	}
	return bin{}, false
}

// likeLast fills another node of the kind that was chosen last, where there are
// too many items to compare kinds for each node and it fills as well.
func (f *filler) likeLast(anchor int) (bin, bool) {
	if !f.params.quick || f.lastRatio == 0 {
		return bin{}, false
	}
	cand := &f.k.cands[f.last]
	if !f.k.items[anchor].bits.has(cand.off) || !f.available(cand) {
		return bin{}, false
	}
	if value := f.try(f.last, anchor); value == 0 || cand.price/value > f.lastRatio*1.01 {
		return bin{}, false
	}
	f.best = append(f.best[:0], f.load...)
	return f.commit(f.last, f.best), true
}

// choices lists candidates for a node that the anchor opens: those of most
// worth for their price, a few of each size.
func (f *filler) choices(anchor int) []int {
	var out []int
	var perSize [sizes]int
	it := &f.k.items[anchor]
	for _, c := range f.k.rank {
		cand := &f.k.cands[c]
		if !it.bits.has(cand.off) || f.params.maxCPU > 0 && cand.room[dimCPU] > f.params.maxCPU && !it.wide(f.params.maxCPU) || !f.available(cand) {
			continue
		}
		if perSize[cand.size] >= 2 {
			continue
		}
		perSize[cand.size]++
		out = append(out, c)
		if len(out) >= f.params.tries {
			break
		}
	}
	if len(out) == 0 && f.params.maxCPU > 0 {
		unlimited := *f
		unlimited.params.maxCPU = 0
		return unlimited.choices(anchor)
	}
	return out
}

// wide tells whether the item itself needs more cpu than a cap.
func (it *packItem) wide(maxCPU int64) bool { return it.vec[dimCPU] > maxCPU }

func (f *filler) available(c *candidate) bool {
	o := &f.k.p.off.list[c.off]
	return (o.reservation < 0 || f.held[o.reservation] > 0) && f.lim.allows(o.typ)
}

// try fills a node of candidate c, the anchor first, and returns the value of
// what is on it.
func (f *filler) try(c, anchor int) float64 {
	cand := &f.k.cands[c]
	copy(f.room, cand.room)
	f.load, f.tally, f.ports = f.load[:0], f.tally[:0], f.ports[:0]
	rest := f.k.pl.base
	value := f.put(cand, anchor, 1, &rest)
	if value == 0 {
		return 0
	}
	if f.params.balanced {
		value += f.fillBalanced(c, &rest)
	} else {
		value += f.fillByValue(cand, &rest)
	}
	for _, l := range f.load {
		f.used[l.item] = 0
	}
	if len(f.k.pl.minValues) > 0 {
		value = f.keepMinValues(c)
	}
	return value
}

// put adds up to n pods of an item to the node and returns their value.
func (f *filler) put(cand *candidate, i, n int, rest *int) float64 {
	it := &f.k.items[i]
	n = it.vec.times(f.room, min(n, f.left[i]-f.used[i]))
	if n == 0 {
		return 0
	}
	merged := *rest
	if it.rest != 0 {
		if merged = f.k.p.rest.merge(*rest, it.rest); merged < 0 || !f.k.p.rest.bits(merged).has(cand.off) {
			return 0
		}
	}
	if it.class.perNode || len(f.tally) > 0 {
		if n = it.class.perNodeRoom(f.tally, f.ports, n); n == 0 {
			return 0
		}
	}
	it.class.note(&f.tally, n)
	if len(it.class.ports) > 0 {
		f.ports = append(f.ports, it.class.ports...)
	}
	*rest = merged
	f.room.addTimes(it.vec, -int64(n))
	if f.used[i] == 0 {
		f.load = append(f.load, load{i, n})
	} else {
		for j := range f.load {
			if f.load[j].item == i {
				f.load[j].n += n
			}
		}
	}
	f.used[i] += n
	return it.value * float64(n)
}

func (f *filler) fillByValue(cand *candidate, rest *int) float64 {
	value := 0.0
	for j := 0; j < len(f.order) && f.k.p.floor.fits(f.room); j++ {
		if skip := f.floors.skip(j, f.room); skip > 0 {
			j += skip - 1
			continue
		}
		if i := f.order[j]; f.left[i] > f.used[i] && f.k.items[i].bits.has(cand.off) {
			value += f.put(cand, i, f.left[i], rest)
		}
	}
	return value
}

// keepMinValues takes pods off the node until enough types have room for it.
func (f *filler) keepMinValues(c int) float64 {
	for len(f.load) > 0 {
		b := f.bin(c, f.load)
		if _, _, ok := f.k.p.keepsMinValues(f.k.pl, f.k.suits(&b)); ok || f.k.p.s.Options.RelaxMinValues {
			break
		}
		last := &f.load[len(f.load)-1]
		if last.n = last.n * 3 / 4; last.n == 0 {
			f.load = f.load[:len(f.load)-1]
		}
	}
	value := 0.0
	for _, l := range f.load {
		value += f.k.items[l.item].value * float64(l.n)
	}
	return value
}

func (f *filler) bin(c int, l []load) bin {
	b := bin{cand: c, copies: 1, load: append([]load(nil), l...), sum: make(vector, len(f.room))}
	for _, x := range l {
		b.sum.addTimes(f.k.items[x.item].vec, int64(x.n))
	}
	return b
}

// takeTurns lets the other domains of the anchor's class go first next time, so
// that limits do not leave one of them empty and break a spread.
func (f *filler) takeTurns() {
	class := f.k.items[f.order[0]].class
	last := 0
	for j, i := range f.order {
		if f.k.items[i].class == class {
			last = j
		}
	}
	anchor := f.order[0]
	copy(f.order[:last], f.order[1:last+1])
	f.order[last] = anchor
}

// commit takes the pods of a pattern, as often as they last.
func (f *filler) commit(c int, l []load) bin {
	b := f.bin(c, l)
	o := &f.k.p.off.list[f.k.cands[c].off]
	b.copies = math.MaxInt32
	for _, x := range l {
		b.copies = min(b.copies, f.left[x.item]/x.n)
	}
	if o.reservation >= 0 {
		b.copies = min(b.copies, f.held[o.reservation])
		f.held[o.reservation] -= b.copies
	}
	if len(f.lim.names) > 0 {
		b.copies = 1
		f.takeTurns()
	}
	f.lim.take(o.typ, b.copies)
	for _, x := range l {
		f.left[x.item] -= x.n * b.copies
		f.total -= x.n * b.copies
		f.worth -= f.k.items[x.item].value * float64(x.n*b.copies)
	}
	return b
}
