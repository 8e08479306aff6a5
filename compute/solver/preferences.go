package solver

import (
	"math"
)

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
