package labels

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
)

const domain = "eks.amazonaws.com/"

// Labels that say what a node is.
const (
	ManagedBy      = "app.kubernetes.io/managed-by"
	ManagedByValue = "eks"
	ComputeType    = domain + "compute-type"
	ComputeAuto    = "auto"
	NodeClass      = domain + "nodeclass"
	ZoneID         = "topology.k8s.aws/zone-id"
	EBSZone        = "topology.ebs.csi.eks.amazonaws.com/zone"
)

// Labels that describe the instance type.
const (
	Hypervisor              = domain + "instance-hypervisor"
	EncryptionInTransit     = domain + "instance-encryption-in-transit-supported"
	Category                = domain + "instance-category"
	Generation              = domain + "instance-generation"
	Family                  = domain + "instance-family"
	Size                    = domain + "instance-size"
	CPU                     = domain + "instance-cpu"
	CPUManufacturer         = domain + "instance-cpu-manufacturer"
	CPUClock                = domain + "instance-cpu-sustained-clock-speed-mhz"
	Memory                  = domain + "instance-memory"
	EBSBandwidth            = domain + "instance-ebs-bandwidth"
	NetworkBandwidth        = domain + "instance-network-bandwidth"
	GPUName                 = domain + "instance-gpu-name"
	GPUManufacturer         = domain + "instance-gpu-manufacturer"
	GPUCount                = domain + "instance-gpu-count"
	GPUMemory               = domain + "instance-gpu-memory"
	AcceleratorName         = domain + "instance-accelerator-name"
	AcceleratorManufacturer = domain + "instance-accelerator-manufacturer"
	AcceleratorCount        = domain + "instance-accelerator-count"
	LocalNVMe               = domain + "instance-local-nvme"
	CapabilityFlex          = domain + "instance-capability-flex"
)

// Labels of nodes in capacity reservations and placement groups.
const (
	ReservationID            = domain + "capacity-reservation-id"
	ReservationType          = domain + "capacity-reservation-type"
	ReservationInterruptible = domain + "capacity-reservation-interruptible"
	PlacementGroupID         = domain + "placement-group-id"
)

// original are the labels of the first release that Karpenter itself does not know; they stand in the message about
// restricted labels.
var original = []string{
	ManagedBy, ComputeType, ZoneID,
	AcceleratorCount, AcceleratorManufacturer, AcceleratorName, Category, CPU, CPUManufacturer, CPUClock, EBSBandwidth,
	EncryptionInTransit, Family, Generation, GPUCount, GPUManufacturer, GPUMemory, GPUName, Hypervisor, LocalNVMe, Memory,
	NetworkBandwidth, Size,
}

// later are labels that came after it. They work everywhere and are not in the message.
var later = []string{CapabilityFlex, ReservationID, ReservationType, ReservationInterruptible, PlacementGroupID}

// karpenters are the well-known labels of Karpenter itself.
var karpenters = []string{
	karpv1.CapacityTypeLabelKey, karpv1.NodePoolLabelKey, corev1.LabelArchStable, corev1.LabelOSStable,
	corev1.LabelInstanceTypeStable, corev1.LabelWindowsBuild, corev1.LabelTopologyRegion, corev1.LabelTopologyZone,
}

var once sync.Once

// Register makes Karpenter's scheduling know the labels. It may be called many times.
func Register() {
	once.Do(func() {
		karpv1.WellKnownLabels.Insert(original...)
		karpv1.WellKnownLabels.Insert(later...)
		karpv1.NormalizedLabels[EBSZone] = corev1.LabelTopologyZone
		cloudprovider.ReservationIDLabel = ReservationID
		cloudprovider.ReservedCapacityLabels.Insert(ReservationID, ReservationType, ReservationInterruptible)
	})
}
