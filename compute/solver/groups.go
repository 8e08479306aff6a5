package solver

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// groupKind is the kind of a topology rule.
type groupKind byte

const (
	spread groupKind = iota
	affinity
	antiAffinity
)

func (k groupKind) String() string {
	return [...]string{"topology spread", "pod affinity", "pod anti-affinity"}[k]
}

// group is one topology rule, shared by all pods that have the same one. The
// pods that have it own it; the pods its selector matches are selected. A pod
// may be both.
type group struct {
	id         int
	kind       groupKind
	key        string
	hostname   bool
	soft       bool
	weight     int64
	maxSkew    int
	minDomains int
	selector   labels.Selector
	namespaces []string // sorted
	filter     *nodeFilter

	// Pods per domain of the key, by index into the problem's domains of the key.
	selected []int
	owners   []int // of anti-affinity: those that keep selected pods away; of affinity: those that are to be near their own kind
	total    int   // selected pods anywhere, on hostnames too
	running  []int // selected pods per domain that run; of hostnames all together
	// known are the domains that count for the minimum of a spread.
	known []bool
}

// nodeFilter says which nodes count for a spread.
type nodeFilter struct {
	alternatives []conditions // nil: affinity is ignored
	taints       bool         // honour taints
	tolerations  []corev1.Toleration
}

func (n *nodeFilter) counts(taints []corev1.Taint, node conditions) bool {
	if n == nil {
		return true
	}
	if n.taints {
		if _, ok := tolerates(n.tolerations, taints, false); !ok {
			return false
		}
	}
	if n.alternatives == nil {
		return true
	}
	return slices.ContainsFunc(n.alternatives, func(c conditions) bool {
		_, ok := node.accepts(c, noneUndefined)
		return ok
	})
}

func (g *group) selects(namespace string, set labels.Set) bool {
	_, ok := slices.BinarySearch(g.namespaces, namespace)
	return ok && g.selector.Matches(set)
}

// groupTable finds groups by their content, and by the pods they select.
type groupTable struct {
	list  []*group
	byKey map[string]int
	// Groups whose selector wants key=value stand under that pair, the others
	// under none, so that a pod's labels lead to the few that may select it.
	byPair map[[2]string][]int
	others []int
	// relevant are the label keys that any selector looks at.
	relevant   map[string]bool
	namespaces map[string]map[string]string
	ignoreSoft bool
	apart      map[int]bool // soft groups that are rules
	buf        []byte
}

func newGroupTable(s *Snapshot) *groupTable {
	return &groupTable{byKey: map[string]int{}, byPair: map[[2]string][]int{}, relevant: map[string]bool{},
		namespaces: s.Namespaces, ignoreSoft: s.Options.IgnorePreferences, apart: s.Options.apart}
}

