package provisioning

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/flowcontrol"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/karpenter/pkg/events"
)

// crowd is how many pods wait for nodes when those that may be are bound to their nodes by us. The scheduler tries all of
// them whenever a node opens, one after the other, and goes through every nominated pod of every node for one that is not
// nominated: its time grows with the square of their number. With thousands it took half a second for each, and those
// that had a place were behind the others in its queue. Pods of a plan whose nodes open together are bound however few
// they are: nominated pods that must be spread keep one another out.
const crowd = 500

// Sight is how long a node stays closed to the scheduler after we have seen the last pod that was bound to it. The scheduler
// watches nodes and pods separately: one that sees a node open and not yet what is on it gives its room away twice.
const Sight = 2 * time.Second

// tellings bounds the events about bound pods.
var tellings = flowcontrol.NewTokenBucketRateLimiter(10, 100)

// MayBind tells whether a pod may be bound without the scheduler to a node that takes no pods but those planned for it: it
// is the default scheduler's, and neither what is on other nodes nor what volumes there are matters to it, but for spreads.
func MayBind(pod *corev1.Pod) bool {
	spec := &pod.Spec
	return (spec.SchedulerName == "" || spec.SchedulerName == corev1.DefaultSchedulerName) && len(spec.SchedulingGates) == 0 &&
		ofTheNode(spec.Affinity) && len(spec.ResourceClaims) == 0 &&
		!slices.ContainsFunc(spec.Volumes, func(v corev1.Volume) bool { return v.PersistentVolumeClaim != nil || v.Ephemeral != nil }) &&
		!slices.ContainsFunc(aboveNodes(pod), func(c corev1.TopologySpreadConstraint) bool {
			return c.NodeTaintsPolicy != nil && *c.NodeTaintsPolicy == corev1.NodeInclusionPolicyHonor // closed nodes would not count
		})
}

// ofTheNode tells whether hard rules about other pods are about those on the same node.
func ofTheNode(affinity *corev1.Affinity) bool {
	if affinity == nil {
		return true
	}
	var terms []corev1.PodAffinityTerm
	if affinity.PodAffinity != nil {
		terms = append(terms, affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution...)
	}
	if affinity.PodAntiAffinity != nil {
		terms = append(terms, affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution...)
	}
	return !slices.ContainsFunc(terms, func(t corev1.PodAffinityTerm) bool { return t.TopologyKey != corev1.LabelHostname })
}

// Skew is how many pods of its controller a pod's hard spread over nodes lets be on a node whatever is on the others; 0 where
// there is none.
func Skew(pod *corev1.Pod) (least int32) {
	for _, c := range pod.Spec.TopologySpreadConstraints {
		if c.WhenUnsatisfiable == corev1.DoNotSchedule && c.TopologyKey == corev1.LabelHostname && (least == 0 || c.MaxSkew < least) {
			least = c.MaxSkew
		}
	}
	return least
}

// mayFill tells whether pods may be bound to a node: it takes no others yet, and it was not done before.
func (n *nominator) mayFill(node string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.filled[node] && n.ended[node].IsZero() && !n.taking[node]
}

// crowded tells whether a crowd waits for nodes that are planned.
func (n *nominator) crowded() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	pods := len(n.wanted)
	for _, list := range n.planned {
		pods += len(list)
	}
	return pods >= crowd
}

// fill binds the pods to a node that may be.
func (n *nominator) fill(ctx context.Context, node string) { n.each(ctx, n.fit(node), n.bind) }

// fit are the pods that may be bound to a node.
func (n *nominator) fit(node string) (list []nomination) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.filled[node] = true
	within := n.withinSkew()
	for _, nomination := range n.wanted {
		if nomination.node == node && nomination.bindable && !nomination.zones && within(nomination) {
			list = append(list, nomination)
		}
	}
	return list
}

// withinSkew tells of pods whether their node gets no more of their controller's than their hard spread over nodes lets be
// there whatever is on the others. Needs mu.
func (n *nominator) withinSkew() func(nomination) bool {
	type place struct {
		node  string
		owner types.UID
	}
	pods := map[place]int32{}
	for _, nomination := range n.wanted {
		if nomination.skew > 0 {
			pods[place{nomination.node, nomination.owner}]++
		}
	}
	return func(of nomination) bool { return pods[place{of.node, of.owner}] <= of.skew }
}

