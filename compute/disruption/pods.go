package disruption

import (
	"math"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const (
	doNotDisrupt = "karpenter.sh/do-not-disrupt"
	disruptedKey = "karpenter.sh/disrupted"
)

func terminal(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

func active(p *corev1.Pod) bool { return !terminal(p) && p.DeletionTimestamp == nil }

func ownedBy(p *corev1.Pod, kind string) bool {
	for i := range p.OwnerReferences {
		if p.OwnerReferences[i].Kind == kind {
			return true
		}
	}
	return false
}

// reschedulable tells whether a pod comes back elsewhere when its node goes. A
// StatefulSet starts the next pod only when the last is gone, so its
// terminating pods count.
func reschedulable(p *corev1.Pod) bool {
	if ownedBy(p, "DaemonSet") || ownedBy(p, "Node") {
		return false
	}
	return active(p) || !terminal(p) && ownedBy(p, "StatefulSet")
}

// protected tells whether karpenter.sh/do-not-disrupt holds a pod where it is:
// for ever ("true"), or until it has run for a duration.
func protected(p *corev1.Pod, now time.Time) bool {
	value, ok := p.Annotations[doNotDisrupt]
	if !ok || !active(p) {
		return false
	}
	if value == "true" {
		return true
	}
	d, err := time.ParseDuration(value)
	if err != nil || d <= 0 {
		return false
	}
	return p.Status.StartTime == nil || now.Sub(p.Status.StartTime.Time) < d
}

// evictable tells whether draining a node evicts the pod.
func evictable(p *corev1.Pod, now time.Time) bool {
	return active(p) && !toleratesDisruption(p) && !ownedBy(p, "Node") && !protected(p, now)
}

func toleratesDisruption(p *corev1.Pod) bool {
	for i := range p.Spec.Tolerations {
		t := &p.Spec.Tolerations[i]
		if t.Effect != "" && t.Effect != corev1.TaintEffectNoSchedule {
			continue
		}
		switch t.Operator {
		case corev1.TolerationOpExists:
			if t.Key == "" || t.Key == disruptedKey {
				return true
			}
		case "", corev1.TolerationOpEqual:
			if t.Key == disruptedKey && t.Value == "" {
				return true
			}
		}
	}
	return false
}

// evictionCost weighs the eviction of a pod by its priority and its deletion
// cost, -10 to 10, 1 for most.
func evictionCost(p *corev1.Pod) float64 {
	cost := 1.0
	if text, ok := p.Annotations[corev1.PodDeletionCost]; ok {
		if v, err := strconv.ParseFloat(text, 64); err == nil {
			cost += v / (1 << 27)
		}
	}
	if p.Spec.Priority != nil {
		cost += float64(*p.Spec.Priority) / (1 << 25)
	}
	return math.Max(-10, math.Min(10, cost))
}

func podName(p *corev1.Pod) string { return p.Namespace + "/" + p.Name }
