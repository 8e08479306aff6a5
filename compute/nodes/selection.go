package nodes

import (
	"context"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"
	"sigs.k8s.io/karpenter/pkg/utils/resources"

	"github.com/automode-dev/automode/compute"
	"github.com/automode-dev/automode/compute/instancetypes"
	"github.com/automode-dev/automode/compute/labels"
)

// MaxTypes is the largest number of instance types that one NodeClaim or launch names.
const MaxTypes = 60

// Selection is what a claim may be launched as.
type Selection struct {
	CapacityType string
	// Types in order of price, the cheapest first.
	Types cloudprovider.InstanceTypes
	// Requirements of the claim, narrowed to the capacity type.
	Requirements scheduling.Requirements
}

// Select chooses the capacity type (reserved before spot before on-demand) and the instance types for a claim. An
// empty list of types means that nothing that fits has capacity.
func Select(ctx context.Context, claim *karpv1.NodeClaim, all []*cloudprovider.InstanceType) (Selection, error) {
	requirements := scheduling.NewNodeSelectorRequirementsWithMinValues(claim.Spec.Requirements...)
	fitting := cloudprovider.InstanceTypes{}
	for _, it := range all {
		if requirements.Compatible(it.Requirements, scheduling.AllowUndefinedWellKnownLabels) == nil &&
			it.Offerings.Available().HasCompatible(requirements) &&
			resources.Fits(claim.Spec.Resources.Requests, it.Allocatable()) {
			fitting = append(fitting, it)
		}
	}
	capacityType := chooseCapacityType(requirements, fitting)
	narrowed := scheduling.NewRequirements(requirements.Values()...)
	narrowed.Add(scheduling.NewRequirement(karpv1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, capacityType))

	types := acceleratedLast(claim, fitting.Compatible(narrowed))
	if capacityType == compute.Spot {
		types = withoutCostlySpot(requirements, narrowed, types)
	}
	types, err := types.Truncate(ctx, narrowed, MaxTypes)
	return Selection{CapacityType: capacityType, Types: types, Requirements: narrowed}, err
}

func chooseCapacityType(requirements scheduling.Requirements, types cloudprovider.InstanceTypes) string {
	for _, capacityType := range []string{compute.Reserved, compute.Spot} {
		if !requirements.Get(karpv1.CapacityTypeLabelKey).Has(capacityType) {
			continue
		}
		for _, it := range types {
			for _, o := range it.Offerings.Available() {
				if o.CapacityType() == capacityType && requirements.IsCompatible(o.Requirements, scheduling.AllowUndefinedWellKnownLabels) {
					return capacityType
				}
			}
		}
	}
	return compute.OnDemand
}

// acceleratedLast leaves accelerated types out unless the claim asks for their devices or there is nothing else.
func acceleratedLast(claim *karpv1.NodeClaim, types cloudprovider.InstanceTypes) cloudprovider.InstanceTypes {
	for _, name := range []corev1.ResourceName{instancetypes.ResourceNVIDIAGPU, instancetypes.ResourceAMDGPU, instancetypes.ResourceNeuron} {
		if quantity, ok := claim.Spec.Resources.Requests[name]; ok && !quantity.IsZero() {
			return types
		}
	}
	ordinary := slices.DeleteFunc(slices.Clone(types), instancetypes.Accelerated)
	if len(ordinary) == 0 {
		return types
	}
	return ordinary
}

// withoutCostlySpot leaves out types whose spot price is above the cheapest on-demand price that would also do.
func withoutCostlySpot(requirements, narrowed scheduling.Requirements, types cloudprovider.InstanceTypes) cloudprovider.InstanceTypes {
	onDemand := scheduling.NewRequirements(requirements.Values()...)
	onDemand.Add(scheduling.NewRequirement(karpv1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, compute.OnDemand))
	limit := math.MaxFloat64
	for _, it := range types {
		limit = min(limit, cheapest(it, onDemand))
	}
	return slices.DeleteFunc(slices.Clone(types), func(it *cloudprovider.InstanceType) bool { return cheapest(it, narrowed) > limit })
}

func cheapest(it *cloudprovider.InstanceType, requirements scheduling.Requirements) float64 {
	price := math.MaxFloat64
	for _, o := range it.Offerings.Available().Compatible(requirements) {
		price = min(price, o.Price)
	}
	return price
}

// Overrides lists the offerings of a selected type, one per zone that a subnet is known for.
func (s Selection) Overrides(it *cloudprovider.InstanceType, subnets map[string]string) []compute.Override {
	var overrides []compute.Override
	for _, o := range it.Offerings.Available().Compatible(s.Requirements) {
		if subnet, ok := subnets[o.Zone()]; ok {
			overrides = append(overrides, compute.Override{InstanceType: it.Name, Zone: o.Zone(), SubnetID: subnet, Priority: o.Price})
		}
	}
	return overrides
}

// subnetByZone takes the subnet with the most free addresses in each zone.
func subnetByZone(subnets []compute.Subnet) map[string]string {
	best := map[string]compute.Subnet{}
	for _, subnet := range subnets {
		if current, ok := best[subnet.Zone]; !ok || subnet.FreeAddresses > current.FreeAddresses {
			best[subnet.Zone] = subnet
		}
	}
	chosen := map[string]string{}
	for zone, subnet := range best {
		chosen[zone] = subnet.ID
	}
	return chosen
}

// claimLabels are the labels a launched claim gets: what its type and its offering decide.
func claimLabels(it *cloudprovider.InstanceType, instance *compute.Instance) map[string]string {
	decided := map[string]string{}
	for key, label := range instancetypes.SingleValued(it.Requirements) {
		decided[key] = label
	}
	decided[corev1.LabelTopologyZone] = instance.Zone
	decided[karpv1.CapacityTypeLabelKey] = instance.CapacityType
	delete(decided, labels.ZoneID)
	if instance.ZoneID != "" {
		decided[labels.ZoneID] = instance.ZoneID
	}
	return decided
}
