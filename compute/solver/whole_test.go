package solver

import (
	"math"
	"math/rand"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/automode-dev/automode/compute/catalog"
)

// The least price of whole nodes is what trying all numbers of them gives, less
// the slack that the search leaves.
func TestWholeNodes(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 200 {
		menu := make([]kind, 1+r.Intn(3))
		for i := range menu {
			menu[i] = kind{price: 0.1 + r.Float64(), worth: 0.1 + r.Float64()}
		}
		need := 3 * r.Float64()
		least := math.Inf(1)
		var try func(i int, cost, worth float64)
		try = func(i int, cost, worth float64) {
			if worth >= need {
				least = min(least, cost)
				return
			}
			if i < len(menu) && cost < least {
				try(i, cost+menu[i].price, worth+menu[i].worth)
				try(i+1, cost, worth)
			}
		}
		try(0, 0, 0)
		k := &packer{}
		var worths []float64
		for _, m := range menu {
			k.cands = append(k.cands, candidate{price: m.price})
			worths = append(worths, m.worth)
		}
		if got := k.wholeNodes(worths, need, 0); got > least+1e-9 || got < least*0.999 {
			t.Errorf("%v for %.3f: got %.4f, trying all gives %.4f", menu, need, got, least)
		}
	}
}

// The bound in whole nodes lies between the bound and the price.
func TestBoundsAreInOrder(t *testing.T) {
	types := catalogTypes("us-west-2", 3, []string{"on-demand"}, func(t *catalog.Type) bool { return cmr(t) && t.Arch() == "amd64" })
	for name, mix := range mixes {
		s := Snapshot{Pods: mix(rand.New(rand.NewSource(1)), 60), DaemonSets: []*corev1.Pod{pod(0, 200, 400).Pod},
			Pools: []Pool{{Name: "default", Types: types, Labels: map[string]string{nodePoolLabel: "default"}}}}
		p := Solve(s)
		t.Logf("%s: price %.3f, %.1f%% above the bound, %.1f%% above the one in whole nodes", name, p.Price, 100*(p.Price/p.Bound-1), 100*(p.Price/p.WholeBound-1))
		if p.Bound <= 0 || p.WholeBound < p.Bound-1e-9 || p.Price < p.WholeBound-1e-9 {
			t.Errorf("%s: bound %v, in whole nodes %v, price %v", name, p.Bound, p.WholeBound, p.Price)
		}
	}
}
