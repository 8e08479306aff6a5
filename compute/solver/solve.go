package solver

import (
	"slices"
)

// solve makes one plan, with the preferences to stay apart that the options name as rules.
func solve(s *Snapshot) (*problem, Plan) {
	p := compile(s)
	for tries := maxTries; ; {
		p.round++
		placed := p.place()
		p.packAll()
		left := p.returnLeft()
		if left {
			p.repair()
		}
		if p.packFollowers() || left && placed {
			continue
		}
		evicted := p.evict()
		if tries--; len(evicted) == 0 || tries == 0 {
			break
		}
		p.moved = true
		p.rebind(evicted)
	}
	return p, p.plan(p.fresh)
}

// place puts every class on existing nodes and into topology domains. Classes
// that depend on others are tried again for as long as that helps.
func (p *problem) place() bool {
	any := false
	for progress := true; progress; {
		progress = false
		for _, c := range p.classes {
			if c.left() == 0 || c.stuck >= maxTries {
				continue
			}
			if p.placeOnNodes(c, c.left()) {
				progress = true
			}
			switch {
			case c.left() == 0:
			case c.follower:
				progress = p.lead(c) || progress
			case p.assign(c):
				progress = true
			}
		}
		any = any || progress
	}
	return any
}

// maxTries is how often pods that limits left out get another chance, in other
// domains or after repairs.
const maxTries = 3

// packAll packs the items pool by pool, heaviest first; what a pool's limits do
// not allow goes to the next. Pools with a soft taint against a pod come last for it.
func (p *problem) packAll() {
	for _, soft := range []bool{false, true} {
		if p.s.Options.ComparePools {
			p.packPools(soft, func(it *item, pl *pool) bool { return p.cheapestPool(it, soft) == pl })
		}
		p.packPools(soft, func(*item, *pool) bool { return true })
	}
}

// packPools packs what is left pool by pool, each item where it may go.
func (p *problem) packPools(soft bool, may func(*item, *pool) bool) {
	for _, pl := range p.pools {
		var items []*item
		for _, it := range p.items {
			if it.count == 0 {
				continue
			}
			if f := p.feasibleIn(it, pl); f.ok() && f.soft == soft && may(it, pl) {
				items = append(items, it)
			}
		}
		if len(items) > 0 {
			p.fresh = append(p.fresh, p.packPool(pl, items)...)
		}
	}
}

// packPool packs items of one pool by all methods and keeps the cheapest.
func (p *problem) packPool(pl *pool, items []*item) []*newNode {
	k := newPacker(p, pl, items, p.effort())
	if len(k.cands) == 0 {
		return nil
	}
	best := k.pack()
	p.method[pl.Name] = best.method
	nodes := k.realise(&best)
	p.addBounds(k)
	return nodes
}

// addBounds takes over the bounds of a packer whose packing is realised; pods that limits left out do not count.
func (p *problem) addBounds(k *packer) {
	if p.moved {
		return
	}
	left := 0.0
	for i := range k.items {
		left += k.items[i].value * float64(k.items[i].it.count)
	}
	if left == 0 {
		p.bound, p.whole = p.bound+k.bound, p.whole+k.whole
		return
	}
	p.bound, p.whole = p.bound+max(0, k.bound-left), p.whole+max(0, k.bound-left)
}

// better tells whether packing a is better than b: more pods, then less money,
// then fewer nodes.
func better(a, b *packing) bool {
	if a.left != b.left {
		return a.left < b.left
	}
	if d := a.price - b.price; d < -1e-9 || d > 1e-9 {
		return d < 0
	}
	return a.nodes() < b.nodes()
}

func (a *packing) nodes() int {
	n := 0
	for i := range a.bins {
		n += a.bins[i].copies
	}
	return n
}

// pack searches as if the pool had no limits, which more methods can, and again with them where what that comes to does not
// keep them.
func (k *packer) pack() packing {
	if len(k.pl.limits.names) > 0 {
		free, pl := *k, *k.pl
		free.pl, pl.limits = &pl, limits{}
		best := free.search()
		k.whole = free.whole
		if best.left == 0 && k.keepsLimits(&best) {
			return best
		}
	}
	return k.search()
}

// keepsLimits tells whether the nodes of a packing stay within the limits of the pool.
func (k *packer) keepsLimits(out *packing) bool {
	lim := k.pl.limits.clone()
	for i := range out.bins {
		lim.take(k.p.off.list[k.cands[out.bins[i].cand].off].typ, out.bins[i].copies)
	}
	return !slices.ContainsFunc(lim.left, func(n int64) bool { return n < 0 })
}

