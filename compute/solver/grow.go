package solver

import (
	"slices"
	"sort"
)

// growing is a node that has not settled for a type yet: it holds on to all
// that have room for what is on it.
type growing struct {
	bits  bitset
	rest  int
	sum   vector
	tally tally
	ports []hostPort
	load  []load
	pods  int
}

// grow packs pod by pod, largest cpu first, onto the node with the fewest pods
// that some type still suits with the pod on it, as Karpenter does. It wins
// where few pods are left and where shapes do not complement each other.
func (k *packer) grow(name string, left, order []int, maxCPU int64) packing {
	out := packing{method: name}
	order = slices.Clone(order)
	sort.SliceStable(order, func(a, b int) bool {
		x, y := k.items[order[a]].vec, k.items[order[b]].vec
		if x[dimCPU] != y[dimCPU] {
			return x[dimCPU] > y[dimCPU]
		}
		return x[dimMemory] > y[dimMemory]
	})
	allowed := k.upTo(maxCPU)
	var nodes []*growing
	try, sum := newBitset(len(k.p.off.list)), make(vector, len(k.p.res.names))
	for _, i := range order {
		for range left[i] {
			at := slices.IndexFunc(nodes, func(g *growing) bool { return k.suitsGrowing(g, i, try, sum) })
			if at < 0 {
				g := k.newGrowing(i, allowed)
				if g == nil {
					out.left++
					continue
				}
				nodes = append([]*growing{g}, nodes...)
				at = 0
			} else {
				k.addGrowing(nodes[at], i, try, sum)
			}
			for at+1 < len(nodes) && nodes[at].pods > nodes[at+1].pods {
				nodes[at], nodes[at+1] = nodes[at+1], nodes[at]
				at++
			}
		}
		left[i] = 0
	}
	for _, g := range nodes {
		b := bin{copies: 1, load: g.load, sum: g.sum, cand: -1}
		for _, c := range k.byPrice {
			if g.bits.has(k.cands[c].off) {
				b.cand, b.price = c, k.cands[c].price
				break
			}
		}
		out.bins = append(out.bins, b)
		out.price += b.price
	}
	return out
}

// upTo is the set of candidates' offerings, not reserved, of types up to a size;
// 0 means all.
func (k *packer) upTo(maxCPU int64) bitset {
	out := newBitset(len(k.p.off.list))
	for c := range k.cands {
		if k.p.off.list[k.cands[c].off].reservation < 0 && (maxCPU == 0 || k.cands[c].room[dimCPU] <= maxCPU) {
			out.set(k.cands[c].off)
		}
	}
	return out
}

func (k *packer) newGrowing(i int, allowed bitset) *growing {
	it := &k.items[i]
	g := &growing{bits: allowed.clone(), rest: k.p.rest.merge(k.pl.base, it.rest), sum: slices.Clone(it.vec), pods: 1, load: []load{{i, 1}}}
	g.bits.and(it.bits)
	if g.bits.empty() {
		return nil
	}
	it.class.note(&g.tally, 1)
	g.ports = slices.Clone(it.class.ports)
	return g
}

// suitsGrowing tells whether a pod of an item fits, and leaves what the node
// would be like in try and sum.
func (k *packer) suitsGrowing(g *growing, i int, try bitset, sum vector) bool {
	it := &k.items[i]
	if it.class.perNodeRoom(g.tally, g.ports, 1) == 0 {
		return false
	}
	copy(sum, g.sum)
	sum.add(it.vec)
	copy(try, g.bits)
	try.and(it.bits)
	if !k.pl.fit.narrow(try, sum) {
		return false
	}
	if it.rest != 0 {
		rest := k.p.rest.merge(g.rest, it.rest)
		if rest < 0 {
			return false
		}
		try.and(k.p.rest.bits(rest))
		if try.empty() {
			return false
		}
	}
	if len(k.pl.minValues) > 0 && !k.p.s.Options.RelaxMinValues {
		_, _, ok := k.p.keepsMinValues(k.pl, try)
		return ok
	}
	return true
}

func (k *packer) addGrowing(g *growing, i int, try bitset, sum vector) {
	it := &k.items[i]
	copy(g.bits, try)
	copy(g.sum, sum)
	g.rest = k.p.rest.merge(g.rest, it.rest)
	g.pods++
	it.class.note(&g.tally, 1)
	g.ports = append(g.ports, it.class.ports...)
	if last := len(g.load) - 1; g.load[last].item == i {
		g.load[last].n++
		return
	}
	g.load = append(g.load, load{i, 1})
}
