package solver

import (
	"slices"
	"sort"

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
	bound    []boundPod
	placed   []int // pods, into the snapshot
}

// boundPod is what groups need to know of a pod that runs.
type boundPod struct {
	selected, owns []int
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
	for i := range p.s.Nodes {
		n := &p.s.Nodes[i]
		state := &nodeState{Node: n, bound: make([]boundPod, len(n.Pods))}
		for i, pod := range n.Pods {
			state.ports = append(state.ports, hostPorts(pod)...)
			state.bound[i].owns = p.groups.hardAntiAffinity(pod)
		}
		p.nodes = append(p.nodes, state)
	}
	sort.SliceStable(p.nodes, func(i, j int) bool {
		a, b := p.nodes[i], p.nodes[j]
		if a.Initialized != b.Initialized {
			return a.Initialized
		}
		return a.Name < b.Name
	})
	for i, n := range p.nodes {
		n.at = i
	}
}

// finishNodes works out the free room of the nodes once all resources are
// known, and which groups select the pods on them.
func (p *problem) finishNodes() {
	k := &classifier{p: p, chosen: map[string][]int{}}
	buf := vector{}
	for _, n := range p.nodes {
		total := make(vector, len(p.res.names))
		daemons := make(vector, len(p.res.names))
		for i, pod := range n.Pods {
			buf = p.res.requests(pod, buf)
			total.add(buf)
			if ownedByDaemonSet(pod) {
				daemons.add(buf)
			}
			n.bound[i].selected = k.selecting(pod)
		}
		n.free = p.res.vectorOf(n.Allocatable)
		p.attachVolumes(n)
		n.free.sub(total)
		reserve := make(vector, len(p.res.names))
		for _, d := range p.daemonsOn(n) {
			reserve.add(d.vec)
		}
		for i := range reserve {
			if more := reserve[i] - daemons[i]; more > 0 {
				n.free[i] -= more
			}
		}
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