// bindSpread binds pods that must be spread over zones to nodes that take no others, where others are bound to the given one,
// as many and in such an order that each keeps to its rules when it is bound. What is left is nominated. Once that is done for
// a node, no more pods are bound to it.
func (c *Controller) bindSpread(ctx context.Context, node string) {
	c.spreading.Lock() // what is being bound counts for the next
	defer c.spreading.Unlock()
	if c.nominator.done(node) {
		return
	}
	defer c.nominator.end(node) // within the lock: others bind to this node too
	left := c.nominator.spread(node)
	if len(left) == 0 {
		return
	}
	assumed := c.nominator.assumptions() // before the picture, so that one of them has what is seen in between
	spreads := newSpreads(c.Picture.Machines())
	for _, bound := range assumed {
		if pod, ok := c.Picture.Pod(bound.pod); ok && pod.UID == bound.uid {
			spreads.add(pod, bound.node)
		}
	}
	var turns []nomination
	for more := true; more; {
		before := len(left)
		left = slices.DeleteFunc(left, func(item nomination) bool {
			pod, ok := c.Picture.Pod(item.pod)
			allowed := ok && pod.UID == item.uid && spreads.allow(pod, item.node)
			if allowed {
				spreads.add(pod, item.node)
				turns = append(turns, item)
			}
			return allowed
		})
		more = len(left) < before
	}
	c.nominator.each(ctx, turns, c.nominator.bind)
}

// spread are the pods that may be bound, in turns, to nodes that pods are bound to; none when there are none for the given one.
func (n *nominator) spread(node string) (list []nomination) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.binds(node) {
		return nil
	}
	here, within := false, n.withinSkew()
	for _, nomination := range n.wanted {
		if n.binds(nomination.node) && nomination.bindable && nomination.zones && within(nomination) {
			list = append(list, nomination)
			here = here || nomination.node == node
		}
	}
	if !here {
		return nil
	}
	return list
}

// binds tells whether pods are being bound to a node. Needs mu.
func (n *nominator) binds(node string) bool {
	return n.filled[node] && n.ended[node].IsZero() && !n.taking[node]
}

// end says that no pods are bound to a node from now on.
func (n *nominator) end(node string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ended[node] = n.clock.Now()
}

// done tells whether no pods are bound to a node any more.
func (n *nominator) done(node string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.ended[node].IsZero()
}

// seen tells whether the scheduler should know which pods are on a node that none are bound to any more.
func (n *nominator) seen(node string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.filled[node] {
		return true
	}
	if n.clock.Since(n.ended[node]) < Sight {
		return false
	}
	for _, bound := range n.assumed {
		if bound.node == node {
			return false
		}
	}
	return true
}

// assumptions are the pods that have been bound without that being seen.
func (n *nominator) assumptions() []nomination {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Collect(maps.Values(n.assumed))
}

// bind gives a pod its node. One that the scheduler has bound elsewhere in the meantime stays there, one that cannot be bound
// is nominated when the node opens.
func (n *nominator) bind(ctx context.Context, item nomination) {
	pod := &corev1.Pod{}
	pod.Name, pod.Namespace, pod.UID = item.pod.Name, item.pod.Namespace, item.uid
	n.assume(item)
	err := Bind(ctx, n.kube, n.recorder, pod, item.node)
	switch {
	case err == nil:
	case apierrors.IsNotFound(err) || apierrors.IsConflict(err):
		n.settled(item.uid)
	default:
		log.FromContext(ctx).Error(err, "binding a pod; it is nominated instead", "Pod", item.pod, "node", item.node)
		n.refused(item)
	}
}

// Bind gives a pod its node and says so as the scheduler does. The node should take no other pods meanwhile, and the pod be
// one that MayBind. The error is the API server's: a conflict where the pod has a node already.
func Bind(ctx context.Context, kube client.Client, recorder events.Recorder, pod *corev1.Pod, node string) error {
	binding := &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: node}}
	binding.Name, binding.Namespace, binding.UID = pod.Name, pod.Namespace, pod.UID
	bare := &corev1.Pod{}
	bare.Name, bare.Namespace, bare.UID = pod.Name, pod.Namespace, pod.UID
	if err := kube.SubResource("binding").Create(ctx, bare, binding); err != nil {
		return err
	}
	recorder.Publish(events.Event{
		InvolvedObject: bare, Type: corev1.EventTypeNormal, Reason: "Scheduled",
		Message: fmt.Sprintf("Successfully assigned %s/%s to %s", pod.Namespace, pod.Name, node), DedupeValues: []string{string(pod.UID)}, RateLimiter: tellings,
	})
	return nil
}

// assume has a pod count as bound until that is seen.
func (n *nominator) assume(item nomination) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.wanted, item.uid)
	n.assumed[item.uid] = item
}

// refused wants a pod again that could not be bound.
func (n *nominator) refused(item nomination) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.assumed, item.uid)
	n.wanted[item.uid] = item
}
