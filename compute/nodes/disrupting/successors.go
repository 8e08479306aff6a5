package disrupting

import (
	"context"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	podutils "sigs.k8s.io/karpenter/pkg/utils/pod"
	"sigs.k8s.io/karpenter/pkg/utils/resources"

	"github.com/automode-dev/automode/compute/nodes/provisioning"
	"github.com/automode-dev/automode/compute/state"
)

// successor is a pod that comes to a replacement in place of one that was evicted.
type successor struct {
	pod  *corev1.Pod
	node string
	bind bool // or else it is nominated
}

// successors picks pods for replacements, less those that these have already.
func (c *Controller) successors(nodes []*state.Machine, pods *comers, pick func(*corev1.Pod) bool) (list []successor) {
	for _, m := range nodes {
		on := slices.Concat(m.Pods, c.assumed.on(m))
		places, _ := state.PlacesOf(m.Claim)
		here, left := state.PlacesFor(on), state.Places{}
		for owner, n := range places {
			left[owner] = max(0, n-here[owner])
		}
		used := resources.RequestsForPods(on...)
		for _, pod := range pods.take(left, pick) {
			skew := int(provisioning.Skew(pod))
			may := provisioning.MayBind(pod) && !provisioning.OverZones(pod) && (skew == 0 || places[metav1.GetControllerOfNoCopy(pod).UID] <= skew)
			if with := resources.Merge(used, resources.RequestsForPods(pod)); may && resources.Fits(with, m.Node.Status.Allocatable) {
				used = with
			} else {
				may = false
			}
			list = append(list, successor{pod, m.Node.Name, may})
		}
	}
	return list
}

// bind binds the successors that may be, and returns the others.
func (c *Controller) bind(ctx context.Context, f *filling, list []successor) (left []successor) {
	workqueue.ParallelizeUntil(context.WithoutCancel(ctx), requests, len(list), func(i int) {
		if p := &list[i]; p.bind {
			err := provisioning.Bind(ctx, c.Nominate, c.Recorder, p.pod, p.node)
			p.bind = err == nil || apierrors.IsConflict(err) || apierrors.IsNotFound(err) // it has a node, or is gone
		}
	})
	for _, p := range list {
		if p.bind {
			c.assumed[p.pod.UID] = p
			f.bound, f.unseen = f.bound+1, c.Clock.Now()
		} else {
			left = append(left, p)
		}
	}
	return left
}

// assumed are the successors that were bound without the picture showing it.
type assumed map[types.UID]successor

// on are those of a node that the node does not show.
func (a assumed) on(m *state.Machine) (list []*corev1.Pod) {
	for uid, p := range a {
		if p.node == m.Node.Name && !slices.ContainsFunc(m.Pods, func(pod *corev1.Pod) bool { return pod.UID == uid }) {
			list = append(list, p.pod)
		}
	}
	return list
}

// comers are the pods that are to come to replacements, by controller.
type comers struct {
	staying map[types.UID]int // not evicted yet
	coming  map[types.UID][]*corev1.Pod
}

func (c *Controller) comers(machines []*state.Machine, unbound []*corev1.Pod) *comers {
	p := &comers{staying: map[types.UID]int{}, coming: map[types.UID][]*corev1.Pod{}}
	for _, m := range machines {
		if !m.Leaving() {
			continue
		}
		for uid, n := range state.PlacesFor(slices.DeleteFunc(slices.Clone(m.Pods), podutils.IsTerminating)) {
			p.staying[uid] += n
		}
	}
	before := c.assumed
	c.assumed = assumed{}
	for _, pod := range unbound {
		if bound, ok := before[pod.UID]; ok {
			c.assumed[pod.UID] = bound
			continue
		}
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

// take picks pods for places, each once.
func (p *comers) take(places state.Places, pick func(*corev1.Pod) bool) (list []*corev1.Pod) {
	for _, uid := range slices.Sorted(maps.Keys(places)) {
		n := places[uid]
		p.coming[uid] = slices.DeleteFunc(p.coming[uid], func(pod *corev1.Pod) bool {
			if n == 0 || !pick(pod) {
				return false
			}
			n--
			list = append(list, pod)
			return true
		})
	}
	return list
}
