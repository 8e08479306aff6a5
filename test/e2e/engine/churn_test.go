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
		w.want(name, int(*deployments[i].Spec.Replicas), shapes[name].demand())
	}
	pool := nodePool("churn", consolidateAfter.String(), "50%", // small nodes, so that many come and go
		`      - {key: eks.amazonaws.com/instance-cpu, operator: Lt, values: ["9"]}`, `      - {key: eks.amazonaws.com/instance-category, operator: In, values: [c, m, r]}`)
	w.Apply(t, manifests(deployments, pool))
	w.allHealthy("all pods run", deployments)

	for start := time.Now(); time.Since(start) < *churnFor; {
		for wave := time.Now(); time.Since(wave) < waveLasts; time.Sleep(changeEvery) {
			d, next := deployments[r.IntN(len(deployments))], r.IntN(most)
			*d.Spec.Replicas = int32(next)
			w.want(d.Name, next, shapes[d.Name].demand())
			w.Kubectl(t, "scale", "deployment", d.Name, fmt.Sprintf("--replicas=%d", next))
		}
		time.Sleep(waveRests)
	}
	w.allHealthy("all pods run", deployments)
	w.rest()

	for _, fault := range w.broken() {
		t.Error(fault)
	}
	removed, again := w.oscillations()
	for _, node := range again {
		t.Log(node)
	}
	t.Logf("%d of %d removed nodes were needed again within %s", len(again), removed, consolidateAfter)
	if 100*len(again) > *tolerated*removed {
		t.Errorf("want at most %d in a hundred", *tolerated)
	}
	is, fresh := w.worth(manifests(deployments, pool))
	came, there := w.turnover()
	t.Logf("%d nodes came, %d went; at rest %d at $%.4f/h; a fresh plan has %d at $%.4f/h: %+.1f %%",
		came, came-there, is.nodes, is.dollars, fresh.nodes, fresh.dollars, is.above(fresh))
}

// oscillations counts the nodes that were removed and finds those that were needed again: within consolidateAfter new ones
// were made, not to replace another, for more pods than were wanted in addition by then and would have fit. Pods that were
// made later were not what they were for, though they may be on them.
func (o *observer) oscillations() (removed int, again []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	replacement := map[string]bool{}
	for _, c := range o.claims {
		for _, name := range c.replacements {
			replacement[name] = true
		}
	}
	for _, gone := range o.claims {
		if gone.marked.IsZero() {
			continue
		}
		removed++
		until := gone.marked.Add(consolidateAfter)
		explained := gone.waiting
		for _, g := range o.grown {
			if g.at.After(gone.marked) && g.at.Before(until) {
				explained = explained.plus(g.added)
			}
		}
		var needed demand
		for _, c := range o.claims {
			if replacement[c.name] || !c.created.After(gone.marked) || !c.created.Before(until) {
				continue
			}
			for _, p := range o.firstPods(c) {
				if sum := needed.plus(p.requests); p.made.Before(until) && sum.within(gone.room) {
					needed = sum
				}
			}
		}
		if !needed.within(explained) {
			again = append(again, fmt.Sprintf("node %s (%s) was removed for being %s; within %s new nodes were made for pods with %+v that would have fit, while new demand was %+v",
				gone.node, gone.name, gone.reason, consolidateAfter, needed, explained))
		}
	}
	slices.Sort(again)
	return removed, again
}

// together is how close to each other the pods come for which a node was made.
const together = 5 * time.Second

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
		if p.bound.Sub(on[0].bound) > together {
			return on[:i]
		}
	}
	return on
}
