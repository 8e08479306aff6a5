package disruption

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/automode-dev/automode/compute/solver"
)

// overlay is the cluster as it will be after what was decided so far. Only
// nodes that a decision touches differ from the snapshot's.
type overlay struct {
	p     *planner
	nodes []overlayNode
	index map[string]int
	pools []solver.Pool
	// pending are pods expected on nodes before any decision of ours.
	pending map[string][]*corev1.Pod
}

type overlayNode struct {
	solver.Node
	gone bool
	// closed nodes take no pods that a decision moves: they are not initialized
	// yet or do not exist. Settling ones take none that consolidation moves.
	closed, settling bool
	known            int // how many of its pods are in its occupancy
}

// read takes pods that came to the node into its occupancy.
func (n *overlayNode) read(census *solver.Census) {
	switch {
	case n.Occupancy == nil:
		n.Occupancy = census.Of(n.Pods)
	case n.known < len(n.Pods):
		n.Occupancy = census.With(n.Occupancy, n.Pods[n.known:])
	}
	n.known = len(n.Pods)
}

// clone is an overlay that changes apart from this one.
func (o *overlay) clone() *overlay {
	c := *o
	c.nodes, c.index = slices.Clone(o.nodes), maps.Clone(o.index)
	return &c
}

func newOverlay(p *planner) *overlay {
	o := &overlay{p: p, index: map[string]int{}, pending: map[string][]*corev1.Pod{}}
	for i := range p.s.Pools {
		if pool := &p.s.Pools[i]; !pool.Static {
			o.pools = append(o.pools, pool.Pool)
		}
	}
	for i := range p.s.Nodes {
		n := &p.s.Nodes[i]
		o.nodes = append(o.nodes, overlayNode{Node: n.Node, gone: n.Deleting, closed: n.Claim != "" && !n.Initialized, settling: p.settling(n)})
	}
	slices.SortStableFunc(o.nodes, func(a, b overlayNode) int { return cmp.Compare(a.Name, b.Name) })
	for i := range o.nodes {
		o.index[o.nodes[i].Name] = i
	}
	o.placePending()
	return o
}

// settling tells whether a node's consolidateAfter has not run out.
func (p *planner) settling(n *Node) bool {
	pool := p.pools[n.Pool]
	if pool == nil || pool.ConsolidateAfter == nil || *pool.ConsolidateAfter == 0 || n.Claim == "" || !n.Initialized {
		return false
	}
	return p.s.Now.Sub(n.Settled) < *pool.ConsolidateAfter
}

// placePending gives room to pods that wait and to those of nodes that are going.
func (o *overlay) placePending() {
	pods := slices.Clone(o.p.s.Pending)
	for _, c := range o.p.candidates {
		if c.Deleting {
			pods = append(pods, c.moving...)
		}
	}
	if len(pods) == 0 {
		return
	}
	plan := o.p.solve(pods, o.solverNodes(func(n *overlayNode) (gone, closed bool) { return n.gone, false }), o.pools)
	for _, placement := range plan.Placements {
		o.put(placement)
		o.pending[placement.Node] = placement.Pods
		if c := o.p.candidate(placement.Node); c != nil && c.blocked == "" {
			c.blocked = "Node is nominated for a pending pod"
		}
	}
	for i := range plan.Claims {
		o.addClaim(&plan.Claims[i])
	}
}

func (o *overlay) solverNodes(judge func(*overlayNode) (gone, closed bool)) []solver.Node {
	out := make([]solver.Node, 0, len(o.nodes))
	for i := range o.nodes {
		gone, closed := judge(&o.nodes[i])
		if gone {
			continue
		}
		o.nodes[i].read(o.p.census)
		out = append(out, o.nodes[i].Node)
		if closed {
			out[len(out)-1].Allocatable = nil
		}
	}
	return out
}

// put adds pods to a node that stays.
func (o *overlay) put(placement solver.Placement) {
	n := &o.nodes[o.index[placement.Node]]
	n.Pods = append(slices.Clip(n.Pods), placement.Pods...)
	copied := false
	for _, pod := range placement.Pods {
		for driver, volumes := range o.p.volumes[pod.UID] {
			if !copied {
				n.Attached = maps.Clone(n.Attached)
				if n.Attached == nil {
					n.Attached = map[string][]string{}
				}
				copied = true
			}
			n.Attached[driver] = append(slices.Clip(n.Attached[driver]), volumes...)
		}
	}
}

// addClaim adds a node that will be created. It takes no further pods, but its
// pods count for topology and its size for limits.
func (o *overlay) addClaim(c *solver.Claim) {
	n := o.p.nodeOf(c, fmt.Sprintf("~new-%d", len(o.nodes)))
	n.Pods = c.Pods
	o.index[n.Name] = len(o.nodes)
	o.nodes = append(o.nodes, overlayNode{Node: n, closed: true})
}

