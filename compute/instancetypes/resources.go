package instancetypes

import (
	"fmt"
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	"github.com/automode-dev/automode/compute/catalog"
)

// Names of resources that device plugins of a node offer.
const (
	ResourceNVIDIAGPU corev1.ResourceName = "nvidia.com/gpu"
	ResourceAMDGPU    corev1.ResourceName = "amd.com/gpu"
	ResourceNeuron    corev1.ResourceName = "aws.amazon.com/neuron"
	ResourceEFA       corev1.ResourceName = "vpc.amazonaws.com/efa"
)

const (
	// maxPodsCap holds whatever the network of a type would allow.
	maxPodsCap = 110
	// memoryOverhead is the share of a type's memory that its operating system never sees.
	memoryOverhead = 0.075
	// systemCPU and systemMemoryMiB are kept for the services of a node that run beside the kubelet: DNS, proxy,
	// addresses, volumes, credentials, monitoring.
	systemCPUMillis = 450
	systemMemoryMiB = 437
	// evictionMemoryMiB is the free memory below which the kubelet evicts pods.
	evictionMemoryMiB = 100
	// kubeStorageGiB is the disk space kept for the kubelet.
	kubeStorageGiB = 1
	// nvmeDataVolumeGiB is the size of the data volume when local disks hold the data.
	nvmeDataVolumeGiB = 20
	// hugepageShare is the largest part of a type's memory that huge pages may take.
	hugepageShare = 0.8

	mib = int64(1) << 20
	gib = int64(1) << 30
)

// MaxPods is the number of pods a node of the type accepts: one secondary address per pod in the worst case that no
// prefix can be had, at most 110.
func MaxPods(t *catalog.Type) int64 {
	interfaces := t.Network.Interfaces
	if len(t.Network.Cards) > 0 && t.Network.Cards[0].Interfaces > 0 {
		interfaces = t.Network.Cards[0].Interfaces
	}
	return min(maxPodsCap, int64(interfaces)*int64(t.Network.IPv4PerInterface-1))
}

// Capacity is what a node of the type has.
func Capacity(t *catalog.Type, class *eksv1.NodeClass) corev1.ResourceList {
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:              *resource.NewQuantity(int64(t.VCPUs), resource.DecimalSI),
		corev1.ResourceMemory:           *resource.NewQuantity(visibleMemoryMiB(t)*mib, resource.BinarySI),
		corev1.ResourceEphemeralStorage: *resource.NewQuantity(ephemeralBytes(t, class), resource.BinarySI),
		corev1.ResourcePods:             *resource.NewQuantity(MaxPods(t), resource.DecimalSI),
	}
	for name, count := range devices(t) {
		capacity[name] = *resource.NewQuantity(count, resource.DecimalSI)
	}
	for size, bytes := range hugepages(class) {
		capacity[corev1.ResourceName(corev1.ResourceHugePagesPrefix+size)] = *resource.NewQuantity(bytes, resource.BinarySI)
	}
	return capacity
}

// Overhead is what a node of the type keeps for itself.
func Overhead(t *catalog.Type, class *eksv1.NodeClass) *cloudprovider.InstanceTypeOverhead {
	return &cloudprovider.InstanceTypeOverhead{
		KubeReserved:   KubeReserved(t),
		SystemReserved: SystemReserved(),
		EvictionThreshold: corev1.ResourceList{
			corev1.ResourceMemory:           quantityMiB(evictionMemoryMiB),
			corev1.ResourceEphemeralStorage: *resource.NewQuantity(ephemeralBytes(t, class)/10, resource.BinarySI),
		},
	}
}

// KubeReserved is kept for the kubelet and the container runtime: CPU by a falling share per core, 255 MiB and 11 MiB
// per pod of memory.
func KubeReserved(t *catalog.Type) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:              *resource.NewMilliQuantity(kubeCPUMillis(t.VCPUs), resource.DecimalSI),
		corev1.ResourceMemory:           quantityMiB(255 + 11*MaxPods(t)),
		corev1.ResourceEphemeralStorage: *resource.NewQuantity(kubeStorageGiB*gib, resource.BinarySI),
	}
}

