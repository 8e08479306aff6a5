package disruption

import (
	"iter"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/automode-dev/automode/compute/solver"
)

const (
	capacityTypeLabel = "karpenter.sh/capacity-type"
	nodePoolLabel     = "karpenter.sh/nodepool"

	spot     = "spot"
	onDemand = "on-demand"
	reserved = "reserved"
)

// typeIndex finds the instance types of pools.
type typeIndex struct {
	byPool map[string]map[string]*solver.InstanceType
}

func newTypeIndex(pools []Pool) *typeIndex {
	c := &typeIndex{byPool: map[string]map[string]*solver.InstanceType{}}
	for i := range pools {
		types := make(map[string]*solver.InstanceType, len(pools[i].Types))
		for _, t := range pools[i].Types {
			types[t.Name] = t
		}
		c.byPool[pools[i].Name] = types
	}
	return c
}

func (c *typeIndex) typ(pool, name string) *solver.InstanceType { return c.byPool[pool][name] }

// nodePrice is what a running node costs: the price of its type in its zone and
// capacity type, available or not; 0 where nothing is known.
func nodePrice(n *Node, t *solver.InstanceType) float64 {
	if t == nil {
		return 0
	}
	zone, capacityType := n.Labels[corev1.LabelTopologyZone], n.Labels[capacityTypeLabel]
	for i := range t.Offerings {
		if o := &t.Offerings[i]; o.Zone() == zone && o.CapacityType() == capacityType {
			return o.Price
		}
	}
	return 0
}

// admits tells whether a label value satisfies requirements on its key.
func admits(reqs []solver.Requirement, key, value string) bool {
	for i := range reqs {
		if reqs[i].Key == key && !satisfies(&reqs[i], value) {
			return false
		}
	}
	return true
}

func satisfies(r *solver.Requirement, value string) bool {
	switch r.Operator {
	case corev1.NodeSelectorOpIn:
		return slices.Contains(r.Values, value)
	case corev1.NodeSelectorOpNotIn:
		return !slices.Contains(r.Values, value)
	case corev1.NodeSelectorOpExists:
		return true
	case corev1.NodeSelectorOpDoesNotExist:
		return false
	}
	if len(r.Values) != 1 {
		return false
	}
	have, err := strconv.ParseInt(value, 10, 64)
	want, err2 := strconv.ParseInt(r.Values[0], 10, 64)
	if err != nil || err2 != nil {
		return false
	}
	switch r.Operator {
	case corev1.NodeSelectorOpGt:
		return have > want
	case corev1.NodeSelectorOpLt:
		return have < want
	case solver.OpGte:
		return have >= want
	case solver.OpLte:
		return have <= want
	}
	return false
}

// launchable goes through the available offerings of a type that satisfy requirements, of one capacity type or of all ("").
func launchable(t *solver.InstanceType, reqs []solver.Requirement, capacityType string) iter.Seq[*solver.Offering] {
	return func(yield func(*solver.Offering) bool) {
	offerings:
		for i := range t.Offerings {
			o := &t.Offerings[i]
			if !o.Available || capacityType != "" && o.CapacityType() != capacityType {
				continue
			}
			for key, value := range o.Labels {
				if !admits(reqs, key, value) {
					continue offerings
				}
			}
			if !yield(o) {
				return
			}
		}
	}
}

// launchPrices are the least and the most that launching a type can cost:
// reserved capacity is tried first, then spot, then on demand, and within one
// of them the zone is not ours to choose.
func launchPrices(t *solver.InstanceType, reqs []solver.Requirement) (least, most float64, capacityType string, ok bool) {
	for _, ct := range [...]string{reserved, spot, onDemand} {
		for o := range launchable(t, reqs, ct) {
			if !ok {
				least, most, capacityType, ok = o.Price, o.Price, ct, true
			}
			least, most = min(least, o.Price), max(most, o.Price)
		}
		if ok {
			return least, most, capacityType, true
		}
	}
	return 0, 0, "", false
}

// distinct counts the values of a label over types.
func distinct(types []*solver.InstanceType, key string, reqs []solver.Requirement) int {
	seen := map[string]bool{}
	for _, t := range types {
		for i := range t.Requirements {
			if r := &t.Requirements[i]; r.Key == key && r.Operator == corev1.NodeSelectorOpIn {
				for _, v := range r.Values {
					seen[v] = true
				}
			}
		}
		for o := range launchable(t, reqs, "") {
			if v, ok := o.Labels[key]; ok {
				seen[v] = true
			}
		}
	}
	return len(seen)
}
