package solver

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// lacking says more of a pool that has no room for a class: that none of the
// types it may use has any of a resource, and what keeps those out that do.
func (p *problem) lacking(c *class, pl *pool, r Reason) Reason {
	if r.Kind != ReasonResources {
		return r
	}
	for d, n := range c.vec {
		if name := p.res.names[d]; n > 0 && !p.sells(pl, name) {
			return Reason{pl.Name, ReasonLacking, fmt.Sprintf("no instance type of the pool has %s: %s", name, keptOut(pl, name))}
		}
	}
	return r
}

// sells tells whether a type that the pool may use has some of a resource.
func (p *problem) sells(pl *pool, name corev1.ResourceName) bool {
	found := false
	pl.bits.each(func(i int) bool {
		found = found || hasSome(p.off.types[p.off.list[i].typ], name)
		return !found
	})
	return found
}

func hasSome(t *InstanceType, name corev1.ResourceName) bool {
	if driver, ok := volumeDriver(name); ok {
		limit, limited := t.VolumeLimits[driver]
		return !limited || limit > 0
	}
	q := t.Allocatable[name]
	return q.Sign() > 0
}

// keptOut says what keeps types with a resource out of a pool.
func keptOut(pl *pool, name corev1.ResourceName) string {
	var types []*InstanceType
	for _, t := range pl.Types {
		if hasSome(t, name) {
			types = append(types, t)
		}
	}
	if len(types) == 0 {
		return "there is none that has"
	}
	those := types[0].Name
	if len(types) > 1 {
		those = fmt.Sprintf("%s and %d more", those, len(types)-1)
	}
	for _, c := range pl.conds {
		if !slices.ContainsFunc(types, func(t *InstanceType) bool { return mayHave(t, c) }) {
			return fmt.Sprintf("its requirement %s %s keeps out those that have (%s)", c.key, c.set, those)
		}
	}
	if !slices.ContainsFunc(types, func(t *InstanceType) bool {
		return slices.ContainsFunc(t.Offerings, func(o Offering) bool { return o.Available })
	}) {
		return fmt.Sprintf("those that have are not available now (%s)", those)
	}
	return fmt.Sprintf("its requirements together keep out those that have (%s)", those)
}

// mayHave tells whether a type meets a condition, by itself or in one of its offerings.
func mayHave(t *InstanceType, c condition) bool {
	if set, ok := conditionsOf(t.Requirements, nil).get(c.key); ok && !set.compatible(c.set) {
		return false
	}
	return len(t.Offerings) == 0 || slices.ContainsFunc(t.Offerings, func(o Offering) bool {
		value, ok := o.Labels[c.key]
		return !ok || c.set.has(value)
	})
}
