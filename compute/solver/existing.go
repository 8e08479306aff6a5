package solver

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// nodeState is an existing node while pods are put on it.
type nodeState struct {
	*Node
	at       int        // among the problem's nodes
	conds    conditions // of its labels, nil until asked
	free     vector
	tally    tally
	ports    []hostPort
	attached map[string]map[string]bool
	placed   []int // pods, into the snapshot

	occupancy *Occupancy
	owns      []int // groups by which the pods that run keep others away, once for each pod
}

// conditions are those of the node's labels.
func (n *nodeState) conditions() conditions {
	if n.conds == nil {
		n.conds = conditionsOf(nil, n.Labels)
		if _, ok := n.Labels[corev1.LabelHostname]; !ok {
			n.conds = n.conds.add(corev1.LabelHostname, oneValue(n.Name))
		}
	}
	return n.conds
}

// meets tells whether the node meets one of the alternatives.
func (n *nodeState) meets(alternatives []conditions) bool {
	return slices.ContainsFunc(alternatives, func(a conditions) bool {
		if len(a) == 0 {
			return true
		}
		_, ok := n.conditions().accepts(a, noneUndefined)
		return ok
	})
}

// counts tells whether a spread counts the node.
func (n *nodeState) counts(g *group) bool {
	return g.filter == nil || g.filter.counts(n.Taints, n.conditions())
}

// domain is the node's domain of a key, false where it has none.
func (n *nodeState) domain(p *problem, key string) (int, bool) {
	d := p.domains[key].of(p.nodes)[n.at]
	return d, d != noDomain
}

