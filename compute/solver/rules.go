package solver

import (
	"math"
	"slices"
)

// owned tells whether the class itself has a rule on the key.
func (c *class) owned(key string) bool {
	return slices.ContainsFunc(c.owns, func(g *group) bool { return g.key == key && !g.soft })
}

// allowsAll tells whether all hard rules on a key allow the domain.
func (p *problem) allowsAll(c *class, key string, d int) bool {
	for _, g := range c.owns {
		if !g.soft && g.key == key && !p.allows(c, g, d) {
			return false
		}
	}
	for _, g := range c.selected {
		if !g.soft && g.key == key && g.kind == antiAffinity && g.owners[d] > 0 {
			return false
		}
	}
	return true
}

// allows tells whether a rule that the class owns allows one more pod in a domain.
func (p *problem) allows(c *class, g *group, d int) bool {
	mine := p.podDomains(c, g.key)
	self := slices.Contains(c.selected, g)
	switch g.kind {
	case spread:
		if !g.known[d] && g.selected[d] == 0 {
			return false
		}
		count := g.selected[d]
		if self {
			count++
		}
		return count-g.minimum(mine) <= g.maxSkew
	case affinity:
		if !mine[d] {
			return false
		}
		if g.selected[d] > 0 {
			return true
		}
		return self && !g.near(mine)
	case antiAffinity:
		return mine[d] && g.selected[d] == 0
	}
	return false
}

// near tells whether any of the domains has a selected pod.
func (g *group) near(mine []bool) bool { return anyIn(g.selected, mine) }

// anyIn tells whether any of the domains has pods.
func anyIn(pods []int, domains []bool) bool {
	for d, n := range pods {
		if n > 0 && domains[d] {
			return true
		}
	}
	return false
}

// minimum is the least count over the domains that a pod could be in.
func (g *group) minimum(mine []bool) int {
	least, supported := math.MaxInt, 0
	for d, n := range g.selected {
		if mine[d] && (g.known[d] || n > 0) {
			supported++
			least = min(least, n)
		}
	}
	if supported == 0 || supported < g.minDomains {
		return 0
	}
	return least
}

// podDomains are the domains that the class's own selectors allow.
func (p *problem) podDomains(c *class, key string) []bool {
	if c.where.domains == nil {
		c.where.domains = map[string][]bool{}
	}
	if out, ok := c.where.domains[key]; ok {
		return out
	}
	table := p.domains[key]
	out := make([]bool, len(table.names))
	for _, a := range p.usable(podAlternatives(c.rep.Pod)) {
		set, ok := a.get(key)
		for d, name := range table.names {
			out[d] = out[d] || !ok || set.has(name)
		}
	}
	c.where.domains[key] = out
	return out
}

// usable drops the alternatives that no pool and no node can meet: a domain that
// only they allow is none.
func (p *problem) usable(alternatives []conditions) []conditions {
	if len(alternatives) == 1 {
		return alternatives
	}
	out := slices.DeleteFunc(slices.Clone(alternatives), func(a conditions) bool {
		for _, pl := range p.pools {
			if _, _, ok := p.option(a, pl); ok {
				return false
			}
		}
		return !slices.ContainsFunc(p.nodes, func(n *nodeState) bool { return n.meets([]conditions{a}) })
	})
	if len(out) == 0 {
		return alternatives
	}
	return out
}

// record counts k pods of an item in the groups, in its domains; with a
// negative k it takes them out again.
func (p *problem) record(c *class, it *item, k int) {
	for _, g := range c.selected {
		if d, ok := p.pinnedTo(it, g.key); ok && p.countsOnNew(g, it) {
			g.selected[d] += k
		}
		g.total += k
	}
	for _, g := range c.owns {
		if g.hostname || !c.ownerOf(g) {
			continue
		}
		if d, ok := p.pinnedTo(it, g.key); ok {
			g.owners[d] += k
		}
	}
}

// ownerOf tells whether a group counts pods of a class as owners: those that keep others away, and those that are to be near
// their own kind.
func (c *class) ownerOf(g *group) bool {
	return !g.soft && (g.kind == antiAffinity || g.kind == affinity && slices.Contains(c.selected, g))
}

// countsOnNew tells whether a spread counts the nodes that an item goes to.
func (p *problem) countsOnNew(g *group, it *item) bool {
	if g.filter == nil {
		return true
	}
	for _, pl := range p.pools {
		if p.feasibleIn(it, pl).ok() {
			node := pl.conds.with(it.pins)
			for _, a := range it.class.where.alternatives {
				if _, ok := node.accepts(a, p.wellKnown); ok {
					node = node.with(a)
					break
				}
			}
			return g.filter.counts(pl.Taints, node)
		}
	}
	return false
}
