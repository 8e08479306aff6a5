package engine

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// HardOnly is the case without soft constraints. Karpenter drops them one by
// one, and then forgets what it has counted for the pod's other rules.
func (c *Case) HardOnly() *Case {
	hard := *c
	hard.Pods, hard.Bound = nil, nil
	for _, p := range c.Pods {
		hard.Pods = append(hard.Pods, withoutSoft(p))
	}
	for _, p := range c.Bound {
		hard.Bound = append(hard.Bound, withoutSoft(p))
	}
	return &hard
}

func withoutSoft(p *corev1.Pod) *corev1.Pod {
	p = p.DeepCopy()
	if a := p.Spec.Affinity; a != nil {
		if a.NodeAffinity != nil {
			a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution = nil
		}
		if a.PodAffinity != nil {
			a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution = nil
		}
		if a.PodAntiAffinity != nil {
			a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution = nil
		}
	}
	var spreads []corev1.TopologySpreadConstraint
	for _, s := range p.Spec.TopologySpreadConstraints {
		if s.WhenUnsatisfiable == corev1.DoNotSchedule {
			spreads = append(spreads, ofItsOwn(s))
		}
	}
	p.Spec.TopologySpreadConstraints = spreads
	p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectPreferNoSchedule})
	return p
}

// ofItsOwn makes spreads differ to Karpenter that differ in minDomains only: by
// a condition that all pods meet. The selector belongs to a copy.
func ofItsOwn(s corev1.TopologySpreadConstraint) corev1.TopologySpreadConstraint {
	if s.MinDomains != nil {
		s.LabelSelector.MatchExpressions = append(s.LabelSelector.MatchExpressions,
			metav1.LabelSelectorRequirement{Key: fmt.Sprintf("min-domains-%d", *s.MinDomains), Operator: metav1.LabelSelectorOpDoesNotExist})
	}
	return s
}
