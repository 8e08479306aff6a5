package disruption

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// appendPlace writes what a pod asks of its node and what others may select it
// by, so that pods alike write the same.
func appendPlace(b []byte, pod *corev1.Pod) []byte {
	b = append(append(b, pod.Namespace...), '/')
	b = appendMap(b, pod.Spec.NodeSelector)
	keeps := pod.Spec.Affinity != nil || len(pod.Spec.TopologySpreadConstraints) > 0
	if keeps {
		b = appendMap(append(b, '#'), pod.Labels)
	}
	for i := range pod.Spec.Tolerations {
		t := &pod.Spec.Tolerations[i]
		b = append(append(append(append(append(b, '!'), t.Key...), t.Operator...), t.Value...), t.Effect...)
	}
	if a := pod.Spec.Affinity; a != nil {
		if n := a.NodeAffinity; n != nil && n.RequiredDuringSchedulingIgnoredDuringExecution != nil {
			for _, term := range n.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
				b = append(b, '|')
				for _, e := range term.MatchExpressions {
					b = append(append(append(b, e.Key...), e.Operator...), ' ')
					for _, v := range e.Values {
						b = strconv.AppendQuote(b, v)
					}
				}
			}
		}
		b = append(b, '~')
		b = strconv.AppendInt(b, int64(perNode(pod)), 10)
	}
	return b
}

func appendMap(b []byte, m map[string]string) []byte {
	if len(m) == 0 {
		return b
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		b = strconv.AppendQuote(append(append(b, k...), '='), m[k])
	}
	return b
}
