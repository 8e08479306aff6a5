package instancetypes

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	"github.com/automode-dev/automode/compute"
	"github.com/automode-dev/automode/compute/catalog"
	"github.com/automode-dev/automode/compute/labels"
)

// Facts is what the cloud said about a region.
type Facts struct {
	Region string
	Types  []catalog.Type
	// Zones where a type is offered, by type.
	Zones map[string][]string
	// OnDemand is the price in dollars per hour, by type.
	OnDemand map[string]float64
	// Spot is the price in dollars per hour, by type and zone.
	Spot map[string]map[string]float64
}

// Blocked tells whether an offering is known to have no capacity at the moment.
type Blocked func(instanceType, zone, capacityType string) bool

// Assemble builds the instance types that nodes of a NodeClass may have. Types stay in the list without available
// offerings, so that a node of such a type is still understood.
func Assemble(facts *Facts, class *eksv1.NodeClass, blocked Blocked) []*cloudprovider.InstanceType {
	var assembled []*cloudprovider.InstanceType
	for i := range facts.Types {
		t := &facts.Types[i]
		if !Supported(t) || !hugepagesFit(t, class) {
			continue
		}
		requirements := Requirements(t, facts.Region)
		offerings := offerings(facts, t, class.Status.Subnets, blocked)
		addPlaces(requirements, offerings)
		assembled = append(assembled, &cloudprovider.InstanceType{
			Name:         t.Name,
			Requirements: requirements,
			Offerings:    offerings,
			Capacity:     Capacity(t, class),
			Overhead:     Overhead(t, class),
		})
	}
	return assembled
}

func offerings(facts *Facts, t *catalog.Type, subnets []eksv1.Subnet, blocked Blocked) cloudprovider.Offerings {
	zoneIDs := map[string]string{}
	for _, subnet := range subnets {
		zoneIDs[subnet.Zone] = subnet.ZoneID
	}
	var found cloudprovider.Offerings
	for _, zone := range facts.Zones[t.Name] {
		zoneID, reachable := zoneIDs[zone]
		if !reachable {
			continue
		}
		if price, ok := facts.OnDemand[t.Name]; ok && buyable(t, compute.OnDemand) {
			found = append(found, offering(zone, zoneID, compute.OnDemand, price, !blocked(t.Name, zone, compute.OnDemand)))
		}
		if price, ok := facts.Spot[t.Name][zone]; ok && buyable(t, compute.Spot) {
			found = append(found, offering(zone, zoneID, compute.Spot, price, !blocked(t.Name, zone, compute.Spot)))
		}
	}
	return found
}

// buyable takes an absent list of usage classes for "all of them".
func buyable(t *catalog.Type, usageClass string) bool {
	return len(t.UsageClasses) == 0 || t.Supports(usageClass)
}

func offering(zone, zoneID, capacityType string, price float64, available bool) *cloudprovider.Offering {
	requirements := scheduling.NewRequirements(
		scheduling.NewRequirement(karpv1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, capacityType),
		scheduling.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, zone),
		scheduling.NewRequirement(labels.ReservationID, corev1.NodeSelectorOpDoesNotExist),
		scheduling.NewRequirement(labels.ReservationType, corev1.NodeSelectorOpDoesNotExist),
		scheduling.NewRequirement(labels.ReservationInterruptible, corev1.NodeSelectorOpDoesNotExist),
	)
	if zoneID != "" {
		requirements.Add(scheduling.NewRequirement(labels.ZoneID, corev1.NodeSelectorOpIn, zoneID))
	}
	return &cloudprovider.Offering{Requirements: requirements, Price: price, Available: available}
}

// addPlaces adds what the available offerings allow as a whole: zones and capacity types.
func addPlaces(requirements scheduling.Requirements, offerings cloudprovider.Offerings) {
	for _, key := range []string{corev1.LabelTopologyZone, labels.ZoneID, karpv1.CapacityTypeLabelKey} {
		var values []string
		for _, o := range offerings {
			if o.Available {
				values = append(values, o.Requirements.Get(key).Values()...)
			}
		}
		slices.Sort(values)
		requirements.Add(scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, slices.Compact(values)...))
	}
	for _, key := range []string{labels.ReservationID, labels.ReservationType, labels.ReservationInterruptible} {
		requirements.Add(scheduling.NewRequirement(key, corev1.NodeSelectorOpDoesNotExist))
	}
}

// Accelerated tells whether the type carries devices that ordinary pods have no use for.
func Accelerated(t *cloudprovider.InstanceType) bool {
	for _, name := range []corev1.ResourceName{ResourceNVIDIAGPU, ResourceAMDGPU, ResourceNeuron} {
		if quantity, ok := t.Capacity[name]; ok && !quantity.IsZero() {
			return true
		}
	}
	return false
}
