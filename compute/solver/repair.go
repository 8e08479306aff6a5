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

// repair takes pods off new nodes until all spreads hold again: the pods that
// limits left out may have been what made others even.
func (p *problem) repair() {
	for again := true; again; {
		again = false
		for _, n := range p.fresh {
			for _, i := range slices.Clone(n.pods) {
				it := p.itemOfPod[i]
				if p.stillAllowed(it) {
					continue
				}
				p.record(it.class, it, -1)
				p.remove(n, i)
				p.giveUp(it.class, i)
				p.noteStuck(it.class)
				again = true
			}
		}
	}
	p.fresh = slices.DeleteFunc(p.fresh, func(n *newNode) bool {
		if len(n.pods) == 0 {
			p.giveBack(n)
		}
		return len(n.pods) == 0
	})
}

// stillAllowed tells whether the spreads of an item hold with its pods counted.
func (p *problem) stillAllowed(it *item) bool {
	for _, g := range it.class.owns {
		if g.kind != spread || g.soft || g.hostname {
			continue
		}
		set, ok := it.pins.get(g.key)
		if !ok {
			continue
		}
		name, _ := set.single()
		if g.selected[p.domains[g.key].index[name]]-g.minimum(p.podDomains(it.class, g.key)) > g.maxSkew {
			return false
		}
	}
	return true
}
