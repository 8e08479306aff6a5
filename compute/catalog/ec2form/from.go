package ec2form

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/automode-dev/automode/compute/catalog"
)

// From reads what DescribeInstanceTypes says about one type. Slices that have
// no order of their own come out sorted.
func From(info types.InstanceTypeInfo) catalog.Type {
	t := catalog.Type{
		Name:                string(info.InstanceType),
		Hypervisor:          string(info.Hypervisor),
		BareMetal:           value(info.BareMetal),
		Burstable:           value(info.BurstablePerformanceSupported),
		CurrentGeneration:   value(info.CurrentGeneration),
		FreeTier:            value(info.FreeTierEligible),
		AutoRecovery:        value(info.AutoRecoverySupported),
		DedicatedHosts:      value(info.DedicatedHostsSupported),
		Hibernation:         value(info.HibernationSupported),
		NitroEnclaves:       info.NitroEnclavesSupport == types.NitroEnclavesSupportSupported,
		NitroTPM:            info.NitroTpmSupport == types.NitroTpmSupportSupported,
		PHC:                 info.PhcSupport == types.PhcSupportSupported,
		RebootMigration:     info.RebootMigrationSupport == types.RebootMigrationSupportSupported,
		BootModes:           sorted(info.SupportedBootModes),
		RootDeviceTypes:     sorted(info.SupportedRootDeviceTypes),
		UsageClasses:        sorted(info.SupportedUsageClasses),
		VirtualizationTypes: sorted(info.SupportedVirtualizationTypes),
	}
	if info.PlacementGroupInfo != nil {
		t.PlacementStrategies = sorted(info.PlacementGroupInfo.SupportedStrategies)
	}
	if info.MemoryInfo != nil {
		t.MemoryMiB = value(info.MemoryInfo.SizeInMiB)
	}
	fromProcessor(&t, info.VCpuInfo, info.ProcessorInfo)
	fromNetwork(&t.Network, info.NetworkInfo)
	fromEBS(&t.EBS, info.EbsInfo)
	fromStorage(&t.Storage, info.InstanceStorageInfo)
	fromAccelerators(&t, info)
	return t
}

func fromProcessor(t *catalog.Type, cpu *types.VCpuInfo, p *types.ProcessorInfo) {
	if cpu != nil {
		t.VCPUs, t.Cores, t.ThreadsPerCore = integer(cpu.DefaultVCpus), integer(cpu.DefaultCores), integer(cpu.DefaultThreadsPerCore)
		t.ValidCores, t.ValidThreads = integers(cpu.ValidCores), integers(cpu.ValidThreadsPerCore)
	}
	if p != nil {
		t.Architectures = sorted(p.SupportedArchitectures)
		t.Manufacturer = value(p.Manufacturer)
		t.ClockGHz = value(p.SustainedClockSpeedInGhz)
		t.CPUFeatures = sorted(p.SupportedFeatures)
	}
}

func fromNetwork(n *catalog.Network, info *types.NetworkInfo) {
	if info == nil {
		return
	}
	*n = catalog.Network{
		Performance:               value(info.NetworkPerformance),
		Interfaces:                integer(info.MaximumNetworkInterfaces),
		IPv4PerInterface:          integer(info.Ipv4AddressesPerInterface),
		IPv4PerSecondaryInterface: -1,
		IPv6PerInterface:          integer(info.Ipv6AddressesPerInterface),
		IPv6:                      value(info.Ipv6Supported),
		ENA:                       string(info.EnaSupport),
		ENASrd:                    value(info.EnaSrdSupported),
		EFA:                       value(info.EfaSupported),
		EncryptionInTransit:       value(info.EncryptionInTransitSupported),
		FlexibleENAQueues:         info.FlexibleEnaQueuesSupport == types.FlexibleEnaQueuesSupportSupported,
		BandwidthWeightings:       sorted(info.BandwidthWeightings),
	}
	if info.Ipv4AddressesPerSecondaryInterface != nil {
		n.IPv4PerSecondaryInterface = integer(info.Ipv4AddressesPerSecondaryInterface)
	}
	if info.EfaInfo != nil {
		n.EFAInterfaces = integer(info.EfaInfo.MaximumEfaInterfaces)
	}
	if info.ConnectionTrackingConfiguration != nil {
		n.TCPEstablishedTimeoutSeconds = integer(info.ConnectionTrackingConfiguration.DefaultTcpEstablishedTimeout)
	}
	cards := slices.Clone(info.NetworkCards)
	slices.SortStableFunc(cards, func(a, b types.NetworkCardInfo) int {
		return integer(a.NetworkCardIndex) - integer(b.NetworkCardIndex)
	})
	for _, c := range cards {
		n.Cards = append(n.Cards, catalog.NetworkCard{
			Performance:           value(c.NetworkPerformance),
			BaselineGbps:          value(c.BaselineBandwidthInGbps),
			PeakGbps:              value(c.PeakBandwidthInGbps),
			Interfaces:            integer(c.MaximumNetworkInterfaces),
			FlexibleInterfaces:    integer(c.AdditionalFlexibleNetworkInterfaces),
			QueuesPerInterface:    integer(c.DefaultEnaQueueCountPerInterface),
			MaxQueues:             integer(c.MaximumEnaQueueCount),
			MaxQueuesPerInterface: integer(c.MaximumEnaQueueCountPerInterface),
		})
	}
}

