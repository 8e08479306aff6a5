package vpc

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// routeProtocol marks the kernel routes that this package made: a number that no routing daemon has.
const routeProtocol = 77

// markRulePriority orders the rules from marks to route tables after the main table, which holds the local routes.
const markRulePriority = 33000

// applyRoutes converges the routes of all tables that this package made.
func applyRoutes(h *netlink.Handle, want []route) error {
	index := map[string]int{}
	links, err := h.LinkList()
	if err != nil {
		return err
	}
	for _, l := range links {
		index[l.Attrs().Name] = l.Attrs().Index
	}
	filter := &netlink.Route{Table: unix.RT_TABLE_UNSPEC, Protocol: routeProtocol}
	have, err := h.RouteListFiltered(netlink.FAMILY_V4, filter, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return fmt.Errorf("listing the router's routes: %w", err)
	}
	extra := map[routeKey]netlink.Route{}
	for _, r := range have {
		extra[keyOf(r)] = r
	}
	// Old routes go first where the same destination moves to another device.
	var missing []netlink.Route
	for _, r := range want {
		k := kernelRoute(r, index)
		if _, ok := extra[keyOf(k)]; ok {
			delete(extra, keyOf(k))
			continue
		}
		missing = append(missing, k)
	}
	for _, r := range extra {
		if err := h.RouteDel(&r); err != nil && !gone(err) {
			return fmt.Errorf("deleting route to %s: %w", r.Dst, err)
		}
	}
	for _, r := range missing {
		if r.Type == unix.RTN_UNICAST && r.LinkIndex == 0 {
			continue // its device went with its machine
		}
		if err := h.RouteReplace(&r); err != nil {
			return fmt.Errorf("adding route to %s: %w", r.Dst, err)
		}
	}
	return nil
}

// routeKey identifies a route for comparison.
type routeKey struct {
	table, device, kind int
	dst, via            string
}

func keyOf(r netlink.Route) routeKey {
	k := routeKey{table: r.Table, device: r.LinkIndex, kind: r.Type}
	if k.kind == unix.RTN_BLACKHOLE {
		k.device = 0
	}
	if r.Dst != nil {
		k.dst = prefixOf(r.Dst).String()
	}
	if r.Gw != nil {
		k.via = addrOf(r.Gw).String()
	}
	return k
}

func kernelRoute(r route, index map[string]int) netlink.Route {
	out := netlink.Route{Table: r.Table, Dst: ipNet(r.Dst), Protocol: routeProtocol, Type: unix.RTN_UNICAST}
	switch {
	case r.Blackhole:
		out.Type = unix.RTN_BLACKHOLE
	case r.Via.IsValid():
		out.LinkIndex, out.Gw = index[r.Device], r.Via.AsSlice()
		out.Flags = int(netlink.FLAG_ONLINK)
	default:
		out.LinkIndex, out.Scope = index[r.Device], netlink.SCOPE_LINK
	}
	return out
}

// applyMarkRules leads marked packets to the routing table of their mark.
func applyMarkRules(h *netlink.Handle, tables []int) error {
	missing := map[int]bool{}
	for _, t := range tables {
		missing[t] = true
	}
	have, err := h.RuleList(netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("listing the router's rules: %w", err)
	}
	for _, r := range have {
		if r.Priority != markRulePriority {
			continue
		}
		if missing[r.Table] {
			delete(missing, r.Table)
			continue
		}
		if err := h.RuleDel(&r); err != nil && !gone(err) {
			return fmt.Errorf("deleting rule to table %d: %w", r.Table, err)
		}
	}
	for t := range missing {
		r := netlink.NewRule()
		r.Family, r.Priority, r.Table, r.Mark = netlink.FAMILY_V4, markRulePriority, t, uint32(t)
		if err := h.RuleAdd(r); err != nil {
			return fmt.Errorf("adding rule to table %d: %w", t, err)
		}
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func prefixOf(n *net.IPNet) netip.Prefix {
	ones, _ := n.Mask.Size()
	return netip.PrefixFrom(addrOf(n.IP), ones)
}

func addrOf(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}
