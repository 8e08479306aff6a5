package disruption

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/resource"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// podKind is pods that may go to the same nodes.
type podKind struct {
	id      int
	request []int64
	rep     *corev1.Pod
	plain   bool // no selectors or affinity
	perNode int  // how many at most on a node, 0 for any number
}

// kindTable finds the kinds of pods, for all screens of a decision.
type kindTable struct {
	names map[corev1.ResourceName]int // positions of resources in vectors
	byKey map[string]*podKind
	byPod map[*corev1.Pod]*podKind
}

// Positions of what every vector holds.
const (
	screenPods = iota
	screenCPU
	screenMemory
)

func newKindTable() *kindTable {
	return &kindTable{names: map[corev1.ResourceName]int{corev1.ResourceCPU: screenCPU, corev1.ResourceMemory: screenMemory},
		byKey: map[string]*podKind{}, byPod: map[*corev1.Pod]*podKind{}}
}

// kind finds the kind of a pod. Pods with the same request, selector,
// affinity, tolerations and labels are alike.
func (t *kindTable) kind(pod *corev1.Pod) *podKind {
	k, ok := t.byPod[pod]
	if !ok {
		k = t.read(pod)
		t.byPod[pod] = k
	}
	return k
}

func (t *kindTable) read(pod *corev1.Pod) *podKind {
	v := t.vector(requests(pod))
	v[screenPods] = 1
	b := make([]byte, 0, 128)
	for _, n := range v {
		b = append(strconv.AppendInt(b, n, 36), ' ')
	}
	b = appendPlace(b, pod)
	if k, ok := t.byKey[string(b)]; ok {
		return k
	}
	k := &podKind{id: len(t.byKey), request: v, rep: pod, perNode: perNode(pod)}
	a := pod.Spec.Affinity
	k.plain = len(pod.Spec.NodeSelector) == 0 && (a == nil || a.NodeAffinity == nil)
	t.byKey[string(b)] = k
	return k
}

// vector reads resources.
func (t *kindTable) vector(list corev1.ResourceList) []int64 {
	v := make([]int64, len(t.names)+1)
	for name, q := range list {
		if name == corev1.ResourcePods {
			v[screenPods] = q.Value()
			continue
		}
		d, ok := t.names[name]
		if !ok {
			d = len(t.names) + 1
			t.names[name] = d
		}
		for len(v) <= d {
			v = append(v, 0)
		}
		v[d] = q.MilliValue()
	}
	return v
}

func (t *kindTable) fit(v []int64) []int64 {
	for len(v) <= len(t.names) {
		v = append(v, 0)
	}
	return v
}

// requests is what a pod asks of its node. The list is not to be changed.
func requests(pod *corev1.Pod) corev1.ResourceList {
	if s := &pod.Spec; len(s.Containers) == 1 && len(s.InitContainers) == 0 && s.Overhead == nil && s.Resources == nil {
		return s.Containers[0].Resources.Requests // most pods are like this
	}
	return resource.PodRequests(pod, resource.PodResourcesOptions{})
}

// perNode is how many pods like this one rules by hostname allow on a node.
func perNode(pod *corev1.Pod) int {
	if a := pod.Spec.Affinity; a != nil && a.PodAntiAffinity != nil {
		for _, t := range a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
			if t.TopologyKey == corev1.LabelHostname {
				return 1
			}
		}
	}
	for _, c := range pod.Spec.TopologySpreadConstraints {
		if c.TopologyKey == corev1.LabelHostname && c.WhenUnsatisfiable == corev1.DoNotSchedule {
			return int(c.MaxSkew)
		}
	}
	for i := range pod.Spec.Containers {
		for _, port := range pod.Spec.Containers[i].Ports {
			if port.HostPort != 0 {
				return 1
			}
		}
	}
	return 0
}

func (k *podKind) matches(x *screenNode) bool {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: x.name, Labels: x.labels}}
	match, err := nodeaffinity.GetRequiredNodeAffinity(k.rep).Match(node)
	return err == nil && match && tolerated(k.rep, x.taint)
}

func tolerated(pod *corev1.Pod, taints []corev1.Taint) bool {
	for i := range taints {
		t := &taints[i]
		if t.Effect == corev1.TaintEffectPreferNoSchedule {
			continue
		}
		if !slices.ContainsFunc(pod.Spec.Tolerations, func(tol corev1.Toleration) bool {
			return (tol.Effect == "" || tol.Effect == t.Effect) && (tol.Key == "" || tol.Key == t.Key) &&
				(tol.Operator == corev1.TolerationOpExists || tol.Key != "" && tol.Value == t.Value)
		}) {
			return false
		}
	}
	return true
}

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
		b = append(b, '!')
		for _, part := range []string{t.Key, string(t.Operator), t.Value, string(t.Effect)} {
			b = strconv.AppendQuote(b, part)
		}
	}
	if a := pod.Spec.Affinity; a != nil {
		if n := a.NodeAffinity; n != nil && n.RequiredDuringSchedulingIgnoredDuringExecution != nil {
			for _, term := range n.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
				b = append(b, '|')
				for _, e := range slices.Concat(term.MatchExpressions, term.MatchFields) {
					b = append(append(append(b, e.Key...), e.Operator...), ' ')
					for _, v := range e.Values {
						b = strconv.AppendQuote(b, v)
					}
				}
			}
		}
	}
	return strconv.AppendInt(append(b, '~'), int64(perNode(pod)), 10)
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
