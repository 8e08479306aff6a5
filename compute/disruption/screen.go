package disruption

import (
	"cmp"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/resource"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// screen is a rough, fast model of the cluster: room on nodes, which kinds of
// pods may go where. It proposes nodes to remove; whether they really can be is
// asked of the solver.
type screen struct {
	p     *planner
	names map[corev1.ResourceName]int
	kinds map[string]*podKind
	nodes []*screenNode // best to keep first
	of    map[string]*screenNode
	order int
}

type screenNode struct {
	name  string
	free  []int64
	taint []corev1.Taint
	node  *corev1.Node
	gone  bool
	index int
	kinds map[*podKind]int // pods on the node, of kinds that keep apart
}

// podKind is pods that may go to the same nodes.
type podKind struct {
	request []int64
	rep     *corev1.Pod
	plain   bool // no selectors or affinity
	perNode int  // how many at most on a node, 0 for any number
	fits    []int8
	from    int // nodes before it have no room for the kind
}

func requests(pod *corev1.Pod) corev1.ResourceList {
	return resource.PodRequests(pod, resource.PodResourcesOptions{})
}

// newScreen reads the overlay. Nodes that are better kept come first: those
// that cannot go, then those whose removal is worth least.
func newScreen(p *planner, candidates []*candidate) *screen {
	s := &screen{p: p, names: map[corev1.ResourceName]int{}, kinds: map[string]*podKind{}, of: map[string]*screenNode{}}
	rank := map[string]int{}
	for i, c := range candidates {
		rank[c.Name] = len(candidates) - i
	}
	for i := range p.overlay.nodes {
		n := &p.overlay.nodes[i]
		if n.gone || n.closed || n.settling {
			continue
		}
		x := &screenNode{name: n.Name, taint: n.Taints, kinds: map[*podKind]int{}}
		x.node = &corev1.Node{}
		x.node.Name, x.node.Labels = n.Name, n.Labels
		x.free = s.vector(n.Allocatable)
		used := 0
		for _, pod := range n.Pods {
			if terminal(pod) {
				continue
			}
			used++
			s.add(x, pod, -1)
		}
		x.free = s.fit(x.free)
		x.free[0] = n.Allocatable.Pods().Value() - int64(used)
		s.nodes = append(s.nodes, x)
		s.of[n.Name] = x
	}
	slices.SortStableFunc(s.nodes, func(a, b *screenNode) int { return cmp.Compare(rank[a.name], rank[b.name]) })
	for i, x := range s.nodes {
		x.index = i
		x.free = s.fit(x.free)
	}
	return s
}

// add takes pods of a kind from a node's room (-1) or gives it back (1).
func (s *screen) add(x *screenNode, pod *corev1.Pod, sign int64) {
	k := s.kind(pod)
	x.free = s.fit(x.free)
	for d, v := range k.request {
		x.free[d] += sign * v
	}
	if k.perNode > 0 {
		x.kinds[k] -= int(sign)
	}
}

// vector reads resources; position 0 counts pods.
func (s *screen) vector(list corev1.ResourceList) []int64 {
	v := make([]int64, len(s.names)+1)
	for name, q := range list {
		if name == corev1.ResourcePods {
			v[0] = q.Value()
			continue
		}
		d, ok := s.names[name]
		if !ok {
			d = len(s.names) + 1
			s.names[name] = d
		}
		for len(v) <= d {
			v = append(v, 0)
		}
		v[d] = q.MilliValue()
	}
	return v
}

func (s *screen) fit(v []int64) []int64 {
	for len(v) <= len(s.names) {
		v = append(v, 0)
	}
	return v
}

// kind finds the kind of a pod. Pods with the same request, selector,
// affinity, tolerations and labels are alike.
func (s *screen) kind(pod *corev1.Pod) *podKind {
	list := requests(pod)
	v := s.vector(list)
	v[0] = 1
	b := make([]byte, 0, 128)
	for _, n := range v {
		b = append(strconv.AppendInt(b, n, 36), ' ')
	}
	b = appendPlace(b, pod)
	if k, ok := s.kinds[string(b)]; ok {
		return k
	}
	k := &podKind{request: v, rep: pod, perNode: perNode(pod)}
	a := pod.Spec.Affinity
	k.plain = len(pod.Spec.NodeSelector) == 0 && (a == nil || a.NodeAffinity == nil)
	s.kinds[string(b)] = k
	return k
}

// perNode is how many pods like this one rules by hostname allow on a node.
func perNode(pod *corev1.Pod) int {
	if a := pod.Spec.Affinity; a != nil && a.PodAntiAffinity != nil {
		for _, t := range a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
			if t.TopologyKey == corev1.LabelHostname {
				return 1
			}
		}
	}
	for _, c := range pod.Spec.TopologySpreadConstraints {
		if c.TopologyKey == corev1.LabelHostname && c.WhenUnsatisfiable == corev1.DoNotSchedule {
			return int(c.MaxSkew)
		}
	}
	for i := range pod.Spec.Containers {
		for _, port := range pod.Spec.Containers[i].Ports {
			if port.HostPort != 0 {
				return 1
			}
		}
	}
	return 0
}

