package disruption

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// pdbIndex finds the PodDisruptionBudgets of pods and counts what a plan takes of them.
type pdbIndex struct {
	byNamespace map[string][]*pdbState
}

type pdbState struct {
	*PDB
	left int // how many more pods may go at a time
}

func newPDBIndex(pdbs []PDB) *pdbIndex {
	x := &pdbIndex{byNamespace: map[string][]*pdbState{}}
	for i := range pdbs {
		p := &pdbs[i]
		x.byNamespace[p.Namespace] = append(x.byNamespace[p.Namespace], &pdbState{PDB: p, left: p.Allowed})
	}
	return x
}

func (x *pdbIndex) of(pod *corev1.Pod) []*pdbState {
	var out []*pdbState
	for _, p := range x.byNamespace[pod.Namespace] {
		if p.Selector.Matches(labels.Set(pod.Labels)) {
			out = append(out, p)
		}
	}
	return out
}

// exempts tells whether the budget lets a pod go because it is not ready.
func (p *pdbState) exempts(pod *corev1.Pod) bool {
	if !p.EvictUnhealthy {
		return false
	}
	for i := range pod.Status.Conditions {
		if c := &pod.Status.Conditions[i]; c.Type == corev1.PodReady && c.Status == corev1.ConditionFalse {
			return true
		}
	}
	return false
}

// demand is how many pods of each budget a node would evict.
type demand []pdbDemand

type pdbDemand struct {
	pdb  *pdbState
	pods int
}

func (d demand) add(p *pdbState) demand {
	for i := range d {
		if d[i].pdb == p {
			d[i].pods++
			return d
		}
	}
	return append(d, pdbDemand{p, 1})
}

// fits tells whether a node may be drained beside those taken so far: together
// they evict no more pods of a budget than it allows at a time, or else the
// node is the first to touch it.
func (d demand) fits() bool {
	for _, x := range d {
		if x.pods > x.pdb.left && x.pdb.left < x.pdb.Allowed {
			return false
		}
	}
	return true
}

func (d demand) take() {
	for _, x := range d {
		x.pdb.left -= x.pods
	}
}

func (d demand) release() {
	for _, x := range d {
		x.pdb.left += x.pods
	}
}
