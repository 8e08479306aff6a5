package disruption

import (
	"cmp"
	"hash/fnv"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/automode-dev/automode/compute/solver"
)

// orders is in how many orders evictions are rehearsed.
const orders = 5

// rehearse changes steps until they work out whatever order pods are evicted
// in. The plan packs pods where kube-scheduler, which does not know it, puts
// each where most is free (NodeResourcesFit with LeastAllocated), or rather
// where no other pod of its ReplicaSet is (its default spread): small pods take
// the room that was meant for a large one, and a node would be bought again for
// it. Every other order spreads. New nodes are safe from that: they are kept for
// their pods (compute/nodes/disrupting).
func (r *rehearsal) rehearse(steps []Step) []Step {
	kept := steps
	for order, passed := 0, 0; passed < orders && len(kept) > 0; order = (order + 1) % orders {
		blamed := r.perform(kept, order)
		if len(blamed) == 0 {
			passed++
			continue
		}
		passed = 0
		// A few at a time: what their pods had taken may do for the others.
		out := slices.SortedFunc(maps.Keys(blamed), func(a, b int) int {
			return cmp.Or(cmp.Compare(kept[a].Saving(), kept[b].Saving()), cmp.Compare(a, b))
		})
		out = out[:(len(out)+3)/4]
		var rest []Step
		for i, step := range kept {
			if !slices.Contains(out, i) {
				rest = append(rest, step)
			}
		}
		for n, i := range out {
			others := func() []Step {
				list := slices.Clone(rest)
				for _, j := range out[n+1:] { // their nodes take no pods either
					list = append(list, kept[j])
				}
				return list
			}
			rest = append(rest, r.instead(&kept[i], blamed[i], others)...)
		}
		kept = rest
	}
	return kept
}

// instead plans a step again, beside others: with new nodes for all of its pods,
// or without some of the nodes whose pods found no place. There may be nothing
// that is worth it.
func (r *rehearsal) instead(step *Step, lost []string, others func() []Step) []Step {
	if len(step.Placements) == 0 || r.p.tired() {
		return nil
	}
	nodes := r.p.nodesOf([]Step{*step})
	apart := r.approved(r.p.overlay, question{nodes: nodes, alone: true})
	if len(nodes) == 1 {
		return apart
	}
	slices.Sort(lost)
	without := lost[:(len(lost)+1)/2]
	fewer := slices.DeleteFunc(nodes, func(c *candidate) bool { return slices.Contains(without, c.Name) })
	o := r.p.overlay.clone()
	o.commit(others())
	if steps := r.approved(o, question{nodes: fewer}); worth(steps) > worth(apart) {
		return steps
	}
	return apart
}

// approved is the parts of an answer that may become steps.
func (r *rehearsal) approved(o *overlay, q question) (steps []Step) {
	q.consolidating = true
	a := o.ask(q)
	for _, t := range a.parts(q.nodes) {
		if v := r.p.approve(t); v.why == "" {
			steps = append(steps, v.step)
		}
	}
	return steps
}

// rehearsal is the cluster as kube-scheduler finds it when pods are evicted.
type rehearsal struct {
	*screen
	cpu, memory float64            // of an average node, in thousandths
	waiting     []evicted          // pods that look for a place already
	hopeless    sets.Set[*podKind] // of these, even without steps
	known       map[string][]evicted
	stay        *stage    // the nodes that exist, nil until asked
	leaving     []evicted // reused
}

// evicted is a pod that comes back as a new one.
type evicted struct {
	kind  *podKind
	size  float64 // share of an average node
	shake uint64  // for orders that are arbitrary but always the same
	node  string  // that it comes from
	step  int     // that evicts it; outside for pods that wait already
}

const outside = -1

func newRehearsal(p *planner) *rehearsal {
	r := &rehearsal{screen: newScreen(p, nil), cpu: 1, memory: 1, hopeless: sets.New[*podKind](), known: map[string][]evicted{}}
	for _, x := range r.nodes {
		r.cpu += float64(x.total[0]) / float64(len(r.nodes))
		r.memory += float64(x.total[1]) / float64(len(r.nodes))
	}
	for _, x := range r.nodes {
		for _, pod := range p.overlay.pending[x.name] {
			e := r.evict(pod)
			r.add(x, e.kind, 1)
			r.waiting = append(r.waiting, e)
		}
	}
	for _, e := range r.act(nil, 0) {
		r.hopeless.Insert(e.kind)
	}
	return r
}

