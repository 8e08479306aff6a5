package solver

import (
	"math"
	"math/rand/v2"
	"slices"
	"sort"
)

// improve takes a few nodes apart again and again, packs what was on them in
// another way, and keeps the result where it costs less. The choices are random
// but always the same.
func (k *packer) improve(best packing) packing {
	v := newImprover(k, best)
	rounds := v.rounds()
	last := 0
	for round := range rounds {
		if round%32 == 31 && k.stopped() {
			break
		}
		if v.round() {
			last = round
		}
		if round-last > v.patience() {
			break
		}
	}
	return v.result(best)
}

type improver struct {
	k       *packer
	f       *filler
	random  *rand.Rand
	bins    []bin // one copy each
	waste   []float64
	lim     limits
	held    []int
	left    []int
	members []int
	noise   []float64
	changed bool
	mayGrow bool
}

func newImprover(k *packer, best packing) *improver {
	v := &improver{k: k, f: k.newFiller(), random: rand.New(rand.NewPCG(7, uint64(len(k.items)))), lim: k.pl.limits.clone(),
		held: slices.Clone(k.p.reservations), left: make([]int, len(k.items)), noise: make([]float64, len(k.items)), mayGrow: k.mayGrow()}
	for i := range best.bins {
		b := best.bins[i]
		o := &k.p.off.list[k.cands[b.cand].off]
		v.lim.take(o.typ, b.copies)
		if o.reservation >= 0 {
			v.held[o.reservation] -= b.copies
		}
		copies := b.copies
		b.copies = 1
		for range copies {
			v.bins = append(v.bins, b)
			v.waste = append(v.waste, k.wasteOf(&b))
		}
	}
	return v
}

// wasteOf is what a node costs beyond the worth of what is on it.
func (k *packer) wasteOf(b *bin) float64 {
	w := b.price
	for _, l := range b.load {
		w -= k.items[l.item].value * float64(l.n)
	}
	return w
}

// rounds is how many attempts are worth their time: fewer when nodes hold many
// kinds of pods, none when there is nothing left to gain.
func (v *improver) rounds() int {
	if len(v.bins) == 0 || len(v.bins) > 20000 {
		return 0
	}
	total := 0.0
	for i := range v.bins {
		total += v.bins[i].price
	}
	if total <= v.k.whole*nearEnough {
		return 0
	}
	loads := 0
	for i := range v.bins {
		loads += len(v.bins[i].load)
	}
	perRound := 1 + 4*loads/len(v.bins)
	rounds := float64(min(600, 40000/perRound+60))
	if v.k.pods() <= 2000 {
		rounds *= 1.5 // a small batch can afford it
	} else {
		rounds /= 2
	}
	return int(v.k.effort * min(rounds, float64(100+150*len(v.bins))))
}

// patience is how many attempts in a row may be in vain before the search ends.
func (v *improver) patience() int { return int(v.k.effort * float64(500+20*len(v.bins))) }

// round takes some nodes apart and packs them anew, and tells whether that was
// of use.
func (v *improver) round() bool {
	picked := v.pick()
	order := v.takeApart(picked)
	old := 0.0
	lim, held := v.lim.clone(), slices.Clone(v.held)
	for _, i := range picked {
		old += v.bins[i].price
		o := &v.k.p.off.list[v.k.cands[v.bins[i].cand].off]
		lim.take(o.typ, -1)
		if o.reservation >= 0 {
			held[o.reservation]++
		}
	}
	got, below := packing{}, true
	if v.mayGrow && v.random.IntN(4) == 0 && v.taken(picked) <= growMost {
		got = v.k.grow("", v.left, order, [...]int64{0, 8000, 16000, 32000, 64000}[v.random.IntN(5)])
	} else {
		got, below = v.f.runBelow(v.limit(old), v.method(), v.left, order, lim, held)
	}
	if !below || got.left > 0 || got.price >= old-1e-9 {
		for _, i := range order {
			v.left[i] = 0
		}
		for _, i := range v.members {
			v.left[i] = 0
		}
		return false
	}
	v.accept(picked, got)
	return true
}

// limit is the price at which a packing of what was on nodes of a price is of no use; where capacity is reserved, pods may
// cost less than their value, and only the end tells.
func (v *improver) limit(old float64) float64 {
	if len(v.held) > 0 {
		return math.Inf(1)
	}
	return old - 1e-9
}

