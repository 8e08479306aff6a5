package solver

import (
	"fmt"
	"math"
	"math/rand"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// On problems small enough to try all ways of sharing nodes, no bound is above
// the least price, and the plan seldom costs more than that.
func TestSmallProblemsAreSolved(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	missed := 0
	const cases = 1500
	for i := range cases {
		var types []*InstanceType
		for n := range 2 + r.Intn(3) {
			size := list(int64(1000*(2+r.Intn(8))), int64(2+r.Intn(20))<<30, 20)
			types = append(types, &InstanceType{Name: fmt.Sprint("t", n), Capacity: size, Allocatable: size, Requirements: labelsAsRequirements(map[string]string{corev1.LabelInstanceTypeStable: fmt.Sprint("t", n)}),
				Offerings: []Offering{{Labels: map[string]string{corev1.LabelTopologyZone: "a", capacityTypeLabel: "on-demand"}, Price: 0.05 + r.Float64(), Available: true}}})
		}
		s := Snapshot{Pools: []Pool{{Name: "default", Types: types}}}
		for n := range 1 + r.Intn(7) {
			var change []func(*corev1.Pod)
			if i%2 == 1 && r.Intn(2) == 0 {
				change = append(change, apartFromItsKind)
			}
			s.Pods = append(s.Pods, pod(n, int64(500*(1+r.Intn(4))), int64(512*(1+r.Intn(8))), change...))
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
	t.Logf("%d of %d plans cost more than need be", missed, cases)
	if missed > cases/50 {
		t.Errorf("%d of %d plans cost more than need be", missed, cases)
	}
}

func apartFromItsKind(p *corev1.Pod) {
	p.Labels = map[string]string{"app": "apart"}
	p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{
		{TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: p.Labels}}}}}
}

// leastPrice tries all ways of putting pods on nodes.
func leastPrice(pods []Pod, types []*InstanceType) float64 {
	res := newResourceTable()
	var nodes []vector
	var apart []int // pods of each node that do not share it with their kind
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
		vec, alone := res.requests(pods[i].Pod, nil), len(pods[i].Labels)
		for n := range nodes {
			if apart[n]+alone > 1 {
				continue
			}
			nodes[n].add(vec)
			apart[n] += alone
			place(i + 1)
			nodes[n].sub(vec)
			apart[n] -= alone
		}
		nodes, apart = append(nodes, vec), append(apart, alone)
		place(i + 1)
		nodes, apart = nodes[:len(nodes)-1], apart[:len(apart)-1]
	}
	place(0)
	return best
}
