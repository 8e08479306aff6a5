package controller

import (
	"net/netip"
	"slices"
)

const (
	prefixSize = 16 // addresses of a /28
	// warmAddresses are kept free beyond the pods that are scheduled: half a prefix. The VPC CNI keeps a whole one, with
	// which every node of a few pods takes two, and a subnet is full with half as many nodes.
	warmAddresses = prefixSize / 2
	// sparedAddresses are left free when a range is released, more than the warm ones: else one pod would go back and forth.
	sparedAddresses = warmAddresses + prefixSize/4
	// warmSingles is the same where single addresses are assigned.
	warmSingles = 1
)

// Limits are how many interfaces an instance type has, and how many addresses each; a prefix takes the place of one.
type Limits struct {
	Interfaces            int
	AddressesPerInterface int
}

// Interface is a network interface of a node as EC2 knows it.
type Interface struct {
	ID, MAC          string
	DeviceIndex      int
	NetworkCardIndex int
	SubnetID         string
	Groups           []string
	Address          netip.Addr
	Prefixes         []netip.Prefix
	Addresses        []netip.Addr // secondary ones
}

// Ranges are the pod addresses of the interface, prefixes first.
func (i Interface) Ranges() []netip.Prefix {
	ranges := slices.Clone(i.Prefixes)
	for _, a := range i.Addresses {
		ranges = append(ranges, netip.PrefixFrom(a, a.BitLen()))
	}
	return ranges
}

func (i *Interface) add(r netip.Prefix) {
	if r.IsSingleIP() {
		i.Addresses = append(slices.Clone(i.Addresses), r.Addr())
	} else {
		i.Prefixes = append(slices.Clone(i.Prefixes), r)
	}
}

func (i *Interface) remove(r netip.Prefix) {
	i.Prefixes = slices.DeleteFunc(slices.Clone(i.Prefixes), func(p netip.Prefix) bool { return p == r })
	i.Addresses = slices.DeleteFunc(slices.Clone(i.Addresses), func(a netip.Addr) bool { return r.IsSingleIP() && a == r.Addr() })
}

// slots is how many more prefixes or addresses fit on the interface.
func (i Interface) slots(l Limits) int {
	return max(l.AddressesPerInterface-1-len(i.Prefixes)-len(i.Addresses), 0)
}

// Need is everything the decision depends on.
type Need struct {
	Pods       int // on the pod network, scheduled and not finished
	MaxPods    int
	InUse      map[netip.Addr]bool // addresses that pods have
	Interfaces []Interface         // in order of device index
	Limits     Limits
	// SinglesOnly says that prefixes are unwanted or, for now, not to be had.
	SinglesOnly bool
}

// Step is the next thing to do for a node; the zero Step is nothing.
type Step struct {
	// Interface to assign to or release from; empty with NewInterface.
	Interface    string
	NewInterface bool
	// Prefixes or Addresses to assign.
	Prefixes, Addresses int
	// Release is a range to take back.
	Release netip.Prefix
}

// Next decides the next step: grow while fewer than the warm number of addresses are free and the node could still run
// more pods than it has addresses; shrink while a range without pods can go and enough stay free.
func Next(n Need) Step {
	total := count(n.Interfaces)
	warm, spared := warmAddresses, sparedAddresses
	if n.SinglesOnly {
		warm, spared = warmSingles, warmSingles
	}
	if short := min(n.Pods+warm, n.MaxPods) - total; short > 0 {
		return grow(n, short)
	}
	return shrink(n, total-n.Pods-spared)
}

func count(interfaces []Interface) (total int) {
	for _, i := range interfaces {
		total += prefixSize*len(i.Prefixes) + len(i.Addresses)
	}
	return total
}

func grow(n Need, short int) Step {
	step := Step{Prefixes: (short + prefixSize - 1) / prefixSize}
	if n.SinglesOnly {
		step = Step{Addresses: short}
	}
	for _, i := range n.Interfaces {
		if slots := i.slots(n.Limits); slots > 0 {
			step.Interface = i.ID
			return step.atMost(slots)
		}
	}
	if len(n.Interfaces) < n.Limits.Interfaces && n.Limits.AddressesPerInterface > 1 {
		step.NewInterface = true
		return step.atMost(n.Limits.AddressesPerInterface - 1)
	}
	return Step{}
}

func (s Step) atMost(slots int) Step {
	s.Prefixes, s.Addresses = min(s.Prefixes, slots), min(s.Addresses, slots)
	return s
}

// shrink picks the last range without pods that is not larger than what is over. The first prefix always stays.
func shrink(n Need, over int) Step {
	for i := len(n.Interfaces) - 1; i >= 0; i-- {
		ranges := n.Interfaces[i].Ranges()
		for j := len(ranges) - 1; j >= 0; j-- {
			size := 1 << (ranges[j].Addr().BitLen() - ranges[j].Bits())
			if size <= over && !(i == 0 && j == 0) && !occupied(ranges[j], n.InUse) {
				return Step{Interface: n.Interfaces[i].ID, Release: ranges[j]}
			}
		}
	}
	return Step{}
}

func occupied(r netip.Prefix, inUse map[netip.Addr]bool) bool {
	for a := range inUse {
		if r.Contains(a) {
			return true
		}
	}
	return false
}
