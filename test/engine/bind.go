package engine

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	requirements "sigs.k8s.io/karpenter/pkg/scheduling"
	"sigs.k8s.io/karpenter/pkg/utils/resources"
)

// put tries the alternatives of the pod's node affinity and of its volumes in
// turn, since Karpenter tells of the last one only.
func (w *world) put(p *corev1.Pod, n *scheduling.ExistingNode) error {
	for _, s := range p.Spec.TopologySpreadConstraints {
		if _, ok := n.Labels()[s.TopologyKey]; !ok && s.TopologyKey != corev1.LabelHostname {
			return fmt.Errorf("the node has no label %s", s.TopologyKey) // where others exclude values, Karpenter thinks that it has
		}
	}
	volumes, err := requirements.GetVolumes(w.ctx, w.client, p)
	if err != nil {
		return fmt.Errorf("reading volumes: %w", err)
	}
	var errs []error
	for _, alternative := range alternatives(p) {
		if err := w.topology.Update(w.ctx, p); err != nil {
			return fmt.Errorf("counting: %w", err)
		}
		all := w.dataOf(alternative)
		if len(alternatives(p)) > 1 {
			all = append(all, w.openTo(alternative)...)
		}
		for _, data := range all {
			updated, _, err := n.CanAdd(w.ctx, p, data, volumes, nil)
			if err == nil {
				n.Add(w.ctx, p, data, updated, volumes, nil)
				return nil
			}
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// force puts a pod on a node unasked.
func (w *world) force(p *corev1.Pod, n *scheduling.ExistingNode) {
	n.Add(w.ctx, p, w.dataOf(p)[0], requirements.NewLabelRequirements(n.Labels()), nil, nil)
}

// openTo is the same with domains counted as if the node selector alone said where
// the pod may be: kube-scheduler counts those of all alternatives.
func (w *world) openTo(p *corev1.Pod) []*scheduling.PodData {
	out := w.dataOf(p)
	for _, data := range out {
		data.StrictRequirements = requirements.NewLabelRequirements(p.Spec.NodeSelector)
	}
	return out
}

// dataOf is what Karpenter keeps of a pod, for each alternative of its volumes.
func (w *world) dataOf(p *corev1.Pod) []*scheduling.PodData {
	reqs := requirements.NewStrictPodRequirements(p)
	data := scheduling.PodData{Requests: resources.RequestsForPods(p), Requirements: reqs, StrictRequirements: reqs}
	if len(w.volumes[p.UID]) == 0 {
		return []*scheduling.PodData{&data}
	}
	var out []*scheduling.PodData
	for _, v := range w.volumes[p.UID] {
		each := data
		each.VolumeRequirements = []requirements.Requirements{v}
		out = append(out, &each)
	}
	return out
}

var unknown = regexp.MustCompile(`(?:pod anti-affinity|topology spread), key=.*\(counts = (.*), podDomains = .*, nodeDomains = .* In \[([^ ]*)\]`)

// unknownDomain tells whether a rule refused a pod because it does not know the
// domain of a node, which Karpenter takes for full.
func unknownDomain(err error) bool {
	return slices.ContainsFunc(unknown.FindAllStringSubmatch(err.Error(), -1), func(m []string) bool { return !strings.Contains(m[1], m[2]) })
}

// alternatives are copies of a pod with one term of its node affinity each.
func alternatives(p *corev1.Pod) []*corev1.Pod {
	a := p.Spec.Affinity
	if a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return []*corev1.Pod{p}
	}
	var out []*corev1.Pod
	for _, term := range a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		q := p.DeepCopy()
		q.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms = []corev1.NodeSelectorTerm{term}
		out = append(out, q)
	}
	return out
}
