package datapath

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Connected is a pod's connection as the kernel knows it.
type Connected struct {
	Veth, Label string
	Address     netip.Addr
}

// List returns the pods that are connected, by the node's ends of their pairs. A pair that is only half made (without its
// route or label yet) is left out.
func List() ([]Connected, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("listing the node's interfaces: %w", err)
	}
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("listing the node's routes: %w", err)
	}
	addresses := map[int]netip.Addr{}
	for _, route := range routes {
		if address, ok := hostRoute(route); ok {
			addresses[route.LinkIndex] = address
		}
	}
	var found []Connected
	for _, link := range links {
		attrs := link.Attrs()
		address, routed := addresses[attrs.Index]
		if link.Type() == "veth" && strings.HasPrefix(attrs.Name, vethPrefix) && routed && attrs.Alias != "" {
			found = append(found, Connected{Veth: attrs.Name, Label: attrs.Alias, Address: address})
		}
	}
	return found, nil
}

func hostRoute(route netlink.Route) (netip.Addr, bool) {
	if route.Dst == nil || route.Gw != nil {
		return netip.Addr{}, false
	}
	if ones, bits := route.Dst.Mask.Size(); ones != bits {
		return netip.Addr{}, false
	}
	return netip.AddrFromSlice(route.Dst.IP)
}

// Check reports what is missing of a connection made by Connect.
func Check(p Pod) error {
	host, err := netlink.LinkByName(p.Veth)
	if err != nil {
		return fmt.Errorf("finding interface %s: %w", p.Veth, err)
	}
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_V4,
		&netlink.Route{Dst: single(p.Address), LinkIndex: host.Attrs().Index}, netlink.RT_FILTER_DST|netlink.RT_FILTER_OIF)
	if err != nil {
		return fmt.Errorf("listing the routes to %s: %w", p.Address, err)
	}
	if len(routes) == 0 {
		return fmt.Errorf("no route to pod address %s by %s", p.Address, p.Veth)
	}
	return checkInside(p)
}

func checkInside(p Pod) error {
	ns, err := netns.GetFromPath(p.NetNS)
	if err != nil {
		return fmt.Errorf("opening the pod's network namespace %s: %w", p.NetNS, err)
	}
	defer ns.Close()
	inside, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("entering the pod's network namespace %s: %w", p.NetNS, err)
	}
	defer inside.Close()
	link, err := inside.LinkByName(p.IfName)
	if err != nil {
		return fmt.Errorf("finding interface %s in the pod: %w", p.IfName, err)
	}
	addresses, err := inside.AddrList(link, netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("listing the addresses of the pod's %s: %w", p.IfName, err)
	}
	for _, address := range addresses {
		if address.IPNet.String() == single(p.Address).String() {
			return nil
		}
	}
	return fmt.Errorf("address %s is missing on the pod's %s", p.Address, p.IfName)
}
