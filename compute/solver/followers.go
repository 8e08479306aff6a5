package solver

import (
	"math"
	"slices"
)

// packFollowers places the pods with hard affinity by hostname: next to a pod
// they follow, on a node that may grow for them, or, being the first of a kind
// that follows itself, on a node of their own. It goes pod by pod because each
// may open the way for the next.
func (p *problem) packFollowers(nodes []*newNode) ([]*newNode, bool) {
	any := false
	for progress := true; progress; {
		progress = false
		for _, c := range p.classes {
			for c.follower && c.left() > 0 {
				if !p.follow(c, nodes) {
					n := p.openFor(c, nodes)
					if n == nil {
						break
					}
					nodes = append(nodes, n)
				}
				progress, any = true, true
			}
		}
	}
	return nodes, any
}

// follow puts the next pod of a class on one of the nodes.
func (p *problem) follow(c *class, nodes []*newNode) bool {
	for _, n := range nodes {
		if p.near(c, n) && c.perNodeRoom(n.tally, n.ports, 1) > 0 && p.join(c, n, nil, 0) {
			return true
		}
	}
	return false
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

// join puts a pod on a node in a domain for each key from the one at depth on,
// where rules allow it and room can be had.
func (p *problem) join(c *class, n *newNode, pins []int, depth int) bool {
	if depth == len(c.keys) {
		return p.grow(c, n, pins)
	}
	key := c.keys[depth]
	set, pinned := n.pins.get(key)
	for d, name := range p.domains[key].names {
		if pinned && !set.has(name) || !p.allowsAll(c, key, d) {
			continue
		}
		if p.join(c, n, append(slices.Clone(pins), d), depth+1) {
			return true
		}
	}
	return false
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

// cheapestOffer is the cheapest offering of a set that limits and reservations allow.
func (p *problem) cheapestOffer(pl *pool, bits bitset) int {
	best, at := math.Inf(1), -1
	bits.each(func(i int) bool {
		o := &p.off.list[i]
		if o.o.Price < best && pl.limits.allows(o.typ) && (o.reservation < 0 || p.reservations[o.reservation] > 0) {
			best, at = o.o.Price, i
		}
		return true
	})
	return at
}

// openFor opens a node for the first pod of a kind that follows itself.
func (p *problem) openFor(c *class, nodes []*newNode) *newNode {
	for _, g := range c.owns {
		if !g.hostname || g.kind != affinity || g.soft {
			continue
		}
		if !slices.Contains(c.selected, g) || p.runsSomewhere(g, nodes) {
			return nil
		}
	}
	pins, ok := p.choose(c, nil, 0)
	if !ok {
		return nil
	}
	it := p.itemOf(c, pins)
	for _, soft := range []bool{false, true} {
		for _, pl := range p.pools {
			f := p.feasibleIn(it, pl)
			if !f.ok() || f.soft != soft {
				continue
			}
			if o := p.cheapestOffer(pl, f.bits); o >= 0 {
				n := &newNode{pool: pl, bits: f.bits.clone(), rest: p.rest.merge(pl.base, f.rest), sum: slices.Clone(c.vec), offer: o}
				p.buy(n)
				p.take(it, n)
				return n
			}
		}
	}
	return nil
}

func (p *problem) runsSomewhere(g *group, nodes []*newNode) bool {
	for _, n := range p.nodes {
		if selected, _ := n.tally.get(g.id); selected > 0 {
			return true
		}
	}
	return slices.ContainsFunc(nodes, func(n *newNode) bool {
		selected, _ := n.tally.get(g.id)
		return selected > 0
	})
}

// take moves the next pod of an item's class to a node.
func (p *problem) take(it *item, n *newNode) {
	c := it.class
	n.pods = append(n.pods, c.pods[c.next])
	c.next++
	p.record(c, it, 1)
	c.note(&n.tally, 1)
	n.ports = append(n.ports, c.ports...)
	for _, pin := range it.pins {
		n.pins = n.pins.add(pin.key, pin.set)
	}
}
