package engine

import (
	"maps"
	"slices"
	"testing"
	"time"

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
	w.keepRules(deployments, 0)
	if is, fresh := w.now(), w.fresh(workload); is.nodes != fresh.nodes {
		t.Errorf("%d nodes at $%.4f/h, want the %d of a fresh plan at $%.4f/h", is.nodes, is.dollars, fresh.nodes, fresh.dollars)
	}
}

// keepRules holds the pods that are bound to the hard rules of their Deployments about one another, and the nodes to their
// size. No pod may have gone since they were. See skew for late.
func (w *world) keepRules(deployments []*appsv1.Deployment, late time.Duration) {
	w.Helper()
	nodes := &corev1.NodeList{}
	if err := w.kube.List(w.Context(), nodes); err != nil {
		w.Fatal(err)
	}
	apps := w.onNodes()
	used := map[string]demand{}
	for _, pods := range apps {
		for _, p := range pods {
			used[p.node] = used[p.node].plus(p.requests)
		}
	}
	for i := range nodes.Items {
		n := &nodes.Items[i]
		if room := demandOf(n.Status.Allocatable); !used[n.Name].within(room) {
			w.Errorf("the pods of node %s request %+v, it has %+v", n.Name, used[n.Name], room)
		}
	}
	for _, d := range deployments {
		for _, rule := range d.Spec.Template.Spec.TopologySpreadConstraints {
			if skew, counts := skew(apps[d.Name], nodes.Items, rule.TopologyKey, late); skew > int(rule.MaxSkew) {
				w.Errorf("pods of %s by %s: %v, a skew of %d, at most %d is allowed", d.Name, rule.TopologyKey, counts, skew, rule.MaxSkew)
			}
		}
		if rules := d.Spec.Template.Spec.Affinity; rules != nil && rules.PodAntiAffinity != nil {
			on := map[string]int{}
			for _, p := range apps[d.Name] {
				if on[p.node]++; on[p.node] > 1 {
					w.Errorf("%d pods of %s are on node %s, and each wants its own", on[p.node], d.Name, p.node)
				}
			}
		}
	}
}

// lull separates the bindings of an app that are under way together, and seen in any order, from later ones.
const lull = time.Second

// skew is the largest skew that bindings led to, and the counts by domain then. A domain counts once its first node is late
// older than the bindings: kube-scheduler may not know it before, and what it has bound stays where it is.
func skew(pods []pod, nodes []corev1.Node, key string, late time.Duration) (most int, then map[string]int) {
	domains, since := map[string]string{}, map[string]time.Time{}
	for i := range nodes {
		n := &nodes[i]
		domain := n.Labels[key]
		domains[n.Name] = domain
		if at, ok := since[domain]; !ok || n.CreationTimestamp.Time.Before(at) {
			since[domain] = n.CreationTimestamp.Time
		}
	}
	counts := map[string]int{}
	for len(pods) > 0 {
		for domain, at := range since {
			if !pods[0].bound.Before(at.Add(late)) {
				counts[domain] += 0
			}
		}
		var grown []string
		for before := pods[0].bound; len(pods) > 0 && pods[0].bound.Sub(before) <= lull; pods = pods[1:] {
			before = pods[0].bound
			counts[domains[pods[0].node]]++
			grown = append(grown, domains[pods[0].node])
		}
		for _, domain := range grown {
			if skew := counts[domain] - slices.Min(slices.Collect(maps.Values(counts))); skew > most {
				most, then = skew, maps.Clone(counts)
			}
		}
	}
	return most, then
}
