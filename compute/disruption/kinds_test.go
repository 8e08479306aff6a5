package disruption

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// Pods that may go to different nodes are of different kinds.
func TestKindsOfPods(t *testing.T) {
	tolerating := func(key, value string) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Spec.Tolerations = []corev1.Toleration{{Key: key, Value: value}} }
	}
	matching := func(term corev1.NodeSelectorTerm) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{term}}}}
		}
	}
	named := corev1.NodeSelectorRequirement{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{"a"}}
	changes := map[string]func(*corev1.Pod){
		"plain":       func(*corev1.Pod) {},
		"namespace":   func(p *corev1.Pod) { p.Namespace = "other" },
		"selector":    func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"disk": "ssd"} },
		"toleration":  tolerating("a", "b"),
		"another one": tolerating("ab", ""),
		"host port": func(p *corev1.Pod) {
			p.Spec.Containers = []corev1.Container{{Ports: []corev1.ContainerPort{{HostPort: 80}}}}
		},
		"host name": func(p *corev1.Pod) {
			p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{TopologyKey: corev1.LabelHostname, MaxSkew: 1, WhenUnsatisfiable: corev1.DoNotSchedule}}
		},
		"two per host": func(p *corev1.Pod) {
			p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{TopologyKey: corev1.LabelHostname, MaxSkew: 2, WhenUnsatisfiable: corev1.DoNotSchedule}}
		},
		"any node": matching(corev1.NodeSelectorTerm{}),
		"one node": matching(corev1.NodeSelectorTerm{MatchFields: []corev1.NodeSelectorRequirement{named}}),
	}
	table, kinds := newKindTable(), map[*podKind]string{}
	for name, change := range changes {
		for range 2 { // pods alike are of one kind
			pod := &corev1.Pod{}
			change(pod)
			if other, ok := kinds[table.kind(pod)]; ok && other != name {
				t.Errorf("%q and %q are of one kind", name, other)
			}
			kinds[table.kind(pod)] = name
		}
	}
	if len(kinds) != len(changes) {
		t.Errorf("%d kinds of %d", len(kinds), len(changes))
	}
}
