package solver

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/automode-dev/automode/compute/catalog"
)

// What people write by accident takes bounded time: ten thousand labels, each
// with a rule of its own, behind many pools.
func TestManyLabelsAndRules(t *testing.T) {
	if testing.Short() {
		t.Skip("left out of -short: takes a second or two")
	}
	types := catalogTypes("us-east-1", 3, []string{"on-demand", "spot"}, func(t *catalog.Type) bool { return cmr(t) })
	s := Snapshot{}
	for i := range 20 {
		s.Pools = append(s.Pools, Pool{Name: fmt.Sprint("pool-", i), Types: types, Labels: map[string]string{nodePoolLabel: fmt.Sprint("pool-", i)}, Weight: int32(i)})
	}
	for i := range 5000 {
		s.Pods = append(s.Pods, pod(i, 100, 128, func(p *corev1.Pod) {
			p.Labels = map[string]string{"app": fmt.Sprint("app-", i)}
			own := &metav1.LabelSelector{MatchLabels: p.Labels}
			p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: own},
				{MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: own}}
			if i%10 == 0 {
				p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{TopologyKey: corev1.LabelTopologyZone, LabelSelector: own}}}}
			}
		}))
	}
	start := time.Now()
	plan := Solve(s)
	took := time.Since(start)
	t.Logf("%d claims in %v", len(plan.Claims), took)
	if len(plan.Unplaced) > 0 || took > 30*time.Second {
		t.Errorf("%d pods are left out, the plan took %v", len(plan.Unplaced), took)
	}
}
