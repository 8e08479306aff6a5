package solver

import (
	"fmt"
	"math/rand/v2"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Near a limit every pod is in the plan once: placed, or left out with a reason.
func TestEveryPodIsInThePlan(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := nearLimit(r)
		if err := check(s, Solve(s)); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

// nearLimit makes a batch of pods that about fill the limit of the only pool.
func nearLimit(r *rand.Rand) Snapshot {
	var s Snapshot
	var types []*InstanceType
	for _, cpu := range []int64{4, 8, 16} {
		name := fmt.Sprint("t", cpu)
		types = append(types, &InstanceType{Name: name, Capacity: list(cpu*1000, cpu<<32, 110), Allocatable: list(cpu*1000-200, cpu<<32-1<<30, 110),
			Requirements: labelsAsRequirements(map[string]string{corev1.LabelInstanceTypeStable: name}),
			Offerings:    []Offering{{Labels: map[string]string{corev1.LabelTopologyZone: "a", capacityTypeLabel: "on-demand"}, Price: float64(cpu) * 0.05, Available: true}}})
	}
	total := int64(0)
	for range 2 + r.IntN(4) {
		cpu, memory := 500+100*r.Int64N(25), (1+r.Int64N(6))<<30
		for range 1 + r.IntN(8) {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("pod", len(s.Pods))}}
			pod.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: list(cpu, memory, 0)}}}
			s.Pods = append(s.Pods, Pod{Pod: pod})
			total += cpu
		}
	}
	limit := resource.NewMilliQuantity(total*(90+r.Int64N(40))/100, resource.DecimalSI)
	s.Pools = []Pool{{Name: "default", Types: types, Limits: corev1.ResourceList{corev1.ResourceCPU: *limit}}}
	return s
}