// suits tells whether labels and taints of a node allow a kind.
func (s *screen) suits(k *podKind, x *screenNode) bool {
	if k.plain && len(x.taint) == 0 {
		return true
	}
	if k.fits == nil {
		k.fits = make([]int8, len(s.nodes))
	}
	if k.fits[x.index] == 0 {
		k.fits[x.index] = -1
		if match, err := nodeaffinity.GetRequiredNodeAffinity(k.rep).Match(x.node); err == nil && match && tolerated(k.rep, x.taint) {
			k.fits[x.index] = 1
		}
	}
	return k.fits[x.index] > 0
}

func tolerated(pod *corev1.Pod, taints []corev1.Taint) bool {
	for i := range taints {
		t := &taints[i]
		if t.Effect == corev1.TaintEffectPreferNoSchedule {
			continue
		}
		if !slices.ContainsFunc(pod.Spec.Tolerations, func(tol corev1.Toleration) bool {
			return (tol.Effect == "" || tol.Effect == t.Effect) && (tol.Key == "" || tol.Key == t.Key) &&
				(tol.Operator == corev1.TolerationOpExists || tol.Key != "" && tol.Value == t.Value)
		}) {
			return false
		}
	}
	return true
}

// remove tries to spread the pods of a node over others and keeps the change
// where that works.
func (s *screen) remove(c *candidate) bool {
	x := s.of[c.Name]
	if x == nil {
		return false
	}
	type move struct {
		to  *screenNode
		pod *corev1.Pod
	}
	var moves []move
	x.gone = true
	pods := make([]*corev1.Pod, 0, len(c.moving))
	for i := range c.moving {
		pods = append(pods, c.moving[i].Pod)
	}
	slices.SortStableFunc(pods, func(a, b *corev1.Pod) int {
		return cmp.Compare(b.Spec.Containers[0].Resources.Requests.Cpu().MilliValue(), a.Spec.Containers[0].Resources.Requests.Cpu().MilliValue())
	})
	for _, pod := range pods {
		to := s.find(s.kind(pod))
		if to == nil {
			for _, m := range moves {
				s.add(m.to, m.pod, 1)
			}
			x.gone = false
			return false
		}
		s.add(to, pod, -1)
		moves = append(moves, move{to, pod})
	}
	return true
}

// find is the first node with room for a pod of a kind. Room only gets less, up
// to removals that are taken back, so full nodes at the front are passed once.
func (s *screen) find(k *podKind) *screenNode {
	for i := k.from; i < len(s.nodes); i++ {
		x := s.nodes[i]
		fits := !x.gone
		if fits {
			x.free = s.fit(x.free)
			for d, v := range k.request {
				if v > x.free[d] {
					fits = false
					break
				}
			}
		}
		if fits && s.suits(k, x) && (k.perNode == 0 || x.kinds[k] < k.perNode) {
			return x
		}
		if i == k.from && !fits {
			k.from++
		}
	}
	return nil
}
