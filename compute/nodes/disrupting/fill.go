package disrupting

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
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
// closed when it joins, stays so until the pods that are evicted have successors;
// what found no place elsewhere by then is nominated for it, and it opens.
const (
	// fillTick is how often nodes that fill are looked at.
	fillTick = 200 * time.Millisecond
	// settled is how long nothing may have changed once all pods are evicted,
	// stalled how long when some are not: a PodDisruptionBudget may be waiting for
	// pods that wait for the node.
	settled = 600 * time.Millisecond
	stalled = 2 * time.Second
	// longest is how long a node stays closed after its pods began to be evicted.
	longest = 10 * time.Second
)

// filling is what is known of a replacement whose pods are on their way.
type filling struct {
	since, changed  time.Time
	staying, coming int // pods yet to be evicted, and successors without a place
}

// done tells whether it is time to open the node.
func (f *filling) done(now time.Time) bool {
	quiet := now.Sub(f.changed)
	return now.Sub(f.since) >= longest || quiet >= stalled || f.staying == 0 && quiet >= settled
}

// fill opens replacements that have waited long enough for their pods. It tells
// whether there are any. What it does follows from the objects, so that another
// process can go on with it.
func (c *Controller) fill(ctx context.Context) bool {
	machines := c.Picture.Machines()
	machines = slices.DeleteFunc(machines, func(m *state.Machine) bool { return m.Claim == nil && !m.Leaving() })
	begun := map[string]bool{}
	for _, m := range survey.Filling(machines) {
		begun[m.Claim.Name] = true
	}
	maps.DeleteFunc(c.fillings, func(claim string, _ *filling) bool { return !begun[claim] })

	var pods *comers
	if len(begun) > 0 {
		pods = c.comers(machines)
	}
	active := false
	for _, m := range machines {
		places, ok := state.PlacesOf(m.Claim)
		if !ok || m.Leaving() || !m.Registered() {
			continue
		}
		active = true
		if !begun[m.Claim.Name] {
			continue
		}
		if err := c.fillOne(ctx, m, places, pods); err != nil {
			log.FromContext(ctx).Error(err, "keeping a replacement for its pods; trying again", "NodeClaim", m.Claim.Name)
		}
	}
	return active
}

// fillOne looks at a replacement whose pods are on their way.
func (c *Controller) fillOne(ctx context.Context, m *state.Machine, places state.Places, pods *comers) error {
	now := c.Clock.Now()
	staying, coming := pods.count(places)
	f := c.fillings[m.Claim.Name]
	if f == nil {
		f = &filling{since: now, changed: now}
		c.fillings[m.Claim.Name] = f
	}
	if f.staying != staying || f.coming != coming {
		f.staying, f.coming, f.changed = staying, coming, now
	}
	if !f.done(now) {
		return nil
	}
	return c.open(ctx, m, pods.take(places))
}

// open nominates pods for a node, lets the scheduler use it and ends the filling.
func (c *Controller) open(ctx context.Context, m *state.Machine, pods []*corev1.Pod) error {
	workqueue.ParallelizeUntil(context.WithoutCancel(ctx), 20, len(pods), func(i int) {
		provisioning.Nominate(ctx, c.Nominate, pods[i], m.Node.Name)
	})
	if err := opening.Open(ctx, c.Kube, m.Node); err != nil {
		return err
	}
	err := c.changeClaim(ctx, m.Claim.Name, func(claim *karpv1.NodeClaim) { delete(claim.Annotations, state.AnnotationPlaces) }, func(*karpv1.NodeClaim) {})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("ending the filling of NodeClaim %q: %w", m.Claim.Name, err)
	}
	log.FromContext(ctx).V(1).Info("opened a replacement", "NodeClaim", m.Claim.Name, "nominated", len(pods), "after", c.Clock.Since(c.fillings[m.Claim.Name].since))
	return nil
}

// comers are the pods that are to come to replacements, by controller.
type comers struct {
	staying map[types.UID]int // not evicted yet
	coming  map[types.UID][]*corev1.Pod
}

func (c *Controller) comers(machines []*state.Machine) *comers {
	p := &comers{staying: map[types.UID]int{}, coming: map[types.UID][]*corev1.Pod{}}
	for _, m := range machines {
		if !m.Leaving() {
			continue
		}
		for uid, n := range state.PlacesFor(slices.DeleteFunc(slices.Clone(m.Pods), podutils.IsTerminating)) {
			p.staying[uid] += n
		}
	}
	for _, pod := range c.Picture.Unbound() {
		if owner := metav1.GetControllerOfNoCopy(pod); owner != nil && pod.Status.NominatedNodeName == "" && !podutils.IsTerminating(pod) {
			p.coming[owner.UID] = append(p.coming[owner.UID], pod)
		}
	}
	return p
}

func (p *comers) count(places state.Places) (staying, coming int) {
	for uid := range places {
		staying += p.staying[uid]
		coming += len(p.coming[uid])
	}
	return staying, coming
}

// take picks the pods for places, once.
func (p *comers) take(places state.Places) []*corev1.Pod {
	var list []*corev1.Pod
	for _, uid := range slices.Sorted(maps.Keys(places)) {
		n := min(places[uid], len(p.coming[uid]))
		list = append(list, p.coming[uid][:n]...)
		p.coming[uid] = p.coming[uid][n:]
	}
	return list
}
