package engine

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestPendingPods: pods of twenty shapes, spreads and anti-affinity among them, from nothing to all on nodes.
func TestPendingPods(t *testing.T) {
	w := newWorld(t)
	deployments := mixed(rand.New(rand.NewPCG(*seed, 0)), *pendingPods)
	workloads := manifests(deployments)
	start := time.Now()
	w.Apply(t, workloads)
	w.eventually("all pods are bound", func() (any, bool) {
		is := w.tally()
		return is, is.all == *pendingPods && is.bound == is.all
	})
	bound := time.Since(start)
	w.keepRules(deployments, 5*time.Second)
	is := w.now() // before consolidation begins
	w.eventually("all pods are ready", func() (any, bool) {
		is := w.tally()
		return is, is.healthy == *pendingPods
	})
	fresh := w.fresh(workloads)
	t.Logf("%d pods bound in %.1f s, ready in %.1f s, on %d nodes at $%.4f/h; a fresh plan has %d at $%.4f/h: %+.1f %%",
		*pendingPods, bound.Seconds(), time.Since(start).Seconds(), is.nodes, is.dollars, fresh.nodes, fresh.dollars, is.above(fresh))
}
