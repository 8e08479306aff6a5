package solver

import (
	"math"
	"slices"
)

// packFollowers places the pods with hard affinity by hostname: next to a pod
// they follow, on a node that may grow for them, or, being the first of a kind
// that follows itself, on a node of their own. It goes pod by pod because each
// may open the way for the next.
func (p *problem) packFollowers() bool {
	any := false
	for progress := true; progress; {
		progress = false
		for _, c := range p.classes {
			for c.follower && c.left() > 0 && (p.follow(c) || p.openFor(c) || p.moveLeader(c)) {
				progress, any = true, true
			}
		}
	}
	return any
}

// lead opens nodes for pods that follow their own kind, where they are the
// first, before smaller pods that they could follow are placed.
func (p *problem) lead(c *class) bool {
	before := c.next
	for c.left() > 0 && (p.follow(c) || p.first(c) && p.openFor(c)) {
	}
	return c.next > before
}

// first tells whether no pod that the class would have to be near has a place yet.
func (p *problem) first(c *class) bool {
	return !slices.ContainsFunc(c.owns, func(g *group) bool {
		return g.hostname && g.kind == affinity && !g.soft && g.total > 0
	})
}

// follow puts the next pod of a class on one of the new nodes.
func (p *problem) follow(c *class) bool {
	return slices.ContainsFunc(p.fresh, func(n *newNode) bool {
		return p.near(c, n) && c.perNodeRoom(n.tally, n.ports, 1) > 0 && p.join(c, n, nil)
	})
}

// near tells whether a node has a pod of each kind that the class must be near.
func (p *problem) near(c *class, n *newNode) bool {
	for _, g := range c.owns {
		if g.hostname && g.kind == affinity && !g.soft {
			if selected, _ := n.tally.get(g.id); selected == 0 {
				return false
			}
		}
	}
	return true
}

// join puts the next pod of a class on a node, in a domain for each key, where rules allow it and room can be had. The
// pins are the domains chosen so far.
func (p *problem) join(c *class, n *newNode, pins []int) bool {
	if len(pins) == len(c.keys) {
		return p.grow(c, n, pins)
	}
	key := c.keys[len(pins)]
	names := p.domains[key].names
	if set, pinned := n.pins.get(key); pinned {
		if set.absent() {
			return p.mayLack(c, key) && p.join(c, n, append(slices.Clone(pins), unlabeled))
		}
		d := slices.IndexFunc(names, set.has)
		return d >= 0 && p.allowsAll(c, key, d) && p.join(c, n, append(slices.Clone(pins), d))
	}
	possible := false
	for _, d := range p.ranked(c, key, p.domainsOn(n, key)) {
		pins := append(slices.Clone(pins), d)
		if !p.feasibleAnywhere(c, pins) {
			continue
		}
		possible = true
		p.settle(n, key, d, 1)
		if p.allowsAll(c, key, d) && p.join(c, n, pins) {
			return true
		}
		p.settle(n, key, d, -1)
	}
	return !possible && !c.owned(key) && p.join(c, n, append(slices.Clone(pins), noDomain)) ||
		possible && p.mayLack(c, key) && p.join(c, n, append(slices.Clone(pins), unlabeled))
}

// domainsOn lists the domains of a key that a new node may still be in.
func (p *problem) domainsOn(n *newNode, key string) []int {
	var out []int
	for d, name := range p.domains[key].names {
		set := p.off.with(key, oneValue(name))
		if set == nil || set.intersects(n.bits) {
			out = append(out, d)
		}
	}
	return out
}

// settle counts the pods on a node in a domain that the node is about to be
// bound to, which it was not when they came.
func (p *problem) settle(n *newNode, key string, d, times int) {
	for _, i := range n.pods {
		it := p.itemOfPod[i]
		if _, counted := it.pins.get(key); counted {
			continue
		}
		for _, g := range it.class.selected {
			if g.key == key && p.mayCount(g, n) {
				g.selected[d] += times
			}
		}
	}
}

// mayCount tells whether a spread may count a new node, going by the offerings
// it can still become.
func (p *problem) mayCount(g *group, n *newNode) bool {
	if g.filter == nil || g.filter.alternatives == nil {
		return g.filter.counts(n.pool.Taints, nil)
	}
	return slices.ContainsFunc(g.filter.alternatives, func(a conditions) bool {
		bits := n.bits.clone()
		p.off.narrow(bits, a)
		return !bits.empty()
	})
}

// grow takes the pod if some offering of the node suits it too.
func (p *problem) grow(c *class, n *newNode, pins []int) bool {
	it := p.itemOf(c, pins)
	f := p.feasibleIn(it, n.pool)
	if !f.ok() {
		return false
	}
	rest := p.rest.merge(n.rest, f.rest)
	if rest < 0 {
		return false
	}
	sum := slices.Clone(n.sum)
	sum.add(c.vec)
	bits := n.bits.clone()
	bits.and(f.bits)
	bits.and(p.rest.bits(rest))
	if !n.pool.fit.narrow(bits, sum) || !p.reprice(n, bits) {
		return false
	}
	n.bits, n.rest, n.sum = bits, rest, sum
	p.take(it, n)
	return true
}

