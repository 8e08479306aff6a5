package solver

import (
	"math"
	"slices"
)

// Bounds of the search for a plan that leaves fewer pods out: tries, pods and nodes looked at over all tries, pods offered
// to nodes in one try, and the effort below which there is none.
const (
	rescueTries  = 12
	rescueSize   = 40_000
	rescueWork   = 100_000
	rescueEffort = 0.25
)

// attempt is one way to place pods one by one. Attempts differ in who goes first and where to.
type attempt struct {
	turn int
	late []*Pod // the classes that earlier attempts left out, by the first pod of each
	work int    // pods that may still be offered to nodes
}

// rescue looks for a plan that leaves fewer pods out than packing by price did. It places the pods one by one, as
// Karpenter does: there the choice for one pod can follow from the choices for others. Pods that still find no place come
// first in the next attempt. What it finds is packed by price again as far as rules leave that open.
func (p *problem) rescue(plan Plan) Plan {
	turns := p.rescueTurns()
	if turns == 0 {
		return plan
	}
	late := p.leftClasses()
	if len(late) == 0 {
		return plan
	}
	best, least := plan, p.leftOut()
	var strained *attempt // the one that leaves out fewest, as long as pods are bound in its order
	fewest := least
	for turn := range turns {
		a := attempt{turn: turn, late: late}
		q := p.try(a)
		if left := q.leftOut(); slices.Compare(left, fewest) < 0 {
			strained, fewest = &a, left
		}
		q.repair() // what held in this order only may not hold in the order of binding
		if left := q.leftOut(); slices.Compare(left, least) < 0 {
			if q.repack(); len(q.evict()) > 0 {
				q = p.try(a)
				q.repair()
				q.reoffer()
			}
			best, least = q.plan(q.fresh), left
		}
		more := q.leftClasses()
		if len(more) == 0 {
			break
		}
		late = append(more, slices.DeleteFunc(slices.Clone(late), func(first *Pod) bool { return slices.Contains(more, first) })...)
	}
	if strained != nil && slices.Compare(fewest, least) < 0 {
		q := p.try(*strained)
		q.reoffer()
		best = q.plan(q.fresh)
	}
	return best
}

// try places the pods of the same snapshot one by one.
func (p *problem) try(a attempt) *problem {
	q := compile(p.s)
	a.work = rescueWork
	q.attempt = &a
	q.oneByOne()
	return q
}

// rescueTurns is how many attempts are worth their time.
func (p *problem) rescueTurns() int {
	if p.effort() < rescueEffort {
		return 0
	}
	turns := max(2, min(rescueTries, rescueSize/(len(p.s.Pods)+len(p.s.Nodes))))
	return int(math.Ceil(min(1, p.effort()) * float64(turns)))
}

// mayFit tells whether a pod of a class could have a node to itself.
func (p *problem) mayFit(c *class) bool {
	return p.feasibleAnywhere(c, nil) || slices.ContainsFunc(p.nodesFor(c).nodes, func(n *nodeState) bool {
		return c.vec.fits(p.res.vectorOf(n.Allocatable))
	})
}

// leftOut counts the pods without a place by priority, highest first, so that
// the lists of two plans for the same pods compare as they should.
func (p *problem) leftOut() []int {
	classes := slices.Clone(p.classes)
	slices.SortStableFunc(classes, func(a, b *class) int { return int(b.priority) - int(a.priority) })
	var out []int
	for i, c := range classes {
		if i == 0 || c.priority != classes[i-1].priority {
			out = append(out, 0)
		}
		out[len(out)-1] += c.left()
	}
	return out
}

// leftClasses lists the classes with pods left out that a node could hold, by
// the first pod of each, which names the class in every compilation.
func (p *problem) leftClasses() []*Pod {
	var out []*Pod
	for _, c := range p.classes {
		if c.left() > 0 && p.mayFit(c) {
			out = append(out, c.rep)
		}
	}
	return out
}

// bringForward lets the late classes go before others of their priority, another one first in each turn.
func (p *problem) bringForward() {
	late := p.attempt.late
	rank := func(c *class) int {
		if at := slices.Index(late, c.rep); at >= 0 {
			return (at + p.attempt.turn) % len(late)
		}
		return len(late)
	}
	slices.SortStableFunc(p.classes, func(a, b *class) int {
		if a.priority != b.priority {
			return int(b.priority) - int(a.priority)
		}
		return rank(a) - rank(b)
	})
}

// oneByOne places pod by pod: on a node that exists, on the new node with the
// fewest pods that takes it, or on a node of its own.
func (p *problem) oneByOne() {
	order := slices.Clone(p.classes)
	p.bringForward()
	if p.attempt.oneEach() {
		for _, c := range p.classes {
			if p.attempt.isLate(c) && c.left() > 0 {
				p.placeNext(c)
			}
		}
		p.classes = order
	}
	for progress := true; progress; {
		progress = false
		for _, c := range p.classes {
			for c.left() > 0 && p.attempt.work > 0 && p.placeNext(c) {
				progress = true
			}
		}
	}
}

