package provisioning

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/flowcontrol"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/karpenter/pkg/events"
)

// crowd is how many pods wait for nodes when those that may be are bound to their nodes by us. The scheduler tries all of
// them whenever a node opens, one after the other, and goes through every nominated pod of every node for one that is not
// nominated: its time grows with the square of their number. With thousands it took half a second for each, and those
// that had a place were behind the others in its queue.
const crowd = 500

// tellings bounds the events about bound pods.
var tellings = flowcontrol.NewTokenBucketRateLimiter(10, 100)

// mayBind tells whether a pod may be bound without the scheduler to a node that takes no pods but those planned for it: it
// is the default scheduler's, and neither what is on other nodes nor what volumes there are matters to it.
func mayBind(pod *corev1.Pod) bool {
	spec := &pod.Spec
	return (spec.SchedulerName == "" || spec.SchedulerName == corev1.DefaultSchedulerName) && len(spec.SchedulingGates) == 0 &&
		!overZones(pod) && ofTheNode(spec.Affinity) && len(spec.ResourceClaims) == 0 &&
		!slices.ContainsFunc(spec.Volumes, func(v corev1.Volume) bool { return v.PersistentVolumeClaim != nil || v.Ephemeral != nil })
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

// skew is how many pods of its controller a pod's hard spread over nodes lets be on a node whatever is on the others; 0 where
// there is none.
func skew(pod *corev1.Pod) (least int32) {
	for _, c := range pod.Spec.TopologySpreadConstraints {
		if c.WhenUnsatisfiable == corev1.DoNotSchedule && c.TopologyKey == corev1.LabelHostname && (least == 0 || c.MaxSkew < least) {
			least = c.MaxSkew
		}
	}
	return least
}

// fill binds the pods to a node that may be, once, where many pods wait. The node takes no others yet.
func (n *nominator) fill(ctx context.Context, node string) { n.each(ctx, n.fit(node), n.bind) }

// fit are the pods that may be bound to a node; none when that was asked before.
func (n *nominator) fit(node string) (list []nomination) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.filled[node] || n.taking[node] || n.count() < crowd {
		return nil
	}
	n.filled[node] = true
	same := map[types.UID]int32{}
	for _, nomination := range n.wanted {
		if nomination.node == node {
			same[nomination.owner]++
		}
	}
	for _, nomination := range n.wanted {
		if nomination.node == node && nomination.bindable && (nomination.skew == 0 || same[nomination.owner] <= nomination.skew) {
			list = append(list, nomination)
		}
	}
	return list
}

// count is how many pods wait for nodes that are planned. Needs mu.
func (n *nominator) count() int {
	pods := len(n.wanted)
	for _, list := range n.planned {
		pods += len(list)
	}
	return pods
}

// bind gives a pod its node. One that the scheduler has bound elsewhere in the meantime stays there, one that cannot be bound
// is nominated when the node opens.
func (n *nominator) bind(ctx context.Context, item nomination) {
	pod := &corev1.Pod{}
	pod.Name, pod.Namespace = item.pod.Name, item.pod.Namespace
	binding := &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: item.node}}
	binding.Name, binding.Namespace, binding.UID = item.pod.Name, item.pod.Namespace, item.uid
	err := n.kube.SubResource("binding").Create(ctx, pod, binding)
	switch {
	case err == nil:
		pod.UID = item.uid
		n.recorder.Publish(events.Event{
			InvolvedObject: pod, Type: corev1.EventTypeNormal, Reason: "Scheduled", // as the scheduler says it
			Message: fmt.Sprintf("Successfully assigned %s to %s", item.pod, item.node), DedupeValues: []string{string(item.uid)}, RateLimiter: tellings,
		})
	case !apierrors.IsNotFound(err) && !apierrors.IsConflict(err):
		log.FromContext(ctx).Error(err, "binding a pod; it is nominated instead", "Pod", item.pod, "node", item.node)
		return
	}
	n.settled(item.uid)
}
