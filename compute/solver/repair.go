package solver

import "slices"

// returnLeft gives the pods that limits left without a node back to their
// classes, and takes them out of the counts.
func (p *problem) returnLeft() bool {
	any := false
	for _, it := range p.items {
		if it.count == 0 {
			continue
		}
		any = true
		c := it.class
		p.noteStuck(c)
		p.record(c, it, -it.count)
		for _, i := range it.pods[:it.count] {
			p.giveUp(c, i)
		}
		it.pods, it.count = nil, 0
	}
	return any
}

// noteStuck counts the rounds that left pods of a class out.
func (p *problem) noteStuck(c *class) {
	if c.stuckIn != p.round {
		c.stuck++
		c.stuckIn = p.round
	}
}

// giveUp marks a pod as one without a place.
func (p *problem) giveUp(c *class, i int) {
	at := slices.Index(c.pods[:c.next], i)
	c.next--
	copy(c.pods[at:c.next], c.pods[at+1:c.next+1])
	c.pods[c.next] = i
}

// repair takes pods off nodes until all spreads and affinities hold again: the pods that limits left out may have been
// what made others even, or what they were to be near.
func (p *problem) repair() {
	for again := true; again; {
		again = false
		for _, n := range p.fresh {
			for _, i := range slices.Clone(n.pods) {
				it := p.itemOfPod[i]
				if p.stillAllowed(it.class, n.tally, func(key string) (int, bool) { return p.pinnedTo(it, key) }) {
					continue
				}
				p.record(it.class, it, -1)
				p.remove(n, i)
				p.giveUp(it.class, i)
				p.noteStuck(it.class)
				again = true
			}
		}
		again = p.repairExisting() || again
	}
	p.fresh = slices.DeleteFunc(p.fresh, func(n *newNode) bool {
		if len(n.pods) == 0 {
			p.giveBack(n)
		}
		return len(n.pods) == 0
	})
}

// repairExisting does so for the nodes that exist.
func (p *problem) repairExisting() bool {
	any := false
	classOf := map[int]*class{}
	for _, c := range p.classes {
		if len(c.owns) > 0 {
			for _, i := range c.pods[:c.next] {
				classOf[i] = c
			}
		}
	}
	for _, n := range p.nodes {
		for _, i := range slices.Clone(n.placed) {
			c := classOf[i]
			if c == nil || p.stillAllowed(c, n.tally, func(key string) (int, bool) { return n.domain(p, key) }) {
				continue
			}
			p.takeOff(c, n, i)
			p.noteStuck(c)
			any = true
		}
	}
	return any
}

// pinnedTo is the domain of a key that an item is in.
func (p *problem) pinnedTo(it *item, key string) (int, bool) {
	set, ok := it.pins.get(key)
	if !ok {
		return 0, false
	}
	name, _ := set.single()
	return p.domains[key].index[name], true
}

// stillAllowed tells whether the spreads and affinities of a pod hold where it is with the pods counted that have a place.
func (p *problem) stillAllowed(c *class, t tally, domain func(key string) (int, bool)) bool {
	for _, g := range c.owns {
		if g.soft || g.kind == antiAffinity {
			continue
		}
		if g.hostname {
			if selected, _ := t.get(g.id); g.kind == affinity && selected == 0 {
				return false
			}
			continue
		}
		d, ok := domain(g.key)
		if !ok {
			continue
		}
		if g.kind == affinity && g.selected[d] == 0 || g.kind == spread && g.selected[d]-g.minimum(p.podDomains(c, g.key)) > g.maxSkew {
			return false
		}
	}
	return true
}
