package solver

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
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

// feasible is where in a pool an item may go.
type feasible struct {
	bits   bitset // offerings that suit labels, domains and size
	rest   int
	labels int  // number of the set that labels and domains alone leave
	soft   bool // a soft taint stands against the pool
	reason Reason
}

func (f *feasible) ok() bool { return f.bits != nil }

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
func (g *group) near(mine []bool) bool {
	for d, n := range g.selected {
		if n > 0 && mine[d] {
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
	if c.domains == nil {
		c.domains = map[string][]bool{}
	}
	if out, ok := c.domains[key]; ok {
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
	c.domains[key] = out
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
		return !slices.ContainsFunc(p.nodes, func(n *nodeState) bool {
			_, ok := n.conds.accepts(a, noneUndefined)
			return ok
		})
	})
	if len(out) == 0 {
		return alternatives
	}
	return out
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

// record counts k pods of an item in the groups, in its domains; with a
// negative k it takes them out again.
func (p *problem) record(c *class, it *item, k int) {
	for _, g := range c.selected {
		if set, ok := it.pins.get(g.key); ok && p.countsOnNew(g, it) {
			name, _ := set.single()
			g.selected[p.domains[g.key].index[name]] += k
		}
		g.total += k
	}
	for _, g := range c.owns {
		if g.kind != antiAffinity || g.soft || g.hostname {
			continue
		}
		if set, ok := it.pins.get(g.key); ok {
			name, _ := set.single()
			g.owners[p.domains[g.key].index[name]] += k
		}
	}
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

// feasibleAnywhere is the first pool's answer that is a yes, soft taints last.
func (p *problem) feasibleAnywhere(c *class, pins []int) *feasible {
	key := pinKey(pins)
	if c.anywhere == nil {
		c.anywhere = map[string]*feasible{}
	}
	if f, ok := c.anywhere[key]; ok {
		return f
	}
	conds := p.pinConditions(c, pins)
	var found *feasible
	for _, pl := range p.pools {
		f := p.feasible(c, conds, pl)
		if f.ok() && (found == nil || found.soft && !f.soft) {
			found = f
			if !f.soft {
				break
			}
		}
	}
	c.anywhere[key] = found
	return found
}

func (p *problem) feasibleIn(it *item, pl *pool) *feasible {
	if it.where[pl.id] == nil {
		it.where[pl.id] = p.feasible(it.class, it.pins, pl)
	}
	return it.where[pl.id]
}

// feasible works out where in a pool one pod of a class may go, given domains.
func (p *problem) feasible(c *class, pins conditions, pl *pool) *feasible {
	rule := p.rule(c.where, pl)
	out := &feasible{soft: rule.soft, reason: rule.reason}
	for _, opt := range rule.options {
		bits, rest, ok := p.pinned(opt, pins, pl)
		if !ok {
			out.reason = Reason{pl.Name, ReasonTopology, fmt.Sprintf("no available instance type in %s", pinString(pins))}
			continue
		}
		out.labels = p.labelSet(bits)
		if !pl.fit.narrow(bits, c.vec) {
			out.reason = p.tooLarge(c, pl, opt.bits)
			continue
		}
		if len(c.ports) > 0 && pl.anyPorts && !p.freePorts(c, pl, bits) {
			out.reason = Reason{pl.Name, ReasonHostPorts, "a DaemonSet uses the same host port"}
			continue
		}
		if !p.s.Options.RelaxMinValues {
			if r, n, ok := p.keepsMinValues(pl, bits); !ok {
				out.reason = Reason{pl.Name, ReasonMinValues, fmt.Sprintf("label %s has %d distinct values left, minValues asks for %d", r.Key, n, r.MinValues)}
				continue
			}
		}
		if len(c.where.preferences) > 0 {
			bits, rest = p.prefer(c, pl, bits, rest)
			out.labels = p.labelSet(bits)
		}
		out.bits, out.rest, out.reason = bits, rest, Reason{}
		return out
	}
	return out
}

// labelSet numbers a set of offerings, so that equal ones are known as such.
func (p *problem) labelSet(bits bitset) int {
	b := p.buf[:0]
	for _, w := range bits {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	p.buf = b
	id, ok := p.labelSets[string(b)]
	if !ok {
		id = len(p.labelBits)
		p.labelSets[string(b)] = id
		p.labelBits = append(p.labelBits, bits.clone())
	}
	return id
}

// pinned narrows an option to the domains.
func (p *problem) pinned(opt ruleOption, pins conditions, pl *pool) (bitset, int, bool) {
	bits, rest := opt.bits.clone(), opt.rest
	for _, pin := range pins {
		if set := p.off.with(pin.key, pin.set); set != nil {
			bits.and(set)
		}
		if p.off.fixed(pin.key) {
			continue
		}
		rest = p.rest.merge(rest, p.rest.intern(conditions{pin}))
		if rest < 0 {
			return nil, 0, false
		}
	}
	merged := p.rest.merge(pl.base, rest)
	if merged < 0 {
		return nil, 0, false
	}
	if len(pins) > 0 {
		bits.and(p.rest.bits(merged))
	}
	return bits, rest, !bits.empty()
}

// freePorts drops types whose DaemonSets use a host port of the class.
func (p *problem) freePorts(c *class, pl *pool, bits bitset) bool {
	for t, ports := range pl.ports {
		if portsConflict(c.ports, ports) {
			for o := p.off.first[t]; o < p.off.first[t+1]; o++ {
				bits.clear(o)
			}
		}
	}
	return !bits.empty()
}

// prefer narrows the offerings to those that preferences of the node affinity
// like, heaviest first. A preference of weight w may cost up to w per cent more.
func (p *problem) prefer(c *class, pl *pool, bits bitset, rest int) (bitset, int) {
	price := p.unitPrice(c, pl, bits)
	for _, pref := range c.where.preferences {
		if _, ok := pl.conds.accepts(pref.conds, p.wellKnown); !ok {
			continue
		}
		var free conditions
		narrowed := bits.clone()
		for _, cond := range pref.conds {
			if set := p.off.with(cond.key, cond.set); set != nil {
				narrowed.and(set)
			}
			if !p.off.fixed(cond.key) {
				free = free.add(cond.key, cond.set)
			}
		}
		r := p.rest.merge(rest, p.rest.intern(free))
		if r < 0 {
			continue
		}
		merged := p.rest.merge(pl.base, r)
		if merged < 0 {
			continue
		}
		narrowed.and(p.rest.bits(merged))
		if narrowed.empty() || p.unitPrice(c, pl, narrowed) > price*(1+float64(pref.weight)/100)+1e-9 {
			continue
		}
		if _, _, ok := p.keepsMinValues(pl, narrowed); !ok && !p.s.Options.RelaxMinValues {
			continue
		}
		bits, rest = narrowed, r
	}
	return bits, rest
}

// unitPrice is the least that one pod's share of a node costs.
func (p *problem) unitPrice(c *class, pl *pool, bits bitset) float64 {
	best := math.Inf(1)
	bits.each(func(i int) bool {
		o := &p.off.list[i]
		share := 0.0
		for d, n := range c.vec {
			if n > 0 {
				share = max(share, float64(n)/float64(pl.room[o.typ][d]))
			}
		}
		best = min(best, share*o.o.Price)
		return true
	})
	return best
}

// keepsMinValues tells whether the offerings leave as many distinct values as
// the pool wants of each key.
func (p *problem) keepsMinValues(pl *pool, bits bitset) (Requirement, int, bool) {
	for _, r := range pl.minValues {
		n := p.distinct(r.Key, bits)
		if n < r.MinValues {
			return r, n, false
		}
	}
	return Requirement{}, 0, true
}

func (p *problem) distinct(key string, bits bitset) int {
	k, ok := p.off.keys[key]
	if !ok {
		return 0
	}
	n := 0
	for i := range k.values {
		if k.bits[i].intersects(bits) {
			n++
		}
	}
	for _, o := range k.open {
		if o.bits.intersects(bits) {
			n += len(o.set.values)
		}
	}
	return n
}

// tooLarge says which resource no type has enough of, and by how much the
// largest falls short.
func (p *problem) tooLarge(c *class, pl *pool, bits bitset) Reason {
	best, bestMiss, bestDim := -1, math.Inf(1), 0
	bits.each(func(i int) bool {
		t := p.off.list[i].typ
		miss, dim := 0.0, 0
		for d, n := range c.vec {
			if n <= 0 || n <= pl.room[t][d] {
				continue
			}
			if m := float64(n-pl.room[t][d]) / float64(n); m > miss {
				miss, dim = m, d
			}
		}
		if miss < bestMiss {
			best, bestMiss, bestDim = t, miss, dim
		}
		return true
	})
	if best < 0 {
		return Reason{pl.Name, ReasonResources, "no available instance type"}
	}
	name := p.res.names[bestDim]
	return Reason{pl.Name, ReasonResources, fmt.Sprintf("no instance type has enough room: asks for %s of %s, %s comes nearest with %s",
		p.quantity(name, c.vec[bestDim]), name, p.off.types[best].Name, p.quantity(name, pl.room[best][bestDim]))}
}

// quantity writes an amount of a resource as Kubernetes does.
func (p *problem) quantity(name corev1.ResourceName, n int64) string {
	switch name {
	case corev1.ResourceCPU:
		return resource.NewMilliQuantity(n, resource.DecimalSI).String()
	case corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
		return resource.NewQuantity(n, resource.BinarySI).String()
	}
	return resource.NewQuantity(n, resource.DecimalSI).String()
}

func pinString(pins conditions) string {
	var words []string
	for _, pin := range pins {
		v, _ := pin.set.single()
		words = append(words, pin.key+"="+v)
	}
	return strings.Join(words, ", ")
}
