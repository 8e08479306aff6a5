package engine

import (
	"maps"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// TestSpreadOverZones: pods that must be spread over zones, several of them on each new node, get the nodes of one plan and
// no more. kube-scheduler lets them in one by one, each when it is its zone's turn.
func TestSpreadOverZones(t *testing.T) {
	const pods = 30
	w := newWorld(t)
	deployments := []*appsv1.Deployment{deployment("web", pods, shape{500, 512}, spread("web", corev1.LabelTopologyZone))}
	workload := manifests(deployments)
	w.Apply(t, workload)
	w.eventually("all pods are healthy", func() (any, bool) {
		is := w.tally()
		return is, is.healthy == pods
	})
	w.keepRules(deployments)
	if is, fresh := w.now(), w.fresh(workload); is.nodes != fresh.nodes {
		t.Errorf("%d nodes at $%.4f/h, want the %d of a fresh plan at $%.4f/h", is.nodes, is.dollars, fresh.nodes, fresh.dollars)
	}
}

// keepRules holds the pods that are bound to the hard rules of their Deployments about one another, and the nodes to their
// size. No pod may have gone since they were.
func (w *world) keepRules(deployments []*appsv1.Deployment) {
	w.Helper()
	on, used := w.onNodes()
	nodes := &corev1.NodeList{}
	if err := w.kube.List(w.Context(), nodes); err != nil {
		w.Fatal(err)
	}
	for i := range nodes.Items {
		n := &nodes.Items[i]
		if room := demandOf(n.Status.Allocatable); !used[n.Name].within(room) {
			w.Errorf("the pods of node %s request %+v, it has %+v", n.Name, used[n.Name], room)
		}
	}
	for _, d := range deployments {
		for _, rule := range d.Spec.Template.Spec.TopologySpreadConstraints {
			counts := map[string]int{}
			for i := range nodes.Items {
				counts[nodes.Items[i].Labels[rule.TopologyKey]] += on[d.Name][nodes.Items[i].Name]
			}
			list := slices.Sorted(maps.Values(counts))
			if skew := list[len(list)-1] - list[0]; skew > int(rule.MaxSkew) {
				w.Errorf("pods of %s by %s: %v, a skew of %d, at most %d is allowed", d.Name, rule.TopologyKey, counts, skew, rule.MaxSkew)
			}
		}
		if rules := d.Spec.Template.Spec.Affinity; rules != nil && rules.PodAntiAffinity != nil {
			for node, n := range on[d.Name] {
				if n > 1 {
					w.Errorf("%d pods of %s are on node %s, and each wants its own", n, d.Name, node)
				}
			}
		}
	}
}
