package ec2form

import (
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/automode-dev/automode/compute/catalog"
)

// To writes a type as DescribeInstanceTypes answers it. The result shares
// nothing with the catalog.
func To(t *catalog.Type) types.InstanceTypeInfo {
	info := types.InstanceTypeInfo{
		InstanceType:                  types.InstanceType(t.Name),
		Hypervisor:                    types.InstanceTypeHypervisor(t.Hypervisor),
		BareMetal:                     ptr(t.BareMetal),
		BurstablePerformanceSupported: ptr(t.Burstable),
		CurrentGeneration:             ptr(t.CurrentGeneration),
		FreeTierEligible:              ptr(t.FreeTier),
		AutoRecoverySupported:         ptr(t.AutoRecovery),
		DedicatedHostsSupported:       ptr(t.DedicatedHosts),
		HibernationSupported:          ptr(t.Hibernation),
		InstanceStorageSupported:      ptr(t.Storage.TotalGB > 0),
		NitroEnclavesSupport:          supported[types.NitroEnclavesSupport](t.NitroEnclaves),
		NitroTpmSupport:               supported[types.NitroTpmSupport](t.NitroTPM),
		PhcSupport:                    supported[types.PhcSupport](t.PHC),
		RebootMigrationSupport:        supported[types.RebootMigrationSupport](t.RebootMigration),
		SupportedBootModes:            typed[types.BootModeType](t.BootModes),
		SupportedRootDeviceTypes:      typed[types.RootDeviceType](t.RootDeviceTypes),
		SupportedUsageClasses:         typed[types.UsageClassType](t.UsageClasses),
		SupportedVirtualizationTypes:  typed[types.VirtualizationType](t.VirtualizationTypes),
		MemoryInfo:                    &types.MemoryInfo{SizeInMiB: ptr(t.MemoryMiB)},
		PlacementGroupInfo:            &types.PlacementGroupInfo{SupportedStrategies: typed[types.PlacementGroupStrategy](t.PlacementStrategies)},
		NetworkInfo:                   toNetwork(&t.Network),
		EbsInfo:                       toEBS(&t.EBS),
		InstanceStorageInfo:           toStorage(&t.Storage),
		ProcessorInfo: &types.ProcessorInfo{
			Manufacturer:           ptr(t.Manufacturer),
			SupportedArchitectures: typed[types.ArchitectureType](t.Architectures),
			SupportedFeatures:      typed[types.SupportedAdditionalProcessorFeature](t.CPUFeatures),
		},
		VCpuInfo: &types.VCpuInfo{
			DefaultVCpus:          number(t.VCPUs),
			DefaultCores:          number(t.Cores),
			DefaultThreadsPerCore: number(t.ThreadsPerCore),
			ValidCores:            numbers(t.ValidCores),
			ValidThreadsPerCore:   numbers(t.ValidThreads),
		},
	}
	if t.ClockGHz != 0 {
		info.ProcessorInfo.SustainedClockSpeedInGhz = ptr(t.ClockGHz)
	}
	if t.NitroTPM {
		info.NitroTpmInfo = &types.NitroTpmInfo{SupportedVersions: []string{"2.0"}}
	}
	toAccelerators(&info, t)
	return info
}

