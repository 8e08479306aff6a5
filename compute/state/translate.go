package state

import (
	"maps"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/automode-dev/automode/compute/solver"
)

// Pool puts a NodePool into the solver's terms.
func Pool(pool *karpv1.NodePool, types []*solver.InstanceType) solver.Pool {
	template := pool.Spec.Template
	translated := solver.Pool{
		Name: pool.Name, Taints: template.Spec.Taints, Limits: corev1.ResourceList(pool.Spec.Limits), Types: types,
		Labels: maps.Clone(template.Labels), Static: pool.Spec.Replicas != nil,
	}
	if translated.Labels == nil {
		translated.Labels = map[string]string{}
	}
	translated.Labels[karpv1.NodePoolLabelKey] = pool.Name
	if ref := template.Spec.NodeClassRef; ref != nil {
		translated.Labels[karpv1.NodeClassLabelKey(ref.GroupKind())] = ref.Name
	}
	// DaemonSets may ask for nodes that have joined; every node will.
	translated.Labels[karpv1.NodeRegisteredLabelKey] = "true"
	translated.Labels[karpv1.NodeInitializedLabelKey] = "true"
	if pool.Spec.Weight != nil {
		translated.Weight = *pool.Spec.Weight
	}
	for _, r := range template.Spec.Requirements {
		translated.Requirements = append(translated.Requirements, Requirement(r))
	}
	return translated
}

// Requirement puts a NodePool's requirement into the solver's terms.
func Requirement(r karpv1.NodeSelectorRequirementWithMinValues) solver.Requirement {
	translated := solver.Requirement{Key: r.Key, Operator: r.Operator, Values: r.Values}
	if r.MinValues != nil {
		translated.MinValues = *r.MinValues
	}
	return translated
}

// requirements lists Karpenter's set in order of keys.
func requirements(set scheduling.Requirements) []solver.Requirement {
	var list []solver.Requirement
	for _, r := range set.NodeSelectorRequirements() {
		translated := Requirement(r)
		translated.Values = slices.Sorted(slices.Values(r.Values))
		list = append(list, translated)
	}
	slices.SortFunc(list, func(a, b solver.Requirement) int { return strings.Compare(a.Key, b.Key) })
	return list
}

// InstanceType puts an instance type into the solver's terms.
func InstanceType(t *cloudprovider.InstanceType) *solver.InstanceType {
	translated := &solver.InstanceType{
		Name: t.Name, Capacity: t.Capacity, Allocatable: t.Allocatable(), Requirements: requirements(t.Requirements),
	}
	for _, o := range t.Offerings {
		offering := solver.Offering{Price: o.Price, Available: o.Available, Labels: map[string]string{}}
		for key, r := range o.Requirements {
			if r.Operator() == corev1.NodeSelectorOpIn && r.Len() == 1 {
				offering.Labels[key] = r.Any()
			}
		}
		if o.CapacityType() == karpv1.CapacityTypeReserved {
			offering.Reservation, offering.Remaining = o.ReservationID(), o.ReservationCapacity
		}
		translated.Offerings = append(translated.Offerings, offering)
	}
	return translated
}

// Types translates lists of instance types and remembers the lists it has seen, because a provider hands out the same
// one until something changes. It is safe for concurrent use.
type Types struct {
	// VolumeLimits is how many volumes a type may attach, by CSI driver; nil where that is not known.
	VolumeLimits func(instanceType string) map[string]int

	mu   sync.Mutex
	seen map[*cloudprovider.InstanceType]translatedList
}

type translatedList struct {
	length int
	types  []*solver.InstanceType
}

// rememberedLists bounds the memory: one list per NodeClass and turn of the shortages is in use at a time.
const rememberedLists = 16

// Translate gives the list in the solver's terms. The caller must not change either list.
func (t *Types) Translate(list []*cloudprovider.InstanceType) []*solver.InstanceType {
	if len(list) == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if known, ok := t.seen[list[0]]; ok && known.length == len(list) {
		return known.types
	}
	translated := make([]*solver.InstanceType, len(list))
	for i, it := range list {
		translated[i] = InstanceType(it)
		if t.VolumeLimits != nil {
			translated[i].VolumeLimits = t.VolumeLimits(it.Name)
		}
	}
	if t.seen == nil || len(t.seen) >= rememberedLists {
		t.seen = map[*cloudprovider.InstanceType]translatedList{}
	}
	t.seen[list[0]] = translatedList{len(list), translated}
	return translated
}

// WellKnown are the labels that a pod may require although its pool does not define them.
func WellKnown() map[string]bool {
	known := make(map[string]bool, karpv1.WellKnownLabels.Len())
	for key := range karpv1.WellKnownLabels {
		known[key] = true
	}
	return known
}
