package instancetypes

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/automode-dev/automode/compute/catalog"
	"github.com/automode-dev/automode/compute/labels"
)

// Requirements are the labels that a node of the type gets, as far as the type alone decides them. Labels the type
// has no value for are required not to exist, so that every well-known label is decided.
func Requirements(t *catalog.Type, region string) scheduling.Requirements {
	values := map[string]string{
		corev1.LabelInstanceTypeStable: t.Name,
		corev1.LabelArchStable:         t.Arch(),
		corev1.LabelOSStable:           string(corev1.Linux),
		corev1.LabelTopologyRegion:     region,
		labels.ManagedBy:               labels.ManagedByValue,
		labels.ComputeType:             labels.ComputeAuto,
		labels.Hypervisor:              t.Hypervisor,
		labels.EncryptionInTransit:     strconv.FormatBool(t.Network.EncryptionInTransit),
		labels.Category:                t.Category(),
		labels.Generation:              positive(int64(t.Generation())),
		labels.Family:                  t.Family(),
		labels.Size:                    t.Size(),
		labels.CPU:                     strconv.Itoa(t.VCPUs),
		labels.CPUManufacturer:         cpuManufacturer(t),
		labels.CPUClock:                positive(int64(t.ClockGHz*1000 + 0.5)),
		labels.Memory:                  strconv.FormatInt(t.MemoryMiB, 10),
		labels.EBSBandwidth:            positive(int64(t.EBS.MaxMbps)),
		labels.NetworkBandwidth:        positive(t.BaselineNetworkMbps()),
		labels.LocalNVMe:               positive(t.LocalNVMeGB()),
		labels.CapabilityFlex:          strconv.FormatBool(t.Flex()),
	}
	addGPU(values, t)
	addAccelerator(values, t)

	requirements := scheduling.NewRequirements()
	for _, key := range typeLabels {
		if value := values[key]; value != "" {
			requirements.Add(scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, value))
		} else {
			requirements.Add(scheduling.NewRequirement(key, corev1.NodeSelectorOpDoesNotExist))
		}
	}
	return requirements
}

// typeLabels are decided by the type; what offerings decide (zone, capacity type) is added to it later.
var typeLabels = []string{
	corev1.LabelInstanceTypeStable, corev1.LabelArchStable, corev1.LabelOSStable, corev1.LabelTopologyRegion, corev1.LabelWindowsBuild,
	labels.ManagedBy, labels.ComputeType, labels.Hypervisor, labels.EncryptionInTransit, labels.Category, labels.Generation,
	labels.Family, labels.Size, labels.CPU, labels.CPUManufacturer, labels.CPUClock, labels.Memory, labels.EBSBandwidth,
	labels.NetworkBandwidth, labels.GPUName, labels.GPUManufacturer, labels.GPUCount, labels.GPUMemory,
	labels.AcceleratorName, labels.AcceleratorManufacturer, labels.AcceleratorCount, labels.LocalNVMe, labels.CapabilityFlex,
	labels.PlacementGroupID,
}

func addGPU(values map[string]string, t *catalog.Type) {
	if len(t.GPUs) == 0 {
		return
	}
	gpu := t.GPUs[0]
	values[labels.GPUName] = word(gpu.Name)
	values[labels.GPUManufacturer] = word(gpu.Manufacturer)
	values[labels.GPUCount] = strconv.Itoa(t.GPUCount())
	values[labels.GPUMemory] = positive(gpu.MemoryMiB)
}

func addAccelerator(values map[string]string, t *catalog.Type) {
	devices := neuron(t)
	if len(devices) == 0 {
		return
	}
	count := 0
	for _, device := range devices {
		count += device.Count
	}
	values[labels.AcceleratorName] = word(devices[0].Name)
	values[labels.AcceleratorManufacturer] = "aws"
	values[labels.AcceleratorCount] = strconv.Itoa(count)
}

func cpuManufacturer(t *catalog.Type) string {
	if t.Manufacturer == "" && t.Arch() == karpv1.ArchitectureArm64 {
		return "aws"
	}
	return word(t.Manufacturer)
}

// positive prints a number that has a meaning only above zero.
func positive(n int64) string {
	if n <= 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// word makes a name fit for a label value.
func word(name string) string {
	return strings.ToLower(strings.ReplaceAll(name, " ", "-"))
}

// SingleValued gives the labels that requirements leave no choice about.
func SingleValued(requirements scheduling.Requirements) map[string]string {
	decided := map[string]string{}
	for key, requirement := range requirements {
		if requirement.Operator() == corev1.NodeSelectorOpIn && requirement.Len() == 1 {
			decided[key] = requirement.Any()
		}
	}
	return decided
}
