package catalog

import (
	"strconv"
	"strings"
)

// Type is one EC2 instance type as DescribeInstanceTypes reports it. The units
// are those of the API: MiB, GB, Mbps, Gbps, GHz. Names such as "x86_64" are
// AWS's own spelling.
type Type struct {
	Name string

	VCPUs          int
	Cores          int
	ThreadsPerCore int
	ValidCores     []int
	ValidThreads   []int
	MemoryMiB      int64

	Architectures []string // i386, x86_64, arm64, x86_64_mac, arm64_mac
	Manufacturer  string   // AWS, Intel, AMD, Apple
	ClockGHz      float64  // sustained; 0 where AWS gives none
	CPUFeatures   []string // amd-sev-snp, nested-virtualization

	Hypervisor        string // nitro, xen; empty on bare metal
	BareMetal         bool
	Burstable         bool
	CurrentGeneration bool
	FreeTier          bool
	AutoRecovery      bool
	DedicatedHosts    bool
	Hibernation       bool
	NitroEnclaves     bool
	NitroTPM          bool
	PHC               bool // precision hardware clock
	RebootMigration   bool

	BootModes           []string
	RootDeviceTypes     []string
	UsageClasses        []string
	VirtualizationTypes []string
	PlacementStrategies []string

	Network Network
	EBS     EBS
	Storage Storage

	GPUs         []Accelerator
	Inference    []Accelerator
	Neuron       []Accelerator
	FPGAs        []Accelerator
	MediaDevices []Accelerator
}

// Network is what a type can do on the network.
type Network struct {
	Performance                  string
	Interfaces                   int // network interfaces over all cards
	IPv4PerInterface             int
	IPv4PerSecondaryInterface    int // -1 where AWS gives none
	IPv6PerInterface             int
	IPv6                         bool
	ENA                          string // required, supported, unsupported
	ENASrd                       bool
	EFA                          bool
	EFAInterfaces                int
	EncryptionInTransit          bool
	FlexibleENAQueues            bool
	BandwidthWeightings          []string
	TCPEstablishedTimeoutSeconds int // of connection tracking
	Cards                        []NetworkCard
}

// NetworkCard is one network card; its position in Network.Cards is its index.
type NetworkCard struct {
	Performance           string
	BaselineGbps          float64
	PeakGbps              float64
	Interfaces            int
	FlexibleInterfaces    int
	QueuesPerInterface    int
	MaxQueues             int
	MaxQueuesPerInterface int
}

// EBS is what a type can do with EBS volumes.
type EBS struct {
	Optimized      string // default, supported, unsupported
	Nvme           string // required, supported, unsupported
	AttachmentType string // shared (with network interfaces) or dedicated
	MaxAttachments int
	BaselineMbps   int
	BaselineIOPS   int
	MaxMbps        int
	MaxIOPS        int
	Cards          int // EBS cards with the same figures each; 0 where AWS lists none
}

// Storage is the local instance store; TotalGB is 0 where there is none.
type Storage struct {
	TotalGB    int64
	Nvme       string // required, unsupported
	Encryption string // required, unsupported
	Disks      []Disk
}

// Disk is a group of equal local disks.
type Disk struct {
	Count  int
	SizeGB int64
	Kind   string // ssd, hdd
}

// Accelerator is a group of equal devices: GPUs, inference chips, Neuron
// devices, FPGAs or media accelerators.
type Accelerator struct {
	Name         string
	Manufacturer string
	Count        int
	MemoryMiB    int64   // of one device
	Partition    float64 // share of a physical GPU; 0 where AWS gives none
	Logical      int     // logical GPUs; 0 where AWS gives none
	Cores        int     // Neuron cores of one device
	CoreVersion  int
	Workloads    []string
}

// Family is the part of the name before the dot, "c6a" of "c6a.large".
func (t *Type) Family() string { return before(t.Name, ".") }

// Size is the part of the name after the dot, "large" of "c6a.large".
func (t *Type) Size() string { return after(t.Name, ".") }

// Category is the letters before the generation, "c" of "c6a" and "inf" of "inf2".
func (t *Type) Category() string {
	family := t.Family()
	if i := strings.IndexAny(family, "0123456789-"); i >= 0 {
		return family[:i]
	}
	return family
}

// Generation is the first number in the family name, 6 of "c6a"; 0 where the
// name has none directly after its letters, as in "u-6tb1".
func (t *Type) Generation() int {
	rest := t.Family()[len(t.Category()):]
	end := 0
	for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(rest[:end])
	if err != nil {
		return 0
	}
	return n
}

// Arch is the Kubernetes name of the architecture, amd64 or arm64; empty for
// types that run neither.
func (t *Type) Arch() string {
	for _, a := range t.Architectures {
		switch a {
		case "x86_64":
			return "amd64"
		case "arm64":
			return "arm64"
		}
	}
	return ""
}

// Flex tells whether the family is one of the "-flex" ones.
func (t *Type) Flex() bool { return strings.HasSuffix(t.Family(), "-flex") }

// BaselineNetworkMbps is the sustained bandwidth of the default card, the value
// of the label instance-network-bandwidth; 0 where it is not known.
func (t *Type) BaselineNetworkMbps() int64 {
	if len(t.Network.Cards) == 0 {
		return 0
	}
	return int64(t.Network.Cards[0].BaselineGbps*1000 + 0.5)
}

// GPUCount is the number of GPUs over all groups.
func (t *Type) GPUCount() int {
	n := 0
	for _, g := range t.GPUs {
		n += g.Count
	}
	return n
}

// NeuronDevices is the number of Neuron devices over all groups.
func (t *Type) NeuronDevices() int {
	n := 0
	for _, d := range t.Neuron {
		n += d.Count
	}
	return n
}

// Accelerated tells whether the type carries a GPU or another accelerator.
func (t *Type) Accelerated() bool {
	return len(t.GPUs)+len(t.Inference)+len(t.Neuron)+len(t.FPGAs)+len(t.MediaDevices) > 0
}

// LocalNVMeGB is the size of the local NVMe disks in GB.
func (t *Type) LocalNVMeGB() int64 {
	if t.Storage.Nvme == "unsupported" {
		return 0
	}
	return t.Storage.TotalGB
}

// Supports tells whether usage class ("on-demand", "spot", "capacity-block")
// can be bought for the type.
func (t *Type) Supports(usageClass string) bool {
	for _, u := range t.UsageClasses {
		if u == usageClass {
			return true
		}
	}
	return false
}

func before(s, sep string) string { a, _, _ := strings.Cut(s, sep); return a }
func after(s, sep string) string  { _, b, _ := strings.Cut(s, sep); return b }
