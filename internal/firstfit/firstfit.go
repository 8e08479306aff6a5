// Package firstfit finds the first of many nodes that has room for a pod, or the best, without looking at all those that
// have none. It knows amounts of resources only, decides nothing, and keeps no reference to what it is given.
package firstfit

import (
	"math"
	"math/bits"
)

// Index is a tree over a list of nodes: each place holds, per resource, the most that any node below it has free. Most of
// what a full node has left is of one resource only, and the most of each says little then: so further trees hold the most
// that there is of cpu and memory in a ratio, one tree for each ratio that was asked for.
type Index struct {
	nodes, dims int
	leaves      int // a power of two; place 1 is the root, the leaves come last
	cpu, memory int // their positions in an amount
	most        []int64
	ratios      []*ratio
	scores      []float64 // the highest below each place, nil until asked
}

// ratio is a tree of min(cpu, memory / per): a node with room for so much cpu and per times as much memory is not below.
type ratio struct {
	per  int64
	most []int64
}

// steps is how many ratios there are between one and its double.
const steps = 4

// New makes an index of nodes none of which has any room. Amounts have so many positions, two of which are cpu and memory.
func New(nodes, dims, cpu, memory int) *Index {
	x := &Index{nodes: nodes, dims: dims, leaves: 1, cpu: cpu, memory: memory, ratios: make([]*ratio, 64*steps)}
	for x.leaves < nodes {
		x.leaves *= 2
	}
	x.most = make([]int64, 2*x.leaves*dims)
	for i := range x.most {
		x.most[i] = -1
	}
	return x
}

func (x *Index) at(place int) []int64 { return x.most[place*x.dims : (place+1)*x.dims] }

// Set says what a node has free. An amount that is shorter than the index has nothing of the rest.
func (x *Index) Set(node int, free []int64) {
	place := x.leaves + node
	leaf, changed := x.at(place), false
	for d := range leaf {
		n := int64(0)
		if d < len(free) {
			n = free[d]
		}
		changed = changed || leaf[d] != n
		leaf[d] = n
	}
	if !changed {
		return
	}
	for up := place / 2; up > 0 && x.join(up); up /= 2 {
	}
	for _, r := range x.ratios {
		if r != nil {
			r.set(place, min(leaf[x.cpu], leaf[x.memory]/r.per))
		}
	}
}

// Close says that a node takes nothing any more.
func (x *Index) Close(node int) {
	none := make([]int64, x.dims)
	for d := range none {
		none[d] = -1
	}
	x.Set(node, none)
}

// join works out a place from the two below it and tells whether it changed.
func (x *Index) join(place int) bool {
	most, left, right := x.at(place), x.at(2*place), x.at(2*place+1)
	changed := false
	for d := range most {
		if n := max(left[d], right[d]); n != most[d] {
			most[d], changed = n, true
		}
	}
	return changed
}

func (r *ratio) set(place int, n int64) {
	for r.most[place] != n {
		r.most[place] = n
		if place /= 2; place == 0 {
			return
		}
		n = max(r.most[2*place], r.most[2*place+1])
	}
}

// First is the first node, from one on, with room for an amount; -1 when there is none. An amount asks
// for something; what it has nothing of needs no room.
func (x *Index) First(from int, amount []int64) int {
	if from >= x.nodes {
		return -1
	}
	r, cpu := x.ratioOf(amount), amount[x.cpu]
	place := x.leaves + from
	for {
		if (r == nil || cpu <= r.most[place]) && fits(amount, x.at(place)) {
			if place >= x.leaves {
				return place - x.leaves
			}
			place *= 2
			continue
		}
		for place&1 == 1 {
			if place >>= 1; place == 0 {
				return -1
			}
		}
		place++
	}
}

func fits(amount, room []int64) bool {
	for d, n := range amount {
		if n > room[d] && n > 0 {
			return false
		}
	}
	return true
}

// ratioOf finds or makes the tree of the ratio next below that of an amount; nil where it has no cpu or hardly memory.
func (x *Index) ratioOf(amount []int64) *ratio {
	if amount[x.cpu] <= 0 || amount[x.memory] < amount[x.cpu] {
		return nil
	}
	most := amount[x.memory] / amount[x.cpu]
	step := steps*bits.Len64(uint64(most)) - 1
	for step > 0 && per(step) > most {
		step--
	}
	if x.ratios[step] == nil {
		x.ratios[step] = x.newRatio(per(step))
	}
	return x.ratios[step]
}

// per is the memory for each unit of cpu in a step.
func per(step int) int64 { return int64(math.Exp2(float64(step) / steps)) }

func (x *Index) newRatio(per int64) *ratio {
	r := &ratio{per: per, most: make([]int64, 2*x.leaves)}
	for place := 2*x.leaves - 1; place > 0; place-- {
		if place < x.leaves {
			r.most[place] = max(r.most[2*place], r.most[2*place+1])
			continue
		}
		leaf := x.at(place)
		r.most[place] = min(leaf[x.cpu], leaf[x.memory]/per)
	}
	return r
}

// Best is the node of the highest score, the first of equal ones, that has room for an amount and suits; -1 when there is
// none. Scores are given by Score, 0 before.
func (x *Index) Best(amount []int64, suits func(node int) bool) int {
	if x.scores == nil {
		x.scores = make([]float64, 2*x.leaves)
	}
	b := best{x: x, amount: amount, suits: suits, ratio: x.ratioOf(amount), node: -1}
	b.look(1, 0, x.leaves)
	return b.node
}

// Score says how good a node is for Best.
func (x *Index) Score(node int, score float64) {
	if x.scores == nil {
		x.scores = make([]float64, 2*x.leaves)
	}
	place := x.leaves + node
	for x.scores[place] != score {
		x.scores[place] = score
		if place /= 2; place == 0 {
			return
		}
		score = max(x.scores[2*place], x.scores[2*place+1])
	}
}

// best is a search for the best node.
type best struct {
	x      *Index
	amount []int64
	suits  func(node int) bool
	ratio  *ratio
	node   int
	score  float64
}

// look searches below a place, whose nodes are so many from a first one on.
func (b *best) look(place, first, nodes int) {
	score := b.x.scores[place]
	if b.node >= 0 && (score < b.score || score == b.score && first > b.node) {
		return
	}
	if b.ratio != nil && b.amount[b.x.cpu] > b.ratio.most[place] || !fits(b.amount, b.x.at(place)) {
		return
	}
	if nodes == 1 {
		if b.suits(first) {
			b.node, b.score = first, score
		}
		return
	}
	left, right, half := 2*place, 2*place+1, nodes/2
	if b.x.scores[right] > b.x.scores[left] {
		b.look(right, first+half, half)
		b.look(left, first, half)
		return
	}
	b.look(left, first, half)
	b.look(right, first+half, half)
}
