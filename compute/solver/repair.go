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
				x := &placing{class: it.class, pod: i, item: it, fresh: n}
				if p.stillAllowed(x) {
					continue
				}
				p.drop(x)
				p.noteStuck(it.class)
				again = true
			}
		}
		again = p.repairExisting() || again
	}
	p.dropEmpty()
}

// dropEmpty gives back the new nodes that no pod is on.
func (p *problem) dropEmpty() {
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
	classOf := p.classesOnNodes()
	for _, n := range p.nodes {
		for _, i := range slices.Clone(n.placed) {
			c := classOf[i]
			if p.stillAllowed(&placing{class: c, pod: i, node: n}) {
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
	set, _ := it.pins.get(key)
	name, ok := set.single()
	if !ok {
		return 0, false
	}
	return p.domains[key].index[name], true
}