// evictions are the pods that leave a node.
func (r *rehearsal) evictions(node string) []evicted {
	list, ok := r.known[node]
	if !ok {
		for _, m := range r.p.candidate(node).moving {
			e := r.evict(m.Pod)
			e.node = node
			list = append(list, e)
		}
		r.known[node] = list
	}
	return list
}

func (r *rehearsal) evict(pod *corev1.Pod) evicted {
	h := fnv.New64a()
	_, _ = h.Write([]byte(pod.UID)) // never fails
	request := requests(pod)
	size := float64(request.Cpu().MilliValue())/r.cpu + float64(request.Memory().MilliValue())/r.memory
	return evicted{kind: r.kind(pod), size: size, shake: h.Sum64(), step: outside}
}

// perform carries out steps and lists those to blame for pods without a place,
// with the nodes that these come from: the steps that evict them, or all where a
// pod that waited already loses its own.
func (r *rehearsal) perform(steps []Step, order int) map[int][]string {
	blamed := map[int][]string{}
	for _, e := range r.fill(steps, r.act(steps, order)) {
		switch {
		case e.step != outside:
			if nodes := blamed[e.step]; !slices.Contains(nodes, e.node) {
				blamed[e.step] = append(nodes, e.node)
			}
		case !r.hopeless.Has(e.kind):
			for i := range steps {
				if blamed[i] == nil {
					blamed[i] = []string{steps[i].Nodes[0].Node}
				}
			}
		}
	}
	return blamed
}

// act evicts the pods of steps in one of several orders, the first two of which
// are the worst for packing, small pods first. It lists those without a place on
// nodes that exist and leaves the rehearsal as it was.
func (r *rehearsal) act(steps []Step, order int) (lost []evicted) {
	pods := append(r.leaving[:0], r.waiting...)
	for i := range steps {
		for _, removed := range steps[i].Nodes {
			for _, e := range r.evictions(removed.Node) {
				e.step = i
				pods = append(pods, e)
			}
		}
	}
	slices.SortFunc(pods, func(a, b evicted) int {
		if order < 2 {
			return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(a.shake, b.shake))
		}
		return cmp.Compare(a.shake>>(8*order), b.shake>>(8*order))
	})
	r.leaving = pods
	open := r.remaining(steps)
	full := sets.New[*podKind]() // room only gets less
	for _, e := range pods {
		if full.Has(e.kind) || !open.place(e.kind, order%2 == 1) {
			full.Insert(e.kind)
			lost = append(lost, e)
		}
	}
	open.clear()
	return lost
}

// fill puts pods on the new nodes of steps: first those that they are kept for,
// then others where there is room. It lists those without a place.
func (r *rehearsal) fill(steps []Step, pods []evicted) (lost []evicted) {
	if len(pods) == 0 {
		return nil
	}
	arrived := make([]bool, len(pods))
	queues := map[*podKind][]int{}
	for n, e := range pods {
		queues[e.kind] = append(queues[e.kind], n)
	}
	var nodes []*screenNode
	for i := range steps {
		for j := range steps[i].Claims {
			claim := &steps[i].Claims[j]
			x := r.replacement(claim)
			if x == nil {
				continue
			}
			for _, pod := range claim.Pods {
				kind := r.kind(pod)
				if queue := queues[kind]; len(queue) > 0 {
					arrived[queue[0]], queues[kind] = true, queue[1:]
					r.add(x, kind, -1)
				}
			}
			nodes = append(nodes, x)
		}
	}
	open := r.newStage(nodes)
	for n, e := range pods {
		if !arrived[n] && !open.place(e.kind, false) {
			lost = append(lost, e)
		}
	}
	return lost
}

// remaining is the nodes that exist and stay, until it is cleared.
func (r *rehearsal) remaining(steps []Step) *stage {
	if r.stay == nil {
		r.stay = r.newStage(r.nodes)
	}
	for i := range steps {
		for _, removed := range steps[i].Nodes {
			if x := r.of[removed.Node]; x != nil {
				r.stay.close(x.index)
			}
		}
	}
	return r.stay
}

// replacement is the node of a claim, less what its DaemonSets ask for; nil
// when nothing is known of its type.
func (r *rehearsal) replacement(c *solver.Claim) *screenNode {
	t := r.p.types.typ(c.Pool, c.Cheapest.Type)
	if t == nil {
		return nil
	}
	n := r.p.nodeOf(c, "~replacement")
	x := r.node(&n, t.Allocatable)
	x.index = unlisted
	for d, v := range r.vector(c.Requests) {
		x.free = r.fit(x.free)
		x.free[d] -= v
	}
	for _, pod := range c.Pods {
		r.add(x, r.kind(pod), 1)
	}
	x.kinds = map[*podKind]int{}
	return x
}
