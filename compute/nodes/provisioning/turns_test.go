package provisioning

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// spreadPod is one that is to be spread over zones with the pods of its app.
func spreadPod(name, app string, skew int32, when corev1.UnsatisfiableConstraintAction) *corev1.Pod {
	p := pod(name, "")
	p.Labels = map[string]string{"app": app}
	p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{TopologyKey: corev1.LabelTopologyZone, MaxSkew: skew, WhenUnsatisfiable: when,
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}}}
	return p
}

func TestPodsThatAreNominatedAtOnce(t *testing.T) {
	const must, may = corev1.DoNotSchedule, corev1.ScheduleAnyway
	elsewhere := spreadPod("elsewhere", "web", 1, must)
	elsewhere.Namespace = "other"
	counted := pod("counted", "") // no rule of its own, but it counts for those of others
	counted.Labels = map[string]string{"app": "db"}
	got := names(AtOnce([]*corev1.Pod{
		pod("plain-1", ""), pod("plain-2", ""),
		spreadPod("web-1", "web", 1, must), spreadPod("web-2", "web", 1, must), elsewhere,
		spreadPod("soft-1", "soft", 1, may), spreadPod("soft-2", "soft", 1, may),
		spreadPod("two-1", "two", 2, must), spreadPod("two-2", "two", 2, must), spreadPod("two-3", "two", 2, must),
		counted, spreadPod("db-1", "db", 1, must),
	}))
	want := []string{"plain-1", "plain-2", "web-1", "elsewhere", "soft-1", "soft-2", "two-1", "two-2", "counted"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
