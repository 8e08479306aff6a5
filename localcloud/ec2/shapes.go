package ec2

import (
	"context"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/automode-dev/automode/compute/catalog"
)

// shapeKind knows the filters of DescribeInstanceTypes.
var shapeKind = &kind[catalog.Type]{
	filters: map[string]func(*region, *catalog.Type) []string{
		"instance-type":                         func(_ *region, t *catalog.Type) []string { return []string{t.Name} },
		"processor-info.supported-architecture": func(_ *region, t *catalog.Type) []string { return t.Architectures },
		"processor-info.sustained-clock-speed-in-ghz": func(_ *region, t *catalog.Type) []string {
			return []string{strconv.FormatFloat(t.ClockGHz, 'f', -1, 64)}
		},
		"supported-usage-class":                        func(_ *region, t *catalog.Type) []string { return t.UsageClasses },
		"supported-virtualization-type":                func(_ *region, t *catalog.Type) []string { return t.VirtualizationTypes },
		"supported-root-device-type":                   func(_ *region, t *catalog.Type) []string { return t.RootDeviceTypes },
		"supported-boot-mode":                          func(_ *region, t *catalog.Type) []string { return t.BootModes },
		"bare-metal":                                   func(_ *region, t *catalog.Type) []string { return yes(t.BareMetal) },
		"burstable-performance-supported":              func(_ *region, t *catalog.Type) []string { return yes(t.Burstable) },
		"current-generation":                           func(_ *region, t *catalog.Type) []string { return yes(t.CurrentGeneration) },
		"free-tier-eligible":                           func(_ *region, t *catalog.Type) []string { return yes(t.FreeTier) },
		"hibernation-supported":                        func(_ *region, t *catalog.Type) []string { return yes(t.Hibernation) },
		"dedicated-hosts-supported":                    func(_ *region, t *catalog.Type) []string { return yes(t.DedicatedHosts) },
		"auto-recovery-supported":                      func(_ *region, t *catalog.Type) []string { return yes(t.AutoRecovery) },
		"instance-storage-supported":                   func(_ *region, t *catalog.Type) []string { return yes(t.Storage.TotalGB > 0) },
		"hypervisor":                                   func(_ *region, t *catalog.Type) []string { return one(optional(t.Hypervisor)) },
		"memory-info.size-in-mib":                      func(_ *region, t *catalog.Type) []string { return []string{strconv.FormatInt(t.MemoryMiB, 10)} },
		"vcpu-info.default-vcpus":                      func(_ *region, t *catalog.Type) []string { return []string{strconv.Itoa(t.VCPUs)} },
		"vcpu-info.default-cores":                      func(_ *region, t *catalog.Type) []string { return []string{strconv.Itoa(t.Cores)} },
		"vcpu-info.default-threads-per-core":           func(_ *region, t *catalog.Type) []string { return []string{strconv.Itoa(t.ThreadsPerCore)} },
		"network-info.maximum-network-interfaces":      func(_ *region, t *catalog.Type) []string { return []string{strconv.Itoa(t.Network.Interfaces)} },
		"network-info.ipv4-addresses-per-interface":    func(_ *region, t *catalog.Type) []string { return []string{strconv.Itoa(t.Network.IPv4PerInterface)} },
		"network-info.ena-support":                     func(_ *region, t *catalog.Type) []string { return []string{t.Network.ENA} },
		"network-info.efa-supported":                   func(_ *region, t *catalog.Type) []string { return yes(t.Network.EFA) },
		"network-info.ipv6-supported":                  func(_ *region, t *catalog.Type) []string { return yes(t.Network.IPv6) },
		"network-info.encryption-in-transit-supported": func(_ *region, t *catalog.Type) []string { return yes(t.Network.EncryptionInTransit) },
		"network-info.network-performance":             func(_ *region, t *catalog.Type) []string { return []string{t.Network.Performance} },
		"ebs-info.ebs-optimized-support":               func(_ *region, t *catalog.Type) []string { return []string{t.EBS.Optimized} },
		"ebs-info.nvme-support":                        func(_ *region, t *catalog.Type) []string { return []string{t.EBS.Nvme} },
		"ebs-info.encryption-support":                  func(_ *region, t *catalog.Type) []string { return []string{"supported"} },
	},
}

func yes(b bool) []string { return []string{strconv.FormatBool(b)} }

