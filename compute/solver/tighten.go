package solver

import (
	"math"
	"slices"
)

// tighten improves on the bound of the linear programme, which lets a pod take
// its cpu from one node and its memory from another. Any values of the pods give
// a bound: no node may hold pods worth more than its price, so scaling the
// values until none does makes their sum one. Tried are mixtures of the pods'
// worth under the duals and of their share of the node that suits each best.
// The values that give the best bound are kept as the pods' worth.
func (k *packer) tighten() {
	k.whole = k.bound
	if len(k.items)*len(k.cands) > 300_000 || len(k.p.reservations) > 0 {
		return
	}
	byDuals, byShare := make([]float64, len(k.items)), make([]float64, len(k.items))
	for i := range k.items {
		byDuals[i] = dot(k.duals, k.items[i].float)
		byShare[i] = k.share(&k.items[i])
	}
	normalise(byDuals, k.items)
	normalise(byShare, k.items)
	values := make([]float64, len(k.items))
	s := newKnapsack(k)
	for _, part := range [...]float64{1, 0.75, 0.5, 0.25} {
		for i := range values {
			values[i] = part*byShare[i] + (1-part)*byDuals[i]
		}
		worths := k.worths(s, values)
		scale := math.Inf(1)
		for c, worth := range worths {
			scale = min(scale, k.cands[c].price/max(1e-12, worth))
		}
		total := 0.0
		for i := range values {
			total += values[i] * float64(k.items[i].count)
		}
		if total <= 0 || math.IsInf(total*scale, 1) {
			continue
		}
		if total*scale > k.bound*(1+1e-9) {
			k.bound = total * scale
			for i := range values {
				k.items[i].value = values[i] * scale
			}
		}
	}
	k.whole = max(k.whole, k.bound)
}

// worths tells of each candidate what the pods on it are worth at most. It is exact where that decides which candidate
// gives most for its price, and otherwise what resources are worth in the fillings of others.
func (k *packer) worths(s *knapsack, values []float64) []float64 {
	out := make([]float64, len(k.cands))
	var duals [][]float64
	scale := math.Inf(1)
	for _, c := range k.rank {
		out[c] = math.Inf(1)
		for _, y := range duals {
			out[c] = min(out[c], dot(y, k.cands[c].float)*(1+1e-9))
		}
		if k.cands[c].price/max(1e-12, out[c]) >= scale {
			continue
		}
		out[c] = min(out[c], s.most(values, c))
		scale = min(scale, k.cands[c].price/max(1e-12, out[c]))
		if y, ok := s.prices(values); ok {
			duals = append(duals, y)
		}
	}
	return out
}

// share is the least price of the part of a node that one pod fills.
func (k *packer) share(it *packItem) float64 {
	best := math.Inf(1)
	for c := range k.cands {
		cand := &k.cands[c]
		if !it.bits.has(cand.off) {
			continue
		}
		share := 0.0
		for d, f := range it.float {
			if f > 0 && cand.float[d] > 0 {
				share = max(share, f/cand.float[d])
			}
		}
		best = min(best, share*cand.price)
	}
	if math.IsInf(best, 1) {
		return 0
	}
	return best
}

// normalise makes the values of all pods add up to 1.
func normalise(values []float64, items []packItem) {
	total := 0.0
	for i, v := range values {
		total += v * float64(items[i].count)
	}
	if total > 0 {
		for i := range values {
			values[i] /= total
		}
	}
}

// knapsack finds what pods of most value a node has room for, in fractions and of each kind no more than there are: the
// simplex method with a row per resource and bounded variables, from the empty node. Amounts are shares of the demand.
type knapsack struct {
	k     *packer
	items [][]float64
	kept  []*filledNode // of each candidate the last filling, from which the next one starts
	*filledNode
	room []float64
	col  []float64
}

// filledNode is a filling of a candidate.
type filledNode struct {
	inverse [][]float64
	basis   []int  // items, or what stands behind them: room to spare in a resource
	all     []bool // of items not in the basis: whether all of their pods are on the node, or none
	x, y    []float64
}

func newKnapsack(k *packer) *knapsack {
	m := len(k.demand)
	s := &knapsack{k: k, items: make([][]float64, len(k.items)), kept: make([]*filledNode, len(k.cands)), room: make([]float64, m), col: make([]float64, m)}
	flat := make([]float64, m*len(k.items))
	for i := range k.items {
		s.items[i] = s.shares(k.items[i].float, flat[i*m:(i+1)*m:(i+1)*m])
	}
	return s
}

// empty is the empty node.
func (s *knapsack) empty() *filledNode {
	m := len(s.room)
	n := &filledNode{basis: make([]int, m), all: make([]bool, len(s.items)), x: slices.Clone(s.room), y: make([]float64, m)}
	for d := range m {
		n.basis[d] = len(s.items) + d
		n.inverse = append(n.inverse, make([]float64, m))
		n.inverse[d][d] = 1
	}
	return n
}

// shares turns amounts into shares of the demand; what nothing asks for counts as none.
func (s *knapsack) shares(amounts, into []float64) []float64 {
	for d, n := range s.k.demand {
		into[d] = 0
		if n > 0 {
			into[d] = max(0, amounts[d]) / n
		}
	}
	return into
}

