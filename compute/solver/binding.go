package solver

import (
	"cmp"
	"slices"
)

// Rules about other pods are asked when a pod is bound, and those that came before it stay. So a plan holds where its pods
// can be bound in some order: a pod that others count but that counts none of them may come late, where its own rules allow
// it with all others there.

// placing is a pod with a place, on a new node or on one that exists.
type placing struct {
	class *class
	pod   int
	item  *item // on new nodes
	fresh *newNode
	node  *nodeState

	beside *[]*placing // pods on the same node that spreads of others count
	gone   bool        // out of the counts
}

// tally is the count of pods on the placing's node.
func (x *placing) tally() tally {
	if x.fresh != nil {
		return x.fresh.tally
	}
	return x.node.tally
}

// domain is where the placing's node is.
func (p *problem) domain(x *placing, key string) (int, bool) {
	if x.fresh != nil {
		return p.pinnedTo(x.item, key)
	}
	return x.node.domain(p, key)
}

// evict takes pods off their nodes until those that are left can be bound in some order, and says of which classes.
func (p *problem) evict() []*class {
	if !p.orderMatters() {
		return nil
	}
	var out []*class
	for _, x := range p.unbindable() {
		if x.fresh != nil {
			p.drop(x)
		} else {
			p.takeOff(x.class, x.node, x.pod)
		}
		out = append(out, x.class)
	}
	p.dropEmpty()
	return out
}

// rebind puts the next pod of each class where its rules allow it with all others in place, if there is room.
func (p *problem) rebind(classes []*class) {
	for _, c := range classes {
		_ = p.placeOnNodes(c, 1) || slices.ContainsFunc(p.fresh, func(n *newNode) bool {
			return p.mayBeNear(c, n) && c.perNodeRoom(n.tally, n.ports, 1) > 0 && p.join(c, n, nil)
		})
	}
}

// orderMatters tells whether any spread counts pods that do not have it themselves. Otherwise pods can be bound level by level.
func (p *problem) orderMatters() bool {
	return slices.ContainsFunc(p.classes, func(c *class) bool {
		return c.next > 0 && slices.ContainsFunc(c.selected, func(g *group) bool { return bystander(c, g) })
	})
}

// bystander tells whether a spread counts pods of a class that do not have it themselves.
func bystander(c *class, g *group) bool {
	return g.kind == spread && !g.soft && slices.Contains(c.selected, g) && !slices.Contains(c.owns, g)
}

// unbindable lists pods without which the others can be bound in some order. It lets pods come late, latest first, until the
// rules of those before them hold.
func (p *problem) unbindable() []*placing {
	ruled, counted := p.placings()
	var late, out []*placing
	for again := true; again; {
		again = false
		for _, x := range ruled {
			if x.gone || p.holds(x) {
				continue
			}
			again = true
			if late = p.clear(x, counted, late); !p.holds(x) {
				p.setAside(x)
				out = append(out, x)
			}
		}
	}
	for _, x := range slices.Concat(late, out) {
		p.countPlacing(x, 1)
	}
	return out
}

// clear sets pods aside that are in the way of pod x and can come late, until its rules hold.
func (p *problem) clear(x *placing, counted, late []*placing) []*placing {
	for _, g := range x.class.owns {
		if g.kind != spread || !p.broken(x, g) {
			continue
		}
		list := counted
		if g.hostname {
			list = *x.beside
		}
		for _, y := range list {
			if y != x && !y.gone && p.inTheWay(y, x, g) && p.holds(y) {
				p.setAside(y)
				if late = append(late, y); !p.broken(x, g) {
					break
				}
			}
		}
	}
	return late
}

// setAside takes a pod out of the counts.
func (p *problem) setAside(x *placing) {
	x.gone = true
	p.countPlacing(x, -1)
}

// placings lists the pods that have a place: those with rules about other pods, and those that spreads of others count. What
// comes late rather comes first: pods without such rules, pods that no others want to be near.
func (p *problem) placings() (ruled, counted []*placing) {
	add := func(x placing) {
		if x.class.ruled() {
			ruled = append(ruled, &x)
		}
		if slices.ContainsFunc(x.class.selected, func(g *group) bool { return bystander(x.class, g) }) {
			counted = append(counted, &x)
			*x.beside = append(*x.beside, &x)
		}
	}
	for _, n := range p.fresh {
		beside := new([]*placing)
		for _, i := range n.pods {
			it := p.itemOfPod[i]
			add(placing{class: it.class, pod: i, item: it, fresh: n, beside: beside})
		}
		slices.SortStableFunc(*beside, lateFirst)
	}
	classOf := p.classesOnNodes()
	for _, n := range p.nodes {
		beside := new([]*placing)
		for _, i := range n.placed {
			add(placing{class: classOf[i], pod: i, node: n, beside: beside})
		}
		slices.SortStableFunc(*beside, lateFirst)
	}
	slices.SortStableFunc(counted, lateFirst)
	return ruled, counted
}