func fromEBS(e *catalog.EBS, info *types.EbsInfo) {
	if info == nil {
		return
	}
	*e = catalog.EBS{
		Optimized:      string(info.EbsOptimizedSupport),
		Nvme:           string(info.NvmeSupport),
		AttachmentType: string(info.AttachmentLimitType),
		MaxAttachments: integer(info.MaximumEbsAttachments),
		Cards:          integer(info.MaximumEbsCards),
	}
	if o := info.EbsOptimizedInfo; o != nil {
		e.BaselineMbps, e.BaselineIOPS = integer(o.BaselineBandwidthInMbps), integer(o.BaselineIops)
		e.MaxMbps, e.MaxIOPS = integer(o.MaximumBandwidthInMbps), integer(o.MaximumIops)
	}
}

func fromStorage(s *catalog.Storage, info *types.InstanceStorageInfo) {
	if info == nil {
		return
	}
	s.TotalGB, s.Nvme, s.Encryption = value(info.TotalSizeInGB), string(info.NvmeSupport), string(info.EncryptionSupport)
	for _, d := range info.Disks {
		s.Disks = append(s.Disks, catalog.Disk{Count: integer(d.Count), SizeGB: value(d.SizeInGB), Kind: string(d.Type)})
	}
}

func fromAccelerators(t *catalog.Type, info types.InstanceTypeInfo) {
	if info.GpuInfo != nil {
		for _, g := range info.GpuInfo.Gpus {
			a := catalog.Accelerator{Name: value(g.Name), Manufacturer: value(g.Manufacturer), Count: integer(g.Count),
				Partition: value(g.GpuPartitionSize), Logical: integer(g.LogicalGpuCount), Workloads: slices.Clone(g.Workloads)}
			if g.MemoryInfo != nil {
				a.MemoryMiB = int64(integer(g.MemoryInfo.SizeInMiB))
			}
			t.GPUs = append(t.GPUs, a)
		}
	}
	if info.InferenceAcceleratorInfo != nil {
		for _, d := range info.InferenceAcceleratorInfo.Accelerators {
			a := catalog.Accelerator{Name: value(d.Name), Manufacturer: value(d.Manufacturer), Count: integer(d.Count)}
			if d.MemoryInfo != nil {
				a.MemoryMiB = int64(integer(d.MemoryInfo.SizeInMiB))
			}
			t.Inference = append(t.Inference, a)
		}
	}
	if info.NeuronInfo != nil {
		for _, d := range info.NeuronInfo.NeuronDevices {
			a := catalog.Accelerator{Name: value(d.Name), Count: integer(d.Count)}
			if d.MemoryInfo != nil {
				a.MemoryMiB = int64(integer(d.MemoryInfo.SizeInMiB))
			}
			if d.CoreInfo != nil {
				a.Cores, a.CoreVersion = integer(d.CoreInfo.Count), integer(d.CoreInfo.Version)
			}
			t.Neuron = append(t.Neuron, a)
		}
	}
	if info.FpgaInfo != nil {
		for _, d := range info.FpgaInfo.Fpgas {
			a := catalog.Accelerator{Name: value(d.Name), Manufacturer: value(d.Manufacturer), Count: integer(d.Count)}
			if d.MemoryInfo != nil {
				a.MemoryMiB = int64(integer(d.MemoryInfo.SizeInMiB))
			}
			t.FPGAs = append(t.FPGAs, a)
		}
	}
	if info.MediaAcceleratorInfo != nil {
		for _, d := range info.MediaAcceleratorInfo.Accelerators {
			a := catalog.Accelerator{Name: value(d.Name), Manufacturer: value(d.Manufacturer), Count: integer(d.Count)}
			if d.MemoryInfo != nil {
				a.MemoryMiB = int64(integer(d.MemoryInfo.SizeInMiB))
			}
			t.MediaDevices = append(t.MediaDevices, a)
		}
	}
}

func value[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

func integer(p *int32) int { return int(value(p)) }

func integers(in []int32) []int {
	var out []int
	for _, n := range in {
		out = append(out, int(n))
	}
	return out
}

func sorted[T ~string](in []T) []string {
	var out []string
	for _, s := range in {
		out = append(out, string(s))
	}
	slices.Sort(out)
	return out
}
