package compute

import "time"

// Tag keys of what Auto Mode creates in the cloud. The managed policies allow these and no others.
const (
	TagCluster   = "eks:eks-cluster-name"
	TagNodeClass = "eks:kubernetes-node-class-name"
	TagNodePool  = "eks:kubernetes-node-pool-name"
	// TagOwnedPrefix + cluster name has the value "owned".
	TagOwnedPrefix = "kubernetes.io/cluster/"
)

// Operator is the principal that managed instances are operated by.
const Operator = "eks.amazonaws.com"

// Capacity types of an instance.
const (
	OnDemand = "on-demand"
	Spot     = "spot"
	Reserved = "reserved"
)

// Instance is a machine in the cloud.
type Instance struct {
	ID               string
	Type             string
	Zone             string
	ZoneID           string
	CapacityType     string
	ImageID          string
	SubnetID         string
	SecurityGroupIDs []string
	State            string // pending, running, shutting-down, terminated, stopping, stopped
	Tags             map[string]string
	Launched         time.Time
	// Addresses are the private addresses of all interfaces, primary ones first.
	Addresses []string
	// DNSNames are the private DNS names of the instance.
	DNSNames []string
}

// Terminating tells whether the instance is on its way out or gone.
func (i Instance) Terminating() bool { return i.State == "shutting-down" || i.State == "terminated" }

// LaunchTemplate is everything a launch needs besides the type and the place.
type LaunchTemplate struct {
	Name             string
	CapacityType     string
	ImageID          string
	InstanceProfile  string
	SecurityGroupIDs []string
	UserData         []byte
	RootVolume       Volume
	DataVolume       Volume
	// PublicIP gives or refuses a public address; nil follows the subnet.
	PublicIP *bool
	// Interfaces is the layout of network interfaces; the primary one first.
	Interfaces []LaunchInterface
	// PlacementGroup by name or id, at most one of them.
	PlacementGroupName string
	PlacementGroupID   string
	Tags               map[string]string
}

// LaunchInterface is a network interface that comes with the instance.
type LaunchInterface struct {
	CardIndex, DeviceIndex int32
	// Type is "interface" or "efa-only".
	Type string
	// Prefixes is the number of /28 networks for pods, Addresses that of single addresses.
	Prefixes, Addresses int32
}

// Volume is a disk that comes with the instance and goes with it.
type Volume struct {
	Device     string
	SizeGiB    int32
	IOPS       int32
	Throughput int32
	KMSKeyID   string
}

// Override is one offering a launch may choose.
type Override struct {
	InstanceType string
	Zone         string
	SubnetID     string
	// Priority orders overrides of equal worth, lower first.
	Priority float64
}

// LaunchGroup is a template with the offerings it may be used for.
type LaunchGroup struct {
	TemplateName string
	Overrides    []Override
}

// Launch asks for one instance.
type Launch struct {
	CapacityType string
	Groups       []LaunchGroup
	Tags         map[string]string
}

// Refusal is an offering that the cloud could not give.
type Refusal struct {
	Override Override
	Failure  *Failure
}

// Launched is the outcome of a launch: the instance, or none, and what was refused on the way.
type Launched struct {
	Instance *Instance
	Refusals []Refusal
}
