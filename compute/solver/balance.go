package solver

import (
	"math"
	"slices"
)

// shape is an item beside a candidate: which share of each resource a pod
// takes, and the length of that as a vector.
type shape struct {
	shares []float64
	length float64
}

// shapesMost is for how many items the shapes beside candidates are kept.
const shapesMost = 256

// shapeOf is the shape of an item beside a candidate.
func (f *filler) shapeOf(i, c int) *shape {
	k := f.k
	if len(k.items) > shapesMost {
		f.shape.set(k.items[i].vec, k.cands[c].room)
		return &f.shape
	}
	if k.shapes == nil {
		k.shapes = make([][]shape, len(k.cands))
	}
	if k.shapes[c] == nil {
		k.shapes[c] = make([]shape, len(k.items))
		for j := range k.items {
			k.shapes[c][j].set(k.items[j].vec, k.cands[c].room)
		}
	}
	return &k.shapes[c][i]
}

func (x *shape) set(vec, room vector) {
	weight := 0.0
	x.shares = x.shares[:0]
	for d, n := range vec {
		share := 0.0
		if n > 0 && room[d] > 0 {
			share = float64(n) / float64(room[d])
			weight += share * share
		}
		x.shares = append(x.shares, share)
	}
	x.length = math.Sqrt(weight)
}

// most is how much a pod asks for what there is most of in a room.
func (x *shape) most(room vector, size []float64) float64 {
	score := 0.0
	for d, share := range x.shares {
		if share > 0 {
			score += share * float64(room[d]) / size[d]
		}
	}
	return score / x.length
}

// balanceSteps is how often fillBalanced chooses an item for a node.
const balanceSteps = 64

// fillBalanced takes again and again the item that asks most for what there is
// most of, a third of what fits at a time.
func (f *filler) fillBalanced(c int, rest *int) float64 {
	cand, value := &f.k.cands[c], 0.0
	f.open = f.open[:0]
	for _, i := range f.order {
		if f.k.items[i].bits.has(cand.off) {
			f.open = append(f.open, i)
		}
	}
	for range balanceSteps {
		best, chosen := -1.0, -1
		kept := f.open[:0]
		for _, i := range f.open {
			if f.left[i] <= f.used[i] || !f.k.items[i].vec.fits(f.room) {
				continue // and will not: room only gets less
			}
			kept = append(kept, i)
			if score := f.shapeOf(i, c).most(f.room, cand.float); score > best {
				best, chosen = score, i
			}
		}
		if f.open = kept; chosen < 0 {
			break
		}
		n := f.k.items[chosen].vec.times(f.room, f.left[chosen]-f.used[chosen])
		v := f.put(cand, chosen, max(1, n/3), rest)
		if v == 0 {
			f.open = slices.DeleteFunc(f.open, func(i int) bool { return i == chosen })
		}
		value += v
	}
	return value
}
