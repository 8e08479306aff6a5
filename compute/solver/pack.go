package solver

import (
	"math"
	"slices"
	"sort"
)

// packing is a way to put items on new nodes of one pool.
type packing struct {
	method string
	bins   []bin
	price  float64
	left   int // pods without a place, because of limits
}

// bin is a number of equal nodes.
type bin struct {
	cand   int // the candidate it was filled for
	copies int
	load   []load
	sum    vector
	price  float64 // of one node: the cheapest offering that suits what is on it
}

// load is a number of pods of one item on a node.
type load struct{ item, n int }

// candidate is an offering that nodes may be bought as. Offerings of one type
// that suit the same items are one candidate, the cheapest.
type candidate struct {
	off   int
	price float64
	room  vector
	float []float64 // room per dimension of value
	size  int       // one number for types of about the same cpu
}

// packer packs the items of one pool. It is set up once and read by all methods.
type packer struct {
	p      *problem
	pl     *pool
	items  []packItem
	cands  []candidate
	effort float64 // how hard to search, 1 for a batch of its own

	demand []float64 // per dimension of value
	duals  []float64
	bound  float64
	whole  float64 // the bound in whole nodes
	cover  *cover  // nil where there are too many nodes or pods for it
	rank   []int   // candidates by price for their worth under the duals

	byPrice []int       // candidates by price
	candOf  map[int]int // from an offering to its candidate

	shapes [][]shape // of the items beside each candidate, nil until asked

	bought []purchase // what the linear programme buys
}

// purchase is a number of nodes, in fractions, of one candidate.
type purchase struct {
	cand  int
	count float64
}

// packItem is an item in a pool. Dimensions of value are the resources, then
// the hostname rules that most pods are under: each node has as many places of
// such a rule as it allows pods.
type packItem struct {
	it    *item
	class *class
	vec   vector
	float []float64
	count int
	bits  bitset
	label bitset // what labels and domains alone allow
	rest  int
	value float64 // per pod, by the duals
}

func newPacker(p *problem, pl *pool, items []*item, effort float64) *packer {
	k := &packer{p: p, pl: pl, effort: effort, items: make([]packItem, 0, len(items))}
	for _, it := range items {
		f := p.feasibleIn(it, pl)
		k.items = append(k.items, packItem{it: it, class: it.class, vec: it.class.vec, count: it.count, bits: f.bits, label: p.labelBits[f.labels], rest: f.rest})
	}
	k.candidates()
	k.byPrice, k.candOf = make([]int, len(k.cands)), make(map[int]int, len(k.cands))
	for c := range k.byPrice {
		k.byPrice[c], k.candOf[k.cands[c].off] = c, c
	}
	sort.SliceStable(k.byPrice, func(i, j int) bool { return k.cands[k.byPrice[i]].price < k.cands[k.byPrice[j]].price })
	k.dimensions()
	k.value()
	k.measure()
	return k
}

// candidates lists the offerings worth buying.
func (k *packer) candidates() {
	var labels []bitset
	seen := map[*uint64]bool{}
	any := newBitset(len(k.p.off.list))
	for i := range k.items {
		l := k.items[i].label
		if len(l) > 0 && !seen[&l[0]] {
			seen[&l[0]] = true
			labels = append(labels, l)
		}
		any.or(k.items[i].bits)
	}
	type key struct {
		typ         int
		reservation int
		members     string
	}
	index := map[key]int{}
	members := make([]byte, (len(labels)+7)/8)
	any.each(func(i int) bool {
		o := &k.p.off.list[i]
		if o.reservation >= 0 && k.p.reservations[o.reservation] <= 0 {
			return true
		}
		if !k.pl.limits.allows(o.typ) {
			return true
		}
		clear(members)
		for l, set := range labels {
			if set.has(i) {
				members[l/8] |= 1 << (l % 8)
			}
		}
		id := key{o.typ, o.reservation, string(members)}
		if at, ok := index[id]; ok {
			if o.o.Price < k.cands[at].price {
				k.cands[at].off, k.cands[at].price = i, o.o.Price
			}
			return true
		}
		index[id] = len(k.cands)
		k.cands = append(k.cands, candidate{off: i, price: o.o.Price, room: k.pl.room[o.typ]})
		return true
	})
}

// How many hostname rules become dimensions of value, and how many sizes of candidates are told apart.
const (
	ruleDims = 3
	sizes    = 64
)