// SystemReserved is kept for the other services of a node.
func SystemReserved() corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewMilliQuantity(systemCPUMillis, resource.DecimalSI),
		corev1.ResourceMemory: quantityMiB(systemMemoryMiB),
	}
}

// EvictionHard are the kubelet's hard eviction thresholds that Overhead counts with.
func EvictionHard() map[string]string {
	return map[string]string{
		"memory.available":  fmt.Sprintf("%dMi", evictionMemoryMiB),
		"nodefs.available":  "10%",
		"nodefs.inodesFree": "5%",
	}
}

// kubeCPUMillis is 6 % of the first core, 1 % of the second, 0.5 % of the next two and 0.25 % of the rest.
func kubeCPUMillis(vcpus int) int64 {
	share := func(from, to int, perMille float64) float64 {
		return float64(max(0, min(vcpus, to)-from)) * perMille
	}
	return int64(math.Ceil(share(0, 1, 60) + share(1, 2, 10) + share(2, 4, 5) + share(4, vcpus, 2.5)))
}

func visibleMemoryMiB(t *catalog.Type) int64 {
	return t.MemoryMiB - int64(math.Ceil(float64(t.MemoryMiB)*memoryOverhead))
}

// NVMeHoldsData tells whether the local disks of the type take the place of the data volume: they do when they are
// larger than the volume that the NodeClass asks for.
func NVMeHoldsData(t *catalog.Type, class *eksv1.NodeClass) bool {
	return t.LocalNVMeGB()*1e9 > class.Spec.EphemeralStorage.Bytes()
}

// DataVolumeGiB is the size of the data volume of a node of the type, rounded up.
func DataVolumeGiB(t *catalog.Type, class *eksv1.NodeClass) int64 {
	if NVMeHoldsData(t, class) {
		return nvmeDataVolumeGiB
	}
	return (class.Spec.EphemeralStorage.Bytes() + gib - 1) / gib
}

func ephemeralBytes(t *catalog.Type, class *eksv1.NodeClass) int64 {
	if NVMeHoldsData(t, class) {
		return t.LocalNVMeGB() * 1e9
	}
	return class.Spec.EphemeralStorage.Bytes()
}

func devices(t *catalog.Type) map[corev1.ResourceName]int64 {
	found := map[corev1.ResourceName]int64{}
	for _, gpu := range t.GPUs {
		switch gpu.Manufacturer {
		case "NVIDIA":
			found[ResourceNVIDIAGPU] += int64(gpu.Count)
		case "AMD":
			found[ResourceAMDGPU] += int64(gpu.Count)
		}
	}
	for _, device := range neuron(t) {
		found[ResourceNeuron] += int64(device.Count)
	}
	if t.Network.EFAInterfaces > 0 {
		found[ResourceEFA] = int64(t.Network.EFAInterfaces)
	}
	return found
}

// neuron lists the AWS accelerators; older types report them as inference accelerators only.
func neuron(t *catalog.Type) []catalog.Accelerator {
	if len(t.Neuron) > 0 {
		return t.Neuron
	}
	return t.Inference
}

// hugepages gives the reserved bytes by page size.
func hugepages(class *eksv1.NodeClass) map[string]int64 {
	reserved := map[string]int64{}
	if class.Spec.AdvancedCompute == nil || class.Spec.AdvancedCompute.Hugepages == nil {
		return reserved
	}
	for _, page := range class.Spec.AdvancedCompute.Hugepages.Pages {
		size := resource.MustParse(page.Size)
		reserved[page.Size] = size.Value() * page.Count
	}
	return reserved
}

// hugepagesFit tells whether the reservation of the NodeClass leaves the type enough memory.
func hugepagesFit(t *catalog.Type, class *eksv1.NodeClass) bool {
	total := int64(0)
	for _, bytes := range hugepages(class) {
		total += bytes
	}
	return float64(total) <= hugepageShare*float64(t.MemoryMiB*mib)
}

func quantityMiB(n int64) resource.Quantity { return *resource.NewQuantity(n*mib, resource.BinarySI) }