// placeNext finds the next pod of a class a node.
func (p *problem) placeNext(c *class) bool {
	if p.attempt.prefersNew(c) {
		return p.joinSome(c) || p.openFor(c) || p.placeOnNodes(c, 1)
	}
	return p.placeOnNodes(c, 1) || p.joinSome(c) || p.openFor(c)
}

// oneEach tells whether just one pod of each late class goes first.
func (a *attempt) oneEach() bool { return a.turn%2 == 1 }

// prefersNew tells whether pods of a class go to new nodes before they go to
// those that exist: in some turns the late ones, in others all but those.
func (a *attempt) prefersNew(c *class) bool {
	switch a.turn % 6 {
	case 2, 3:
		return a.isLate(c)
	case 4, 5:
		return !a.isLate(c)
	}
	return false
}

func (a *attempt) isLate(c *class) bool { return slices.Contains(a.late, c.rep) }

// whims rates domains that are otherwise equal, differently in each turn.
func (a *attempt) whims(domains int) []float64 {
	out := make([]float64, domains)
	for d := range out {
		out[d] = float64((d + a.turn) % domains)
	}
	return out
}

// joinSome puts the next pod of a class on a new node that others are on, and
// keeps the nodes in order of their pods.
func (p *problem) joinSome(c *class) bool {
	for at, n := range p.fresh {
		p.attempt.work--
		if !p.mayBeNear(c, n) || c.perNodeRoom(n.tally, n.ports, 1) == 0 || !p.join(c, n, nil) {
			continue
		}
		for ; at+1 < len(p.fresh) && len(p.fresh[at].pods) > len(p.fresh[at+1].pods); at++ {
			p.fresh[at], p.fresh[at+1] = p.fresh[at+1], p.fresh[at]
		}
		return true
	}
	return false
}

// mayBeNear tells whether hard affinity by hostname allows a new node: the pods
// to be near are there, or the pod is the first of its own kind.
func (p *problem) mayBeNear(c *class, n *newNode) bool {
	for _, g := range c.owns {
		if !g.hostname || g.kind != affinity || g.soft {
			continue
		}
		if selected, _ := n.tally.get(g.id); selected == 0 && (g.total > 0 || !slices.Contains(c.selected, g)) {
			return false
		}
	}
	return true
}

// repack packs by price what stands on new nodes and is not bound to them, pool by pool, and keeps what is cheaper. The
// nodes that pods are bound to become the cheapest that suit.
func (p *problem) repack() {
	p.reoffer()
	for _, pl := range p.pools {
		loose, items := p.loosen(pl)
		if len(items) == 0 {
			continue
		}
		k := newPacker(p, pl, items, p.effort())
		best := k.pack()
		p.bound, p.whole = p.bound+k.bound, p.whole+k.whole
		if best.left == 0 && best.price < p.priceOf(loose)-1e-9 {
			p.method[pl.Name] = best.method
			p.fresh = append(p.fresh, k.realise(&best)...)
			continue
		}
		p.method[pl.Name] = "one by one"
		p.restore(loose, items)
	}
}

// reoffer makes each new node the cheapest that suits what is on it.
func (p *problem) reoffer() {
	p.attempt = nil
	for _, n := range p.fresh {
		p.giveBack(n)
		n.offer = p.cheapestOffer(n.pool, n.bits)
		p.buy(n)
	}
}

// loosen takes apart the nodes of a pool that no pod on them is bound to, and
// gives back what they took of limits and reservations.
func (p *problem) loosen(pl *pool) (loose []*newNode, items []*item) {
	var kept []*newNode
	for _, n := range p.fresh {
		if n.pool != pl || slices.ContainsFunc(n.pods, func(i int) bool { return p.itemOfPod[i].bound() }) {
			kept = append(kept, n)
			continue
		}
		loose = append(loose, n)
		p.giveBack(n)
		for _, i := range n.pods {
			it := p.itemOfPod[i]
			if it.count == 0 {
				items = append(items, it)
			}
			it.pods = append(it.pods, i)
			it.count++
		}
	}
	p.fresh = kept
	return loose, items
}

// bound tells whether pods of an item cannot leave their node alone: they
// follow or may be followed by hostname, or have no domain of their own.
func (it *item) bound() bool {
	c := it.class
	return c.follower || len(it.pins) < len(c.keys) ||
		slices.ContainsFunc(c.selected, func(g *group) bool { return g.hostname && g.kind == affinity && !g.soft })
}

// restore puts nodes that were taken apart together again.
func (p *problem) restore(loose []*newNode, items []*item) {
	for _, it := range items {
		it.pods, it.count = nil, 0
	}
	for _, n := range loose {
		p.buy(n)
	}
	p.fresh = append(p.fresh, loose...)
}

// priceOf is what nodes cost together.
func (p *problem) priceOf(nodes []*newNode) float64 {
	sum := 0.0
	for _, n := range nodes {
		sum += p.off.list[n.offer].o.Price
	}
	return sum
}
