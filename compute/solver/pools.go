package solver

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// pool is a NodePool in the problem.
type pool struct {
	*Pool
	id        int
	conds     conditions // of its nodes: labels and requirements
	bits      bitset     // available offerings within its requirements
	base      int        // the part of conds that bitsets do not settle
	room      []vector   // per type: allocatable less DaemonSets, nil outside the pool
	overhead  []vector   // per type: what DaemonSets take
	ports     [][]hostPort
	anyPorts  bool
	fit       *fitIndex
	minValues []Requirement
	limits    limits
}

// daemon is a DaemonSet's pod.
type daemon struct {
	pod          *corev1.Pod
	vec          vector
	alternatives []conditions
	ports        []hostPort
}

func (p *problem) compilePools() {
	for _, d := range p.s.DaemonSets {
		p.daemons = append(p.daemons, &daemon{pod: d, vec: p.res.fit(p.res.requests(d, nil)), alternatives: podAlternatives(d), ports: hostPorts(d)})
	}
	plain := p.off.allocatable(p.res)
	for i, pl := range p.pools {
		pl.id = i
		pl.conds = conditionsOf(pl.Requirements, pl.Labels)
		for _, r := range pl.Requirements {
			if r.MinValues > 0 {
				pl.minValues = append(pl.minValues, r)
			}
		}
		p.compileTypes(pl, plain)
		pl.limits = p.newLimits(pl)
	}
}

// compileTypes finds the offerings of a pool and the room on each type, given
// the room without DaemonSets.
func (p *problem) compileTypes(pl *pool, plain []vector) {
	pl.bits = newBitset(len(p.off.list))
	pl.room, pl.overhead, pl.ports = make([]vector, len(p.off.types)), make([]vector, len(p.off.types)), make([][]hostPort, len(p.off.types))
	types, width := pl.types(), len(p.res.names)
	daemons := p.daemonsIn(pl)
	rooms, overheads := make(vector, len(types)*width), make(vector, len(types)*width)
	for i, typ := range types {
		t := p.off.typ[typ]
		for o := p.off.first[t]; o < p.off.first[t+1]; o++ {
			pl.bits.set(o)
		}
		pl.overhead[t], pl.room[t] = overheads[i*width:(i+1)*width:(i+1)*width], rooms[i*width:(i+1)*width:(i+1)*width]
		for _, d := range daemons {
			if !intersects(p.off.conds[t], d.alternatives) {
				continue
			}
			pl.overhead[t].add(d.vec)
			pl.ports[t] = append(pl.ports[t], d.ports...)
			pl.anyPorts = pl.anyPorts || len(d.ports) > 0
		}
		copy(pl.room[t], plain[t])
		pl.room[t].sub(pl.overhead[t])
	}
	var free conditions
	for _, c := range pl.conds {
		if !p.off.fixed(c.key) {
			free = free.add(c.key, c.set)
		}
	}
	pl.base = p.rest.intern(free)
	p.off.narrow(pl.bits, pl.conds)
	pl.fit = p.off.fitsIn(pl.room, width)
}

// types are those that new nodes of the pool may be.
func (pl *pool) types() []*InstanceType {
	if pl.Static {
		return nil
	}
	return pl.Types
}

// daemonsIn lists the DaemonSets that may run on some node of a pool.
func (p *problem) daemonsIn(pl *pool) []*daemon {
	var out []*daemon
	for _, d := range p.daemons {
		if _, ok := tolerates(d.pod.Spec.Tolerations, pl.Taints, false); !ok {
			continue
		}
		var usable []conditions
		for _, a := range d.alternatives {
			if _, ok := pl.conds.accepts(withoutSimulated(a), p.wellKnown); ok {
				usable = append(usable, a)
			}
		}
		if len(usable) > 0 {
			out = append(out, &daemon{pod: d.pod, vec: d.vec, alternatives: usable, ports: d.ports})
		}
	}
	return out
}

