package vpc

import (
	"cmp"
	"net/netip"
	"slices"
)

// routerPlan is what the router of a VPC must hold: a pure function of the network.
type routerPlan struct {
	Gateways []netip.Addr // on the loopback
	Devices  []Interface  // sorted by id
	Routes   []route      // sorted
	Tables   []int        // routing tables led to by a packet mark of the same number
}

// route is a kernel route. Exactly one of Device and Blackhole is set.
type route struct {
	Table     int // 254 is main
	Dst       netip.Prefix
	Device    string
	Via       netip.Addr // invalid: the destination is on the link
	Blackhole bool
}

const mainTable = 254

// planRouter derives the router from the interfaces that have a device. uplink is the host's end of the uplink.
func planRouter(n Network, devices []Interface, uplink netip.Addr) routerPlan {
	p := routerPlan{Devices: slices.Clone(devices)}
	slices.SortFunc(p.Devices, func(a, b Interface) int { return cmp.Compare(a.ID, b.ID) })
	for _, s := range n.Subnets {
		p.Gateways = append(p.Gateways, s.Gateway())
	}
	for _, c := range n.CIDRs {
		p.Routes = append(p.Routes, route{Table: mainTable, Dst: c.Masked(), Blackhole: true})
	}
	for _, d := range p.Devices {
		p.Routes = append(p.Routes, interfaceRoutes(d)...)
	}
	for _, t := range n.RouteTables {
		p.Tables = append(p.Tables, tableNumber(t.ID))
		for _, r := range t.Routes {
			if r.Destination.Addr().Is4() {
				p.Routes = append(p.Routes, tableRoute(tableNumber(t.ID), r, p.Devices, uplink))
			}
		}
	}
	slices.SortFunc(p.Gateways, netip.Addr.Compare)
	slices.Sort(p.Tables)
	slices.SortFunc(p.Routes, compareRoutes)
	p.Routes = slices.Compact(p.Routes)
	return p
}

func compareRoutes(a, b route) int {
	return cmp.Or(cmp.Compare(a.Table, b.Table), a.Dst.Addr().Compare(b.Dst.Addr()), cmp.Compare(a.Dst.Bits(), b.Dst.Bits()),
		cmp.Compare(a.Device, b.Device))
}

// interfaceRoutes leads each address and delegated prefix to its interface. Only the primary address is on the link:
// the others are reached through it, so that they need no ARP of their own.
func interfaceRoutes(i Interface) []route {
	dev := routerDevice(i.ID)
	out := []route{{Table: mainTable, Dst: host(i.Address), Device: dev}}
	for _, a := range i.Secondary {
		out = append(out, route{Table: mainTable, Dst: host(a), Device: dev, Via: i.Address})
	}
	for _, p := range i.Prefixes {
		out = append(out, route{Table: mainTable, Dst: p.Masked(), Device: dev, Via: i.Address})
	}
	return out
}

// tableRoute turns one route of a route table into a kernel route. A target without a device drops, as on AWS a route
// to a deleted or detached target does.
func tableRoute(table int, r Route, devices []Interface, uplink netip.Addr) route {
	out := route{Table: table, Dst: r.Destination.Masked()}
	switch r.Target {
	case TargetInternetGateway, TargetNATGateway:
		out.Device, out.Via = uplinkName, uplink
	case TargetInterface:
		i := slices.IndexFunc(devices, func(d Interface) bool { return d.ID == r.TargetID })
		if i < 0 {
			out.Blackhole = true
			break
		}
		out.Device, out.Via = routerDevice(devices[i].ID), devices[i].Address
	default:
		out.Blackhole = true
	}
	return out
}

// leavesVPC reports whether any route of the network leads to the internet.
func (n Network) leavesVPC() bool {
	for _, t := range n.RouteTables {
		for _, r := range t.Routes {
			if r.Target == TargetInternetGateway || r.Target == TargetNATGateway {
				return true
			}
		}
	}
	return false
}

func host(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }
