package solver

import (
	"fmt"
	"math"
	"math/rand"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// On problems small enough to try all ways of sharing nodes, no bound is above
// the least price, and the plan seldom costs more than that.
func TestSmallProblemsAreSolved(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	missed := 0
	for i := range 300 {
		var types []*InstanceType
		for n := range 2 + r.Intn(3) {
			size := list(int64(1000*(2+r.Intn(8))), int64(2+r.Intn(20))<<30, 20)
			types = append(types, &InstanceType{Name: fmt.Sprint("t", n), Capacity: size, Allocatable: size, Requirements: labelsAsRequirements(map[string]string{corev1.LabelInstanceTypeStable: fmt.Sprint("t", n)}),
				Offerings: []Offering{{Labels: map[string]string{corev1.LabelTopologyZone: "a", capacityTypeLabel: "on-demand"}, Price: 0.05 + r.Float64(), Available: true}}})
		}
		s := Snapshot{Pools: []Pool{{Name: "default", Types: types}}}
		for n := range 1 + r.Intn(7) {
			s.Pods = append(s.Pods, pod(n, int64(500*(1+r.Intn(4))), int64(512*(1+r.Intn(8)))))
		}
		p := Solve(s)
		least := leastPrice(s.Pods, types)
		if len(p.Unplaced) > 0 {
			if !math.IsInf(least, 1) {
				t.Errorf("case %d: %d pods are left out", i, len(p.Unplaced))
			}
			continue
		}
		if p.WholeBound > least+1e-6 || p.Bound > p.WholeBound+1e-6 || p.Price < least-1e-6 {
			t.Errorf("case %d: bound %.4f, in whole nodes %.4f, least %.4f, price %.4f", i, p.Bound, p.WholeBound, least, p.Price)
		}
		if p.Price > least+1e-6 {
			missed++
		}
	}
	if missed > 6 {
		t.Errorf("%d of 300 plans cost more than need be", missed)
	}
}

// leastPrice tries all ways of putting pods on nodes.
func leastPrice(pods []Pod, types []*InstanceType) float64 {
	res := newResourceTable()
	var nodes []vector
	best := math.Inf(1)
	var place func(i int)
	place = func(i int) {
		if i == len(pods) {
			sum := 0.0
			for _, load := range nodes {
				least := math.Inf(1)
				for _, typ := range types {
					if load.fits(res.allocatable(typ)) {
						least = min(least, typ.Offerings[0].Price)
					}
				}
				sum += least
			}
			best = min(best, sum)
			return
		}
		vec := res.requests(pods[i].Pod, nil)
		for n := range nodes {
			nodes[n].add(vec)
			place(i + 1)
			nodes[n].sub(vec)
		}
		nodes = append(nodes, vec)
		place(i + 1)
		nodes = nodes[:len(nodes)-1]
	}
	place(0)
	return best
}
