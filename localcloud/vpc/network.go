package vpc

import "net/netip"

// Network is the whole desired picture of one VPC.
type Network struct {
	ID             string
	CIDRs          []netip.Prefix
	Subnets        []Subnet
	RouteTables    []RouteTable
	Interfaces     []Interface
	SecurityGroups []SecurityGroup
}

// Subnet is one subnet. Its gateway is the first address after the network address.
type Subnet struct {
	ID           string
	CIDR         netip.Prefix
	RouteTableID string // effective table: the subnet's own, else the VPC's main one
}

// Gateway returns the address of the subnet's router: base + 1.
func (s Subnet) Gateway() netip.Addr { return s.CIDR.Masked().Addr().Next() }

// RouteTable holds the routes of its subnets besides the implicit local ones (the VPC's CIDRs).
type RouteTable struct {
	ID     string
	Routes []Route
}

// Target is the kind of thing that a route points to.
type Target string

// Kinds of route targets.
const (
	TargetInternetGateway Target = "internet-gateway" // to the host, masqueraded there
	TargetNATGateway      Target = "nat-gateway"      // the same
	TargetInterface       Target = "interface"        // to the network interface named by TargetID
	TargetBlackhole       Target = "blackhole"        // dropped, as routes to deleted targets are
)

// Route sends a destination to a target. The most specific destination wins.
type Route struct {
	Destination netip.Prefix
	Target      Target
	TargetID    string
}

// Interface is a network interface of the VPC.
type Interface struct {
	ID              string
	MAC             string // "02:…", six octets
	SubnetID        string
	Address         netip.Addr     // primary private address
	Secondary       []netip.Addr   // further private addresses
	Prefixes        []netip.Prefix // delegated /28 prefixes
	Groups          []string       // security group ids
	SourceDestCheck bool
	DeviceIndex     int // 0 also gets the default route of its namespace

	// NetNS is the file of the network namespace to put the interface into. An interface without one, or whose
	// namespace does not exist (yet), has no device: it is left out until a later Apply.
	NetNS string
	Name  string // name inside the namespace, "eth0"
}

// Owns reports whether the interface is where packets for an address go.
func (i Interface) Owns(a netip.Addr) bool {
	if a == i.Address {
		return true
	}
	for _, s := range i.Secondary {
		if a == s {
			return true
		}
	}
	for _, p := range i.Prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// SecurityGroup is a stateful filter on the interfaces that name it. What no rule of any group of an interface allows
// is dropped; replies to what was allowed always pass.
type SecurityGroup struct {
	ID      string
	Ingress []Rule
	Egress  []Rule
}

// Rule allows one kind of traffic from (ingress) or to (egress) one peer.
type Rule struct {
	// Protocol is "tcp", "udp", "icmp", "-1" for all, or a protocol number.
	Protocol string
	// FromPort and ToPort bound the destination port of TCP and UDP; for ICMP they are type and code, -1 meaning any.
	FromPort int
	ToPort   int

	// The peer: exactly one of CIDR and Group is set. Rules on prefix lists are given as one Rule per CIDR.
	CIDR  netip.Prefix
	Group string // security group id: the private addresses of the interfaces in it
}
