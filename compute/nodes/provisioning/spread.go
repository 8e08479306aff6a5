package provisioning

import (
	"encoding/json"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	"github.com/automode-dev/automode/compute/state"
)

// spreads tells whether hard rules of spread over zones, or other domains above nodes, let a pod on a node, as kube-scheduler
// counts it and a little stricter: the domains of instances whose nodes are still to join count too.
type spreads struct {
	machines []*state.Machine
	on       map[types.UID]bool // the pods that machines have
	added    []placement        // those that they do not show
	rules    map[string][]*rule
}

type placement struct {
	pod  *corev1.Pod
	node string
}

// rule is one constraint of pods that are alike.
type rule struct {
	pod      *corev1.Pod // one of them
	on       corev1.TopologySpreadConstraint
	selector labels.Selector
	affinity nodeaffinity.RequiredNodeAffinity
	counts   map[string]int    // matching pods by domain
	domains  map[string]string // by machine that counts
}

func newSpreads(machines []*state.Machine) *spreads {
	s := &spreads{machines: machines, on: map[types.UID]bool{}, rules: map[string][]*rule{}}
	for _, m := range machines {
		for _, pod := range m.Pods {
			s.on[pod.UID] = true
		}
	}
	return s
}

// allow tells whether a pod may be bound to a node now.
func (s *spreads) allow(pod *corev1.Pod, node string) bool {
	return !slices.ContainsFunc(s.rulesOf(pod), func(r *rule) bool {
		domain, ok := r.domains[node]
		after := r.counts[domain]
		if r.selector.Matches(labels.Set(pod.Labels)) {
			after++
		}
		return !ok || after-r.least() > int(r.on.MaxSkew)
	})
}

// add counts a pod on a node from now on, unless it is known to be on one.
func (s *spreads) add(pod *corev1.Pod, node string) {
	if s.on[pod.UID] {
		return
	}
	s.on[pod.UID] = true
	s.added = append(s.added, placement{pod, node})
	for _, rules := range s.rules {
		for _, r := range rules {
			r.add(node, pod)
		}
	}
}

// rulesOf are the rules of a pod, which it may share with others.
func (s *spreads) rulesOf(pod *corev1.Pod) []*rule {
	constraints := aboveNodes(pod)
	shared := map[string]string{}
	for _, c := range constraints {
		maps.Copy(shared, sharedLabels(pod, c))
	}
	affinity := &corev1.NodeAffinity{}
	if pod.Spec.Affinity != nil && pod.Spec.Affinity.NodeAffinity != nil {
		affinity.RequiredDuringSchedulingIgnoredDuringExecution = pod.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	alike, _ := json.Marshal([]any{pod.Namespace, constraints, shared, pod.Spec.NodeSelector, affinity}) // never fails
	rules, ok := s.rules[string(alike)]
	if !ok {
		for _, c := range constraints {
			rules = append(rules, s.rule(pod, c))
		}
		s.rules[string(alike)] = rules
	}
	return rules
}

// aboveNodes are the hard constraints about domains other than nodes.
func aboveNodes(pod *corev1.Pod) (list []corev1.TopologySpreadConstraint) {
	for _, c := range pod.Spec.TopologySpreadConstraints {
		if c.WhenUnsatisfiable == corev1.DoNotSchedule && c.TopologyKey != corev1.LabelHostname {
			list = append(list, c)
		}
	}
	return list
}

// OverZones tells whether a pod must be spread over more than nodes.
func OverZones(pod *corev1.Pod) bool { return len(aboveNodes(pod)) > 0 }

// sharedLabels are the labels that pods have to share with this one to count.
func sharedLabels(pod *corev1.Pod, c corev1.TopologySpreadConstraint) labels.Set {
	shared := labels.Set{}
	for _, key := range c.MatchLabelKeys {
		if value, ok := pod.Labels[key]; ok {
			shared[key] = value
		}
	}
	return shared
}

// rule counts the pods that a constraint is about. One whose selector cannot be read selects nothing.
func (s *spreads) rule(pod *corev1.Pod, c corev1.TopologySpreadConstraint) *rule {
	selector, err := metav1.LabelSelectorAsSelector(c.LabelSelector)
	if err != nil {
		selector = labels.Nothing()
	}
	more, _ := sharedLabels(pod, c).AsSelector().Requirements()
	r := &rule{
		pod: pod, on: c, selector: selector.Add(more...), affinity: nodeaffinity.GetRequiredNodeAffinity(pod),
		counts: map[string]int{}, domains: map[string]string{},
	}
	for _, m := range s.machines {
		domain, ok := r.domain(m)
		if !ok {
			continue
		}
		r.domains[m.Name()] = domain
		r.counts[domain] += 0
		for _, on := range m.Pods {
			r.add(m.Name(), on)
		}
	}
	for _, p := range s.added {
		r.add(p.node, p.pod)
	}
	return r
}

// domain is that of a machine, where it counts: it has the labels of all constraints and, unless the pod has it otherwise, is
// one that the pod may go to.
func (r *rule) domain(m *state.Machine) (string, bool) {
	of := m.Labels()
	for _, c := range aboveNodes(r.pod) {
		if _, ok := of[c.TopologyKey]; !ok {
			return "", false
		}
	}
	if r.on.NodeAffinityPolicy == nil || *r.on.NodeAffinityPolicy == corev1.NodeInclusionPolicyHonor {
		if ok, err := r.affinity.Match(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: m.Name(), Labels: of}}); err != nil || !ok {
			return "", false
		}
	}
	return of[r.on.TopologyKey], true
}

func (r *rule) add(node string, pod *corev1.Pod) {
	if domain, ok := r.domains[node]; ok && pod.Namespace == r.pod.Namespace && pod.DeletionTimestamp.IsZero() && r.selector.Matches(labels.Set(pod.Labels)) {
		r.counts[domain]++
	}
}

// least is how many pods the domain with the fewest has.
func (r *rule) least() int {
	if r.on.MinDomains != nil && len(r.counts) < int(*r.on.MinDomains) || len(r.counts) == 0 {
		return 0
	}
	return slices.Min(slices.Collect(maps.Values(r.counts)))
}
