package engine

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestHalfEmptyNodes: nodes that lost half of their pods become few full ones. All the while no PodDisruptionBudget is
// violated, no more nodes are on their way out than the NodePool's budget allows, and in the end every pod runs.
func TestHalfEmptyNodes(t *testing.T) {
	w := newWorld(t)
	full := fillers(rand.New(rand.NewPCG(*seed, 0)), *halfEmptyNodes)
	w.Apply(t, manifests(full, fourProcessors("0")))
	w.allHealthy("all pods run", full)
	w.halve(full)
	w.allHealthy("half of the pods are left on each node", full)
	w.protect(full)
	before := w.now()

	w.limit(func(nodes int) int { return (nodes*10 + 99) / 100 })
	start := time.Now()
	w.Apply(t, fourProcessors("10%"))
	after, fresh := w.worth(manifests(full, fourProcessors("10%")))
	w.rest()
	since, _ := w.nodesChanged()
	w.allHealthy("no pod is lost", full)
	for _, fault := range w.broken() {
		t.Error(fault)
	}
	after = w.now()
	t.Logf("%d half-empty nodes at $%.4f/h became %d at $%.4f/h in %.1f s, at most %d on their way out at a time; a fresh plan has %d at $%.4f/h: %+.1f %%",
		before.nodes, before.dollars, after.nodes, after.dollars, since.Sub(start).Seconds(), w.peak, fresh.nodes, fresh.dollars, after.above(fresh))
	w.reportGuards()
}

// fourProcessors is a NodePool of one size of nodes, so that as many pods make as many nodes.
func fourProcessors(budget string) string {
	return nodePool("half", "5s", budget,
		`      - {key: eks.amazonaws.com/instance-cpu, operator: In, values: ["4"]}`, `      - {key: eks.amazonaws.com/instance-category, operator: In, values: [c, m]}`)
}

// fillers are Deployments that fill so many nodes of four processors, four pods on each.
func fillers(r *rand.Rand, nodes int) []*appsv1.Deployment {
	const perNode, deployments = 4, 10
	var list []*appsv1.Deployment
	for i := range deployments {
		s := shape{milliCPU: 750 + 10*r.Int64N(10), mebibytes: 512 + 64*r.Int64N(8)}
		list = append(list, deployment(fmt.Sprintf("half-%d", i), nodes*perNode*(i+1)/deployments-nodes*perNode*i/deployments, s, onPool("half")))
	}
	return list
}

// allHealthy waits until each Deployment has as many healthy pods as it wants, and there are no others.
func (w *world) allHealthy(what string, deployments []*appsv1.Deployment) {
	w.Helper()
	w.eventually(what, func() (any, bool) {
		is, healthy, want := w.tally(), w.healthyOf(), 0
		for _, d := range deployments {
			want += int(*d.Spec.Replicas)
			if healthy[d.Name] != int(*d.Spec.Replicas) {
				return is, false
			}
		}
		return is, is.all == want
	})
}

// halve scales the Deployments down so that each node loses half of its pods: those whose deletion costs least go first.
func (w *world) halve(deployments []*appsv1.Deployment) {
	w.Helper()
	byName := map[string]*appsv1.Deployment{}
	for _, d := range deployments {
		byName[d.Name] = d
	}
	for _, on := range w.podsByNode() {
		for _, p := range on[:len(on)/2] {
			*byName[p.app].Spec.Replicas--
			patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"controller.kubernetes.io/pod-deletion-cost":"-1"}}}`))
			if err := w.kube.Patch(w.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: p.name}}, patch); err != nil {
				w.Fatal(err)
			}
		}
	}
	w.Apply(w.T, manifests(deployments))
}

// protect gives each Deployment a PodDisruptionBudget, by turns one that lets one pod go at a time and one that demands a share.
func (w *world) protect(deployments []*appsv1.Deployment) {
	w.Helper()
	var budgets []string
	for i, d := range deployments {
		replicas := int(*d.Spec.Replicas)
		rule, demands := "maxUnavailable: 1", replicas-1
		if i%2 == 1 {
			rule, demands = "minAvailable: 70%", (replicas*70+99)/100
		}
		w.guard(d.Name, demands)
		budgets = append(budgets, fmt.Sprintf("apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: %s}\nspec: {%s, selector: {matchLabels: {app: %[1]s}}}\n", d.Name, rule))
	}
	w.Apply(w.T, manifests(nil, budgets...))
}

// reportGuards says how near each PodDisruptionBudget came to its limit.
func (w *world) reportGuards() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, app := range slices.Sorted(maps.Keys(w.guards)) {
		g := w.guards[app]
		w.Logf("PodDisruptionBudget %s demands %d: never fewer than %d healthy, %d taken away", app, g.demands, g.lowest, g.taken)
	}
}
