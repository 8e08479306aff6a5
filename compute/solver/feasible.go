package solver

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// feasible is where in a pool an item may go.
type feasible struct {
	bits   bitset // offerings that suit labels, domains and size
	rest   int
	labels int  // number of the set that labels and domains alone leave
	soft   bool // a soft taint stands against the pool
	reason Reason
}

// feasible works out where in a pool one pod of a class may go, given domains.
// The set of offerings is made in a buffer.
func (p *problem) feasible(c *class, pins conditions, pl *pool, buffer bitset) feasible {
	rule := p.rule(c.where, pl)
	out := feasible{soft: rule.soft, reason: rule.reason}
	if len(rule.options) == 0 {
		return out
	}
	for i, x := range p.pinned(rule, pins, pl) {
		if !x.ok {
			out.reason = Reason{pl.Name, ReasonTopology, fmt.Sprintf("no available instance type in %s", pinString(pins))}
			continue
		}
		bits, rest := append(buffer[:0], x.bits...), x.rest
		out.labels = x.labels
		if !pl.fit.narrow(bits, c.vec) {
			out.reason = p.tooLarge(c, pl, rule.options[i].bits)
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

func (f *feasible) ok() bool { return f.bits != nil }

// feasibleAnywhere tells whether any pool has a node for one pod of a class in some domains.
func (p *problem) feasibleAnywhere(c *class, pins []int) bool {
	in := c.in(p.pinsID(pins))
	if !in.asked {
		conds := p.pinConditions(c, pins)
		in.asked, in.fits = true, slices.ContainsFunc(p.pools, func(pl *pool) bool {
			f := p.feasible(c, conds, pl, p.scratch)
			return f.ok()
		})
	}
	return in.fits
}

func (p *problem) feasibleIn(it *item, pl *pool) *feasible {
	if it.where[pl.id] == nil {
		f := p.feasible(it.class, it.pins, pl, nil)
		it.where[pl.id] = &f
	}
	return it.where[pl.id]
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

// pinnedOption is an option of a rule in some domains. Its set is shared.
type pinnedOption struct {
	bits   bitset
	rest   int
	labels int // number of the set
	ok     bool
}

// pinned narrows the options of a rule to domains, once for all classes.
func (p *problem) pinned(rule *poolRule, pins conditions, pl *pool) []pinnedOption {
	p.buf = pins.appendKey(p.buf[:0])
	if out, ok := rule.pinned[string(p.buf)]; ok {
		return out
	}
	key := string(p.buf)
	out := make([]pinnedOption, len(rule.options))
	for i, opt := range rule.options {
		out[i] = p.pin(opt, pins, pl)
	}
	if rule.pinned == nil {
		rule.pinned = map[string][]pinnedOption{}
	}
	rule.pinned[key] = out
	return out
}

func (p *problem) pin(opt ruleOption, pins conditions, pl *pool) pinnedOption {
	bits, rest := opt.bits.clone(), opt.rest
	for _, pin := range pins {
		if set := p.off.with(pin.key, pin.set); set != nil {
			bits.and(set)
		}
		if p.off.fixed(pin.key) {
			continue
		}
		if _, defined := pl.conds.get(pin.key); !defined && !p.wellKnown(pin.key) { // a node of the pool does not have the label
			if pin.set.absent() {
				continue
			}
			return pinnedOption{}
		}
		rest = p.rest.merge(rest, p.rest.intern(conditions{pin}))
		if rest < 0 {
			return pinnedOption{}
		}
	}
	merged := p.rest.merge(pl.base, rest)
	if merged < 0 {
		return pinnedOption{}
	}
	if len(pins) > 0 {
		bits.and(p.rest.bits(merged))
	}
	if bits.empty() {
		return pinnedOption{}
	}
	return pinnedOption{bits: bits, rest: rest, labels: p.labelSet(bits), ok: true}
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
