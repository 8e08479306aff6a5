package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
)

// Times of TestChurn: demand changes for a while and then rests long enough for nodes to go.
const (
	consolidateAfter = 15 * time.Second
	waveLasts        = 10 * time.Second
	waveRests        = 2 * consolidateAfter
	changeEvery      = 500 * time.Millisecond
)

// growth is demand that was added at a time.
type growth struct {
	at    time.Time
	added demand
}

// TestChurn: Deployments go up and down in waves. No node is removed for its price that is needed again within
// consolidateAfter, and at rest the cluster costs little more than a fresh plan.
func TestChurn(t *testing.T) {
	w := newWorld(t)
	r := rand.New(rand.NewPCG(*seed, 0))
	const most = 12 // replicas of a Deployment
	var deployments []*appsv1.Deployment
	shapes := map[string]shape{}
	for i := range *churnSize {
		name := fmt.Sprintf("churn-%d", i)
		shapes[name] = randomShape(r)
		deployments = append(deployments, deployment(name, r.IntN(most), shapes[name], onPool("churn")))
	}
	pool := nodePool("churn", consolidateAfter.String(), "50%", `      - {key: eks.amazonaws.com/instance-category, operator: In, values: [c, m, r]}`)
	w.Apply(t, manifests(deployments, pool))
	w.allHealthy("all pods run", deployments)

	var grown []growth
	for start := time.Now(); time.Since(start) < *churnFor; {
		for wave := time.Now(); time.Since(wave) < waveLasts; time.Sleep(changeEvery) {
			d := deployments[r.IntN(len(deployments))]
			next := int32(r.IntN(most))
			if more := next - *d.Spec.Replicas; more > 0 {
				s := shapes[d.Name].demand()
				grown = append(grown, growth{time.Now(), demand{s.milliCPU * int64(more), s.bytes * int64(more)}})
			}
			w.mu.Lock()
			w.tell("%s goes from %d to %d", d.Name, *d.Spec.Replicas, next)
			w.mu.Unlock()
			*d.Spec.Replicas = next
			w.Kubectl(t, "scale", "deployment", d.Name, fmt.Sprintf("--replicas=%d", next))
		}
		time.Sleep(waveRests)
	}
	w.allHealthy("all pods run", deployments)
	w.rest(2*consolidateAfter + 15*time.Second)

	for _, fault := range append(w.broken(), w.oscillations(grown)...) {
		t.Error(fault)
	}
	is, fresh := w.now(), w.fresh(manifests(deployments, pool))
	t.Logf("at rest %d nodes at $%.4f/h; a fresh plan has %d at $%.4f/h: %+.1f %%", is.nodes, is.dollars, fresh.nodes, fresh.dollars, is.above(fresh))
	if is.above(fresh) > nearFreshPlan {
		t.Errorf("the cluster at rest costs %.1f %% more than a fresh plan, want at most %d %%", is.above(fresh), nearFreshPlan)
	}
}

// settling is how long after a change of demand its pods may still be on their way to the API server.
const settling = 5 * time.Second

// oscillations finds nodes that were removed and needed again: within consolidateAfter new ones were made (not those that
// replaced the removed one) for more pods than had come in the meantime and would have fit.
func (o *observer) oscillations(grown []growth) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	replacement := map[string]bool{}
	removed, replaced := 0, 0
	for _, c := range o.claims {
		for _, name := range c.replacements {
			replacement[name] = true
		}
	}
	var found []string
	for _, gone := range o.claims {
		if gone.marked.IsZero() {
			continue
		}
		removed++
		if len(gone.replacements) > 0 {
			replaced++
		}
		until := gone.marked.Add(consolidateAfter)
		explained := gone.waiting
		for _, g := range grown {
			if g.at.After(gone.marked.Add(-settling)) && g.at.Before(until) {
				explained = explained.plus(g.added)
			}
		}
		var needed demand
		for _, c := range o.claims {
			if replacement[c.name] || !c.created.After(gone.marked) || !c.created.Before(until) {
				continue
			}
			for _, p := range o.firstPods(c) {
				if sum := needed.plus(p.requests); sum.within(gone.room) {
					needed = sum
				}
			}
		}
		if !needed.within(explained) {
			found = append(found, fmt.Sprintf("node %s (%s) was removed for being %s; within %s new nodes were made for pods with %+v that would have fit, while new demand was %+v",
				gone.node, gone.name, gone.reason, consolidateAfter, needed, explained))
		}
	}
	slices.Sort(found)
	return append(found, fmt.Sprintf("DEBUG %d claims, %d removed, %d with replacements", len(o.claims), removed, replaced))
}

// firstPods are those for which a node was made: bound soon after the first.
func (o *observer) firstPods(c *claim) []*pod {
	var on []*pod
	for _, p := range o.pods {
		if p.node == c.node {
			on = append(on, p)
		}
	}
	slices.SortFunc(on, func(a, b *pod) int { return a.bound.Compare(b.bound) })
	for i, p := range on {
		if p.bound.Sub(on[0].bound) > settling {
			return on[:i]
		}
	}
	return on
}