// withoutSimulated drops labels that a node gets on its way and that DaemonSets
// sometimes wait for.
func withoutSimulated(c conditions) conditions {
	return slices.DeleteFunc(slices.Clone(c), func(x condition) bool {
		return (x.key == "karpenter.sh/registered" || x.key == "karpenter.sh/initialized") && x.set.has("true")
	})
}

// reserveDaemons adds what the DaemonSets that belong on an existing node ask for.
func (p *problem) reserveDaemons(n *nodeState, sum vector) {
	for _, d := range p.daemons {
		if _, ok := tolerates(d.pod.Spec.Tolerations, n.Taints, false); ok && n.meets(d.alternatives) {
			sum.add(d.vec)
		}
	}
}

// intersects tells whether a type can meet one of the alternatives; keys that
// it does not define do not matter.
func intersects(typ conditions, alternatives []conditions) bool {
	return slices.ContainsFunc(alternatives, func(a conditions) bool {
		_, ok := typ.accepts(a, func(string) bool { return true })
		return ok
	})
}

// poolRule is what a place rule means in a pool.
type poolRule struct {
	reason  Reason // why nothing is left, where nothing is
	options []ruleOption
	pinned  map[string][]pinnedOption // the options in domains
	soft    bool                      // a soft taint stands against it
}

// ruleOption is one way to meet a rule: the offerings, and what the node's open
// labels must be.
type ruleOption struct {
	bits bitset
	rest int
}

// rule works out, once, what a place rule means in a pool.
func (p *problem) rule(r *placeRule, pl *pool) *poolRule {
	if r.pools[pl.id] != nil {
		return r.pools[pl.id]
	}
	out := &poolRule{}
	r.pools[pl.id] = out
	if taint, ok := tolerates(r.tolerations, pl.Taints, false); !ok {
		out.reason = Reason{pl.Name, ReasonTaints, fmt.Sprintf("does not tolerate taint %s", taint)}
		return out
	}
	_, tolerated := tolerates(r.tolerations, pl.Taints, true)
	out.soft = !tolerated && !p.s.Options.IgnorePreferences
	if pl.Static {
		out.reason = p.staticReason(r, pl)
		return out
	}
	if pl.bits.empty() {
		out.reason = p.noTypes(pl)
		return out
	}
	for _, a := range r.alternatives {
		opt, reason, ok := p.option(a, pl)
		if !ok {
			if out.reason.Kind == "" {
				out.reason = reason
			}
			continue
		}
		i := slices.IndexFunc(out.options, func(o ruleOption) bool { return o.rest == opt.rest })
		if i >= 0 {
			out.options[i].bits.or(opt.bits)
			continue
		}
		out.options = append(out.options, opt)
	}
	return out
}

// staticReason says what keeps pods out of a static pool: its labels, or that it gets no more nodes.
func (p *problem) staticReason(r *placeRule, pl *pool) Reason {
	var first Reason
	for _, a := range r.alternatives {
		reason, refused := p.refused(a, pl)
		if !refused {
			return Reason{pl.Name, ReasonStatic, "the pool is static, its number of nodes is fixed"}
		}
		if first.Kind == "" {
			first = reason
		}
	}
	return first
}

func (p *problem) option(a conditions, pl *pool) (ruleOption, Reason, bool) {
	if reason, refused := p.refused(a, pl); refused {
		return ruleOption{}, reason, false
	}
	var free conditions
	bits := pl.bits.clone()
	for _, c := range a {
		if c.key == corev1.LabelHostname {
			continue
		}
		if set := p.off.with(c.key, c.set); set != nil {
			bits.and(set)
			if bits.empty() {
				return ruleOption{}, Reason{pl.Name, ReasonRequirements, fmt.Sprintf("no available instance type with label %s %s", c.key, c.set)}, false
			}
		}
		if !p.off.fixed(c.key) {
			free = free.add(c.key, c.set)
		}
	}
	rest := p.rest.intern(free)
	if merged := p.rest.merge(pl.base, rest); merged < 0 {
		return ruleOption{}, Reason{pl.Name, ReasonRequirements, "labels asked for exclude each other"}, false
	} else {
		bits.and(p.rest.bits(merged))
	}
	if bits.empty() {
		return ruleOption{}, Reason{pl.Name, ReasonRequirements, "no available instance type with all labels asked for"}, false
	}
	return ruleOption{bits, rest}, Reason{}, true
}

