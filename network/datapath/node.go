package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Rule priorities and table numbers are those of the VPC CNI, so that what people know about it helps them here.
const (
	priorityFromPod = 1536
	firstTable      = 1 // table of interface n is n + 1
)

// Uplink is an interface of the node towards the VPC.
type Uplink struct {
	Name string
	MTU  int
}

// FindUplink returns the interface with the given MAC address.
func FindUplink(mac string) (Uplink, error) {
	want, err := net.ParseMAC(mac)
	if err != nil {
		return Uplink{}, fmt.Errorf("parsing MAC address %q: %w", mac, err)
	}
	links, err := netlink.LinkList()
	if err != nil {
		return Uplink{}, fmt.Errorf("listing the node's interfaces: %w", err)
	}
	for _, link := range links {
		if attrs := link.Attrs(); attrs.HardwareAddr.String() == want.String() && !strings.HasPrefix(attrs.Name, vethPrefix) {
			return Uplink{Name: attrs.Name, MTU: attrs.MTU}, nil
		}
	}
	return Uplink{}, &NoInterfaceError{MAC: mac}
}

// NoInterfaceError says that the node has no interface with a MAC address (yet).
type NoInterfaceError struct{ MAC string }

func (e *NoInterfaceError) Error() string { return "no interface has MAC address " + e.MAC }

// EnableForwarding makes the node a router between its uplink and its pods. Reverse paths are checked loosely, because a
// service port's packets may come in by another interface than their answers leave by.
func EnableForwarding(uplink string) error {
	settings := map[string]string{
		"net/ipv4/ip_forward":                    "1",
		"net/ipv4/conf/all/rp_filter":            "0",
		"net/ipv4/conf/default/rp_filter":        "0",
		"net/ipv4/conf/" + uplink + "/rp_filter": "2",
		"net/ipv4/conf/all/accept_redirects":     "0",
		"net/ipv4/conf/all/send_redirects":       "0",
	}
	for name, value := range settings {
		err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("setting %s to %s: %w", strings.ReplaceAll(name, "/", "."), value, err)
		}
	}
	return nil
}

// Secondary is an interface of the node beyond the first. What its pods send into the VPC leaves by it.
type Secondary struct {
	Name        string
	DeviceIndex int
	Address     netip.Addr
	Gateway     netip.Addr
	Subnet      netip.Prefix
}

// ConfigureSecondary sets an additional interface up and fills its routing table.
func ConfigureSecondary(s Secondary) error {
	link, err := netlink.LinkByName(s.Name)
	if err != nil {
		return fmt.Errorf("finding interface %s: %w", s.Name, err)
	}
	if s.Address.IsValid() {
		address := &netlink.Addr{IPNet: &net.IPNet{IP: s.Address.AsSlice(), Mask: net.CIDRMask(s.Subnet.Bits(), s.Address.BitLen())}}
		// The subnet's route belongs to the primary interface; this one has its own table.
		address.Flags = unix.IFA_F_NOPREFIXROUTE
		if err := netlink.AddrReplace(link, address); err != nil {
			return fmt.Errorf("giving address %s to %s: %w", s.Address, s.Name, err)
		}
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("setting %s up: %w", s.Name, err)
	}
	index, table := link.Attrs().Index, Table4(s.DeviceIndex)
	for _, route := range []netlink.Route{
		{LinkIndex: index, Table: table, Dst: single(s.Gateway), Scope: netlink.SCOPE_LINK},
		{LinkIndex: index, Table: table, Dst: everywhere(), Gw: s.Gateway.AsSlice(), Flags: int(netlink.FLAG_ONLINK)},
	} {
		if err := netlink.RouteReplace(&route); err != nil {
			return fmt.Errorf("setting the route to %s by %s in table %d: %w", route.Dst, s.Name, table, err)
		}
	}
	return set(s.Name, "rp_filter", "2")
}

// set changes an IPv4 setting of one interface.
func set(name, setting, value string) error {
	path := filepath.Join("/proc/sys/net/ipv4/conf", name, setting)
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		return fmt.Errorf("setting %s of %s to %s: %w", setting, name, value, err)
	}
	return nil
}

// Table4 is the number of the routing table of an interface.
func Table4(deviceIndex int) int { return firstTable + deviceIndex }

// RouteFrom makes what a pod sends to the given networks leave by the interface that holds its address; no networks means
// all of them. Rules of an earlier pod with that address are replaced.
func RouteFrom(address netip.Addr, deviceIndex int, to []netip.Prefix) error {
	if err := UnrouteFrom(address); err != nil {
		return err
	}
	if deviceIndex == 0 {
		return nil
	}
	if len(to) == 0 {
		to = []netip.Prefix{{}}
	}
	for _, network := range to {
		rule := netlink.NewRule()
		rule.Family, rule.Priority, rule.Table, rule.Src = netlink.FAMILY_V4, priorityFromPod, Table4(deviceIndex), single(address)
		if network.IsValid() {
			rule.Dst = &net.IPNet{IP: network.Masked().Addr().AsSlice(), Mask: net.CIDRMask(network.Bits(), 32)}
		}
		if err := netlink.RuleAdd(rule); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("adding the rule that routes from %s by table %d: %w", address, rule.Table, err)
		}
	}
	return nil
}

// UnrouteFrom removes the rules of RouteFrom.
func UnrouteFrom(address netip.Addr) error {
	rules, err := netlink.RuleListFiltered(netlink.FAMILY_V4, &netlink.Rule{Src: single(address)}, netlink.RT_FILTER_SRC)
	if err != nil {
		return fmt.Errorf("listing the rules for %s: %w", address, err)
	}
	for _, rule := range rules {
		if rule.Priority != priorityFromPod {
			continue
		}
		if err := netlink.RuleDel(&rule); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("deleting the rule for %s: %w", address, err)
		}
	}
	return nil
}