func toNetwork(n *catalog.Network) *types.NetworkInfo {
	info := &types.NetworkInfo{
		NetworkPerformance:           ptr(n.Performance),
		MaximumNetworkInterfaces:     number(n.Interfaces),
		MaximumNetworkCards:          number(len(n.Cards)),
		DefaultNetworkCardIndex:      number(0),
		Ipv4AddressesPerInterface:    number(n.IPv4PerInterface),
		Ipv6AddressesPerInterface:    number(n.IPv6PerInterface),
		Ipv6Supported:                ptr(n.IPv6),
		EnaSupport:                   types.EnaSupport(n.ENA),
		EnaSrdSupported:              ptr(n.ENASrd),
		EfaSupported:                 ptr(n.EFA),
		EncryptionInTransitSupported: ptr(n.EncryptionInTransit),
		FlexibleEnaQueuesSupport:     supported[types.FlexibleEnaQueuesSupport](n.FlexibleENAQueues),
		BandwidthWeightings:          typed[types.BandwidthWeightingType](n.BandwidthWeightings),
		SecondaryNetworkSupported:    ptr(false),
	}
	if n.IPv4PerSecondaryInterface >= 0 {
		info.Ipv4AddressesPerSecondaryInterface = number(n.IPv4PerSecondaryInterface)
	}
	if n.EFAInterfaces > 0 {
		info.EfaInfo = &types.EfaInfo{MaximumEfaInterfaces: number(n.EFAInterfaces)}
	}
	if n.TCPEstablishedTimeoutSeconds > 0 {
		info.ConnectionTrackingConfiguration = &types.DefaultConnectionTrackingConfiguration{
			DefaultTcpEstablishedTimeout: number(n.TCPEstablishedTimeoutSeconds),
			DefaultUdpStreamTimeout:      number(180),
			DefaultUdpTimeout:            number(30),
		}
	}
	for i, c := range n.Cards {
		info.NetworkCards = append(info.NetworkCards, types.NetworkCardInfo{
			NetworkCardIndex:                    number(i),
			NetworkPerformance:                  ptr(c.Performance),
			BaselineBandwidthInGbps:             positive(c.BaselineGbps),
			PeakBandwidthInGbps:                 positive(c.PeakGbps),
			MaximumNetworkInterfaces:            number(c.Interfaces),
			AdditionalFlexibleNetworkInterfaces: given(c.FlexibleInterfaces),
			DefaultEnaQueueCountPerInterface:    given(c.QueuesPerInterface),
			MaximumEnaQueueCount:                given(c.MaxQueues),
			MaximumEnaQueueCountPerInterface:    given(c.MaxQueuesPerInterface),
		})
	}
	return info
}

func toEBS(e *catalog.EBS) *types.EbsInfo {
	info := &types.EbsInfo{
		EbsOptimizedSupport:   types.EbsOptimizedSupport(e.Optimized),
		EncryptionSupport:     types.EbsEncryptionSupportSupported,
		NvmeSupport:           types.EbsNvmeSupport(e.Nvme),
		AttachmentLimitType:   types.AttachmentLimitType(e.AttachmentType),
		MaximumEbsAttachments: given(e.MaxAttachments),
		MaximumEbsCards:       given(e.Cards),
	}
	if e.MaxMbps == 0 {
		return info
	}
	// Throughput is bandwidth in bytes: AWS lists both.
	info.EbsOptimizedInfo = &types.EbsOptimizedInfo{
		BaselineBandwidthInMbps:  number(e.BaselineMbps),
		BaselineIops:             number(e.BaselineIOPS),
		BaselineThroughputInMBps: ptr(float64(e.BaselineMbps) / 8),
		MaximumBandwidthInMbps:   number(e.MaxMbps),
		MaximumIops:              number(e.MaxIOPS),
		MaximumThroughputInMBps:  ptr(float64(e.MaxMbps) / 8),
	}
	for i := range e.Cards {
		o := info.EbsOptimizedInfo
		info.EbsCards = append(info.EbsCards, types.EbsCardInfo{EbsCardIndex: number(i),
			BaselineBandwidthInMbps: o.BaselineBandwidthInMbps, BaselineIops: o.BaselineIops, BaselineThroughputInMBps: o.BaselineThroughputInMBps,
			MaximumBandwidthInMbps: o.MaximumBandwidthInMbps, MaximumIops: o.MaximumIops, MaximumThroughputInMBps: o.MaximumThroughputInMBps})
	}
	return info
}

func toStorage(s *catalog.Storage) *types.InstanceStorageInfo {
	if s.TotalGB == 0 {
		return nil
	}
	info := &types.InstanceStorageInfo{
		TotalSizeInGB:     ptr(s.TotalGB),
		NvmeSupport:       types.EphemeralNvmeSupport(s.Nvme),
		EncryptionSupport: types.InstanceStorageEncryptionSupport(s.Encryption),
	}
	for _, d := range s.Disks {
		info.Disks = append(info.Disks, types.DiskInfo{Count: number(d.Count), SizeInGB: ptr(d.SizeGB), Type: types.DiskType(d.Kind)})
	}
	return info
}

