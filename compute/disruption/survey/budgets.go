package survey

import (
	"slices"

	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/automode-dev/automode/compute/disruption"
)

func budget(b *karpv1.Budget) disruption.Budget {
	out := disruption.Budget{Nodes: b.Nodes}
	for _, r := range b.Reasons {
		out.Reasons = append(out.Reasons, disruption.Reason(r))
	}
	if b.Schedule != nil {
		out.Schedule = *b.Schedule
	}
	if b.Duration != nil {
		out.Duration = b.Duration.Duration
	}
	return out
}

// pdb translates a PodDisruptionBudget. One whose selector cannot be read counts
// for all pods of its namespace: that disrupts too little rather than too much.
func pdb(p *policyv1.PodDisruptionBudget) disruption.PDB {
	selector, err := metav1.LabelSelectorAsSelector(p.Spec.Selector)
	if err != nil {
		selector = labels.Everything()
	}
	return disruption.PDB{Namespace: p.Namespace, Name: p.Name, Selector: selector, Allowed: int(p.Status.DisruptionsAllowed), FullyBlocking: fullyBlocking(p),
		EvictUnhealthy: p.Spec.UnhealthyPodEvictionPolicy != nil && *p.Spec.UnhealthyPodEvictionPolicy == policyv1.AlwaysAllow}
}

func fullyBlocking(p *policyv1.PodDisruptionBudget) bool {
	is := func(v *intstr.IntOrString, texts ...string) bool {
		return v != nil && slices.Contains(texts, v.String())
	}
	return is(p.Spec.MaxUnavailable, "0", "0%") || is(p.Spec.MinAvailable, "100%")
}
