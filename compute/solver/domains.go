package solver

import (
	"slices"
	"sort"
)

// item is a number of pods of one class that go to new nodes in the same
// topology domains. Items no longer depend on each other, but for what they
// share a node with.
type item struct {
	class *class
	pins  conditions // one value per key
	count int        // pods not yet packed
	pods  []int      // into the snapshot, in order
	where []*feasible
}

// assign decides where the pods of a class go on new nodes, and turns them into
// items. It stops at the first pod for which no domain is left.
func (p *problem) assign(c *class) bool {
	before := c.next
	for c.left() > 0 {
		pins, ok := p.choose(c, nil, 0)
		if !ok {
			break
		}
		k := 1
		if len(c.keys) == 0 {
			k = c.left()
		}
		it := p.itemOf(c, pins)
		it.count += k
		it.pods = append(it.pods, c.pods[c.next:c.next+k]...)
		c.next += k
		p.record(c, it, k)
	}
	return c.next > before
}

// itemOf finds or makes the item of a class in its domains.
func (p *problem) itemOf(c *class, pins []int) *item {
	key := pinKey(pins)
	it, ok := c.placed[key]
	if !ok {
		it = &item{class: c, where: make([]*feasible, len(p.pools))}
		it.pins = p.pinConditions(c, pins)
		c.placed[key] = it
		p.items = append(p.items, it)
	}
	return it
}

// noDomain stands for a key that a class does without.
const noDomain = -1

func (p *problem) pinConditions(c *class, pins []int) conditions {
	var conds conditions
	for i, d := range pins {
		if d != noDomain {
			conds = conds.add(c.keys[i], oneValue(p.domains[c.keys[i]].names[d]))
		}
	}
	return conds
}

func pinKey(pins []int) string {
	b := make([]byte, 0, 8)
	for _, d := range pins {
		b = append(b, byte(d), byte(d>>8))
	}
	return string(b)
}

// choose finds a domain for each key of the class from the one at depth on.
func (p *problem) choose(c *class, pins []int, depth int) ([]int, bool) {
	if depth == len(c.keys) {
		return pins, p.feasibleAnywhere(c, pins) != nil
	}
	key := c.keys[depth]
	table := p.domains[key]
	type choice struct {
		d     int
		score int64
		count int
		unit  float64
	}
	var choices []choice
	possible := false
	for d := range table.names {
		if p.feasibleAnywhere(c, append(slices.Clone(pins), d)) == nil {
			continue
		}
		possible = true
		if !p.allowsAll(c, key, d) {
			continue
		}
		score, count := p.score(c, key, d)
		choices = append(choices, choice{d, score, count, table.unit[d]})
	}
	sort.SliceStable(choices, func(i, j int) bool {
		a, b := choices[i], choices[j]
		switch {
		case a.score != b.score:
			return a.score > b.score
		case a.count != b.count:
			return a.count < b.count
		}
		return a.unit < b.unit
	})
	for _, ch := range choices {
		if out, ok := p.choose(c, append(slices.Clone(pins), ch.d), depth+1); ok {
			return out, true
		}
	}
	if !possible && !c.owned(key) {
		return p.choose(c, append(slices.Clone(pins), noDomain), depth+1) // others may count it, but where it goes there is nothing to count
	}
	return nil, false
}

// score is how much the soft rules of a class like a domain, and how many pods
// its spreads see there.
func (p *problem) score(c *class, key string, d int) (int64, int) {
	var score int64
	count := 0
	for _, g := range c.owns {
		if g.key != key {
			continue
		}
		n := g.selected[d]
		if g.kind == spread {
			count += n
		}
		if !g.soft {
			continue
		}
		switch {
		case g.kind == affinity && n > 0:
			score += g.weight
		case g.kind == antiAffinity && n > 0:
			score -= g.weight
		case g.kind == spread && n-g.minimum(p.podDomains(c, key)) >= g.maxSkew:
			score -= g.weight
		}
	}
	for _, g := range c.selected {
		if g.key == key && g.kind == spread && !g.soft && !slices.Contains(c.owns, g) {
			count += g.selected[d] // stay out of the way of those that are spread
		}
	}
	for _, pref := range c.where.preferences {
		if set, ok := pref.conds.get(key); ok && set.has(p.domains[key].names[d]) {
			score += int64(pref.weight)
		}
	}
	return score, count
}
