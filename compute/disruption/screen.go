package disruption

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/automode-dev/automode/compute/solver"
	"github.com/automode-dev/automode/internal/firstfit"
)

// screen is a rough, fast model of the cluster: room on nodes, which kinds of
// pods may go where. It proposes nodes to remove; whether they really can be is
// asked of the solver.
type screen struct {
	*kindTable
	p      *planner
	nodes  []*screenNode // best to keep first
	of     map[string]*screenNode
	suited [][]int8        // by kind and node: whether labels and taints allow it, 0 until asked
	tree   *firstfit.Index // of the nodes that take pods, nil until asked
	dims   int             // resources that the tree knows
}

type screenNode struct {
	name     string
	free     []int64
	total    [2]int64 // allocatable cpu and memory, in thousandths
	taint    []corev1.Taint
	labels   map[string]string
	gone     bool
	settling bool             // takes no pods that consolidation moves
	index    int              // in the screen's list, or unlisted
	kinds    map[*podKind]int // pods on the node
}

const unlisted = -1

// freeShare is the share of cpu and memory that is not asked for, 0 to 1, in the mean.
func (x *screenNode) freeShare(s *screen) float64 {
	sum := 0.0
	for i, d := range [...]int{screenCPU, screenMemory} {
		if x.total[i] > 0 {
			sum += float64(x.free[d]) / float64(x.total[i]) / 2
		}
	}
	return sum
}

// newScreen reads the overlay. Nodes that are better kept come first: those
// that cannot go, then those whose removal is worth least.
func newScreen(p *planner, candidates []*candidate) *screen {
	s := &screen{kindTable: p.kinds, p: p, of: map[string]*screenNode{}}
	rank := map[string]int{}
	for i, c := range candidates {
		rank[c.Name] = len(candidates) - i
	}
	for i := range p.overlay.nodes {
		n := &p.overlay.nodes[i]
		if n.gone || n.closed {
			continue
		}
		x := s.node(&n.Node, n.Allocatable)
		x.settling = n.settling
		for _, pod := range n.Pods {
			if !terminal(pod) {
				s.add(x, s.kind(pod), -1)
			}
		}
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

// node is an empty node.
func (s *screen) node(n *solver.Node, allocatable corev1.ResourceList) *screenNode {
	x := &screenNode{name: n.Name, taint: n.Taints, labels: n.Labels, free: s.vector(allocatable), kinds: map[*podKind]int{}}
	x.total = [2]int64{allocatable.Cpu().MilliValue(), allocatable.Memory().MilliValue()}
	return x
}

// add takes the request of a pod from a node's room (-1) or gives it back (1).
func (s *screen) add(x *screenNode, k *podKind, sign int64) {
	x.free = s.fit(x.free)
	for d, v := range k.request {
		x.free[d] += sign * v
	}
	x.kinds[k] -= int(sign)
}

// suits tells whether labels and taints of a node allow a kind.
func (s *screen) suits(k *podKind, x *screenNode) bool {
	if k.plain && len(x.taint) == 0 {
		return true
	}
	if x.index == unlisted {
		return k.matches(x)
	}
	for len(s.suited) <= k.id {
		s.suited = append(s.suited, nil)
	}
	if s.suited[k.id] == nil {
		s.suited[k.id] = make([]int8, len(s.nodes))
	}
	known := &s.suited[k.id][x.index]
	if *known == 0 {
		*known = -1
		if k.matches(x) {
			*known = 1
		}
	}
	return *known > 0
}

// remove tries to spread the pods of a node over others and keeps the change
// where that works.
func (s *screen) remove(c *candidate) bool {
	x := s.of[c.Name]
	if x == nil {
		return false
	}
	type move struct {
		to   *screenNode
		kind *podKind
	}
	var moves []move
	s.close(x)
	pods := make([]*corev1.Pod, 0, len(c.moving))
	for i := range c.moving {
		pods = append(pods, c.moving[i].Pod)
	}
	slices.SortStableFunc(pods, func(a, b *corev1.Pod) int {
		return cmp.Compare(b.Spec.Containers[0].Resources.Requests.Cpu().MilliValue(), a.Spec.Containers[0].Resources.Requests.Cpu().MilliValue())
	})
	for _, pod := range pods {
		k := s.kind(pod)
		to := s.find(k)
		if to == nil {
			for _, m := range moves {
				s.add(m.to, m.kind, 1)
				s.tree.Set(m.to.index, m.to.free)
			}
			s.open(x)
			return false
		}
		s.add(to, k, -1)
		s.tree.Set(to.index, to.free)
		moves = append(moves, move{to, k})
	}
	return true
}

// close takes a node out of those that take pods.
func (s *screen) close(x *screenNode) {
	if s.tree == nil {
		s.plant()
	}
	x.gone = true
	s.tree.Close(x.index)
}

// open takes that back.
func (s *screen) open(x *screenNode) {
	x.gone = false
	if !x.settling {
		s.tree.Set(x.index, x.free)
	}
}

// plant makes the tree of nodes that take pods.
func (s *screen) plant() {
	s.dims = len(s.names) + 1
	s.tree = firstfit.New(len(s.nodes), s.dims, screenCPU, screenMemory)
	for i, x := range s.nodes {
		if !x.gone && !x.settling {
			s.tree.Set(i, x.free)
		}
	}
}

// find is the first node with room for a pod of a kind.
func (s *screen) find(k *podKind) *screenNode {
	request := k.request[:min(len(k.request), s.dims)]
	for i := s.tree.First(0, request); i >= 0; i = s.tree.First(i+1, request) {
		if x := s.nodes[i]; s.fits(k, x) && s.allows(k, x) {
			return x
		}
	}
	return nil
}

// fits tells whether a node has room for one more pod of a kind.
func (s *screen) fits(k *podKind, x *screenNode) bool {
	x.free = s.fit(x.free)
	for d, v := range k.request {
		if v > x.free[d] {
			return false
		}
	}
	return true
}

// allows tells whether the rules of a kind let one more of its pods on a node.
func (s *screen) allows(k *podKind, x *screenNode) bool {
	return (k.perNode == 0 || x.kinds[k] < k.perNode) && s.suits(k, x)
}