// of lists the groups that a pod owns, in the order of its spec.
func (t *groupTable) of(pod *corev1.Pod) []int {
	var out []int
	for i := range pod.Spec.TopologySpreadConstraints {
		c := &pod.Spec.TopologySpreadConstraints[i]
		soft := c.WhenUnsatisfiable != corev1.DoNotSchedule
		if soft && t.ignoreSoft {
			continue
		}
		out = append(out, t.spread(pod, c, soft))
	}
	a := pod.Spec.Affinity
	if a == nil {
		return out
	}
	if a.PodAffinity != nil {
		out = t.terms(out, pod, affinity, a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution, a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	if a.PodAntiAffinity != nil {
		out = t.terms(out, pod, antiAffinity, a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution, a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	return out
}

// hardAntiAffinity lists the groups by which a bound pod keeps others away.
func (t *groupTable) hardAntiAffinity(pod *corev1.Pod) []int {
	if a := pod.Spec.Affinity; a != nil && a.PodAntiAffinity != nil {
		return t.terms(nil, pod, antiAffinity, a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution, nil)
	}
	return nil
}

func (t *groupTable) terms(out []int, pod *corev1.Pod, kind groupKind, required []corev1.PodAffinityTerm, preferred []corev1.WeightedPodAffinityTerm) []int {
	for i := range required {
		out = append(out, t.term(pod, kind, &required[i], false, 0))
	}
	if t.ignoreSoft {
		return out
	}
	for i := range preferred {
		out = append(out, t.term(pod, kind, &preferred[i].PodAffinityTerm, true, int64(preferred[i].Weight)))
	}
	return out
}

func (t *groupTable) spread(pod *corev1.Pod, c *corev1.TopologySpreadConstraint, soft bool) int {
	g := group{kind: spread, key: c.TopologyKey, soft: soft, weight: 50, maxSkew: int(c.MaxSkew), namespaces: []string{pod.Namespace}}
	if c.MinDomains != nil {
		g.minDomains = int(*c.MinDomains)
	}
	selector := withLabelKeys(c.LabelSelector, pod, c.MatchLabelKeys, nil)
	filter := nodeFilter{tolerations: pod.Spec.Tolerations}
	if c.NodeTaintsPolicy != nil && *c.NodeTaintsPolicy == corev1.NodeInclusionPolicyHonor {
		filter.taints = true
	}
	if (c.NodeAffinityPolicy == nil || *c.NodeAffinityPolicy == corev1.NodeInclusionPolicyHonor) && asksForNodes(pod) {
		filter.alternatives = podAlternatives(pod)
		if len(filter.alternatives) == 1 && len(filter.alternatives[0]) == 0 {
			filter.alternatives = nil
		}
	}
	b := t.start(g)
	b = strconv.AppendInt(append(b, 's'), int64(g.maxSkew), 10)
	b = strconv.AppendInt(append(b, 'm'), int64(g.minDomains), 10)
	if filter.taints {
		b = append(b, 't')
		for i := range filter.tolerations {
			b = appendToleration(b, &filter.tolerations[i])
		}
	}
	for _, c := range filter.alternatives {
		b = c.appendKey(append(b, '|'))
	}
	id := t.add(g, b, selector)
	if g := t.list[id]; g.filter == nil && (filter.taints || filter.alternatives != nil) {
		g.filter = &nodeFilter{filter.alternatives, filter.taints, filter.tolerations}
	}
	return id
}

func (t *groupTable) term(pod *corev1.Pod, kind groupKind, term *corev1.PodAffinityTerm, soft bool, weight int64) int {
	g := group{kind: kind, key: term.TopologyKey, soft: soft, weight: weight, namespaces: t.termNamespaces(pod, term)}
	selector := withLabelKeys(term.LabelSelector, pod, term.MatchLabelKeys, term.MismatchLabelKeys)
	return t.add(g, t.start(g), selector)
}

func (t *groupTable) termNamespaces(pod *corev1.Pod, term *corev1.PodAffinityTerm) []string {
	if len(term.Namespaces) == 0 && term.NamespaceSelector == nil {
		return []string{pod.Namespace}
	}
	out := slices.Clone(term.Namespaces)
	if term.NamespaceSelector != nil {
		if selector, err := metav1.LabelSelectorAsSelector(term.NamespaceSelector); err == nil {
			for _, name := range sortedKeys(t.namespaces) {
				if selector.Matches(labels.Set(t.namespaces[name])) {
					out = append(out, name)
				}
			}
		}
	}
	return sortedUnique(out)
}

// start begins the text that identifies a group.
func (t *groupTable) start(g group) []byte {
	b := append(t.buf[:0], byte('0'+g.kind))
	if g.soft {
		b = strconv.AppendInt(append(b, 'w'), g.weight, 10)
	}
	b = append(append(b, ' '), g.key...)
	for _, n := range g.namespaces {
		b = append(append(b, '/'), n...)
	}
	return append(b, ' ')
}

func (t *groupTable) add(rule group, b []byte, selector *metav1.LabelSelector) int {
	b = appendSelector(b, selector)
	t.buf = b
	if id, ok := t.byKey[string(b)]; ok {
		return id
	}
	g := new(group)
	*g = rule
	var err error
	if g.selector, err = metav1.LabelSelectorAsSelector(selector); err != nil {
		g.selector = labels.Nothing()
	}
	g.id = len(t.list)
	g.hostname = g.key == corev1.LabelHostname
	g.soft = g.soft && !t.apart[g.id]
	t.byKey[string(b)] = g.id
	t.list = append(t.list, g)
	t.index(g, selector)
	return g.id
}

func (t *groupTable) index(g *group, selector *metav1.LabelSelector) {
	if selector == nil {
		return // selects nothing
	}
	for _, e := range selector.MatchExpressions {
		t.relevant[e.Key] = true
	}
	keys := sortedKeys(selector.MatchLabels)
	for _, k := range keys {
		t.relevant[k] = true
	}
	if len(keys) > 0 {
		pair := [2]string{keys[0], selector.MatchLabels[keys[0]]}
		t.byPair[pair] = append(t.byPair[pair], g.id)
		return
	}
	t.others = append(t.others, g.id)
}

// selecting lists the groups that select a pod, in order of their ids.
func (t *groupTable) selecting(namespace string, set map[string]string) []int {
	var out []int
	for _, id := range t.others {
		if t.list[id].selects(namespace, set) {
			out = append(out, id)
		}
	}
	if len(t.byPair) > 0 {
		for k, v := range set {
			for _, id := range t.byPair[[2]string{k, v}] {
				if t.list[id].selects(namespace, set) {
					out = append(out, id)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// withLabelKeys adds the pod's own values of the keys to a selector.
func withLabelKeys(selector *metav1.LabelSelector, pod *corev1.Pod, match, mismatch []string) *metav1.LabelSelector {
	if len(match)+len(mismatch) == 0 || selector == nil {
		return selector
	}
	out := selector.DeepCopy()
	for i, key := range slices.Concat(match, mismatch) {
		value, ok := pod.Labels[key]
		if !ok {
			continue
		}
		op := metav1.LabelSelectorOpIn
		if i >= len(match) {
			op = metav1.LabelSelectorOpNotIn
		}
		out.MatchExpressions = append(out.MatchExpressions, metav1.LabelSelectorRequirement{Key: key, Operator: op, Values: []string{value}})
	}
	return out
}

func appendSelector(b []byte, s *metav1.LabelSelector) []byte {
	if s == nil {
		return append(b, "nil"...)
	}
	for _, k := range sortedKeys(s.MatchLabels) {
		b = strconv.AppendQuote(append(append(b, k...), '='), s.MatchLabels[k])
	}
	for _, e := range s.MatchExpressions {
		b = append(append(append(append(b, ';'), e.Key...), ' '), e.Operator...)
		for _, v := range e.Values {
			b = strconv.AppendQuote(b, v)
		}
	}
	return b
}

func appendToleration(b []byte, t *corev1.Toleration) []byte {
	for _, s := range [...]string{t.Key, string(t.Operator), t.Value, string(t.Effect)} {
		b = append(append(b, s...), 0)
	}
	return append(b, ';')
}
