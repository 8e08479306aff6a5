package provisioning

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// spreading is what decides which pods keep one another out. To the scheduler, pods that are nominated for a node are there
// already, also where it counts for topology spread: more of them than their skew allows would wait for ever. They take
// turns.
type spreading struct {
	namespace string
	labels    labels.Set
	rules     []spread
}

// spread is a rule of a pod that must be kept over the domains of a topology.
type spread struct {
	selector labels.Selector
	skew     int
}

// spreadingOf reads the pod's hard rules. One that cannot be read is none: the scheduler does not get that far with the pod.
func spreadingOf(pod *corev1.Pod) spreading {
	s := spreading{namespace: pod.Namespace, labels: pod.Labels}
	for _, c := range pod.Spec.TopologySpreadConstraints {
		if selector, err := metav1.LabelSelectorAsSelector(c.LabelSelector); err == nil && c.WhenUnsatisfiable == corev1.DoNotSchedule {
			s.rules = append(s.rules, spread{selector, int(c.MaxSkew)})
		}
	}
	return s
}

// counts tells whether one of the two pods must be spread over domains in which the other counts.
func (s spreading) counts(other spreading) bool {
	matches := func(rules []spread, set labels.Set) bool {
		return slices.ContainsFunc(rules, func(rule spread) bool { return rule.selector.Matches(set) })
	}
	return s.namespace == other.namespace && (matches(s.rules, other.labels) || matches(other.rules, s.labels))
}

// mayJoin tells whether the pod's rules let it on a node for which so many pods are nominated that count.
func (s spreading) mayJoin(there int) bool {
	return !slices.ContainsFunc(s.rules, func(rule spread) bool { return there >= rule.skew })
}

// AtOnce are those of the pods that may be nominated for one node at the same time, in their order.
func AtOnce(pods []*corev1.Pod) (list []*corev1.Pod) {
	var nominated []spreading
	for _, pod := range pods {
		asking, there := spreadingOf(pod), 0
		for _, other := range nominated {
			if other.counts(asking) {
				there++
			}
		}
		if asking.mayJoin(there) {
			list, nominated = append(list, pod), append(nominated, asking)
		}
	}
	return list
}