// reprice chooses another offering where the node's is not enough any more.
func (p *problem) reprice(n *newNode, bits bitset) bool {
	if _, _, ok := p.keepsMinValues(n.pool, bits); !ok && !p.s.Options.RelaxMinValues {
		return false
	}
	if bits.has(n.offer) {
		return true
	}
	p.giveBack(n)
	o := p.cheapestOffer(n.pool, bits)
	if o < 0 {
		p.buy(n)
		return false
	}
	n.offer = o
	p.buy(n)
	return true
}

func (p *problem) giveBack(n *newNode) {
	o := &p.off.list[n.offer]
	n.pool.limits.take(o.typ, -1)
	if o.reservation >= 0 {
		p.reservations[o.reservation]++
	}
}

// cheapestOffer is the cheapest offering of a set that limits and reservations
// allow; while pods are placed one by one, the one that takes least of the limits.
func (p *problem) cheapestOffer(pl *pool, bits bitset) int {
	best, least, at := math.Inf(1), math.Inf(1), -1
	bits.each(func(i int) bool {
		o := &p.off.list[i]
		if !pl.limits.allows(o.typ) || o.reservation >= 0 && p.reservations[o.reservation] <= 0 {
			return true
		}
		share := 0.0
		if p.attempt != nil {
			share = pl.limits.share(o.typ)
		}
		if share < least || share == least && o.o.Price < best {
			best, least, at = o.o.Price, share, i
		}
		return true
	})
	return at
}

// openFor opens a node for the next pod of a class, in any of the domains that its rules allow. Of the pods with hard
// affinity by hostname only the first of a kind that follows itself may have one.
func (p *problem) openFor(c *class) bool {
	for _, g := range c.owns {
		if g.hostname && g.kind == affinity && !g.soft && (!slices.Contains(c.selected, g) || p.runsSomewhere(g)) {
			return false
		}
	}
	return p.anyDomains(c, func(pins []int) bool { return p.openIn(p.itemOf(c, pins)) })
}

// openIn opens a node for the next pod of an item in the first pool whose limits allow it.
func (p *problem) openIn(it *item) bool {
	for _, soft := range []bool{false, true} {
		for _, pl := range p.pools {
			f := p.feasibleIn(it, pl)
			if !f.ok() || f.soft != soft {
				continue
			}
			if n := p.open(it.class, pl, f); n != nil {
				p.take(it, n)
				p.fresh = append(p.fresh, n)
				return true
			}
			it.class.stuck = max(1, it.class.stuck)
		}
	}
	return false
}

// open buys a node that has room for one pod of a class.
func (p *problem) open(c *class, pl *pool, f *feasible) *newNode {
	o := p.cheapestOffer(pl, f.bits)
	if o < 0 {
		return nil
	}
	n := &newNode{pool: pl, bits: f.bits.clone(), rest: p.rest.merge(pl.base, f.rest), sum: slices.Clone(c.vec), offer: o}
	p.buy(n)
	return n
}

// moveLeader takes a pod that the class must be near from a node that has no
// room for both to a node of their own.
func (p *problem) moveLeader(c *class) bool {
	for _, from := range p.fresh {
		if !p.near(c, from) || slices.ContainsFunc(from.pods, func(i int) bool { return p.itemOfPod[i].class.follower }) {
			continue
		}
		for _, i := range from.pods {
			leader := p.itemOfPod[i]
			if !p.leads(leader.class, c) {
				continue
			}
			n := p.open(leader.class, from.pool, p.feasibleIn(leader, from.pool))
			if n == nil {
				continue
			}
			leader.class.note(&n.tally, 1)
			n.ports, n.pods = slices.Clone(leader.class.ports), []int{i}
			for _, pin := range leader.pins {
				n.pins = n.pins.add(pin.key, pin.set)
			}
			if c.perNodeRoom(n.tally, n.ports, 1) > 0 && p.join(c, n, nil) {
				p.remove(from, i)
				p.fresh = append(p.fresh, n)
				return true
			}
			p.giveBack(n)
		}
	}
	return false
}

// leads tells whether one pod of a class is all that another must be near.
func (p *problem) leads(leader, c *class) bool {
	for _, g := range c.owns {
		if g.hostname && g.kind == affinity && !g.soft && !slices.Contains(leader.selected, g) {
			return false
		}
	}
	return true
}

// remove takes a pod off a node.
func (p *problem) remove(n *newNode, i int) {
	c := p.itemOfPod[i].class
	n.pods = slices.DeleteFunc(n.pods, func(j int) bool { return i == j })
	n.sum.addTimes(c.vec, -1)
	c.note(&n.tally, -1)
	for _, port := range c.ports {
		if at := slices.Index(n.ports, port); at >= 0 {
			n.ports = slices.Delete(n.ports, at, at+1)
		}
	}
}

func (p *problem) runsSomewhere(g *group) bool {
	for _, n := range p.nodes {
		if selected, _ := n.tally.get(g.id); selected > 0 {
			return true
		}
	}
	return slices.ContainsFunc(p.fresh, func(n *newNode) bool {
		selected, _ := n.tally.get(g.id)
		return selected > 0
	})
}

// take moves the next pod of an item's class to a node.
func (p *problem) take(it *item, n *newNode) {
	c := it.class
	n.pods = append(n.pods, c.pods[c.next])
	p.itemOfPod[c.pods[c.next]] = it
	c.next++
	p.record(c, it, 1)
	c.note(&n.tally, 1)
	n.ports = append(n.ports, c.ports...)
	for _, pin := range it.pins {
		n.pins = n.pins.add(pin.key, pin.set)
	}
}