// search runs the portfolio and improves on the best by nodes filled in turn
// and on the best by nodes filled together: they lead to different places. What
// that comes to shows column generation where to begin. A large batch of many kinds is divided instead where that is cheaper.
func (k *packer) search() packing {
	var best [2]packing
	have := [2]bool{}
	for i, method := range k.portfolio() {
		if i > 0 && k.stopped() {
			break
		}
		got := method()
		family := 0
		if got.method == "mix" {
			family = 1
		}
		if !have[family] || better(&got, &best[family]) {
			best[family], have[family] = got, true
		}
	}
	start := &best[0]
	if have[1] && better(&best[1], start) {
		start = &best[1]
	}
	third, more := packing{}, false
	if start.left == 0 && start.price > k.whole*nearEnough && !k.stopped() {
		if parts, ok := k.divided(start); ok {
			return k.improve(parts)
		}
		third, more = k.patterns(start)
		if more && better(&third, start) {
			start = &third
		}
		if exchanged := k.exchange(*start); better(&exchanged, start) {
			third, more = exchanged, true
		}
	}
	out := k.improve(best[0])
	if have[1] && best[1].price < best[0].price*1.15 {
		if second := k.improve(best[1]); better(&second, &out) {
			out = second
		}
	}
	if more && third.price < out.price*1.03 {
		if third = k.improve(third); better(&third, &out) {
			out = third
		}
	}
	return out
}

// nearEnough is how far above the bound a price is that no more search is worth its time for.
const nearEnough = 1.002

func (k *packer) stopped() bool { return k.p.s.Options.Stop != nil && k.p.s.Options.Stop() }

// effort is how hard to search, 1 unless told otherwise.
func (p *problem) effort() float64 {
	if e := p.s.Options.Effort; e > 0 {
		return e
	}
	return 1
}

// portfolio lists the methods worth their time for the size of the problem.
func (k *packer) portfolio() []func() packing {
	many, large := len(k.items) > 200, len(k.items) > 1500
	tries := 16
	switch {
	case large:
		tries = 4
	case many:
		tries = 8
	}
	var out []func() packing
	fill := func(pr params) {
		pr.tries = tries
		out = append(out, func() packing { return k.fill(pr) })
	}
	fill(params{name: "value", quick: large})
	if k.mayGrow() {
		for _, cpu := range []int64{0, 8000, 16000, 32000, 64000} {
			out = append(out, func() packing { return k.grow("first fit", k.counts(), k.order(0), cpu) })
		}
		for _, up := range []float64{0, 0.5, 1 - 1e-9} {
			out = append(out, func() packing { return k.mix("mix", up, true) }, func() packing { return k.mix("mix", up, false) })
		}
	}
	if large {
		return out
	}
	if many {
		fill(params{name: "value", quick: true})
	}
	if !many {
		fill(params{name: "balanced", balanced: true})
	}
	for _, cpu := range []int64{8000, 16000, 32000, 64000} {
		if !many {
			fill(params{name: "balanced", balanced: true, maxCPU: cpu})
		}
		fill(params{name: "value", maxCPU: cpu})
	}
	fill(params{name: "memory first", skew: 0.5})
	fill(params{name: "cpu first", skew: -0.5})
	return out
}

// unlimited tells whether as many nodes of each candidate may be bought as one likes, at their price.
func (k *packer) unlimited() bool { return len(k.pl.limits.names) == 0 && len(k.p.reservations) == 0 }

// mayGrow tells whether packing pod by pod is worth its time, and possible: it
// does not know limits and reservations.
func (k *packer) mayGrow() bool {
	pods, places := k.pods(), 0
	for i := range k.items {
		if k.items[i].class.perNode {
			places += k.items[i].count
		}
	}
	return pods <= 2000 && pods*places <= 200_000 && k.unlimited()
}

// counts is how many pods of each item there are.
func (k *packer) counts() []int {
	out := make([]int, len(k.items))
	for i := range k.items {
		out[i] = k.items[i].count
	}
	return out
}

// newNode is a node to create.
type newNode struct {
	pool  *pool
	bits  bitset // offerings that suit labels, rules and load
	rest  int
	sum   vector
	tally tally
	ports []hostPort
	pods  []int
	offer int // the offering it was chosen for
	pins  conditions
}

// realise turns a packing into nodes and takes the pods off the items.
func (k *packer) realise(best *packing) []*newNode {
	var nodes []*newNode
	for i := range best.bins {
		b := &best.bins[i]
		suits := k.suits(b)
		offer := k.cands[b.cand].off
		rest := k.pl.base
		for _, l := range b.load {
			rest = k.p.rest.merge(rest, k.items[l.item].rest)
		}
		for range b.copies {
			n := &newNode{pool: k.pl, bits: suits.clone(), rest: rest, sum: slices.Clone(b.sum), offer: offer}
			for _, l := range b.load {
				it := k.items[l.item].it
				n.pods = append(n.pods, it.pods[:l.n]...)
				for _, i := range it.pods[:l.n] {
					k.p.itemOfPod[i] = it
				}
				it.pods = it.pods[l.n:]
				it.count -= l.n
				it.class.note(&n.tally, l.n)
				n.ports = append(n.ports, it.class.ports...)
				for _, pin := range it.pins {
					n.pins = n.pins.add(pin.key, pin.set)
				}
			}
			nodes = append(nodes, n)
			k.p.buy(n)
		}
	}
	return nodes
}

// buy takes a node out of what limits and reservations leave.
func (p *problem) buy(n *newNode) {
	o := &p.off.list[n.offer]
	n.pool.limits.take(o.typ, 1)
	if o.reservation >= 0 {
		p.reservations[o.reservation]--
	}
}
