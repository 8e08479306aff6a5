package solver

import (
	"math"
	"math/rand"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/automode-dev/automode/compute/catalog"
)

// The first cover is the cheapest of all sets of nodes that are worth enough by every measure, and no bound is above it.
func TestCoverAgainstAllSets(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for n := range 300 {
		v := &cover{}
		for j := range 1 + r.Intn(4) {
			v.cands = append(v.cands, j)
			v.prices = append(v.prices, 0.1+r.Float64())
		}
		slices.SortFunc(v.prices, func(a, b float64) int { return -int(math.Copysign(1, a-b)) })
		need := []int32{coverParts, int32(r.Intn(coverParts))}
		for m := range need {
			v.measures = append(v.measures, measure{})
			v.apart = append(v.apart, []int{m})
			for range v.cands {
				v.measures[m].worth = append(v.measures[m].worth, int32(coverParts/6+r.Intn(coverParts)))
			}
			v.measures[m].price(v.prices)
		}
		least := cheapestSet(v, slices.Clone(need), 0)
		found := math.Inf(1)
		bound := v.search(need, 100, coverStates, func(_ []int, price float64) bool {
			found = price
			return false
		})
		if math.Abs(found-least) > 1e-9 || bound > least+1e-9 || v.least(need) > bound+1e-9 {
			t.Errorf("case %d: found %.4f, bound %.4f, before the search %.4f, trying all gives %.4f", n, found, bound, v.least(need), least)
		}
		if bound := v.search(need, 100, 3, func([]int, float64) bool { return false }); bound > least+1e-9 {
			t.Errorf("case %d: bound %.4f of a search that is cut short, trying all gives %.4f", n, bound, least)
		}
	}
}

func cheapestSet(v *cover, need []int32, from int) float64 {
	if slices.Max(need) <= 0 {
		return 0
	}
	best := math.Inf(1)
	for j := from; j < len(v.cands); j++ {
		less := slices.Clone(need)
		for m := range less {
			less[m] -= v.measures[m].worth[j]
		}
		best = min(best, v.prices[j]+cheapestSet(v, less, j))
	}
	return best
}

// The bound in whole nodes lies between the bound and the price, whatever the pods and the ways to buy nodes.
func TestBoundsAreInOrder(t *testing.T) {
	cases := 6
	if testing.Short() {
		cases = 1
	}
	for _, bought := range [][]string{{"on-demand"}, {"on-demand", "spot"}} {
		types := catalogTypes("us-west-2", 3, bought, func(t *catalog.Type) bool { return cmr(t) })
		for _, name := range sortedKeys(mixes) {
			for seed := range cases {
				r := rand.New(rand.NewSource(int64(seed)))
				s := Snapshot{Pods: mixes[name](r, 5+r.Intn(60)), DaemonSets: []*corev1.Pod{pod(0, 200, 400).Pod},
					Pools: []Pool{{Name: "default", Types: types, Labels: map[string]string{nodePoolLabel: "default"}}}}
				p := Solve(s)
				if p.Bound <= 0 || p.WholeBound < p.Bound-1e-9 || p.Price < p.WholeBound-1e-9 {
					t.Errorf("%s bought %v, seed %d: bound %v, in whole nodes %v, price %v", name, bought, seed, p.Bound, p.WholeBound, p.Price)
				}
			}
		}
	}
}