// growMost is how many pods of nodes taken apart are worth packing pod by pod.
const growMost = 150

// taken counts the pods of nodes that are taken apart.
func (v *improver) taken(picked []int) int {
	n := 0
	for _, i := range picked {
		for _, l := range v.bins[i].load {
			n += l.n
		}
	}
	return n
}

// pick chooses nodes: one that wastes much, and some others.
func (v *improver) pick() []int {
	n := 2 + v.random.IntN(5)
	if v.random.IntN(10) == 0 {
		n += v.random.IntN(20) // to save one node among many
	}
	n = min(n, len(v.bins))
	first := v.random.IntN(len(v.bins))
	for range 3 {
		if other := v.random.IntN(len(v.bins)); v.waste[other] > v.waste[first] {
			first = other
		}
	}
	picked := []int{first}
	zone := ""
	if v.random.IntN(2) == 0 {
		zone = v.zone(first) // those that are bound to zones go with their like
	}
	for tries := 0; len(picked) < n && tries < 5*n+20; tries++ {
		i := v.random.IntN(len(v.bins))
		if zone != "" && v.zone(i) != zone {
			continue
		}
		if other := v.random.IntN(len(v.bins)); v.waste[other] > v.waste[i] && (zone == "" || v.zone(other) == zone) {
			i = other
		}
		if !slices.Contains(picked, i) {
			picked = append(picked, i)
		}
	}
	slices.Sort(picked)
	return picked
}

func (v *improver) zone(i int) string {
	return v.k.p.off.list[v.k.cands[v.bins[i].cand].off].o.Zone()
}

// takeApart collects what is on the nodes, by value with some noise.
func (v *improver) takeApart(picked []int) []int {
	v.members = v.members[:0]
	for _, i := range picked {
		for _, l := range v.bins[i].load {
			if v.left[l.item] == 0 {
				v.members = append(v.members, l.item)
			}
			v.left[l.item] += l.n
		}
	}
	slices.Sort(v.members)
	spread := [...]float64{0, 0.1, 0.5}[v.random.IntN(3)]
	for _, i := range v.members {
		v.noise[i] = v.k.items[i].value * (1 + spread*(v.random.Float64()-0.5))
	}
	order := slices.Clone(v.members)
	sort.SliceStable(order, func(a, b int) bool { return v.noise[order[a]] > v.noise[order[b]] })
	return order
}

func (v *improver) method() params {
	pr := params{name: "local search", tries: 10, balanced: v.random.IntN(2) == 0 && len(v.members) <= 60}
	if v.random.IntN(3) == 0 {
		pr.maxCPU = int64(4000) << v.random.IntN(5)
	}
	return pr
}

func (v *improver) accept(picked []int, got packing) {
	v.changed = true
	for _, i := range picked {
		o := &v.k.p.off.list[v.k.cands[v.bins[i].cand].off]
		v.lim.take(o.typ, -1)
		if o.reservation >= 0 {
			v.held[o.reservation]++
		}
	}
	var fresh []bin
	for i := range got.bins {
		b := got.bins[i]
		copies := b.copies
		b.copies = 1
		for range copies {
			fresh = append(fresh, b)
		}
	}
	for i := range fresh {
		o := &v.k.p.off.list[v.k.cands[fresh[i].cand].off]
		v.lim.take(o.typ, 1)
		if o.reservation >= 0 {
			v.held[o.reservation]--
		}
	}
	for j := len(picked) - 1; j >= 0; j-- {
		i := picked[j]
		last := len(v.bins) - 1
		v.bins[i], v.waste[i] = v.bins[last], v.waste[last]
		v.bins, v.waste = v.bins[:last], v.waste[:last]
	}
	for i := range fresh {
		v.bins = append(v.bins, fresh[i])
		v.waste = append(v.waste, v.k.wasteOf(&fresh[i]))
	}
}

func (v *improver) result(best packing) packing {
	if !v.changed {
		return best
	}
	out := packing{method: best.method + ", local search", bins: v.bins, left: best.left}
	for i := range v.bins {
		out.price += v.bins[i].price
	}
	return out
}
