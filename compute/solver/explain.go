package solver

import (
	"fmt"
	"sort"
)

// explain says of every pod left out why each pool could not take it.
func (p *problem) explain() []Unplaced {
	type entry struct {
		pod int
		u   Unplaced
	}
	var out []entry
	add := func(pods []int, reasons []Reason, nearest string) {
		for _, i := range pods {
			out = append(out, entry{i, Unplaced{Pod: p.s.Pods[i].Pod, Reasons: reasons, Nearest: nearest}})
		}
	}
	for _, c := range p.classes {
		if c.left() > 0 {
			reasons := p.reasons(c)
			if c.stuck > 0 {
				reasons = p.stuckReasons(c)
			}
			add(c.pods[c.next:], reasons, nearest(reasons))
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].pod < out[j].pod })
	list := make([]Unplaced, len(out))
	for i := range out {
		list[i] = out[i].u
	}
	return list
}

// reasons explains a class that no domain or pool could take.
func (p *problem) reasons(c *class) []Reason {
	if len(p.pools) == 0 {
		return []Reason{{Kind: ReasonNoPool, Message: "there is no NodePool, and no node has room"}}
	}
	var out []Reason
	for _, pl := range p.pools {
		f := p.feasible(c, nil, pl, nil)
		r := p.lacking(c, pl, f.reason)
		if f.ok() {
			r = Reason{pl.Name, ReasonTopology, p.topologyReason(c)}
		}
		out = append(out, r)
	}
	return out
}

// topologyReason names the first rule that allows no domain.
func (p *problem) topologyReason(c *class) string {
	if c.follower {
		return "pod affinity on kubernetes.io/hostname: no node with the pods it must be near has room"
	}
	for _, key := range c.keys {
		table := p.domains[key]
		for _, g := range c.owns {
			if g.soft || g.key != key {
				continue
			}
			open := false
			for d := range table.names {
				open = open || p.allows(c, g, d)
			}
			if !open {
				return fmt.Sprintf("%s on %s allows no domain (pods per domain: %s)", g.kind, key, p.counts(g))
			}
		}
		for _, g := range c.selected {
			if g.key == key && g.kind == antiAffinity && !g.soft {
				return fmt.Sprintf("pods with anti-affinity to it on %s are in the domains that are left", key)
			}
		}
		return fmt.Sprintf("no domain of %s meets all rules at once", key)
	}
	return "no node meets all rules at once"
}

func (p *problem) counts(g *group) string {
	s := ""
	for d, name := range p.domains[g.key].names {
		if d > 0 {
			s += ", "
		}
		if d == 8 {
			return s + fmt.Sprintf("and %d more", len(p.domains[g.key].names)-d)
		}
		s += fmt.Sprintf("%s %d", name, g.selected[d])
	}
	if s == "" {
		return "no domain is known"
	}
	return s
}

// stuckReasons explains a class that found a domain but no node.
func (p *problem) stuckReasons(c *class) []Reason {
	var out []Reason
	for _, pl := range p.pools {
		if f := p.feasible(c, nil, pl, nil); !f.ok() {
			out = append(out, p.lacking(c, pl, f.reason))
			continue
		}
		out = append(out, Reason{pl.Name, ReasonLimits, p.limitReason(pl)})
	}
	return out
}

func (p *problem) limitReason(pl *pool) string {
	for i, name := range pl.limits.names {
		if name == limitNodes && pl.limits.left[i] <= 0 {
			return "the pool's limit of nodes is reached"
		}
	}
	for i, name := range pl.limits.names {
		limit := pl.Limits[name]
		q := p.quantity(name, pl.limits.left[i])
		if pl.limits.left[i] <= 0 {
			return fmt.Sprintf("the pool's limit of %s %s is reached", name, limit.String())
		}
		return fmt.Sprintf("every instance type that suits would pass the pool's limit of %s %s (%s left)", name, limit.String(), q)
	}
	return "no capacity is left"
}

// nearest picks the reason that is least work to remove.
func nearest(reasons []Reason) string {
	rank := map[ReasonKind]int{ReasonLimits: 0, ReasonOfferings: 1, ReasonMinValues: 2, ReasonTopology: 3, ReasonHostPorts: 4,
		ReasonStatic: 5, ReasonResources: 6, ReasonLacking: 6, ReasonTaints: 7, ReasonRequirements: 8, ReasonNoTypes: 9, ReasonNoPool: 10}
	best := -1
	for i, r := range reasons {
		if best < 0 || rank[r.Kind] < rank[reasons[best].Kind] {
			best = i
		}
	}
	if best < 0 {
		return ""
	}
	r := reasons[best]
	if r.Pool == "" {
		return r.Message
	}
	return fmt.Sprintf("NodePool %s: %s", r.Pool, r.Message)
}