// nodeOf is the node that a claim is expected to become, without pods and with nothing allocatable.
func (p *planner) nodeOf(c *solver.Claim, name string) solver.Node {
	n := solver.Node{Name: name, Pool: c.Pool, Labels: map[string]string{}}
	if pool := p.pools[c.Pool]; pool != nil {
		maps.Copy(n.Labels, pool.Labels)
		n.Taints = pool.Taints
	}
	n.Labels[corev1.LabelInstanceTypeStable] = c.Cheapest.Type
	n.Labels[corev1.LabelTopologyZone] = c.Cheapest.Zone
	n.Labels[capacityTypeLabel] = c.Cheapest.CapacityType
	n.Labels[corev1.LabelHostname] = name
	if t := p.types.typ(c.Pool, c.Cheapest.Type); t != nil {
		n.Capacity = t.Capacity
	}
	return n
}

// question is a what-if: what happens to the pods of nodes that go.
type question struct {
	nodes []*candidate
	// consolidating keeps settling nodes closed and leaves out instance types
	// that cost as much as all the nodes together.
	consolidating bool
	// avoid lists nodes that should take no pods, alone stands for all.
	avoid map[string]bool
	alone bool
}

// answer is what the solver says, by node that goes.
type answer struct {
	plan     solver.Plan
	source   map[*corev1.Pod]*candidate
	unplaced map[*candidate][]solver.Unplaced
}

// ask solves a what-if.
func (o *overlay) ask(q question) answer {
	count := 0
	for _, c := range q.nodes {
		count += len(c.moving)
	}
	a := answer{source: make(map[*corev1.Pod]*candidate, count), unplaced: map[*candidate][]solver.Unplaced{}}
	going := make(map[string]bool, len(q.nodes))
	pods := make([]solver.Pod, 0, count)
	price := 0.0
	for _, c := range q.nodes {
		going[c.Name] = true
		price += c.price
		pods = append(pods, c.moving...)
		for i := range c.moving {
			a.source[c.moving[i].Pod] = c
		}
	}
	if len(pods) == 0 {
		return a
	}
	pools := o.pools
	if q.consolidating {
		pools = cheaperTypes(pools, price)
	}
	a.plan = o.p.solve(pods, o.solverNodes(func(n *overlayNode) (gone, closed bool) {
		return n.gone || going[n.Name], n.closed || q.consolidating && n.settling || q.alone || q.avoid[n.Name]
	}), pools)
	for _, u := range a.plan.Unplaced {
		c := a.source[u.Pod]
		a.unplaced[c] = append(a.unplaced[c], u)
	}
	return a
}

// cheaperTypes leaves out types that cost at least so much, in the pools that
// are tried last; leaving them out before would hand pods on to lighter pools.
// For each zone and capacity type one stays, so that the topology stays as it is.
func cheaperTypes(pools []solver.Pool, price float64) []solver.Pool {
	out := slices.Clone(pools)
	last := int32(math.MaxInt32)
	for i := range out {
		last = min(last, out[i].Weight)
	}
	memo := map[*solver.InstanceType]bool{}
	for i := range out {
		if out[i].Weight > last {
			continue
		}
		seen := map[[2]string]bool{}
		var kept, spare []*solver.InstanceType
		for _, t := range out[i].Types {
			cheap, ok := memo[t]
			if !ok {
				cheap = slices.ContainsFunc(t.Offerings, func(f solver.Offering) bool { return f.Available && f.Price < price })
				memo[t] = cheap
			}
			if !cheap {
				spare = append(spare, t)
				continue
			}
			kept = append(kept, t)
			markOfferings(seen, t)
		}
		for _, t := range spare {
			if markOfferings(seen, t) {
				kept = append(kept, t)
			}
		}
		out[i].Types = kept
	}
	return out
}

func markOfferings(seen map[[2]string]bool, t *solver.InstanceType) bool {
	fresh := false
	for j := range t.Offerings {
		f := &t.Offerings[j]
		if key := [2]string{f.Zone(), f.CapacityType()}; f.Available && !seen[key] {
			seen[key], fresh = true, true
		}
	}
	return fresh
}

// commit makes steps part of the cluster.
func (o *overlay) commit(steps []Step) {
	for i := range steps {
		s := &steps[i]
		for _, r := range s.Nodes {
			o.nodes[o.index[r.Node]].gone = true
		}
		for _, placement := range s.Placements {
			o.put(placement)
		}
		for j := range s.Claims {
			o.addClaim(&s.Claims[j])
		}
	}
}
