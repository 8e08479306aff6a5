package vpc

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// uplinkMTU is that of an internet gateway: larger packets do not leave a VPC.
const uplinkMTU = 1500

// HostRoute says whether the host has a route to a CIDR of a VPC.
type HostRoute struct {
	CIDR      netip.Prefix
	Installed bool
	Reason    string // why not, where not installed
}

// uplink is the pair of devices between the host and a router.
type uplink struct {
	device       string // on the host
	host, router netip.Addr
}

// ensureUplink makes the pair between the host and a router, or finds the one that is there.
func (f *Fabric) ensureUplink(vpcID, router string) (uplink, error) {
	f.hostMu.Lock()
	defer f.hostMu.Unlock()
	up := uplink{device: hostDevice(f.home, vpcID)}
	h, err := handleAt("")
	if err != nil {
		return up, err
	}
	defer h.Close()
	r, err := handleAt(router)
	if err != nil {
		return up, err
	}
	defer r.Close()
	hostEnd, hostErr := h.LinkByName(up.device)
	routerEnd, routerErr := r.LinkByName(uplinkName)
	if hostErr == nil && routerErr == nil && isPeer(hostEnd, routerEnd) {
		if addr, ok := firstAddress(h, hostEnd); ok {
			up.host, up.router = addr, addr.Next()
			return up, completeUplink(h, r, up)
		}
	}
	if hostErr == nil {
		if err := h.LinkDel(hostEnd); err != nil && !gone(err) {
			return up, err
		}
	}
	up.host, up.router, err = freePair(h, up.device)
	if err != nil {
		return up, err
	}
	if err := addVeth(h, up.device, uplinkMTU, router, uplinkName, nil); err != nil {
		return up, err
	}
	return up, completeUplink(h, r, up)
}

// completeUplink gives both ends their addresses and brings them up.
func completeUplink(h, r *netlink.Handle, up uplink) error {
	for _, end := range []struct {
		handle *netlink.Handle
		device string
		addr   netip.Addr
	}{{h, up.device, up.host}, {r, uplinkName, up.router}} {
		link, err := end.handle.LinkByName(end.device)
		if err != nil {
			return fmt.Errorf("finding device %s: %w", end.device, err)
		}
		if err := ensureAddress(end.handle, link, netip.PrefixFrom(end.addr, 31)); err != nil {
			return err
		}
		if err := end.handle.LinkSetUp(link); err != nil {
			return fmt.Errorf("bringing up %s: %w", end.device, err)
		}
	}
	return nil
}

// freePair finds a pair of uplink addresses that no device of the host uses.
func freePair(h *netlink.Handle, name string) (hostEnd, router netip.Addr, err error) {
	used := map[netip.Addr]bool{}
	addrs, err := h.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return hostEnd, router, fmt.Errorf("listing the host's addresses: %w", err)
	}
	for _, a := range addrs {
		used[addrOf(a.IP)] = true
	}
	for a, b := range uplinkPairs(name) {
		if !used[a] && !used[b] {
			return a, b, nil
		}
	}
	return hostEnd, router, fmt.Errorf("no free pair of addresses in %s", uplinks)
}

// applyHost makes what the VPC needs on the host besides the uplink.
func (f *Fabric) applyHost(ctx context.Context, n Network, up uplink, st *vpcState) error {
	f.hostMu.Lock()
	defer f.hostMu.Unlock()
	if err := loadRules(ctx, "", renderHostRules(f.home)); err != nil {
		return err
	}
	if n.leavesVPC() {
		if err := hostForwarding.enable(); err != nil {
			return fmt.Errorf("letting the host forward packets of %s: %w", n.ID, err)
		}
		if err := admit(ctx, f.home); err != nil {
			return err
		}
	}
	routes, err := routeFromHost(up, st.cidrs)
	if err != nil {
		return fmt.Errorf("routing from the host: %w", err)
	}
	for _, r := range routes {
		if !r.Installed {
			f.log.Info("the host does not reach a VPC", "vpc", n.ID, "cidr", r.CIDR.String(), "reason", r.Reason)
		}
	}
	st.hostRoutes = routes
	return nil
}

// routeFromHost leads the CIDRs of a VPC to its router, except those that overlap with another route of the host.
func routeFromHost(up uplink, cidrs []netip.Prefix) ([]HostRoute, error) {
	h, err := handleAt("")
	if err != nil {
		return nil, err
	}
	defer h.Close()
	link, err := h.LinkByName(up.device)
	if err != nil {
		return nil, err
	}
	existing, err := h.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, err
	}
	var out []HostRoute
	wanted := map[netip.Prefix]bool{}
	for _, c := range cidrs {
		if !c.Addr().Is4() {
			continue
		}
		r := HostRoute{CIDR: c.Masked(), Reason: overlap(c, existing, link.Attrs().Index)}
		if r.Reason == "" {
			r.Installed, wanted[r.CIDR] = true, true
			err := h.RouteReplace(&netlink.Route{
				LinkIndex: link.Attrs().Index, Dst: ipNet(r.CIDR), Gw: up.router.AsSlice(), Src: up.host.AsSlice(), Protocol: routeProtocol,
			})
			if err != nil {
				return nil, fmt.Errorf("adding route to %s: %w", r.CIDR, err)
			}
		}
		out = append(out, r)
	}
	for _, r := range existing {
		if r.LinkIndex == link.Attrs().Index && r.Protocol == routeProtocol && r.Dst != nil && !wanted[prefixOf(r.Dst)] {
			if err := h.RouteDel(&r); err != nil && !gone(err) {
				return nil, fmt.Errorf("deleting route to %s: %w", r.Dst, err)
			}
		}
	}
	return out, nil
}

