package provisioning

import (
	"cmp"
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/automode-dev/automode/compute/solver"
	"github.com/automode-dev/automode/compute/state"
)

// nudgeEvery is how often the scheduler is made to look at its pods again, and nudgeBusy while it binds promised pods: it
// has all the others to look at then too.
const (
	nudgeEvery = 5 * time.Second
	nudgeBusy  = 15 * time.Second
)

// place is a pod that the scheduler has tried in vain, though there is a node for it which takes pods.
type place struct {
	pod  *corev1.Pod
	node string
}

// places finds such pods, in order of their ids. Nominations that are not ours are left alone: preemption makes room by them.
func places(machines []*state.Machine, kept kept, placements []solver.Placement) (list []place) {
	taking := map[string]bool{}
	for _, m := range machines {
		taking[m.Name()] = m.Node != nil && takesPods(m)
	}
	for pod, node := range kept.nodes {
		if taking[node] && waits(pod) {
			list = append(list, place{pod, node})
		}
	}
	for _, p := range placements {
		for _, pod := range p.Pods {
			if taking[p.Node] && waits(pod) && pod.Status.NominatedNodeName == "" {
				list = append(list, place{pod, p.Node})
			}
		}
	}
	slices.SortFunc(list, func(x, y place) int { return cmp.Compare(x.pod.UID, y.pod.UID) })
	return list
}

// nudge has the scheduler try its pods again when one has had its place for two looks. A pod that was tried in vain sleeps
// until something happens that may help it, for minutes where nothing does: that the room it needs was kept for pods which
// went elsewhere is nothing that happens. That a pod is nominated no longer counts as something.
func (c *Controller) nudge(ctx context.Context, list []place) {
	before := c.placed
	c.placed = make(map[types.UID]bool, len(list))
	for _, p := range list {
		c.placed[p.pod.UID] = true
	}
	i := slices.IndexFunc(list, func(p place) bool { return before[p.pod.UID] })
	every := nudgeEvery
	if c.busy {
		every = nudgeBusy
	}
	if i < 0 || c.Nominate == nil || c.Clock.Since(c.nudged) < every {
		return
	}
	c.nudged = c.Clock.Now()
	if list[i].pod.Status.NominatedNodeName == "" {
		Nominate(ctx, c.Nominate, list[i].pod, list[i].node)
	}
	renominate(ctx, c.Nominate, list[i].pod, list[i].node, "") // it is nominated again where that is still wanted
}
