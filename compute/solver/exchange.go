package solver

import (
	"math"
	"slices"
)

// Bounds of packing into covers: sets of nodes that are tried per slack, and orders of the pods per set.
const (
	exchangeSets   = 24
	exchangeOrders = 6
)

// slacks are how much more than the pods the nodes of a cover have room for. The cheapest covers have none to spare and are
// hard to fill, or cannot be; with some to spare the cheapest one that can be filled is found after a few attempts.
var slacks = [...]float64{0, 0.004, 0.01, 0.02, 0.035, 0.06}

// exchange looks for a cheaper set of nodes for all pods of a packing among the covers, and for the bound in whole nodes
// that they give.
func (k *packer) exchange(best packing) packing {
	if !k.mayExchange() {
		return best
	}
	need := k.cover.needOf(k.counts())
	for _, slack := range slacks {
		if k.stopped() || best.price <= k.whole*1.0005 {
			break
		}
		more := slices.Clone(need)
		for m := range more {
			more[m] = int32(float64(more[m]) * (1 + slack))
		}
		sets := exchangeSets
		bound := k.cover.search(more, best.price, coverStates, func(cands []int, price float64) bool {
			if got, ok := k.packInto(cands, k.counts()); ok && got.price < best.price-1e-9 {
				best = got
				return false
			}
			sets--
			return sets > 0
		})
		if slack == 0 {
			k.whole = max(k.whole, min(bound, best.price))
		}
	}
	return best
}

// mayExchange tells whether covers say enough about which nodes will do.
func (k *packer) mayExchange() bool {
	return k.cover != nil && k.pods() <= coverPods && k.mayGrow() && len(k.pl.minValues) == 0
}

// packInto packs pods on nodes of given candidates, in several orders.
func (k *packer) packInto(cands, counts []int) (packing, bool) {
	for try := range exchangeOrders {
		order := k.order([...]float64{0, 0.3, -0.3}[try/2%3])
		bins, left := k.into(cands, order, try%2 == 1, slices.Clone(counts))
		if slices.Max(left) > 0 {
			continue
		}
		out := packing{method: "cover", bins: bins}
		k.finish(&out)
		return out, true
	}
	return packing{left: math.MaxInt}, false
}
