package engine

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// TestSpreadOverZones: pods that must be spread over zones, several of them on each new node, get the nodes of one plan and
// no more. kube-scheduler lets them in one by one, each when it is its zone's turn.
func TestSpreadOverZones(t *testing.T) {
	const pods = 30
	w := newWorld(t)
	workload := manifests([]*appsv1.Deployment{deployment("web", pods, shape{500, 512}, spread("web", corev1.LabelTopologyZone))})
	w.Apply(t, workload)
	w.eventually("all pods are healthy", func() (any, bool) {
		is := w.tally()
		return is, is.healthy == pods
	})
	if is, fresh := w.now(), w.fresh(workload); is.nodes != fresh.nodes {
		t.Errorf("%d nodes at $%.4f/h, want the %d of a fresh plan at $%.4f/h", is.nodes, is.dollars, fresh.nodes, fresh.dollars)
	}
}