// DescribeInstanceTypes lists the instance types sold in the region.
func (s *Service) DescribeInstanceTypes(ctx context.Context, in *ec2.DescribeInstanceTypesInput) (*ec2.DescribeInstanceTypesOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	match, err := compile(shapeKind, in.Filters)
	if err != nil {
		return nil, err
	}
	if in.MaxResults != nil && len(in.InstanceTypes) > 0 {
		return nil, combination("The parameter MaxResults cannot be used with the parameter InstanceTypes")
	}
	if len(in.InstanceTypes) > 100 {
		return nil, invalid("The number of instance types (%d) exceeds the maximum of 100.", len(in.InstanceTypes))
	}
	if err := s.authorize(ctx, in.DryRun, anything); err != nil {
		return nil, err
	}
	var list []*catalog.Type
	for _, name := range in.InstanceTypes {
		t, ok := s.catalog.Type(string(name))
		if !ok || !s.catalog.Offered(r.name, "", t.Name) {
			return nil, errorf("InvalidInstanceType", "The following supplied instance types do not exist: [%s]", name)
		}
		if match(r, t) {
			list = append(list, t)
		}
	}
	if len(in.InstanceTypes) == 0 {
		all := s.catalog.Types()
		for i := range all {
			if s.catalog.Offered(r.name, "", all[i].Name) && match(r, &all[i]) {
				list = append(list, &all[i])
			}
		}
	}
	q := query{maxResults: in.MaxResults, nextToken: in.NextToken, min: 5, max: 100}
	if q.maxResults == nil && len(in.InstanceTypes) == 0 {
		q.maxResults = new(int32(100))
	}
	list, next, err := pageOf(q, list, func(t *catalog.Type) string { return t.Name })
	out := &ec2.DescribeInstanceTypesOutput{NextToken: next}
	for _, t := range list {
		out.InstanceTypes = append(out.InstanceTypes, renderShape(t))
	}
	return out, err
}

// DescribeInstanceTypeOfferings lists where types are sold: in the region, or per zone.
func (s *Service) DescribeInstanceTypeOfferings(ctx context.Context, in *ec2.DescribeInstanceTypeOfferingsInput) (*ec2.DescribeInstanceTypeOfferingsOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	match, err := compile(offeringKind, in.Filters)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, in.DryRun, anything); err != nil {
		return nil, err
	}
	places := []string{r.name}
	zone := func(string) string { return "" }
	switch in.LocationType {
	case "", types.LocationTypeRegion:
	case types.LocationTypeAvailabilityZone, types.LocationTypeAvailabilityZoneId:
		places, zone = nil, func(place string) string { return place }
		for _, z := range s.catalog.Zones(r.name) {
			if in.LocationType == types.LocationTypeAvailabilityZone {
				places = append(places, z.Name)
			} else {
				places = append(places, z.ID)
			}
		}
	default:
		return nil, invalid("Value (%s) for parameter LocationType is invalid.", in.LocationType)
	}
	var list []types.InstanceTypeOffering
	for _, t := range s.catalog.Types() {
		for _, place := range places {
			o := types.InstanceTypeOffering{InstanceType: types.InstanceType(t.Name), Location: new(place),
				LocationType: types.LocationType(orText(string(in.LocationType), string(types.LocationTypeRegion)))}
			if s.catalog.Offered(r.name, zone(place), t.Name) && match(r, &o) {
				list = append(list, o)
			}
		}
	}
	q := query{maxResults: in.MaxResults, nextToken: in.NextToken, min: 5, max: 1000}
	if q.maxResults == nil {
		q.maxResults = new(int32(1000))
	}
	list, next, err := pageOf(q, list, func(o types.InstanceTypeOffering) string { return string(o.InstanceType) + " " + *o.Location })
	return &ec2.DescribeInstanceTypeOfferingsOutput{InstanceTypeOfferings: list, NextToken: next}, err
}

var offeringKind = &kind[types.InstanceTypeOffering]{
	filters: map[string]func(*region, *types.InstanceTypeOffering) []string{
		"instance-type": func(_ *region, o *types.InstanceTypeOffering) []string { return []string{string(o.InstanceType)} },
		"location":      func(_ *region, o *types.InstanceTypeOffering) []string { return one(o.Location) },
	},
}

// each turns words into the values of an SDK enumeration.
func each[T ~string](words []string) []T {
	list := make([]T, 0, len(words))
	for _, w := range words {
		list = append(list, T(w))
	}
	return list
}

func ints(list []int) []int32 {
	out := make([]int32, 0, len(list))
	for _, n := range list {
		out = append(out, int32(n))
	}
	return out
}

