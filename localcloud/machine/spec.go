package machine

import (
	"net/netip"
	"time"
)

// Spec describes one instance. It does not change once the machine was ensured, except for HostPorts.
type Spec struct {
	ID       string // i-…
	Type     string // c6a.large
	ImageID  string // ami-…
	Region   string
	Zone     string // us-east-1a
	ZoneID   string // use1-az1
	Account  string
	Arch     string // amd64 or arm64, of the image
	Hostname string // private DNS name; the id where empty

	// KubernetesVersion is the minor version ("1.35") whose binaries the image carries; the newest one where empty.
	KubernetesVersion string

	VCPUs       int
	MemoryBytes int64
	Interfaces  []Interface
	Volumes     []Volume
	UserData    []byte // decoded
	BootDelay   time.Duration

	// HostPorts are ports of the host's loopback that answer on the machine's loopback too.
	HostPorts []int
}

// Interface is a network interface as the machine sees it at launch.
type Interface struct {
	ID          string
	MAC         string
	DeviceIndex int
	SubnetID    string
	Address     netip.Addr
	Prefix      netip.Prefix // the subnet's CIDR
	Gateway     netip.Addr
	Delegated   []netip.Prefix // /28 prefixes assigned at launch
}

// Volume is a block device of the machine. The first one that is not the root device is the data volume (/var).
type Volume struct {
	ID        string
	Device    string // /dev/xvda
	SizeBytes int64
}

// Phase is how far a machine is.
type Phase string

// Phases of a machine.
const (
	Absent  Phase = "absent"  // not known, or removed
	Booting Phase = "booting" // ensured; its init does not run yet
	Running Phase = "running" // its init runs
	Stopped Phase = "stopped" // powered off, data kept
	Failed  Phase = "failed"  // cannot boot; retried
)

// State is what is known of a machine.
type State struct {
	Phase   Phase     `json:"phase"`
	Problem string    `json:"problem,omitempty"` // last thing that went wrong
	Since   time.Time `json:"since"`
}
