package engine

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestSkew holds the measure of spreads to what kube-scheduler may do and may not.
func TestSkew(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	nodes := func(zones string, at time.Duration) (list []corev1.Node) {
		for _, zone := range zones {
			list = append(list, corev1.Node{ObjectMeta: metav1.ObjectMeta{
				Name: string(zone), CreationTimestamp: metav1.NewTime(start.Add(at)), Labels: map[string]string{corev1.LabelTopologyZone: string(zone)}}})
		}
		return list
	}
	bound := func(zones string, at time.Duration) (list []pod) {
		for i, zone := range zones {
			list = append(list, pod{node: string(zone), bound: start.Add(at + time.Duration(i)*time.Millisecond)})
		}
		return list
	}
	abc := nodes("abc", 0)
	for _, test := range []struct {
		name  string
		pods  []pod
		nodes []corev1.Node
		want  int
	}{
		{"in any order while they are under way", bound("aaabbbcc", time.Minute), abc, 1},
		{"uneven", bound("aaabbb", time.Minute), abc, 3},
		{"made good too late", append(bound("aaabbb", time.Minute), bound("cc", 2*time.Minute)...), abc, 3},
		{"a zone that is new", append(bound("aabb", time.Minute), bound("c", 2*time.Minute)...), append(nodes("ab", 0), nodes("c", time.Minute-time.Second)...), 0},
		{"a zone that is known", bound("aabb", time.Minute), append(nodes("ab", 0), nodes("c", 50*time.Second)...), 2},
	} {
		if got, counts := skew(test.pods, test.nodes, corev1.LabelTopologyZone, 5*time.Second); got != test.want {
			t.Errorf("%s: a skew of %d, want %d (%v)", test.name, got, test.want, counts)
		}
	}
}