// most is the value of the best fractional filling of a candidate.
func (s *knapsack) most(values []float64, c int) float64 {
	cand := &s.k.cands[c]
	s.shares(cand.float, s.room)
	if s.kept[c] == nil {
		s.kept[c] = s.empty()
	}
	s.filledNode = s.kept[c]
	s.value(values)
	for range fillPasses {
		if !s.pass(values, cand) {
			break
		}
	}
	// The duals bound the optimum from above whatever rounding did: take those.
	worth := 0.0
	for d := range s.room {
		s.y[d] = max(0, s.y[d])
		worth += s.y[d] * s.room[d]
	}
	for i := range s.items {
		if g := values[i] - dot(s.y, s.items[i]); g > 0 && s.k.items[i].bits.has(cand.off) {
			worth += g * float64(s.k.items[i].count)
		}
	}
	return worth * (1 + 1e-9)
}

// filled calls use with the pods of each item that are in the last filling.
func (s *knapsack) filled(use func(i int, n float64)) {
	for i, all := range s.all {
		if all {
			use(i, float64(s.k.items[i].count))
		}
	}
	for d, i := range s.basis {
		if i < len(s.items) && s.x[d] > 0 {
			use(i, s.x[d])
		}
	}
}

// fillPasses is how often all items are looked at for a filling at the most.
const fillPasses = 60

// pass brings each item that makes the filling worth more to the node, or takes it off, and where none does room that is
// better left free. It tells whether there was any.
func (s *knapsack) pass(values []float64, cand *candidate) bool {
	changed := false
	for i := range s.items {
		g := values[i] - dot(s.y, s.items[i])
		if s.all[i] {
			g = -g
		}
		if g > values[i]*1e-9 && s.k.items[i].bits.has(cand.off) && !slices.Contains(s.basis, i) && s.bring(i, values) {
			changed = true
		}
	}
	if changed {
		return true
	}
	enter, gain := -1, 1e-12
	for d, y := range s.y {
		if g := -y * s.room[d]; g > gain {
			enter, gain = len(s.items)+d, g
		}
	}
	return enter >= 0 && s.bring(enter, values)
}

// duals are what the resources are worth in the last filling.
func (s *knapsack) duals() []float64 {
	y := make([]float64, len(s.y))
	for d, v := range s.y {
		if s.k.demand[d] > 0 {
			y[d] = max(0, v) / s.k.demand[d]
		}
	}
	return y
}

// prices are values of the resources in the last filling, raised until no pod is worth more than what it takes: so they
// bound what any candidate can hold.
func (s *knapsack) prices(values []float64) ([]float64, bool) {
	y := s.duals()
	raise := 1.0
	for i := range s.k.items {
		if values[i] <= 0 {
			continue
		}
		takes := dot(y, s.k.items[i].float)
		if takes <= 0 {
			return nil, false
		}
		raise = max(raise, values[i]/takes)
	}
	for d := range y {
		y[d] *= raise
	}
	return y, true
}

// bring changes how much there is of an item, or of room to spare, as far as that goes: until all or none of it is on the
// node, or until it takes the place in the basis of something that has come to such an end.
func (s *knapsack) bring(enter int, values []float64) bool {
	up, step := 1.0, math.Inf(1)
	if enter < len(s.items) {
		step = float64(s.k.items[enter].count)
		if s.all[enter] {
			up = -1
		}
	}
	leave, full, most := -1, false, step
	for r, i := range s.basis {
		if enter < len(s.items) {
			s.col[r] = dot(s.inverse[r], s.items[enter])
		} else {
			s.col[r] = s.inverse[r][enter-len(s.items)]
		}
		switch change := up * s.col[r]; {
		case change > 1e-12 && s.x[r]/change < step:
			leave, full, step = r, false, s.x[r]/change
		case change < -1e-12 && i < len(s.items) && (float64(s.k.items[i].count)-s.x[r])/-change < step:
			leave, full, step = r, true, (float64(s.k.items[i].count)-s.x[r])/-change
		}
	}
	if math.IsInf(step, 1) {
		return false
	}
	for r, a := range s.col {
		s.x[r] = max(0, s.x[r]-up*a*step)
	}
	if leave < 0 {
		s.all[enter] = !s.all[enter]
		return true
	}
	if out := s.basis[leave]; out < len(s.items) {
		s.all[out] = full
	}
	if s.x[leave] = step; up < 0 {
		s.x[leave] = most - step
	}
	if s.basis[leave] = enter; enter < len(s.items) {
		s.all[enter] = false
	}
	s.pivot(leave, values)
	return true
}

// pivot brings the inverse and the duals up to the basis after a row of it changed.
func (s *knapsack) pivot(leave int, values []float64) {
	p := s.col[leave]
	for d := range s.inverse[leave] {
		s.inverse[leave][d] /= p
	}
	for r, a := range s.col {
		if r == leave || a == 0 {
			continue
		}
		for d := range s.inverse[r] {
			s.inverse[r][d] -= a * s.inverse[leave][d]
		}
	}
	s.value(values)
}

// value works out what the resources are worth in a filling.
func (s *knapsack) value(values []float64) {
	for d := range s.y {
		s.y[d] = 0
		for r, i := range s.basis {
			if i < len(s.items) {
				s.y[d] += values[i] * s.inverse[r][d]
			}
		}
	}
}
