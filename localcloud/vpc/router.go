package vpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
)

// interfaceMTU is that of a VPC: jumbo frames.
const interfaceMTU = 9001

// routerSettings are the sysctls of a router, before it has any device.
var routerSettings = []struct{ path, value string }{
	{"net/ipv4/ip_forward", "1"},
	{"net/ipv4/conf/all/rp_filter", "0"},
	{"net/ipv4/conf/default/rp_filter", "0"},
	{"net/ipv4/conf/all/send_redirects", "0"},
	{"net/ipv4/conf/default/send_redirects", "0"},
	{"net/ipv4/conf/default/proxy_arp", "1"},
	{"net/ipv6/conf/all/disable_ipv6", "1"},
	{"net/ipv6/conf/default/disable_ipv6", "1"},
}

// loadRules replaces a table in a namespace ("" is the host's) in one transaction.
func loadRules(ctx context.Context, path, rules string) error {
	load := func() error {
		cmd := exec.CommandContext(ctx, "nft", "-f", "-")
		cmd.Stdin = strings.NewReader(rules)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("loading nftables rules: %w: %s", err, strings.TrimSpace(stderr.String()))
		}
		return nil
	}
	if path == "" {
		return load()
	}
	return InNetNS(path, load)
}

// applyRouter converges the devices, addresses and routes of a router.
func applyRouter(router string, n Network, p routerPlan) error {
	if err := InNetNS(router, writeSettings); err != nil {
		return err
	}
	h, err := handleAt(router)
	if err != nil {
		return err
	}
	defer h.Close()
	for _, step := range []func() error{
		func() error { return applyGateways(h, p.Gateways) },
		func() error { return removeExtraDevices(h, p.Devices) },
		func() error { return applyDevices(h, router, n, p.Devices) },
		func() error { return applyRoutes(h, p.Routes) },
		func() error { return applyMarkRules(h, p.Tables) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func writeSettings() error {
	for _, s := range routerSettings {
		err := os.WriteFile(filepath.Join("/proc/sys", s.path), []byte(s.value), 0o644)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel without IPv6 has no such setting
			return fmt.Errorf("setting %s of the router: %w", s.path, err)
		}
	}
	return nil
}

// applyGateways puts the subnets' gateway addresses on the loopback of the router.
func applyGateways(h *netlink.Handle, want []netip.Addr) error {
	lo, err := h.LinkByName("lo")
	if err != nil {
		return err
	}
	have, err := h.AddrList(lo, netlink.FAMILY_V4)
	if err != nil {
		return err
	}
	missing := map[netip.Addr]bool{}
	for _, a := range want {
		missing[a] = true
	}
	for _, a := range have {
		addr := addrOf(a.IP)
		if addr.IsLoopback() || missing[addr] {
			delete(missing, addr)
			continue
		}
		if err := h.AddrDel(lo, &a); err != nil && !gone(err) {
			return fmt.Errorf("removing gateway %s: %w", addr, err)
		}
	}
	for a := range missing {
		if err := ensureAddress(h, lo, host(a)); err != nil {
			return err
		}
	}
	return nil
}

// removeExtraDevices removes the ends of interfaces that are gone.
func removeExtraDevices(h *netlink.Handle, want []Interface) error {
	keep := map[string]bool{uplinkName: true}
	for _, i := range want {
		keep[routerDevice(i.ID)] = true
	}
	links, err := h.LinkList()
	if err != nil {
		return err
	}
	for _, l := range links {
		if l.Type() == "veth" && !keep[l.Attrs().Name] {
			if err := h.LinkDel(l); err != nil && !gone(err) {
				return fmt.Errorf("deleting device %s: %w", l.Attrs().Name, err)
			}
		}
	}
	return nil
}

func applyDevices(h *netlink.Handle, router string, n Network, want []Interface) error {
	subnets := map[string]Subnet{}
	for _, s := range n.Subnets {
		subnets[s.ID] = s
	}
	for _, i := range want {
		s, ok := subnets[i.SubnetID]
		if !ok {
			return fmt.Errorf("connecting interface %s: unknown subnet %q", i.ID, i.SubnetID)
		}
		err := applyDevice(h, i, s)
		if err != nil && NetNSExists(i.NetNS) { // else its machine went meanwhile, and the interface with it
			return fmt.Errorf("connecting interface %s: %w", i.ID, err)
		}
	}
	return InNetNS(router, func() error { return answerAtOnce(want) })
}

// answerAtOnce takes away the delay, 0.4 s on average, before the router answers ARP for somebody else. New devices
// copy it from the kernel's default, not from the namespace's.
func answerAtOnce(devices []Interface) error {
	for _, d := range devices {
		path := filepath.Join("/proc/sys/net/ipv4/neigh", routerDevice(d.ID), "proxy_delay")
		if err := os.WriteFile(path, []byte("0"), 0o644); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("connecting interface %s: %w", d.ID, err)
		}
	}
	return nil
}

// applyDevice makes the pair of one interface, its address in its namespace, and the router's fixed neighbour entry.
func applyDevice(h *netlink.Handle, i Interface, s Subnet) error {
	mac, err := net.ParseMAC(i.MAC)
	if err != nil {
		return err
	}
	inside, err := handleAt(i.NetNS)
	if err != nil {
		return err
	}
	defer inside.Close()
	near, far, err := ensurePair(h, inside, i, mac)
	if err != nil {
		return err
	}
	if err := configureInside(inside, far, i, s); err != nil {
		return err
	}
	if err := h.LinkSetUp(near); err != nil {
		return err
	}
	return h.NeighSet(&netlink.Neigh{
		LinkIndex: near.Attrs().Index, Family: netlink.FAMILY_V4, State: netlink.NUD_PERMANENT, IP: i.Address.AsSlice(), HardwareAddr: mac,
	})
}

// ensurePair finds or makes the two ends of an interface: near in the router, far in the machine. Halves of an earlier
// pair (the machine was made anew) are removed first.
func ensurePair(h, inside *netlink.Handle, i Interface, mac net.HardwareAddr) (near, far netlink.Link, err error) {
	name := routerDevice(i.ID)
	near, nearErr := h.LinkByName(name)
	far, farErr := inside.LinkByName(i.Name)
	if nearErr == nil && farErr == nil && isPeer(near, far) {
		return near, far, nil
	}
	if nearErr == nil {
		if err := h.LinkDel(near); err != nil && !gone(err) {
			return nil, nil, err
		}
	}
	if farErr == nil {
		if err := inside.LinkDel(far); err != nil && !gone(err) {
			return nil, nil, err
		}
	}
	if err := addVeth(h, name, interfaceMTU, i.NetNS, i.Name, mac); err != nil {
		return nil, nil, err
	}
	if near, err = h.LinkByName(name); err != nil {
		return nil, nil, err
	}
	far, err = inside.LinkByName(i.Name)
	return near, far, err
}

// configureInside does what DHCP does on a fresh instance: address, link up, default route of the first interface.
func configureInside(h *netlink.Handle, l netlink.Link, i Interface, s Subnet) error {
	if err := ensureAddress(h, l, netip.PrefixFrom(i.Address, s.CIDR.Bits())); err != nil {
		return err
	}
	if l.Attrs().Flags&net.FlagUp == 0 {
		if err := h.LinkSetUp(l); err != nil {
			return err
		}
	}
	if i.DeviceIndex != 0 {
		return nil
	}
	return h.RouteReplace(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: ipNet(netip.MustParsePrefix("0.0.0.0/0")), Gw: s.Gateway().AsSlice()})
}
