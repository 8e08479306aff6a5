package disrupting

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	podutils "sigs.k8s.io/karpenter/pkg/utils/pod"

	"github.com/automode-dev/automode/compute/disruption/survey"
	"github.com/automode-dev/automode/compute/nodes/opening"
	"github.com/automode-dev/automode/compute/nodes/provisioning"
	"github.com/automode-dev/automode/compute/state"
)

// A replacement was made for certain pods, and kube-scheduler does not know for
// which: successors of evicted pods that it likes better there would take the
// room of others, which then need a node more. So a replacement, whose node is
// closed when it joins, stays so until the pods that are evicted have successors.
// Those that the scheduler finds no place for are bound to it as they come, the
// others that have none by then when it opens. The replacements of a step open
// together: pods that wait for one of them would take the room of others on the
// one that opens first.
const (
	// fillTick is how often nodes that fill are looked at.
	fillTick = 200 * time.Millisecond
	// settled is how long nothing may have changed once all pods are evicted,
	// stalled how long when some are not: a PodDisruptionBudget may be waiting for
	// pods that wait for the node.
	settled = 600 * time.Millisecond
	stalled = 2 * time.Second
	// longest is how long nodes stay closed at most after their pods began to be
	// evicted: on a slow machine pods of many nodes take their time, and those that
	// come after they have opened may find their room taken.
	longest = 30 * time.Second
	// requests is how many requests are under way at a time while nodes open.
	requests = 20
)

// filling is what is known of a step's replacements whose pods are on their way.
type filling struct {
	step            string
	since, changed  time.Time
	staying, coming int       // pods yet to be evicted, and successors without a place
	bound           int       // successors that were
	unseen          time.Time // the last time that one was bound, or not seen on its node yet
}

// done tells whether it is time to open the nodes.
func (f *filling) done(now time.Time) bool {
	quiet := now.Sub(f.changed)
	return now.Sub(f.since) >= longest || quiet >= stalled || f.staying == 0 && quiet >= settled
}

// fill opens replacements that have waited long enough for their pods. It tells
// whether there are any. What it does follows from the objects, so that another
// process can go on with it.
func (c *Controller) fill(ctx context.Context) bool {
	unbound := c.Picture.Unbound() // before the machines, so that a pod that is bound in between is not missed on both
	machines := slices.DeleteFunc(c.Picture.Machines(), func(m *state.Machine) bool { return m.Claim == nil && !m.Leaving() })
	active := slices.ContainsFunc(machines, func(m *state.Machine) bool {
		_, ok := state.PlacesOf(m.Claim)
		return ok && !m.Leaving() && m.Registered()
	})
	begun := c.begun(machines)
	if len(begun) == 0 {
		return active
	}
	pods := c.comers(machines, unbound)
	for _, f := range slices.SortedFunc(maps.Keys(begun), func(a, b *filling) int { return cmp.Compare(a.step, b.step) }) {
		if err := c.fillStep(ctx, f, begun[f], pods); err != nil {
			log.FromContext(ctx).Error(err, "keeping replacements for their pods; trying again", "step", f.step)
		}
	}
	return active
}

// begun gathers the replacements whose pods are on their way by step. Where
// nobody remembers the step any more, each is on its own.
func (c *Controller) begun(machines []*state.Machine) map[*filling][]*state.Machine {
	steps := map[string]string{}
	for _, m := range machines {
		if m.Claim == nil {
			continue
		}
		if record, ok := survey.RecordOf(m.Claim); ok {
			for _, name := range record.Replacements {
				steps[name] = record.ID
			}
		}
	}
	known, byStep := c.fillings, map[string]*filling{}
	for _, f := range known {
		byStep[f.step] = f
	}
	c.fillings = map[string]*filling{}
	out := map[*filling][]*state.Machine{}
	for _, m := range survey.Filling(machines) {
		name := m.Claim.Name
		f := known[name]
		if f == nil {
			step := cmp.Or(steps[name], name)
			if f = byStep[step]; f == nil {
				now := c.Clock.Now()
				f = &filling{step: step, since: now, changed: now}
				byStep[step] = f
			}
		}
		c.fillings[name] = f
		if !m.Leaving() && m.Registered() {
			out[f] = append(out[f], m)
		}
	}
	return out
}

// fillStep looks at the replacements of a step whose pods are on their way.
func (c *Controller) fillStep(ctx context.Context, f *filling, nodes []*state.Machine, pods *comers) error {
	now := c.Clock.Now()
	all := state.Places{}
	for _, m := range nodes {
		places, _ := state.PlacesOf(m.Claim)
		for owner, n := range places {
			all[owner] += n
		}
	}
	staying, coming := pods.count(all)
	if f.staying != staying || f.coming != coming {
		f.staying, f.coming, f.changed = staying, coming, now
	}
	if slices.ContainsFunc(nodes, func(m *state.Machine) bool { return len(c.assumed.on(m)) > 0 }) {
		f.unseen = now
	}
	if !f.done(now) {
		c.bind(ctx, f, c.successors(nodes, pods, podutils.FailedToSchedule))
		return nil
	}
	left := c.bind(ctx, f, c.successors(nodes, pods, func(*corev1.Pod) bool { return true }))
	if now.Sub(f.unseen) < provisioning.Sight {
		return nil
	}
	return c.open(ctx, f, nodes, left)
}

// open nominates the pods that may not be bound, lets the scheduler use the nodes
// and ends the filling. Nominating all was tried: the scheduler takes the
// nomination from those that it tries before their node opens, and they take the
// room of others.
func (c *Controller) open(ctx context.Context, f *filling, nodes []*state.Machine, left []successor) error {
	ctx = context.WithoutCancel(ctx)
	workqueue.ParallelizeUntil(ctx, requests, len(left), func(i int) {
		provisioning.Nominate(ctx, c.Nominate, left[i].pod, left[i].node)
	})
	errs := make([]error, len(nodes))
	workqueue.ParallelizeUntil(ctx, requests, len(nodes), func(i int) {
		errs[i] = opening.Open(ctx, c.Kube, nodes[i].Node)
	})
	workqueue.ParallelizeUntil(ctx, requests, len(nodes), func(i int) {
		if errs[i] == nil {
			errs[i] = c.endFilling(ctx, nodes[i].Claim.Name)
		}
	})
	log.FromContext(ctx).Info("opened replacements", "step", f.step, "NodeClaims", len(nodes), "bound", f.bound, "nominated", len(left),
		"staying", f.staying, "coming", f.coming, "after", c.Clock.Since(f.since).Seconds())
	return errors.Join(errs...)
}

func (c *Controller) endFilling(ctx context.Context, claim string) error {
	err := c.changeClaim(ctx, claim, func(claim *karpv1.NodeClaim) { delete(claim.Annotations, state.AnnotationPlaces) }, func(*karpv1.NodeClaim) {})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("ending the filling of NodeClaim %q: %w", claim, err)
	}
	return nil
}
