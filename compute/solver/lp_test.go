package solver

import (
	"math"
	"math/rand/v2"
	"testing"
)

// With two dimensions the optimum uses at most two columns: try them all.
func TestBoundAgainstAllPairs(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		n := 1 + r.IntN(12)
		prices, room := make([]float64, n), make([][]float64, n)
		for i := range n {
			prices[i], room[i] = 0.1+r.Float64(), []float64{float64(r.IntN(9)), float64(r.IntN(9))}
		}
		demand := []float64{float64(r.IntN(50)), float64(r.IntN(50))}
		want := math.Inf(1)
		for i := range n {
			for j := range n {
				want = min(want, pairPrice(prices[i], prices[j], room[i], room[j], demand))
			}
		}
		got, duals := bound(prices, room, demand)
		if math.IsInf(want, 1) != math.IsInf(got, 1) || !math.IsInf(want, 1) && math.Abs(want-got) > 1e-6*max(1, want) {
			t.Fatalf("prices %v, room %v, demand %v: bound %v, want %v", prices, room, demand, got, want)
		}
		for i := range n {
			if worth := dot(duals, room[i]); worth > prices[i]*(1+1e-9) {
				t.Fatalf("column %d is worth %v, its price is %v", i, worth, prices[i])
			}
		}
	}
}

// pairPrice is the least price of meeting the demand with two columns.
func pairPrice(p, q float64, a, b, demand []float64) float64 {
	best := math.Inf(1)
	try := func(x, y float64) {
		if x < -1e-12 || y < -1e-12 || math.IsNaN(x) || math.IsNaN(y) || math.IsInf(x, 0) || math.IsInf(y, 0) {
			return
		}
		for d := range demand {
			if x*a[d]+y*b[d] < demand[d]-1e-9 {
				return
			}
		}
		best = min(best, x*p+y*q)
	}
	try(max(demand[0]/a[0], demand[1]/a[1]), 0)
	if a[0] == 0 && demand[0] == 0 {
		try(demand[1]/a[1], 0)
	}
	if a[1] == 0 && demand[1] == 0 {
		try(demand[0]/a[0], 0)
	}
	try(0, 0)
	det := a[0]*b[1] - a[1]*b[0]
	try((demand[0]*b[1]-demand[1]*b[0])/det, (a[0]*demand[1]-a[1]*demand[0])/det)
	return best
}

func TestBoundWithoutDemand(t *testing.T) {
	if got, _ := bound([]float64{1}, [][]float64{{1}}, []float64{0}); got != 0 {
		t.Errorf("bound without demand: %v, want 0", got)
	}
	if got, _ := bound(nil, nil, []float64{1}); !math.IsInf(got, 1) {
		t.Errorf("bound without offerings: %v, want infinity", got)
	}
}
