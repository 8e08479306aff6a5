package solver

import (
	"math"
	"math/rand"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// What a node holds is worth no more than the knapsack says, which is the best filling with fractions of pods, and the search
// for a pattern finds the best with whole ones. A filling is found from the empty node as from that of other values.
func TestKnapsackAgainstAllFillings(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	size := list(8000, 16<<30, 12)
	types := []*InstanceType{{Name: "t", Capacity: size, Allocatable: size, Requirements: labelsAsRequirements(map[string]string{corev1.LabelInstanceTypeStable: "t"}),
		Offerings: []Offering{{Labels: map[string]string{corev1.LabelTopologyZone: "a", capacityTypeLabel: "on-demand"}, Price: 1, Available: true}}}}
	for n := range 200 {
		s := Snapshot{Pools: []Pool{{Name: "default", Types: types}}}
		for range 2 + r.Intn(4) {
			cpu, memory := int64(100*(1+r.Intn(60))), int64(256*(1+r.Intn(50)))
			for range 1 + r.Intn(4) {
				s.Pods = append(s.Pods, pod(len(s.Pods), cpu, memory))
			}
		}
		k := packerOf(&s)
		warm := newKnapsack(k)
		for range 5 {
			values := make([]float64, len(k.items))
			for i := range values {
				values[i] = float64(r.Intn(10))
			}
			most := warm.most(values, 0)
			if again := newKnapsack(k).most(values, 0); math.Abs(again-most) > 1e-6 {
				t.Errorf("case %d: %v from the last filling, %v from the empty node", n, most, again)
			}
			filled := 0.0
			warm.filled(func(i int, n float64) { filled += n * values[i] })
			if math.Abs(filled-most) > 1e-6 {
				t.Errorf("case %d: pods worth %v are filled in, and %v is said to be the most", n, filled, most)
			}
			f := &patternSearch{k: k, values: values}
			best, found := k.bestFilling(values, 0, k.cands[0].room), f.search(0, warm, 0)
			if best > most+1e-6 || found < best-1e-6 || found > best*patternEnough+1e-6 {
				t.Errorf("case %d: with whole pods %v, the search found %v, with fractions %v", n, best, found, most)
			}
		}
	}
}

// bestFilling tries all ways of putting whole pods of items from one on into a room.
func (k *packer) bestFilling(values []float64, i int, room vector) float64 {
	if i == len(k.items) {
		return 0
	}
	best := 0.0
	for n := range k.items[i].vec.times(room, k.items[i].count) + 1 {
		left := append(vector(nil), room...)
		left.addTimes(k.items[i].vec, -int64(n))
		best = max(best, float64(n)*values[i]+k.bestFilling(values, i+1, left))
	}
	return best
}

// packerOf is a packer for the pods of a snapshot with one pool.
func packerOf(s *Snapshot) *packer {
	s.Options.Cache = NewCache()
	p := compile(s)
	p.place()
	return newPacker(p, p.pools[0], p.items, 1)
}
