package solver

import (
	"math"
	"slices"
)

// packFollowers places the pods with hard affinity by hostname: next to a pod
// they follow, on a node that may grow for them, or, being the first of a kind
// that follows itself, on a node of their own.
func (p *problem) packFollowers(nodes []*newNode) []*newNode {
	for progress := true; progress; {
		progress = false
		for _, it := range p.items {
			if !it.class.follower {
				continue
			}
			for it.count > 0 {
				n := p.follow(it, nodes)
				if n == nil {
					if n = p.openFor(it, nodes); n == nil {
						break
					}
					nodes = append(nodes, n)
				}
				progress = true
			}
		}
	}
	return nodes
}

// follow puts one pod of an item on one of the nodes.
func (p *problem) follow(it *item, nodes []*newNode) *newNode {
	for _, n := range nodes {
		if p.join(it, n) {
			return n
		}
	}
	return nil
}

// join puts one pod on a node where all it follows is there and room can be had.
func (p *problem) join(it *item, n *newNode) bool {
	c := it.class
	f := p.feasibleIn(it, n.pool)
	if !f.ok() {
		return false
	}
	for _, g := range c.owns {
		if g.hostname && g.kind == affinity && !g.soft {
			if selected, _ := n.tally.get(g.id); selected == 0 {
				return false
			}
		}
	}
	if c.perNodeRoom(n.tally, n.ports, 1) == 0 {
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

// reprice chooses the cheapest offering again after a node has grown.
func (p *problem) reprice(n *newNode, bits bitset) bool {
	if bits.has(n.offer) {
		return true
	}
	if _, _, ok := p.keepsMinValues(n.pool, bits); !ok && !p.s.Options.RelaxMinValues {
		return false
	}
	old := n.offer
	p.giveBack(n)
	if o := p.cheapestOffer(n.pool, bits); o >= 0 {
		n.offer = o
		p.buy(n)
		return true
	}
	n.offer = old
	p.buy(n)
	return false
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
func (p *problem) openFor(it *item, nodes []*newNode) *newNode {
	c := it.class
	for _, g := range c.owns {
		if !g.hostname || g.kind != affinity || g.soft {
			continue
		}
		if !slices.Contains(c.selected, g) || p.runsSomewhere(g, nodes) {
			return nil
		}
	}
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

// take moves one pod of an item to a node.
func (p *problem) take(it *item, n *newNode) {
	n.pods = append(n.pods, it.pods[0])
	it.pods = it.pods[1:]
	it.count--
	it.class.note(&n.tally, 1)
	n.ports = append(n.ports, it.class.ports...)
	for _, pin := range it.pins {
		n.pins = n.pins.add(pin.key, pin.set)
	}
}
