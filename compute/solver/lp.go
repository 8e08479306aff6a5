package solver

import (
	"math"
	"slices"
)

// bound solves the linear programme behind packing: buy fractions of nodes, at
// least price, so that they have room for the demand in every dimension.
//
//	minimise   price . x
//	subject to room[.][d] . x >= demand[d]  for each d,  x >= 0
//
// It returns the optimum, below which no packing can cost, and the duals: what
// one unit of each dimension is worth. Dimensions without demand are worth
// nothing. The optimum is +Inf where some demand cannot be met at all.
func bound(prices []float64, room [][]float64, demand []float64) (float64, []float64) {
	optimum, duals, _ := buy(prices, room, demand)
	return optimum, duals
}

// buy is bound with the number that is bought of each offering.
func buy(prices []float64, room [][]float64, demand []float64) (float64, []float64, map[int]float64) {
	var dims []int
	for d, n := range demand {
		if n > 0 {
			dims = append(dims, d)
		}
	}
	duals := make([]float64, len(demand))
	if len(dims) == 0 {
		return 0, duals, nil
	}
	s := newSimplex(prices, room, demand, dims)
	s.run()
	if !s.feasible() {
		return math.Inf(1), duals, nil
	}
	optimum := 0.0
	for i, d := range dims {
		optimum += s.y[i]
		duals[d] = s.y[i] / demand[d]
	}
	return optimum, duals, s.bought()
}

// bought is the number that is bought of each offering.
func (s *simplex) bought() map[int]float64 {
	out := map[int]float64{}
	for i, j := range s.basis {
		if j < s.n && s.x[i] > 1e-9 {
			out[j] = s.x[i]
		}
	}
	return out
}

// share is the part of a row's demand that a column meets.
type share struct {
	row  int
	part float64
}

// simplex is the revised simplex method with few rows and many columns. Each
// row is scaled to a demand of 1. Columns are the offerings, then a surplus and
// an artificial variable per row.
type simplex struct {
	n       int // offerings
	m       int // rows
	prices  []float64
	columns [][]share // per offering
	big     float64   // cost of an artificial variable
	basis   []int
	inverse [][]float64
	x       []float64
	y       []float64
}

func newSimplex(prices []float64, room [][]float64, demand []float64, dims []int) *simplex {
	s := &simplex{n: len(prices), m: len(dims), prices: slices.Clone(prices)}
	top := 1.0
	parts := make([]float64, s.m)
	for o := range prices {
		for i, d := range dims {
			parts[i] = room[o][d] / demand[d]
		}
		col := column(parts)
		for _, a := range col {
			top = max(top, prices[o]/a.part)
		}
		s.columns = append(s.columns, col)
	}
	s.big = top * 1e4
	for i := range s.m {
		row := make([]float64, s.m)
		row[i] = 1
		s.inverse = append(s.inverse, row)
		s.basis = append(s.basis, s.n+s.m+i)
		s.x = append(s.x, 1)
	}
	s.y = make([]float64, s.m)
	return s
}

// column keeps the parts of the rows that are not nothing.
func column(parts []float64) []share {
	var out []share
	for row, part := range parts {
		if part > 0 {
			out = append(out, share{row, part})
		}
	}
	return out
}

// add takes another offering in, so that run goes on from where it was. Its room stands in the order of the rows, scaled.
func (s *simplex) add(price float64, room []float64) {
	s.prices, s.columns = append(s.prices, price), append(s.columns, column(room))
	for i, j := range s.basis {
		if j >= s.n {
			s.basis[i]++
		}
	}
	s.n++
}

// feasible tells whether all demand is met.
func (s *simplex) feasible() bool {
	for i, v := range s.x {
		if s.basis[i] >= s.n+s.m && v > 1e-9 {
			return false
		}
	}
	return true
}

func (s *simplex) cost(j int) float64 {
	switch {
	case j < s.n:
		return s.prices[j]
	case j < s.n+s.m:
		return 0
	}
	return s.big
}

// reduced is the cost of column j beyond what its rows are worth.
func (s *simplex) reduced(j int) float64 {
	if j >= s.n {
		return s.y[j-s.n] // surplus: column -1
	}
	c := s.prices[j]
	for _, a := range s.columns[j] {
		c -= s.y[a.row] * a.part
	}
	return c
}

func (s *simplex) run() {
	s.value()
	stale := 0 // columns that entered since the duals were worked out
	for range 50 * (s.m + 2) {
		if stale == refreshAfter {
			s.value()
			stale = 0
		}
		enter, least := s.cheapest()
		if enter < 0 && stale > 0 {
			stale = refreshAfter // rounding may hide a column
			continue
		}
		if enter < 0 {
			break
		}
		leave := s.pivot(enter)
		if leave < 0 {
			break
		}
		for i, a := range s.inverse[leave] {
			s.y[i] += least * a
		}
		stale++
	}
	for i := range s.y {
		s.y[i] = max(0, s.y[i])
	}
	s.shrink()
}

// refreshAfter is how many columns enter before the duals, which change with each, are worked out from the basis again.
const refreshAfter = 32

// value works out the duals of the basis.
func (s *simplex) value() {
	clear(s.y)
	for k, j := range s.basis {
		if cost := s.cost(j); cost != 0 {
			for i, a := range s.inverse[k] {
				s.y[i] += cost * a
			}
		}
	}
}

// cheapest is the column that costs least beyond what its rows are worth, and how much; -1 where none costs less.
func (s *simplex) cheapest() (int, float64) {
	enter, least := -1, -1e-9*s.big*1e-4
	for j := range s.n + s.m {
		if r := s.reduced(j); r < least {
			enter, least = j, r
		}
	}
	return enter, least
}

// pivot brings a column into the basis, and tells which row it takes; -1 where there is none.
func (s *simplex) pivot(enter int) int {
	col := make([]float64, s.m)
	for i := range s.m {
		if enter >= s.n {
			col[i] = -s.inverse[i][enter-s.n]
			continue
		}
		for _, a := range s.columns[enter] {
			col[i] += s.inverse[i][a.row] * a.part
		}
	}
	leave, ratio := -1, math.Inf(1)
	for i, a := range col {
		if a > 1e-11 && s.x[i]/a < ratio {
			leave, ratio = i, s.x[i]/a
		}
	}
	if leave < 0 {
		return -1
	}
	p, row := col[leave], s.inverse[leave]
	for k := range row {
		row[k] /= p
	}
	s.x[leave] = ratio
	for i, a := range col {
		if i == leave || a == 0 {
			continue
		}
		s.x[i] -= a * ratio
		for k, b := range row {
			s.inverse[i][k] -= a * b
		}
	}
	s.basis[leave] = enter
	return leave
}

// shrink scales the duals down until no offering is worth more than its price,
// so that the bound holds whatever rounding did.
func (s *simplex) shrink() {
	factor := 1.0
	for j, col := range s.columns {
		worth := 0.0
		for _, a := range col {
			worth += s.y[a.row] * a.part
		}
		if worth > s.prices[j] && worth > 0 {
			factor = min(factor, s.prices[j]/worth)
		}
	}
	for i := range s.y {
		s.y[i] *= factor
	}
}
