package solver

import (
	"cmp"
	"slices"
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

	asked, opens int // rounds: the last in which was asked whether a node could be opened, and in which one could
}

// assign decides where the pods of a class go on new nodes, and turns them into
// items. It stops at the first pod for which no domain is left.
func (p *problem) assign(c *class) bool {
	before := c.next
	for c.left() > 0 {
		pins, ok := p.choose(c)
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
	in := c.in(p.pinsID(pins))
	if in.item == nil {
		in.item = &item{class: c, where: make([]*feasible, len(p.pools)), pins: p.pinConditions(c, pins)}
		p.items = append(p.items, in.item)
	}
	return in.item
}

// inDomains is a class in some domains.
type inDomains struct {
	pins        int   // their number
	item        *item // nil where none was made
	asked, fits bool  // whether some new node there would do for a pod
}

// in finds or makes what is known of a class in domains, until the next is asked for.
func (c *class) in(pins int) *inDomains {
	i, ok := slices.BinarySearchFunc(c.domains, pins, func(in inDomains, pins int) int { return cmp.Compare(in.pins, pins) })
	if !ok {
		c.domains = slices.Insert(c.domains, i, inDomains{pins: pins})
	}
	return &c.domains[i]
}

// pinsID numbers a choice of domains.
func (p *problem) pinsID(pins []int) int {
	p.pinBuf = appendPins(p.pinBuf[:0], pins)
	id, ok := p.pinIDs[string(p.pinBuf)]
	if !ok {
		id = len(p.pinIDs)
		p.pinIDs[string(p.pinBuf)] = id
	}
	return id
}

const (
	noDomain  = -1 // stands for a key that a class does without
	unlabeled = -2 // stands for nodes without the label
)

// mayLack tells whether a class without a rule of its own on a key may go to nodes without the label: only pools define some.
func (p *problem) mayLack(c *class, key string) bool { return !c.owned(key) && !p.wellKnown(key) }

// pinConditions are the conditions that domains stand for. They are shared.
func (p *problem) pinConditions(c *class, pins []int) conditions {
	if len(pins) == 1 && pins[0] >= 0 {
		return p.domains[c.keys[0]].condition(c.keys[0], pins[0])
	}
	var conds conditions
	for i, d := range pins {
		switch {
		case d == unlabeled:
			conds = conds.add(c.keys[i], valueSet{gte: unboundedLow, lte: unboundedHigh})
		case d != noDomain:
			conds = conds.add(c.keys[i], oneValue(p.domains[c.keys[i]].names[d]))
		}
	}
	return conds
}

// appendPins writes a key for domains.
func appendPins(b []byte, pins []int) []byte {
	for _, d := range pins {
		b = append(b, byte(d), byte(d>>8))
	}
	return b
}

// choose finds a domain for each key of the class, if possible where limits and reservations still allow a node.
func (p *problem) choose(c *class) (pins []int, ok bool) {
	for _, may := range []func(*item) bool{p.opens, func(*item) bool { return true }} {
		if p.anyDomains(c, func(found []int) bool {
			pins = found
			return may(p.itemOf(c, found))
		}) {
			return pins, true
		}
	}
	return nil, false
}

// anyDomains calls use with each combination of domains that the rules of the class allow until it says yes, those last in
// which the class does without one that every node has.
func (p *problem) anyDomains(c *class, use func([]int) bool) bool {
	room := make([]int, 0, len(c.keys))
	return p.combine(c, room, func(pins []int) bool { return p.decided(c, pins) && use(pins) }) ||
		p.combine(c, room, func(pins []int) bool { return !p.decided(c, pins) && use(pins) })
}

// decided tells whether domains leave none open that every node has.
func (p *problem) decided(c *class, pins []int) bool {
	for i, d := range pins {
		if d == noDomain && p.wellKnown(c.keys[i]) {
			return false
		}
	}
	return true
}

// opens tells whether limits and reservations left a node for an item when the round began.
func (p *problem) opens(it *item) bool {
	if it.asked != p.round {
		it.asked = p.round
		if slices.ContainsFunc(p.pools, func(pl *pool) bool {
			f := p.feasibleIn(it, pl)
			return f.ok() && (len(pl.limits.names) == 0 && len(p.reservations) == 0 || p.cheapestOffer(pl, f.bits) >= 0)
		}) {
			it.opens = p.round
		}
	}
	return it.opens == p.round
}

// combine calls use with each combination of domains that the rules of the class allow, best first, until it says yes.
// The pins are those chosen so far, in an array that has room for all; use must not keep it.
func (p *problem) combine(c *class, pins []int, use func([]int) bool) bool {
	if len(pins) == len(c.keys) {
		return p.feasibleAnywhere(c, pins) && use(pins)
	}
	key := c.keys[len(pins)]
	var allowed []int
	possible := false
	for d := range p.domains[key].names {
		if !p.feasibleAnywhere(c, append(pins, d)) {
			continue
		}
		possible = true
		if p.allowsAll(c, key, d) {
			allowed = append(allowed, d)
		}
	}
	for _, d := range p.ranked(c, key, allowed) {
		if p.combine(c, append(pins, d), use) {
			return true
		}
	}
	// Others may count the pod, but where it goes there is nothing to count.
	return !possible && !c.owned(key) && p.combine(c, append(pins, noDomain), use) ||
		possible && p.mayLack(c, key) && p.combine(c, append(pins, unlabeled), use)
}

// ranked sorts domains by what soft rules say, then by how few pods are there, then by price.
func (p *problem) ranked(c *class, key string, domains []int) []int {
	type rank struct {
		score int64
		count int
	}
	ranks := make([]rank, len(p.domains[key].names))
	for _, d := range domains {
		ranks[d].score, ranks[d].count = p.score(c, key, d)
	}
	unit := p.domains[key].unit
	if p.attempt != nil && p.attempt.turn > 0 {
		unit = p.attempt.whims(len(unit))
	}
	slices.SortStableFunc(domains, func(a, b int) int {
		return cmp.Or(cmp.Compare(ranks[b].score, ranks[a].score), cmp.Compare(ranks[a].count, ranks[b].count), cmp.Compare(unit[a], unit[b]))
	})
	return domains
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