// refused says why no node of a pool meets conditions, whatever its instance type.
func (p *problem) refused(a conditions, pl *pool) (Reason, bool) {
	if set, ok := a.get(corev1.LabelHostname); ok && !set.complement && !set.absent() {
		return Reason{pl.Name, ReasonRequirements, fmt.Sprintf("asks for a node that exists: %s %s", corev1.LabelHostname, set)}, true
	}
	for _, c := range a {
		if c.set.impossible {
			return Reason{pl.Name, ReasonRequirements, fmt.Sprintf("conditions on label %s exclude each other", c.key)}, true
		}
	}
	if key, ok := pl.conds.accepts(a, p.wellKnown); !ok {
		want, _ := a.get(key)
		mine, defined := pl.conds.get(key)
		if !defined {
			return Reason{pl.Name, ReasonRequirements, fmt.Sprintf("label %s %s is asked for, the pool does not define it", key, want)}, true
		}
		return Reason{pl.Name, ReasonRequirements, fmt.Sprintf("label %s %s is asked for, the pool has %s", key, want, mine)}, true
	}
	return Reason{}, false
}

func (p *problem) noTypes(pl *pool) Reason {
	if len(pl.Types) == 0 {
		return Reason{pl.Name, ReasonNoTypes, "the pool has no instance types"}
	}
	for _, t := range pl.Types {
		if soldOut(t, pl.conds) {
			return Reason{pl.Name, ReasonOfferings, fmt.Sprintf("no instance type that the pool's requirements allow has capacity now (%s is one)", t.Name)}
		}
	}
	return Reason{pl.Name, ReasonNoTypes, "the pool's requirements leave no available instance type"}
}

// soldOut tells whether a type would meet conditions if one of its offerings were available.
func soldOut(t *InstanceType, conds conditions) bool {
	known := conditionsOf(t.Requirements, nil)
	return slices.ContainsFunc(t.Offerings, func(o Offering) bool {
		return !o.Available && !slices.ContainsFunc(conds, func(c condition) bool {
			if value, ok := o.Labels[c.key]; ok {
				return !c.set.has(value)
			}
			set, ok := known.get(c.key)
			return ok && !set.compatible(c.set)
		})
	})
}

// residuals numbers the conditions on labels that bitsets do not settle: those
// that only pools define, and those that a type leaves open. Two pods on one
// node must agree on them.
type residuals struct {
	off   *offerings
	list  []conditions
	byKey map[string]int
	memo  map[[2]int]int
	sets  []bitset
}

func newResiduals(off *offerings) *residuals {
	r := &residuals{off: off, byKey: map[string]int{}, memo: map[[2]int]int{}}
	r.intern(nil)
	return r
}

func (r *residuals) intern(c conditions) int {
	key := string(c.appendKey(nil))
	if id, ok := r.byKey[key]; ok {
		return id
	}
	id := len(r.list)
	r.byKey[key] = id
	r.list = append(r.list, c)
	bits := r.off.all()
	r.off.narrow(bits, c)
	r.sets = append(r.sets, bits)
	return id
}

// merge is the conjunction of two residuals, -1 where they exclude each other.
func (r *residuals) merge(a, b int) int {
	if a == b || b == 0 {
		return a
	}
	if a == 0 {
		return b
	}
	if a > b {
		a, b = b, a
	}
	if id, ok := r.memo[[2]int{a, b}]; ok {
		return id
	}
	id := -1
	if _, ok := r.list[a].accepts(r.list[b], func(string) bool { return true }); ok {
		id = r.intern(r.list[a].with(r.list[b]))
	}
	r.memo[[2]int{a, b}] = id
	return id
}

func (r *residuals) bits(id int) bitset { return r.sets[id] }
