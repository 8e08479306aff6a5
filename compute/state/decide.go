package state

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/automode-dev/automode/compute/solver"
)

// firmReplicas is up to how many pods of one owner the wish to be on different nodes is granted with nodes of their own.
// A pair of add-on pods is worth a second small node; thousands of pods are not worth a node each.
const firmReplicas = 3

// Decide asks the solver. Pods of small workloads that would rather not share a node do not, unless that leaves some out.
func (p *Picture) Decide(q Question) (solver.Snapshot, solver.Plan, []Rejected) {
	firm := map[types.UID]bool{}
	s, rejected := p.Snapshot(q)
	if !q.Options.IgnorePreferences {
		s.Pods, firm = p.firm(s.Pods)
	}
	plan := solver.Solve(s)
	if slices.ContainsFunc(plan.Unplaced, func(u solver.Unplaced) bool { return firm[u.Pod.UID] }) {
		s, rejected = p.Snapshot(q)
		plan = solver.Solve(s)
	}
	return s, plan, rejected
}

// firm makes requirements of the anti-affinity preferences of small workloads. The pods handed in stay as they are.
func (p *Picture) firm(pods []solver.Pod) ([]solver.Pod, map[types.UID]bool) {
	siblings := map[types.UID]int{}
	for _, pod := range pods {
		if preferred := avoided(pod.Pod); len(preferred) > 0 {
			siblings[owner(pod.Pod)]++
		}
	}
	if len(siblings) == 0 {
		return pods, nil
	}
	p.mu.RLock()
	for _, pods := range p.bound {
		for _, pod := range pods {
			if siblings[owner(pod)] > 0 {
				siblings[owner(pod)]++
			}
		}
	}
	p.mu.RUnlock()
	made, changed := map[types.UID]bool{}, slices.Clone(pods)
	for i, pod := range pods {
		terms := avoided(pod.Pod)
		if len(terms) == 0 || siblings[owner(pod.Pod)] > firmReplicas {
			continue
		}
		copied := pod.Pod.DeepCopy()
		anti := copied.Spec.Affinity.PodAntiAffinity
		anti.RequiredDuringSchedulingIgnoredDuringExecution = append(anti.RequiredDuringSchedulingIgnoredDuringExecution, terms...)
		changed[i].Pod, made[pod.UID] = copied, true
	}
	return changed, made
}

// avoided are the pod's preferences not to share a node with its like.
func avoided(pod *corev1.Pod) []corev1.PodAffinityTerm {
	a := pod.Spec.Affinity
	if a == nil || a.PodAntiAffinity == nil || owner(pod) == "" {
		return nil
	}
	var terms []corev1.PodAffinityTerm
	for _, preferred := range a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution {
		term := preferred.PodAffinityTerm
		selector, err := metav1.LabelSelectorAsSelector(term.LabelSelector)
		if err == nil && term.TopologyKey == corev1.LabelHostname && selector.Matches(labels.Set(pod.Labels)) {
			terms = append(terms, term)
		}
	}
	return terms
}

func owner(pod *corev1.Pod) types.UID {
	if ref := metav1.GetControllerOf(pod); ref != nil {
		return ref.UID
	}
	return ""
}