func toAccelerators(info *types.InstanceTypeInfo, t *catalog.Type) {
	if len(t.GPUs) > 0 {
		info.GpuInfo = &types.GpuInfo{TotalGpuMemoryInMiB: number(total(t.GPUs))}
		for _, a := range t.GPUs {
			info.GpuInfo.Gpus = append(info.GpuInfo.Gpus, types.GpuDeviceInfo{Name: ptr(a.Name), Manufacturer: ptr(a.Manufacturer), Count: number(a.Count),
				GpuPartitionSize: positive(a.Partition), LogicalGpuCount: given(a.Logical), Workloads: typed[string](a.Workloads),
				MemoryInfo: &types.GpuDeviceMemoryInfo{SizeInMiB: number(int(a.MemoryMiB))}})
		}
	}
	if len(t.Inference) > 0 {
		info.InferenceAcceleratorInfo = &types.InferenceAcceleratorInfo{TotalInferenceMemoryInMiB: number(total(t.Inference))}
		for _, a := range t.Inference {
			info.InferenceAcceleratorInfo.Accelerators = append(info.InferenceAcceleratorInfo.Accelerators, types.InferenceDeviceInfo{
				Name: ptr(a.Name), Manufacturer: ptr(a.Manufacturer), Count: number(a.Count), MemoryInfo: &types.InferenceDeviceMemoryInfo{SizeInMiB: number(int(a.MemoryMiB))}})
		}
	}
	if len(t.Neuron) > 0 {
		info.NeuronInfo = &types.NeuronInfo{TotalNeuronDeviceMemoryInMiB: number(total(t.Neuron))}
		for _, a := range t.Neuron {
			info.NeuronInfo.NeuronDevices = append(info.NeuronInfo.NeuronDevices, types.NeuronDeviceInfo{Name: ptr(a.Name), Count: number(a.Count),
				CoreInfo:   &types.NeuronDeviceCoreInfo{Count: number(a.Cores), Version: number(a.CoreVersion)},
				MemoryInfo: &types.NeuronDeviceMemoryInfo{SizeInMiB: number(int(a.MemoryMiB))}})
		}
	}
	if len(t.FPGAs) > 0 {
		info.FpgaInfo = &types.FpgaInfo{TotalFpgaMemoryInMiB: number(total(t.FPGAs))}
		for _, a := range t.FPGAs {
			info.FpgaInfo.Fpgas = append(info.FpgaInfo.Fpgas, types.FpgaDeviceInfo{
				Name: ptr(a.Name), Manufacturer: ptr(a.Manufacturer), Count: number(a.Count), MemoryInfo: &types.FpgaDeviceMemoryInfo{SizeInMiB: number(int(a.MemoryMiB))}})
		}
	}
	if len(t.MediaDevices) > 0 {
		info.MediaAcceleratorInfo = &types.MediaAcceleratorInfo{TotalMediaMemoryInMiB: number(total(t.MediaDevices))}
		for _, a := range t.MediaDevices {
			info.MediaAcceleratorInfo.Accelerators = append(info.MediaAcceleratorInfo.Accelerators, types.MediaDeviceInfo{
				Name: ptr(a.Name), Manufacturer: ptr(a.Manufacturer), Count: number(a.Count), MemoryInfo: &types.MediaDeviceMemoryInfo{SizeInMiB: number(int(a.MemoryMiB))}})
		}
	}
}

// total is the memory of all devices. A shared GPU counts by its memory alone.
func total(devices []catalog.Accelerator) int {
	n := 0
	for _, a := range devices {
		n += max(1, a.Count) * int(a.MemoryMiB)
	}
	return n
}

func ptr[T any](v T) *T { return &v }

func number(n int) *int32 { return ptr(int32(n)) }

// given leaves a member out where the catalog has no figure.
func given(n int) *int32 {
	if n == 0 {
		return nil
	}
	return number(n)
}

func positive(f float64) *float64 {
	if f == 0 {
		return nil
	}
	return ptr(f)
}

func numbers(in []int) []int32 {
	var out []int32
	for _, n := range in {
		out = append(out, int32(n))
	}
	return out
}

func typed[T ~string](in []string) []T {
	var out []T
	for _, s := range in {
		out = append(out, T(s))
	}
	return out
}

func supported[T ~string](yes bool) T {
	if yes {
		return T("supported")
	}
	return T("unsupported")
}
