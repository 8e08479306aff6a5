package solver

import (
	"slices"
)

// Solve decides where the pods of a snapshot go.
func Solve(s Snapshot) Plan {
	p := compile(&s)
	for again := true; again; {
		placed := p.place()
		p.packAll()
		left := p.returnLeft()
		if left {
			p.repair()
		}
		again = p.packFollowers() || left && placed
	}
	return p.plan(p.fresh)
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
			if p.placeOnNodes(c) {
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
		for _, pl := range p.pools {
			var items []*item
			for _, it := range p.items {
				if it.count == 0 {
					continue
				}
				if f := p.feasibleIn(it, pl); f.ok() && f.soft == soft {
					items = append(items, it)
				}
			}
			if len(items) > 0 {
				p.fresh = append(p.fresh, p.packPool(pl, items)...)
			}
		}
	}
}

// packPool packs items of one pool by all methods and keeps the cheapest.
func (p *problem) packPool(pl *pool, items []*item) []*newNode {
	k := newPacker(p, pl, items)
	if len(k.cands) == 0 {
		return nil
	}
	best := k.search()
	p.bound += k.bound
	p.method[pl.Name] = best.method
	return k.realise(&best)
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

// search runs the portfolio.
func (k *packer) search() packing {
	var best packing
	for i, pr := range k.portfolio() {
		if i > 0 && k.p.s.Options.Stop != nil && k.p.s.Options.Stop() {
			break
		}
		if got := k.fill(pr); i == 0 || better(&got, &best) {
			best = got
		}
	}
	return k.improve(best)
}

// portfolio lists the methods worth their time for the size of the problem.
func (k *packer) portfolio() []params {
	large := len(k.items) > 400
	tries := 16
	if large {
		tries = 4
	}
	out := []params{{name: "value", tries: tries}}
	if large {
		return out
	}
	out = append(out, params{name: "balanced", tries: tries, balanced: true})
	for _, cpu := range []int64{8000, 16000, 32000, 64000} {
		out = append(out, params{name: "balanced", tries: tries, balanced: true, maxCPU: cpu}, params{name: "value", tries: tries, maxCPU: cpu})
	}
	return append(out, params{name: "memory first", tries: tries, skew: 0.5}, params{name: "cpu first", tries: tries, skew: -0.5})
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
