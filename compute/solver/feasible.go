package solver

import (
	"encoding/binary"
	"fmt"
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

func (f *feasible) ok() bool { return f.bits != nil }

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