// compileNodes sorts the nodes into the order in which they are tried, and
// notes the rules of the pods on them.
func (p *problem) compileNodes() {
	p.census = p.newCensus()
	states := make([]nodeState, len(p.s.Nodes))
	p.nodes = make([]*nodeState, len(states))
	for i := range states {
		n := &states[i]
		n.Node = &p.s.Nodes[i]
		n.occupancy = p.occupancy(n.Node)
		n.ports = slices.Clone(n.occupancy.ports)
		for _, pod := range n.occupancy.apart {
			n.owns = append(n.owns, p.groups.hardAntiAffinity(pod)...)
		}
		p.nodes[i] = n
	}
	slices.SortStableFunc(p.nodes, func(a, b *nodeState) int {
		if a.Initialized != b.Initialized {
			if a.Initialized {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Name, b.Name)
	})
	for i, n := range p.nodes {
		n.at = i
	}
}

// finishNodes works out the free room of the nodes once all resources are known.
func (p *problem) finishNodes() {
	width, to := len(p.res.names), p.translation()
	room, reserve := make(vector, width*len(p.nodes)), make(vector, width)
	for i, n := range p.nodes {
		n.free = room[i*width : (i+1)*width : (i+1)*width]
		p.res.read(n.Allocatable, n.free)
		p.attachVolumes(n)
		clear(reserve)
		p.reserveDaemons(n, reserve)
		reserve.translate(n.occupancy.daemons, to, -1)
		for d, more := range reserve {
			n.free[d] -= max(0, more)
		}
		n.free.translate(n.occupancy.total, to, -1)
	}
}

func (p *problem) attachVolumes(n *nodeState) {
	for d, name := range p.res.names {
		driver, ok := volumeDriver(name)
		if !ok {
			continue
		}
		n.free[d] = unlimited
		if limit, ok := n.VolumeLimits[driver]; ok {
			n.free[d] = int64(limit - len(n.Attached[driver]))
		}
		if n.attached == nil {
			n.attached = map[string]map[string]bool{}
		}
		set := map[string]bool{}
		for _, v := range n.Attached[driver] {
			set[v] = true
		}
		n.attached[driver] = set
	}
}

func ownedByDaemonSet(pod *corev1.Pod) bool {
	for i := range pod.OwnerReferences {
		if pod.OwnerReferences[i].Kind == "DaemonSet" {
			return true
		}
	}
	return false
}

// placeOnNodes puts as many pods of a class as possible, up to a number, on
// existing nodes, first fit.
func (p *problem) placeOnNodes(c *class, most int) bool {
	before := c.next
	x, vec := p.nodesFor(c), c.vec
	x.prepare(p)
	if c.volumes {
		vec = vec[:fixedDims] // volumes that are attached already take no room
	}
	for i := x.first(0, vec); i >= 0 && most > 0; i = x.first(i+1, vec) {
		n := x.nodes[i]
		for most > 0 {
			k := min(most, p.roomOn(c, n))
			if k == 0 {
				break
			}
			p.putOn(c, n, k)
			most -= k
		}
		x.note(i)
	}
	return c.next > before
}

// nodesFor lists the nodes whose labels and taints suit a class.
func (p *problem) nodesFor(c *class) *roomIndex {
	r := c.where
	if r.nodes != nil {
		return r.nodes
	}
	r.nodes = &roomIndex{}
	for _, n := range p.nodes {
		if !p.floor.fits(n.free) {
			continue
		}
		if _, ok := tolerates(r.tolerations, n.Taints, false); !ok {
			continue
		}
		if n.meets(r.alternatives) {
			r.nodes.nodes = append(r.nodes.nodes, n)
		}
	}
	return r.nodes
}

// roomOn is how many pods of a class may be put on a node at once.
func (p *problem) roomOn(c *class, n *nodeState) int {
	vec := c.vec
	if c.volumes {
		vec = p.withoutShared(c, n)
	}
	k := vec.times(n.free, c.left())
	k = c.perNodeRoom(n.tally, n.ports, k)
	if k == 0 {
		return 0
	}
	for _, g := range c.owns {
		if g.soft {
			continue
		}
		if g.hostname {
			if g.kind == affinity && !p.nearOn(c, g, n) {
				return 0
			}
			continue
		}
		d, ok := n.domain(p, g.key)
		if !ok || !p.allows(c, g, d) {
			return 0
		}
		k = 1
	}
	for _, g := range c.selected {
		if g.soft || g.hostname || g.kind != antiAffinity {
			continue
		}
		if d, ok := n.domain(p, g.key); ok && g.owners[d] > 0 {
			return 0
		}
	}
	return k
}

// nearOn tells whether hard affinity by hostname allows the node: a selected
// pod runs there, or the pod is the first of its own kind.
func (p *problem) nearOn(c *class, g *group, n *nodeState) bool {
	if selected, _ := n.tally.get(g.id); selected > 0 {
		return true
	}
	return g.total == 0 && slices.Contains(c.selected, g)
}

// withoutShared is what a pod asks for when volumes that are attached already cost nothing.
func (p *problem) withoutShared(c *class, n *nodeState) vector {
	v := slices.Clone(c.vec)
	for driver, volumes := range c.rep.Volumes {
		d := p.res.index[volumeResource(driver)]
		for _, volume := range volumes {
			if n.attached[driver][volume] {
				v[d]--
			}
		}
	}
	return v
}

// putOn places the next k pods of a class on a node.
func (p *problem) putOn(c *class, n *nodeState, k int) {
	vec := c.vec
	if c.volumes {
		vec = p.withoutShared(c, n)
		for driver, volumes := range c.rep.Volumes {
			for _, volume := range volumes {
				n.attached[driver][volume] = true
			}
		}
	}
	n.free.addTimes(vec, -int64(k))
	n.ports = append(n.ports, c.ports...)
	n.placed = append(n.placed, c.pods[c.next:c.next+k]...)
	c.next += k
	p.countOn(c, n, k)
}

// countOn counts k pods of a class on a node in the groups.
func (p *problem) countOn(c *class, n *nodeState, k int) {
	for _, g := range c.selected {
		p.count(g, n, k, 0)
	}
	for _, g := range c.owns {
		if c.ownerOf(g) {
			p.count(g, n, 0, k)
		}
	}
}

// takeOff gives a pod on a node back to its class. Its volumes stay attached.
func (p *problem) takeOff(c *class, n *nodeState, i int) {
	n.free.addTimes(c.vec, 1)
	p.freed++
	if c.volumes {
		for driver, volumes := range c.rep.Volumes {
			n.free[p.res.index[volumeResource(driver)]] -= int64(len(volumes))
		}
	}
	for _, port := range c.ports {
		if at := slices.Index(n.ports, port); at >= 0 {
			n.ports = slices.Delete(n.ports, at, at+1)
		}
	}
	n.placed = slices.DeleteFunc(n.placed, func(j int) bool { return i == j })
	p.giveUp(c, i)
	p.countOn(c, n, -1)
}
