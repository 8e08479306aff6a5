package solver

import (
	"fmt"
	"math/rand"
	"testing"

	"github.com/automode-dev/automode/compute/catalog"
)

// Comparing pools of equal weight never costs more than taking them by name, and leaves nobody out for it.
func TestComparingPoolsIsNeverDearer(t *testing.T) {
	families := []string{"c6a", "m6a", "r6a", "c7i", "t3a"}
	byFamily := map[string][]*InstanceType{}
	for _, family := range families {
		byFamily[family] = catalogTypes("us-west-2", 2, []string{"on-demand"}, func(t *catalog.Type) bool { return t.Family() == family })
	}
	saved := 0
	for seed := range int64(60) {
		r := rand.New(rand.NewSource(seed))
		s := Snapshot{Pods: mixes["deployments"](r, 2+r.Intn(40))}
		for i, family := range families[:2+r.Intn(4)] {
			name := fmt.Sprintf("pool-%d", (i*3+int(seed))%5)
			s.Pools = append(s.Pools, Pool{Name: name, Weight: int32(r.Intn(2)), Types: byFamily[family], Labels: map[string]string{nodePoolLabel: name}})
		}
		byName := Solve(s)
		s.Options.ComparePools = true
		compared := Solve(s)
		if compared.Price > byName.Price+1e-9 || len(compared.Unplaced) > len(byName.Unplaced) {
			t.Errorf("seed %d: $%.4f with %d pods left out, by name $%.4f with %d", seed, compared.Price, len(compared.Unplaced), byName.Price, len(byName.Unplaced))
		}
		if err := check(s, compared); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		if compared.Price < byName.Price-1e-9 {
			saved++
		}
	}
	if saved == 0 {
		t.Error("comparing saved nothing in any case")
	}
}