// renderShape writes a catalogue entry as DescribeInstanceTypes does.
func renderShape(t *catalog.Type) types.InstanceTypeInfo {
	out := types.InstanceTypeInfo{
		InstanceType: types.InstanceType(t.Name), AutoRecoverySupported: new(t.AutoRecovery), BareMetal: new(t.BareMetal),
		BurstablePerformanceSupported: new(t.Burstable), CurrentGeneration: new(t.CurrentGeneration), DedicatedHostsSupported: new(t.DedicatedHosts),
		FreeTierEligible: new(t.FreeTier), HibernationSupported: new(t.Hibernation), Hypervisor: types.InstanceTypeHypervisor(t.Hypervisor),
		InstanceStorageSupported: new(t.Storage.TotalGB > 0), MemoryInfo: &types.MemoryInfo{SizeInMiB: new(t.MemoryMiB)},
		NitroEnclavesSupport: supported[types.NitroEnclavesSupport](t.NitroEnclaves), NitroTpmSupport: supported[types.NitroTpmSupport](t.NitroTPM),
		PhcSupport: supported[types.PhcSupport](t.PHC), RebootMigrationSupport: supported[types.RebootMigrationSupport](t.RebootMigration),
		PlacementGroupInfo: &types.PlacementGroupInfo{SupportedStrategies: each[types.PlacementGroupStrategy](t.PlacementStrategies)},
		ProcessorInfo: &types.ProcessorInfo{SupportedArchitectures: each[types.ArchitectureType](t.Architectures), Manufacturer: optional(t.Manufacturer),
			SupportedFeatures: each[types.SupportedAdditionalProcessorFeature](t.CPUFeatures)},
		SupportedBootModes:           each[types.BootModeType](t.BootModes),
		SupportedRootDeviceTypes:     each[types.RootDeviceType](t.RootDeviceTypes),
		SupportedUsageClasses:        each[types.UsageClassType](t.UsageClasses),
		SupportedVirtualizationTypes: each[types.VirtualizationType](t.VirtualizationTypes),
		VCpuInfo: &types.VCpuInfo{DefaultVCpus: new(int32(t.VCPUs)), DefaultCores: new(int32(t.Cores)), DefaultThreadsPerCore: new(int32(t.ThreadsPerCore)),
			ValidCores: ints(t.ValidCores), ValidThreadsPerCore: ints(t.ValidThreads)},
		NetworkInfo: renderNetwork(t), EbsInfo: renderEBS(t),
	}
	if t.ClockGHz > 0 {
		out.ProcessorInfo.SustainedClockSpeedInGhz = new(t.ClockGHz)
	}
	renderStorage(t, &out)
	renderAccelerators(t, &out)
	return out
}

func supported[T ~string](b bool) T {
	if b {
		return "supported"
	}
	return "unsupported"
}

func renderNetwork(t *catalog.Type) *types.NetworkInfo {
	n := t.Network
	out := &types.NetworkInfo{
		NetworkPerformance: new(n.Performance), MaximumNetworkInterfaces: new(int32(n.Interfaces)), Ipv4AddressesPerInterface: new(int32(n.IPv4PerInterface)),
		Ipv6AddressesPerInterface: new(int32(n.IPv6PerInterface)), Ipv6Supported: new(n.IPv6), EnaSupport: types.EnaSupport(n.ENA),
		EnaSrdSupported: new(n.ENASrd), EfaSupported: new(n.EFA), EncryptionInTransitSupported: new(n.EncryptionInTransit),
		DefaultNetworkCardIndex: new(int32(0)), MaximumNetworkCards: new(int32(max(1, len(n.Cards)))),
		BandwidthWeightings:      each[types.BandwidthWeightingType](n.BandwidthWeightings),
		FlexibleEnaQueuesSupport: supported[types.FlexibleEnaQueuesSupport](n.FlexibleENAQueues),
	}
	if n.EFA {
		out.EfaInfo = &types.EfaInfo{MaximumEfaInterfaces: new(int32(n.EFAInterfaces))}
	}
	for i, c := range n.Cards {
		card := types.NetworkCardInfo{NetworkCardIndex: new(int32(i)), NetworkPerformance: new(c.Performance), MaximumNetworkInterfaces: new(int32(c.Interfaces))}
		if c.BaselineGbps > 0 {
			card.BaselineBandwidthInGbps = new(c.BaselineGbps)
		}
		if c.PeakGbps > 0 {
			card.PeakBandwidthInGbps = new(c.PeakGbps)
		}
		out.NetworkCards = append(out.NetworkCards, card)
	}
	return out
}

func renderEBS(t *catalog.Type) *types.EbsInfo {
	e := t.EBS
	out := &types.EbsInfo{EbsOptimizedSupport: types.EbsOptimizedSupport(e.Optimized), EncryptionSupport: types.EbsEncryptionSupportSupported,
		NvmeSupport: types.EbsNvmeSupport(e.Nvme), AttachmentLimitType: types.AttachmentLimitType(e.AttachmentType)}
	if e.MaxAttachments > 0 {
		out.MaximumEbsAttachments = new(int32(e.MaxAttachments))
	}
	if e.MaxMbps > 0 {
		out.EbsOptimizedInfo = &types.EbsOptimizedInfo{BaselineBandwidthInMbps: new(int32(e.BaselineMbps)), MaximumBandwidthInMbps: new(int32(e.MaxMbps)),
			BaselineIops: new(int32(e.BaselineIOPS)), MaximumIops: new(int32(e.MaxIOPS)),
			BaselineThroughputInMBps: new(float64(e.BaselineMbps) / 8), MaximumThroughputInMBps: new(float64(e.MaxMbps) / 8)}
	}
	return out
}

