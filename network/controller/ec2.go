package controller

import (
	"context"
	"net/netip"
)

// EC2 is what the controller needs from the cloud. Errors are *compute.Failure where the cloud answered.
type EC2 interface {
	// Interfaces lists the interfaces of an instance in order of device index; none when the instance does not exist.
	Interfaces(ctx context.Context, instanceID string) ([]Interface, error)
	// Subnet returns the network of a subnet and all networks of its VPC.
	Subnet(ctx context.Context, subnetID string) (Subnet, error)
	// Limits returns what an instance type can have.
	Limits(ctx context.Context, instanceType string) (Limits, error)
	// Assign adds prefixes or single addresses to an interface and returns them. Calling twice adds twice.
	Assign(ctx context.Context, interfaceID string, prefixes, addresses int) ([]netip.Prefix, error)
	// Unassign takes a range from an interface. A range that is not there is fine.
	Unassign(ctx context.Context, interfaceID string, r netip.Prefix) error
	// AddInterface creates an interface with prefixes or addresses, attaches it, and makes it go with the instance.
	AddInterface(ctx context.Context, n NewInterface) (Interface, error)
	// Abandoned lists interfaces that AddInterface created but that never got, or no longer are, attached.
	Abandoned(ctx context.Context) ([]string, error)
	// DeleteInterface deletes an interface; one that is not there is fine.
	DeleteInterface(ctx context.Context, interfaceID string) error
}

// Subnet is where an interface is.
type Subnet struct {
	CIDR netip.Prefix
	VPC  []netip.Prefix
}

// NewInterface describes an interface to add.
type NewInterface struct {
	InstanceID, NodeName string
	DeviceIndex          int
	SubnetID             string
	Groups               []string
	Prefixes, Addresses  int
}
