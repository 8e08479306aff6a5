package state

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/automode-dev/automode/compute/solver"
)

// typeLists finds the instance types of a pool by name, each pool looked up once.
type typeLists struct {
	lister func(*karpv1.NodePool) []*solver.InstanceType
	byPool map[string]map[string]*solver.InstanceType
}

func (t *typeLists) of(pool *karpv1.NodePool) map[string]*solver.InstanceType {
	if pool == nil {
		return nil
	}
	if known, ok := t.byPool[pool.Name]; ok {
		return known
	}
	table := map[string]*solver.InstanceType{}
	for _, it := range t.lister(pool) {
		table[it.Name] = it
	}
	if t.byPool == nil {
		t.byPool = map[string]map[string]*solver.InstanceType{}
	}
	t.byPool[pool.Name] = table
	return table
}

// promise describes the node that an unlaunched claim will become: any of its instance types may come, so pods may count
// on what all of them have, and limits have to count with what the largest of them takes.
func promise(n *solver.Node, claim *karpv1.NodeClaim, types map[string]*solver.InstanceType) {
	var least, most corev1.ResourceList
	n.Labels = maps.Clone(n.Labels)
	if n.Labels == nil {
		n.Labels = map[string]string{}
	}
	for _, r := range claim.Spec.Requirements {
		if r.Operator != corev1.NodeSelectorOpIn {
			continue
		}
		if len(r.Values) == 1 {
			n.Labels[r.Key] = r.Values[0]
		}
		if r.Key != corev1.LabelInstanceTypeStable {
			continue
		}
		for _, name := range r.Values {
			if it := types[name]; it != nil {
				least, most = lesser(least, it.Allocatable), greater(most, it.Capacity)
				n.VolumeLimits = fewer(n.VolumeLimits, it.VolumeLimits)
			}
		}
	}
	if least != nil {
		n.Allocatable, n.Capacity = least, most
	}
}

// lesser keeps what both lists have; nil stands for a list without bounds.
func lesser(a, b corev1.ResourceList) corev1.ResourceList {
	if a == nil {
		return maps.Clone(b)
	}
	for name, quantity := range a {
		other, ok := b[name]
		if !ok {
			delete(a, name)
		} else if other.Cmp(quantity) < 0 {
			a[name] = other
		}
	}
	return a
}

// fewer keeps the lower of the limits of each driver; a driver without one has no bound.
func fewer(a, b map[string]int) map[string]int {
	if len(a) == 0 {
		return b
	}
	out := maps.Clone(a)
	for driver, limit := range b {
		if had, ok := out[driver]; !ok || limit < had {
			out[driver] = limit
		}
	}
	return out
}

func greater(a, b corev1.ResourceList) corev1.ResourceList {
	if a == nil {
		return maps.Clone(b)
	}
	for name, quantity := range b {
		if had, ok := a[name]; !ok || had.Cmp(quantity) < 0 {
			a[name] = quantity
		}
	}
	return a
}