func renderStorage(t *catalog.Type, out *types.InstanceTypeInfo) {
	if t.Storage.TotalGB == 0 {
		return
	}
	out.InstanceStorageInfo = &types.InstanceStorageInfo{TotalSizeInGB: new(t.Storage.TotalGB),
		NvmeSupport:       types.EphemeralNvmeSupport(t.Storage.Nvme),
		EncryptionSupport: types.InstanceStorageEncryptionSupport(t.Storage.Encryption)}
	for _, d := range t.Storage.Disks {
		out.InstanceStorageInfo.Disks = append(out.InstanceStorageInfo.Disks,
			types.DiskInfo{Count: new(int32(d.Count)), SizeInGB: new(d.SizeGB), Type: types.DiskType(d.Kind)})
	}
}

func renderAccelerators(t *catalog.Type, out *types.InstanceTypeInfo) {
	total := func(list []catalog.Accelerator) *int32 {
		n := int64(0)
		for _, a := range list {
			n += a.MemoryMiB * int64(a.Count)
		}
		return new(int32(n))
	}
	for _, a := range t.GPUs {
		if out.GpuInfo == nil {
			out.GpuInfo = &types.GpuInfo{TotalGpuMemoryInMiB: total(t.GPUs)}
		}
		out.GpuInfo.Gpus = append(out.GpuInfo.Gpus, types.GpuDeviceInfo{Name: new(a.Name), Manufacturer: new(a.Manufacturer), Count: new(int32(a.Count)),
			MemoryInfo: &types.GpuDeviceMemoryInfo{SizeInMiB: new(int32(a.MemoryMiB))}})
	}
	for _, a := range t.Inference {
		if out.InferenceAcceleratorInfo == nil {
			out.InferenceAcceleratorInfo = &types.InferenceAcceleratorInfo{TotalInferenceMemoryInMiB: total(t.Inference)}
		}
		out.InferenceAcceleratorInfo.Accelerators = append(out.InferenceAcceleratorInfo.Accelerators, types.InferenceDeviceInfo{Name: new(a.Name),
			Manufacturer: new(a.Manufacturer), Count: new(int32(a.Count)), MemoryInfo: &types.InferenceDeviceMemoryInfo{SizeInMiB: new(int32(a.MemoryMiB))}})
	}
	for _, a := range t.Neuron {
		if out.NeuronInfo == nil {
			out.NeuronInfo = &types.NeuronInfo{TotalNeuronDeviceMemoryInMiB: total(t.Neuron)}
		}
		out.NeuronInfo.NeuronDevices = append(out.NeuronInfo.NeuronDevices, types.NeuronDeviceInfo{Name: new(a.Name), Count: new(int32(a.Count)),
			CoreInfo:   &types.NeuronDeviceCoreInfo{Count: new(int32(a.Cores)), Version: new(int32(a.CoreVersion))},
			MemoryInfo: &types.NeuronDeviceMemoryInfo{SizeInMiB: new(int32(a.MemoryMiB))}})
	}
	for _, a := range t.FPGAs {
		if out.FpgaInfo == nil {
			out.FpgaInfo = &types.FpgaInfo{TotalFpgaMemoryInMiB: total(t.FPGAs)}
		}
		out.FpgaInfo.Fpgas = append(out.FpgaInfo.Fpgas, types.FpgaDeviceInfo{Name: new(a.Name), Manufacturer: new(a.Manufacturer),
			Count: new(int32(a.Count)), MemoryInfo: &types.FpgaDeviceMemoryInfo{SizeInMiB: new(int32(a.MemoryMiB))}})
	}
	for _, a := range t.MediaDevices {
		if out.MediaAcceleratorInfo == nil {
			out.MediaAcceleratorInfo = &types.MediaAcceleratorInfo{TotalMediaMemoryInMiB: total(t.MediaDevices)}
		}
		out.MediaAcceleratorInfo.Accelerators = append(out.MediaAcceleratorInfo.Accelerators, types.MediaDeviceInfo{Name: new(a.Name),
			Manufacturer: new(a.Manufacturer), Count: new(int32(a.Count)), MemoryInfo: &types.MediaDeviceMemoryInfo{SizeInMiB: new(int32(a.MemoryMiB))}})
	}
}
