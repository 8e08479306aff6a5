package solver

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
)

// Bounds of dividing: pods beyond which a batch is divided and those beyond which it takes too long, kinds of pods beyond which
// it is, kinds of a part, pods of one where there are few of each kind, how hard to search in a part, and what a sample must
// cost at most of what it cost before.
const (
	dividePods  = 2000
	divideMost  = 30_000
	divideKinds = patternItems
	partKinds   = 90
	partPods    = 1000
	partEffort  = 0.25
	partEnough  = 0.985
)

// divided packs a batch in parts, each of which is small enough for the methods that look for the cheapest nodes, and
// returns what the parts come to together. It is false where the batch is too small, where it is not cheaper than a packing
// that is at hand, or where time ran out. Parts are packed side by side; the result does not depend on how many at a time.
func (k *packer) divided(than *packing) (packing, bool) {
	if k.effort < patternEffort || k.pods() <= dividePods || k.pods() > divideMost || len(k.items) <= divideKinds || !k.unlimited() {
		return packing{}, false
	}
	order := rand.New(rand.NewPCG(11, uint64(len(k.items)))).Perm(len(k.items))
	size := partKinds
	if pods := k.pods(); pods < patternEach*len(k.items) {
		size = max(size, partPods*len(k.items)/pods)
		if sample := k.packPart(order[:size]); sample.left > 0 || sample.price > partEnough*k.costOf(than, order[:size]) {
			return packing{}, false
		}
	}
	parts := k.partition(order, size)
	got := make([]packing, len(parts))
	k.sideBySide(len(parts), func(n int) { got[n] = k.packPart(parts[n]) })
	out := packing{method: "divided"}
	for n := range got {
		out.left += got[n].left
		out.bins = append(out.bins, got[n].bins...)
	}
	k.finish(&out)
	return out, !k.stopped() && better(&out, than)
}

// partition divides shuffled items into parts. Those that labels allow the same offerings stay side by side; that they are
// shuffled lets shapes which complement each other still meet.
func (k *packer) partition(order []int, size int) [][]int {
	order = slices.Clone(order)
	slices.SortStableFunc(order, func(a, b int) int { return slices.Compare(k.items[a].label, k.items[b].label) })
	parts := make([][]int, (len(order)+size-1)/size)
	for n := range parts {
		parts[n] = slices.Sorted(slices.Values(order[n*len(order)/len(parts) : (n+1)*len(order)/len(parts)]))
	}
	return parts
}

// packPart packs some of the items by themselves; none once time has run out.
func (k *packer) packPart(part []int) packing {
	if k.stopped() {
		return packing{}
	}
	items := make([]*item, len(part))
	for at, i := range part {
		items[at] = k.items[i].it
	}
	sub := newPacker(k.p, k.pl, items, k.effort*partEffort)
	out := sub.search()
	for b := range out.bins {
		out.bins[b].cand = k.candOf[sub.cands[out.bins[b].cand].off]
		out.bins[b].load = slices.Clone(out.bins[b].load) // equal nodes share it
		for l := range out.bins[b].load {
			out.bins[b].load[l].item = part[out.bins[b].load[l].item]
		}
	}
	return out
}

// costOf is what some of the items cost in a packing, nodes that they share with others divided by value.
func (k *packer) costOf(out *packing, part []int) float64 {
	cost := 0.0
	for i := range out.bins {
		own, all := 0.0, 0.0
		for _, l := range out.bins[i].load {
			worth := k.items[l.item].value * float64(l.n)
			if all += worth; slices.Contains(part, l.item) {
				own += worth
			}
		}
		if all > 0 {
			cost += out.bins[i].price * float64(out.bins[i].copies) * own / all
		}
	}
	return cost
}

// sideBySide does n things, as many at a time as there are processors, or one where labels that no offering settles are
// joined: the table of these is shared. What panics does so in the caller, who may recover.
func (k *packer) sideBySide(n int, do func(int)) {
	workers := runtime.GOMAXPROCS(0)
	if slices.ContainsFunc(k.items, func(it packItem) bool { return it.rest != 0 }) {
		workers = 1
	}
	free := make(chan struct{}, workers)
	var group sync.WaitGroup
	panics := make([]any, n)
	for i := range n {
		free <- struct{}{}
		group.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					panics[i] = fmt.Sprintf("%v\n%s", r, debug.Stack())
				}
				<-free
			}()
			do(i)
		})
	}
	group.Wait()
	for _, r := range panics {
		if r != nil {
			panic(r)
		}
	}
}
