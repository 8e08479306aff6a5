package solver

import (
	"fmt"
	"math/rand"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/automode-dev/automode/compute/catalog"
)

// A decision about a few pods in a cluster of many nodes, each with ten pods
// that are spread over zones.
func BenchmarkFewPodsManyNodes(b *testing.B) {
	types := catalogTypes("us-west-2", 3, []string{"on-demand", "spot"}, func(t *catalog.Type) bool { return cmr(t) && t.VCPUs <= 16 })
	s := Snapshot{Pools: []Pool{{Name: "default", Types: types, Labels: map[string]string{nodePoolLabel: "default"}}}}
	r := rand.New(rand.NewSource(1))
	running := func(i int) *corev1.Pod {
		p := pod(i, int64(100+50*r.Intn(4)), 256).Pod
		p.Labels = map[string]string{"app": fmt.Sprint("app-", i%60)}
		p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{MaxSkew: 5, TopologyKey: corev1.LabelTopologyZone,
			WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: &metav1.LabelSelector{MatchLabels: p.Labels}}}
		return p
	}
	for i := range 2000 {
		t := types[r.Intn(len(types))]
		n := Node{Name: fmt.Sprintf("node-%04d", i), Pool: "default", Initialized: true, Allocatable: t.Allocatable, Capacity: t.Capacity,
			Labels: map[string]string{corev1.LabelTopologyZone: t.Offerings[r.Intn(len(t.Offerings))].Zone(), corev1.LabelHostname: fmt.Sprintf("node-%04d", i), nodePoolLabel: "default"}}
		for j := range 10 {
			n.Pods = append(n.Pods, running(10*i+j))
		}
		s.Nodes = append(s.Nodes, n)
	}
	for i := range 20 {
		s.Pods = append(s.Pods, Pod{Pod: running(100000 + i)})
	}
	b.ReportAllocs()
	for b.Loop() {
		Solve(s)
	}
}
