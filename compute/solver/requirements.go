package solver

import (
	"slices"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// condition is what one key must be.
type condition struct {
	key string
	set valueSet
}

// conditions are sorted by key, each key once.
type conditions []condition

// conditionsOf merges requirements with plain labels.
func conditionsOf(reqs []Requirement, labels map[string]string) conditions {
	if len(reqs)+len(labels) == 0 {
		return nil
	}
	c := make(conditions, 0, len(reqs)+len(labels)+1)
	for _, r := range reqs {
		c = c.add(r.Key, newValueSet(r.Operator, r.Values))
	}
	for _, key := range sortedKeys(labels) {
		c = c.add(key, oneValue(labels[key]))
	}
	return c
}

// add narrows key to the set as well. It may change c's array.
func (c conditions) add(key string, set valueSet) conditions {
	i := sort.Search(len(c), func(i int) bool { return c[i].key >= key })
	if i < len(c) && c[i].key == key {
		c = slices.Clone(c)
		c[i].set = c[i].set.intersect(set)
		return c
	}
	return slices.Insert(c, i, condition{key, set})
}

func (c conditions) get(key string) (valueSet, bool) {
	i := sort.Search(len(c), func(i int) bool { return c[i].key >= key })
	if i < len(c) && c[i].key == key {
		return c[i].set, true
	}
	return valueSet{}, false
}

func (c conditions) appendKey(b []byte) []byte {
	for _, x := range c {
		b = x.set.appendKey(append(append(b, x.key...), '='))
	}
	return b
}

func (c conditions) with(o conditions) conditions {
	out := slices.Clone(c)
	for _, x := range o {
		out = out.add(x.key, x.set)
	}
	return out
}

// accepts tells whether a node with conditions c can serve a pod with conditions
// o; keys that c does not define are fine where undefined says so. The key is
// the first that is in the way.
func (c conditions) accepts(o conditions, undefined func(string) bool) (key string, ok bool) {
	for _, x := range o {
		mine, defined := c.get(x.key)
		switch {
		case x.set.impossible:
			return x.key, false
		case defined && !mine.compatible(x.set):
			return x.key, false
		case !defined && !x.set.negative() && !undefined(x.key):
			return x.key, false
		}
	}
	return "", true
}

func noneUndefined(string) bool { return false }

// podAlternatives lists what a node must be, as alternatives: the terms of the
// required node affinity, each with the node selector. The order is the pod's.
func podAlternatives(pod *corev1.Pod) []conditions {
	base := conditionsOf(nil, pod.Spec.NodeSelector)
	if a := pod.Spec.Affinity; a != nil && a.NodeAffinity != nil && a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		if terms := a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms; len(terms) > 0 {
			var out []conditions
			for _, term := range terms {
				out = append(out, base.with(termConditions(term)))
			}
			return out
		}
	}
	return []conditions{base}
}

// asksForNodes tells whether a pod has conditions on the labels of its node.
func asksForNodes(pod *corev1.Pod) bool {
	a := pod.Spec.Affinity
	return len(pod.Spec.NodeSelector) > 0 || a != nil && a.NodeAffinity != nil && a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil
}

func termConditions(term corev1.NodeSelectorTerm) conditions {
	var c conditions
	for _, e := range term.MatchExpressions {
		c = c.add(e.Key, newValueSet(e.Operator, e.Values))
	}
	return c
}

// tolerates returns the first taint that stands against a pod. Soft taints
// count only when asked for.
func tolerates(tolerations []corev1.Toleration, taints []corev1.Taint, soft bool) (string, bool) {
	for i := range taints {
		t := &taints[i]
		if t.Effect == corev1.TaintEffectPreferNoSchedule && !soft {
			continue
		}
		if !slices.ContainsFunc(tolerations, func(tol corev1.Toleration) bool { return toleratesTaint(&tol, t) }) {
			return taintString(t), false
		}
	}
	return "", true
}

func toleratesTaint(tol *corev1.Toleration, taint *corev1.Taint) bool {
	if tol.Effect != "" && tol.Effect != taint.Effect {
		return false
	}
	if tol.Key != "" && tol.Key != taint.Key {
		return false
	}
	switch tol.Operator {
	case "", corev1.TolerationOpEqual:
		return tol.Value == taint.Value && tol.Key != ""
	case corev1.TolerationOpExists:
		return true
	case corev1.TolerationOpLt, corev1.TolerationOpGt:
		want := newValueSet(map[corev1.TolerationOperator]corev1.NodeSelectorOperator{
			corev1.TolerationOpLt: corev1.NodeSelectorOpLt, corev1.TolerationOpGt: corev1.NodeSelectorOpGt,
		}[tol.Operator], []string{tol.Value})
		return want.bounded() && want.has(taint.Value)
	}
	return false
}

func taintString(t *corev1.Taint) string {
	var b strings.Builder
	b.WriteString(t.Key)
	if t.Value != "" {
		b.WriteString("=" + t.Value)
	}
	b.WriteString(":" + string(t.Effect))
	return b.String()
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