// dimensions works out the demand in each dimension.
func (k *packer) dimensions() {
	width := len(k.p.res.names)
	places := map[*group]float64{}
	for i := range k.items {
		for _, g := range k.items[i].ownPlaces() {
			places[g] += float64(k.items[i].count) / float64(g.places())
		}
	}
	var rules []*group
	for g := range places {
		rules = append(rules, g)
	}
	sort.Slice(rules, func(i, j int) bool {
		if places[rules[i]] != places[rules[j]] {
			return places[rules[i]] > places[rules[j]]
		}
		return rules[i].id < rules[j].id
	})
	rules = rules[:min(len(rules), ruleDims)]
	k.demand = make([]float64, width+len(rules))
	for i := range k.items {
		it := &k.items[i]
		it.float = make([]float64, len(k.demand))
		for d, n := range it.vec {
			it.float[d] = float64(n)
		}
		own := it.ownPlaces()
		for r, g := range rules {
			if slices.Contains(own, g) {
				it.float[width+r] = 1 / float64(g.places())
			}
		}
		for d, f := range it.float {
			k.demand[d] += f * float64(it.count)
		}
	}
	for c := range k.cands {
		cand := &k.cands[c]
		cand.size = min(sizes-1, int(2*math.Log2(1+float64(max(0, cand.room[dimCPU]))/500)))
		cand.float = make([]float64, len(k.demand))
		for d, n := range cand.room {
			cand.float[d] = float64(n)
		}
		for r := range rules {
			cand.float[width+r] = 1
		}
	}
}

// ownPlaces lists the hostname rules under which pods of the item compete for nodes.
func (it *packItem) ownPlaces() []*group {
	var out []*group
	for _, g := range it.class.owns {
		if g.hostname && !g.soft && g.kind != affinity && slices.Contains(it.class.selected, g) {
			out = append(out, g)
		}
	}
	return out
}

// places is how many pods of its own a hostname rule allows per node.
func (g *group) places() int {
	if g.kind == spread {
		return max(1, g.maxSkew)
	}
	return 1
}

// value solves the bound and gives every item its worth.
func (k *packer) value() {
	var prices []float64
	var room [][]float64
	var column []int // the candidate of each
	demand := slices.Clone(k.demand)
	reserved := map[int][]float64{}
	for c := range k.cands {
		r := k.p.off.list[k.cands[c].off].reservation
		if r < 0 {
			prices = append(prices, k.cands[c].price)
			room = append(room, k.cands[c].float)
			column = append(column, c)
			continue
		}
		if reserved[r] == nil {
			reserved[r] = make([]float64, len(demand))
		}
		for d, f := range k.cands[c].float {
			reserved[r][d] = max(reserved[r][d], f)
		}
	}
	for r, left := range k.p.reservations {
		for d, f := range reserved[r] {
			demand[d] -= f * float64(left)
		}
	}
	var bought map[int]float64
	k.bound, k.duals, bought = buy(prices, room, demand)
	for j, c := range column {
		if n := bought[j]; n > 0 {
			k.bought = append(k.bought, purchase{c, n})
		}
	}
	if math.IsInf(k.bound, 1) {
		k.bound = 0
	}
	k.setDuals(k.duals)
	k.tighten()
}

// setDuals gives items and candidates their worth under other duals.
func (k *packer) setDuals(duals []float64) {
	// What no dual values still takes room: a small share keeps the order sensible.
	weights := slices.Clone(duals)
	for d, n := range k.demand {
		if n > 0 && weights[d] == 0 {
			weights[d] = 1e-6 / n
		}
	}
	k.duals = duals
	for i := range k.items {
		k.items[i].value = dot(weights, k.items[i].float)
	}
	k.rank = k.rank[:0]
	worth := make([]float64, len(k.cands))
	for c := range k.cands {
		worth[c] = k.cands[c].price / max(1e-12, dot(weights, k.cands[c].float))
		k.rank = append(k.rank, c)
	}
	sort.SliceStable(k.rank, func(i, j int) bool { return worth[k.rank[i]] < worth[k.rank[j]] })
}

func dot(a, b []float64) float64 {
	s := 0.0
	for i, x := range a {
		s += x * b[i]
	}
	return s
}

// pods is how many pods there are to pack.
func (k *packer) pods() int {
	n := 0
	for i := range k.items {
		n += k.items[i].count
	}
	return n
}

// finish prices the bins by the cheapest offering that suits what is on each.
func (k *packer) finish(out *packing) {
	out.price = 0
	for i := range out.bins {
		k.finishBin(&out.bins[i])
		out.price += out.bins[i].price * float64(out.bins[i].copies)
	}
}

func (k *packer) finishBin(b *bin) {
	if k.p.off.list[k.cands[b.cand].off].reservation < 0 {
		b.cand = k.cheapest(b)
	}
	b.price = k.cands[b.cand].price
}

// cheapest finds the cheapest candidate, not a reserved one, that suits a bin.
func (k *packer) cheapest(b *bin) int {
	target := k.p.off.list[k.cands[b.cand].off].typ
	suits := k.suits(b)
	for _, c := range k.byPrice {
		o := &k.p.off.list[k.cands[c].off]
		if suits.has(k.cands[c].off) && o.reservation < 0 && k.pl.limits.within(o.typ, target) {
			return c
		}
	}
	return b.cand
}

// suits is the set of offerings that suit everything on a bin.
func (k *packer) suits(b *bin) bitset {
	bits := k.items[b.load[0].item].label.clone()
	rest := k.pl.base
	for _, l := range b.load {
		bits.and(k.items[l.item].label)
		bits.and(k.items[l.item].bits)
		rest = k.p.rest.merge(rest, k.items[l.item].rest)
	}
	if rest > 0 {
		bits.and(k.p.rest.bits(rest))
	}
	k.pl.fit.narrow(bits, b.sum)
	return bits
}
