package engine

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	kfake "sigs.k8s.io/karpenter/pkg/cloudprovider/fake"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/automode-dev/automode/compute/catalog"
)

const (
	gpuResource = corev1.ResourceName("nvidia.com/gpu")
	priceRegion = "us-west-2"
)

// FakeTypes are Karpenter's own made-up types.
func FakeTypes(n int) []*cloudprovider.InstanceType { return kfake.InstanceTypes(n) }

// Allowed is a set of real types that people let a NodePool choose from.
type Allowed struct {
	Name      string
	Arm, Spot bool
	MostVCPUs int
}

// AllowedTypes are the sets of the price table.
var AllowedTypes = []Allowed{
	{Name: "x86", MostVCPUs: 1 << 10},
	{Name: "x86-arm", MostVCPUs: 1 << 10, Arm: true},
	{Name: "x86-arm-spot", MostVCPUs: 1 << 10, Arm: true, Spot: true},
	{Name: "x86-32", MostVCPUs: 32},
	{Name: "x86-16", MostVCPUs: 16},
}

// Types are the set's: families c, m and r since the fifth generation, and
// those with GPUs where a mix asks for them.
func (a Allowed) Types(mix Mix) []*cloudprovider.InstanceType {
	return CatalogTypes(priceRegion, a.Spot, func(t *catalog.Type) bool {
		plain := strings.Contains("cmr", t.Category()) && t.Generation() >= 5
		gpu := mix.GPU && t.Category() == "g" && nvidiaGPUs(t) > 0
		return (plain || gpu) && (a.Arm || t.Arch() == "amd64") && t.VCPUs <= a.MostVCPUs
	})
}

// CapacityTypes are the ways in which the set's types are bought.
func (a Allowed) CapacityTypes() []string {
	if a.Spot {
		return []string{v1.CapacityTypeOnDemand, v1.CapacityTypeSpot}
	}
	return []string{v1.CapacityTypeOnDemand}
}

// Suits tells whether the set has what a mix asks for.
func (a Allowed) Suits(mix Mix) bool {
	return (a.Arm || !mix.Arm) && (a.Spot || !mix.Spot) && a.MostVCPUs >= mix.VCPUs
}

func nvidiaGPUs(t *catalog.Type) int64 {
	n := 0
	for _, g := range t.GPUs {
		if g.Manufacturer == "NVIDIA" && g.Partition == 1 {
			n += g.Count
		}
	}
	return int64(n)
}

// CatalogTypes are the real types of a region as the product sizes them, in
// three zones, bought on demand and as spot where asked for.
func CatalogTypes(region string, spot bool, keep func(*catalog.Type) bool) []*cloudprovider.InstanceType {
	cat := catalog.Default()
	var out []*cloudprovider.InstanceType
	for i := range cat.Types() {
		t := &cat.Types()[i]
		price, ok := cat.OnDemand(region, t.Name)
		if !ok || t.BareMetal || !keep(t) {
			continue
		}
		it := sized(t)
		var zones []string
		for _, z := range cat.Zones(region)[:3] {
			if !cat.Offered(region, z.ID, t.Name) {
				continue
			}
			zones = append(zones, z.Name)
			it.Offerings = append(it.Offerings, offering(z.Name, v1.CapacityTypeOnDemand, price))
			if p, ok := cat.Spot(region, z.ID, t.Name); ok && spot {
				it.Offerings = append(it.Offerings, offering(z.Name, v1.CapacityTypeSpot, p))
			}
		}
		it.Requirements = scheduling.NewRequirements(
			scheduling.NewRequirement(corev1.LabelInstanceTypeStable, corev1.NodeSelectorOpIn, t.Name),
			scheduling.NewRequirement(corev1.LabelArchStable, corev1.NodeSelectorOpIn, t.Arch()),
			scheduling.NewRequirement(corev1.LabelOSStable, corev1.NodeSelectorOpIn, "linux"),
			scheduling.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, zones...),
			scheduling.NewRequirement(v1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, v1.CapacityTypeOnDemand, v1.CapacityTypeSpot))
		if len(it.Offerings) > 0 {
			out = append(out, it)
		}
	}
	return out
}

// sized is a type with what its kubelet leaves to pods.
func sized(t *catalog.Type) *cloudprovider.InstanceType {
	pods := int64(min(110, t.Network.Interfaces*(t.Network.IPv4PerInterface-1)))
	it := &cloudprovider.InstanceType{Name: t.Name,
		Capacity: amounts(int64(t.VCPUs)*1000, t.MemoryMiB*925/1000, pods),
		Overhead: &cloudprovider.InstanceTypeOverhead{KubeReserved: amounts(520, 792+11*pods, 0)}}
	if n := nvidiaGPUs(t); n > 0 {
		it.Capacity[gpuResource] = *resource.NewQuantity(n, resource.DecimalSI)
	}
	return it
}

func offering(zone, capacityType string, price float64) *cloudprovider.Offering {
	return &cloudprovider.Offering{Price: price, Available: true, Requirements: scheduling.NewLabelRequirements(map[string]string{
		corev1.LabelTopologyZone: zone, v1.CapacityTypeLabelKey: capacityType})}
}
