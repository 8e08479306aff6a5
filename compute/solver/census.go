package solver

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Census reads the pods on nodes once, for any number of snapshots in which these nodes stand: what each asks for, and which
// of them rules about other pods cannot tell apart. It changes no plan. It is for one caller at a time, and keeps references
// to the pods.
type Census struct {
	resources *resourceTable
	kinds     map[string]*podKind
	buf       []byte
	vec       vector
	// relevant, when set, are the only label keys that matter.
	relevant map[string]bool
}

// NewCensus makes an empty census.
func NewCensus() *Census {
	return &Census{resources: newResourceTable(), kinds: map[string]*podKind{}}
}

// podKind is pods of one namespace with the same labels.
type podKind struct {
	id  int
	pod *corev1.Pod // one of them
}

// Occupancy is what the pods on a node mean to others. It does not change once it is made.
type Occupancy struct {
	total, daemons vector // of the census's resources; what pods of DaemonSets ask for is in both
	ports          []hostPort
	apart          []*corev1.Pod // those that keep others away from their node or domain
	pods           []*corev1.Pod
	kinds          []kindCount // of all pods, nil until asked
}

// kindCount is how many pods of a kind there are.
type kindCount struct {
	kind *podKind
	n    int
}

// Of reads the pods on a node, finished ones left out.
func (c *Census) Of(pods []*corev1.Pod) *Occupancy {
	return c.With(&Occupancy{total: make(vector, 0, fixedDims)}, pods)
}

// With is what the pods of a node mean together with others that come to it.
func (c *Census) With(o *Occupancy, pods []*corev1.Pod) *Occupancy {
	sum := *o
	sum.total, sum.daemons = slices.Clone(o.total), slices.Clone(o.daemons)
	sum.ports, sum.apart = slices.Clip(o.ports), slices.Clip(o.apart)
	sum.pods = slices.Concat(o.pods, pods)
	sum.kinds = nil
	for _, pod := range pods {
		c.vec = c.resources.requests(pod, c.vec)
		sum.total = sum.total.plus(c.vec)
		if ownedByDaemonSet(pod) {
			sum.daemons = sum.daemons.plus(c.vec)
		}
		sum.ports = append(sum.ports, hostPorts(pod)...)
		if a := pod.Spec.Affinity; a != nil && a.PodAntiAffinity != nil && len(a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution) > 0 {
			sum.apart = append(sum.apart, pod)
		}
	}
	if o.kinds != nil {
		sum.kinds = c.countKinds(slices.Clone(o.kinds), pods)
	}
	return &sum
}

// plus adds a vector that may be longer.
func (v vector) plus(o vector) vector {
	for len(v) < len(o) {
		v = append(v, 0)
	}
	v.add(o)
	return v
}

// kindsOf counts the pods on a node by kind.
func (c *Census) kindsOf(o *Occupancy) []kindCount {
	if o.kinds == nil {
		o.kinds = c.countKinds(make([]kindCount, 0, len(o.pods)), o.pods)
	}
	return o.kinds
}

func (c *Census) countKinds(list []kindCount, pods []*corev1.Pod) []kindCount {
	for _, pod := range pods {
		k := c.kind(pod)
		if i := slices.IndexFunc(list, func(x kindCount) bool { return x.kind == k }); i >= 0 {
			list[i].n++
		} else {
			list = append(list, kindCount{k, 1})
		}
	}
	return list
}

// kind finds or makes the kind of a pod.
func (c *Census) kind(pod *corev1.Pod) *podKind {
	c.buf = appendPodLabels(c.buf[:0], pod, c.relevant)
	k, ok := c.kinds[string(c.buf)]
	if !ok {
		k = &podKind{len(c.kinds), pod}
		c.kinds[string(c.buf)] = k
	}
	return k
}

// appendPodLabels writes a pod's namespace and labels, of all keys or of those that are relevant.
func appendPodLabels(b []byte, pod *corev1.Pod, relevant map[string]bool) []byte {
	b = append(b, pod.Namespace...)
	var few [8]string
	keys := few[:0]
	for key := range pod.Labels {
		if relevant == nil || relevant[key] {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		b = append(append(append(append(b, 0), key...), 0), pod.Labels[key]...)
	}
	return b
}

// newCensus is that of the snapshot, or one for this problem alone.
func (p *problem) newCensus() *Census {
	if p.s.Census != nil {
		return p.s.Census
	}
	c := NewCensus()
	c.relevant = p.groups.relevant
	return c
}

// occupancy is what the pods on a node mean.
func (p *problem) occupancy(n *Node) *Occupancy {
	if p.s.Census == nil || n.Occupancy == nil {
		return p.census.Of(n.Pods)
	}
	return n.Occupancy
}

// countKinds counts the pods on nodes in the groups that select them.
func (p *problem) countKinds() {
	if len(p.groups.list) == 0 {
		return
	}
	type selectors struct {
		groups []int
		known  bool
	}
	var chosen []selectors // by kind
	for _, n := range p.nodes {
		for _, x := range p.census.kindsOf(n.occupancy) {
			for len(chosen) <= x.kind.id {
				chosen = append(chosen, selectors{})
			}
			c := &chosen[x.kind.id]
			if !c.known {
				*c = selectors{p.groups.selecting(x.kind.pod.Namespace, x.kind.pod.Labels), true}
			}
			for _, id := range c.groups {
				p.count(p.groups.list[id], n, x.n, 0)
			}
		}
	}
}

// translation says where the census's resources stand in the problem's table, -1 for those that no pod to place asks for.
func (p *problem) translation() []int {
	out := make([]int, len(p.census.resources.names))
	for d, name := range p.census.resources.names {
		out[d] = -1
		if at, ok := p.res.index[name]; ok {
			out[d] = at
		}
	}
	return out
}

// translate adds so many times an amount of the census's resources.
func (v vector) translate(o vector, to []int, times int64) {
	for d, n := range o {
		if at := to[d]; at >= 0 {
			v[at] += times * n
		}
	}
}