// overlap names the route of another device that a CIDR overlaps with, or returns "".
func overlap(c netip.Prefix, routes []netlink.Route, own int) string {
	for _, r := range routes {
		if r.Dst == nil || r.LinkIndex == own {
			continue
		}
		if p := prefixOf(r.Dst); p.Bits() > 0 && p.Overlaps(c) {
			name := "unknown device"
			if l, err := netlink.LinkByIndex(r.LinkIndex); err == nil {
				name = l.Attrs().Name
			}
			return fmt.Sprintf("overlaps with the host's route to %s over %s", p, name)
		}
	}
	return ""
}

// removeHost removes the host's end of a VPC, the home's table with its last VPC, and the host's forwarding with the last
// home's.
func (f *Fabric) removeHost(ctx context.Context, vpcID string) error {
	f.hostMu.Lock()
	defer f.hostMu.Unlock()
	device := hostDevice(f.home, vpcID)
	if err := deleteLinks("", func(l netlink.Link) bool { return l.Attrs().Name == device }); err != nil {
		return err
	}
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("listing the host's devices: %w", err)
	}
	for _, l := range links {
		if strings.HasPrefix(l.Attrs().Name, hostPrefix(f.home)) {
			return nil
		}
	}
	if err := unadmit(ctx, f.home); err != nil {
		return err
	}
	if err := loadRules(ctx, "", fmt.Sprintf("table ip %s {}\ndelete table ip %[1]s\n", hostTable(f.home))); err != nil {
		return err
	}
	if err := hostForwarding.restore(); err != nil {
		return fmt.Errorf("restoring whether the host forwards packets: %w", err)
	}
	return nil
}

// reroute gives the host routes that a removed VPC held to those that waited for them.
func (f *Fabric) reroute() error {
	f.mu.Lock()
	states := make(map[string]*vpcState, len(f.vpcs))
	for id, st := range f.vpcs {
		states[id] = st
	}
	f.mu.Unlock()
	for id, st := range states {
		if err := f.rerouteOne(id, st); err != nil {
			return fmt.Errorf("routing from the host to %s: %w", id, err)
		}
	}
	return nil
}

func (f *Fabric) rerouteOne(vpcID string, st *vpcState) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	router := f.RouterNetNS(vpcID)
	if len(st.cidrs) == 0 || !NetNSExists(router) {
		return nil
	}
	up, err := f.ensureUplink(vpcID, router)
	if err != nil {
		return err
	}
	f.hostMu.Lock()
	defer f.hostMu.Unlock()
	st.hostRoutes, err = routeFromHost(up, st.cidrs)
	return err
}

// addVeth makes a pair of devices, the peer in the namespace bound to peerNS.
func addVeth(h *netlink.Handle, name string, mtu int, peerNS, peer string, mac []byte) error {
	ns, err := netns.GetFromPath(peerNS)
	if err != nil {
		return fmt.Errorf("opening network namespace %s: %w", peerNS, err)
	}
	defer ns.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = name, mtu
	link := netlink.NewVeth(attrs)
	link.PeerName, link.PeerNamespace, link.PeerHardwareAddr, link.PeerMTU = peer, netlink.NsFd(int(ns)), mac, uint32(mtu)
	if err := h.LinkAdd(link); err != nil {
		return fmt.Errorf("making devices %s and %s: %w", name, peer, err)
	}
	return nil
}

// isPeer reports whether two devices of different namespaces are the ends of one pair.
func isPeer(a, b netlink.Link) bool {
	return a.Attrs().ParentIndex == b.Attrs().Index && b.Attrs().ParentIndex == a.Attrs().Index
}

func firstAddress(h *netlink.Handle, l netlink.Link) (netip.Addr, bool) {
	addrs, err := h.AddrList(l, netlink.FAMILY_V4)
	if err != nil || len(addrs) == 0 {
		return netip.Addr{}, false
	}
	return addrOf(addrs[0].IP), true
}

func ensureAddress(h *netlink.Handle, l netlink.Link, p netip.Prefix) error {
	err := h.AddrReplace(l, &netlink.Addr{IPNet: ipNet(p), Flags: unix.IFA_F_PERMANENT})
	if err != nil {
		return fmt.Errorf("giving %s the address %s: %w", l.Attrs().Name, p, err)
	}
	return nil
}
