package solver

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// maxTypes is how many instance types a claim lists unless told otherwise.
const maxTypes = 600

// plan puts the result into words.
func (p *problem) plan(nodes []*newNode) Plan {
	out := Plan{Bound: p.bound, WholeBound: p.whole, Method: p.method}
	for _, n := range p.nodes {
		if len(n.placed) > 0 {
			slices.Sort(n.placed)
			out.Placements = append(out.Placements, Placement{Node: n.Name, Pods: p.podsOf(n.placed)})
		}
	}
	for _, n := range nodes {
		c := p.claim(n)
		out.Price += c.Cheapest.Price
		out.Claims = append(out.Claims, c)
	}
	out.Unplaced = p.explain()
	return out
}

func (p *problem) podsOf(indexes []int) []*corev1.Pod {
	out := make([]*corev1.Pod, len(indexes))
	for i, at := range indexes {
		out[i] = p.s.Pods[at].Pod
	}
	return out
}

// claim describes a node: its pods, the types it may be, what its labels must be.
func (p *problem) claim(n *newNode) Claim {
	o := &p.off.list[n.offer]
	slices.Sort(n.pods)
	c := Claim{Pool: n.pool.Name, Pods: p.podsOf(n.pods), Cheapest: Choice{
		Type: p.off.types[o.typ].Name, Zone: o.o.Zone(), CapacityType: o.o.CapacityType(), Reservation: o.o.Reservation, Price: o.o.Price}}
	bits := p.sameReservation(n.bits, o.reservation)
	c.Types = p.typesByPrice(n, bits)
	sum := slices.Clone(n.sum)
	sum.add(n.pool.overhead[o.typ])
	c.Requests = p.res.list(sum)
	for name := range c.Requests {
		if _, ok := volumeDriver(name); ok {
			delete(c.Requests, name)
		}
	}
	c.Requirements = p.requirements(n, bits)
	_, _, kept := p.keepsMinValues(n.pool, bits)
	c.MinValuesRelaxed = !kept
	return c
}

// sameReservation keeps the offerings of one reservation, or with -1 those of none.
func (p *problem) sameReservation(bits bitset, r int) bitset {
	if len(p.reservations) == 0 {
		return bits
	}
	out := newBitset(len(p.off.list))
	bits.each(func(i int) bool {
		if p.off.list[i].reservation == r {
			out.set(i)
		}
		return true
	})
	return out
}

// typesByPrice lists the types of a set, cheapest first. Types that would take
// more of a limited resource than the chosen one are left out, so that whatever
// is launched stays within the pool's limits. Nodes that leave the same choice
// share the list.
func (p *problem) typesByPrice(n *newNode, bits bitset) []string {
	chosen := p.off.list[n.offer].typ
	key := typesKey{set: p.labelSet(bits), pool: n.pool.id, reservation: p.off.list[n.offer].reservation}
	if len(n.pool.limits.names) > 0 {
		key.chosen = chosen
	}
	if names, ok := p.typeLists[key]; ok {
		return names
	}
	limit := p.s.Options.MaxTypes
	if limit <= 0 {
		limit = maxTypes
	}
	var names []string
	seen := make([]bool, len(p.off.types))
	for _, i := range p.off.byPrice() {
		o := &p.off.list[i]
		if !bits.has(i) || seen[o.typ] || o.reservation >= 0 && o.reservation != key.reservation || !n.pool.limits.within(o.typ, chosen) {
			continue
		}
		seen[o.typ] = true
		if names = append(names, p.off.types[o.typ].Name); len(names) == limit {
			break
		}
	}
	if p.typeLists == nil {
		p.typeLists = map[typesKey][]string{}
	}
	p.typeLists[key] = names
	return names
}

// typesKey is what a list of types depends on.
type typesKey struct{ set, pool, reservation, chosen int }

// requirements lists what the claim asks for beyond its pool: what the pods'
// selectors and domains settle, and the zones and capacity types that are left.
func (p *problem) requirements(n *newNode, bits bitset) []Requirement {
	var conds conditions
	for _, c := range p.rest.list[n.rest] {
		conds = conds.add(c.key, c.set)
	}
	for _, pin := range n.pins {
		if !pin.set.absent() {
			conds = conds.add(pin.key, pin.set)
		}
	}
	for _, key := range []string{corev1.LabelTopologyZone, capacityTypeLabel} {
		var left []string
		if k, ok := p.off.keys[key]; ok {
			for i, v := range k.values {
				if k.bits[i].intersects(bits) {
					left = append(left, v)
				}
			}
		}
		if key == corev1.LabelTopologyZone && slices.Equal(left, p.poolDomains(n.pool, key)) {
			continue
		}
		if len(left) > 0 {
			conds = conds.add(key, newValueSet(corev1.NodeSelectorOpIn, left))
		}
	}
	if r := p.off.list[n.offer].o.Reservation; r != "" {
		for key, v := range p.off.list[n.offer].o.Labels {
			if v == r {
				conds = conds.add(key, oneValue(v))
			}
		}
	}
	var out []Requirement
	for _, c := range conds {
		mine, defined := n.pool.conds.get(c.key)
		if defined && sameSet(mine, c.set) || !defined && c.set.complement && c.set.negative() && !p.wellKnown(c.key) {
			continue // a node without the label meets it, one with just any value would be a domain of its own
		}
		out = append(out, c.set.requirements(c.key)...)
	}
	return out
}

func sameSet(a, b valueSet) bool {
	return a.complement == b.complement && a.gte == b.gte && a.lte == b.lte && slices.Equal(a.values, b.values)
}