// classesOnNodes says of which class the pods placed on existing nodes are.
func (p *problem) classesOnNodes() map[int]*class {
	out := map[int]*class{}
	if !slices.ContainsFunc(p.nodes, func(n *nodeState) bool { return len(n.placed) > 0 }) {
		return out
	}
	for _, c := range p.classes {
		for _, i := range c.pods[:c.next] {
			out[i] = c
		}
	}
	return out
}

// lateFirst compares pods by how much depends on them.
func lateFirst(a, b *placing) int { return cmp.Compare(a.class.wanted(), b.class.wanted()) }

// ruled tells whether a class has spreads or affinities of its own.
func (c *class) ruled() bool {
	return slices.ContainsFunc(c.owns, func(g *group) bool { return !g.soft && g.kind != antiAffinity })
}

// wanted counts the hard affinities that select a class, and one for rules of its own.
func (c *class) wanted() int {
	n := 0
	for _, g := range c.selected {
		if g.kind == affinity && !g.soft {
			n += 2
		}
	}
	if c.ruled() {
		n++
	}
	return n
}

// holds tells whether the rules of a pod hold with the pods that are counted.
func (p *problem) holds(x *placing) bool {
	return !slices.ContainsFunc(x.class.owns, func(g *group) bool { return p.broken(x, g) })
}

// broken tells whether a spread or an affinity of a pod does not hold. Affinity to its own kind holds for the first of a kind,
// and so in one place where there are none else; but where some run already, one of the others must be near.
func (p *problem) broken(x *placing, g *group) bool {
	if g.soft || g.kind == antiAffinity {
		return false
	}
	if g.hostname {
		selected, owners := x.tally().get(g.id)
		if g.kind == spread {
			return selected > g.maxSkew
		}
		return selected == 0 || selected == owners &&
			(slices.ContainsFunc(g.running, func(n int) bool { return n > 0 }) || p.foundedElsewhere(x, g, selected))
	}
	d, ok := p.domain(x, g.key)
	switch {
	case !ok:
		return false
	case g.kind == spread:
		return g.selected[d]-g.minimum(p.podDomains(x.class, g.key)) > g.maxSkew
	}
	return g.selected[d] == 0 || g.selected[d] == g.owners[d] &&
		(anyIn(g.running, p.podDomains(x.class, g.key)) || g.foundedOutside(d))
}

// foundedElsewhere tells whether pods that are to be near their own kind are by themselves on another node than that of pod x,
// and more of them than the given number.
func (p *problem) foundedElsewhere(x *placing, g *group, pods int) bool {
	passed := false // of those with as many the first counts
	larger := func(t tally, here bool) bool {
		passed = passed || here
		selected, owners := t.get(g.id)
		return !here && selected == owners && (selected > pods || selected == pods && !passed)
	}
	return slices.ContainsFunc(p.fresh, func(n *newNode) bool { return larger(n.tally, n == x.fresh) }) ||
		slices.ContainsFunc(p.nodes, func(n *nodeState) bool { return larger(n.tally, n == x.node) })
}

// foundedOutside tells the same of a domain and all others.
func (g *group) foundedOutside(d int) bool {
	for e, pods := range g.selected {
		if e != d && pods == g.owners[e] && (pods > g.selected[d] || pods == g.selected[d] && e < d) {
			return true
		}
	}
	return false
}

// stillAllowed tells whether the spreads over domains and the affinities of a pod hold where it is with the pods counted that
// have a place.
func (p *problem) stillAllowed(x *placing) bool {
	return !slices.ContainsFunc(x.class.owns, func(g *group) bool {
		return !(g.hostname && g.kind == spread) && p.broken(x, g)
	})
}

// inTheWay tells whether a spread of pod x counts pod y with it and is none of y's.
func (p *problem) inTheWay(y, x *placing, g *group) bool {
	if !bystander(y.class, g) {
		return false
	}
	if g.hostname {
		return true // beside it
	}
	a, _ := p.domain(x, g.key)
	b, ok := p.domain(y, g.key)
	return ok && a == b
}

// countPlacing counts a pod in the groups, or with -1 takes it out of them.
func (p *problem) countPlacing(x *placing, k int) {
	if x.fresh == nil {
		p.countOn(x.class, x.node, k)
		return
	}
	p.record(x.class, x.item, k)
	x.class.note(&x.fresh.tally, k)
}

// drop gives a pod on a new node back to its class.
func (p *problem) drop(x *placing) {
	p.record(x.class, x.item, -1)
	p.remove(x.fresh, x.pod)
	p.giveUp(x.class, x.pod)
}
