package datapath

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Rule priorities, the mark and table numbers are those of the VPC CNI, so that what people know about it helps them here.
const (
	priorityToPod    = 512
	priorityMarked   = 1024
	priorityFromPod  = 1536
	priorityFromNode = 32765
	primaryMark      = 0x80 // of connections that came in by the primary interface
	firstTable       = 1    // table of interface n is n + 1
)

// Secondary is an interface of the node beyond the first. What its pods send into the VPC leaves by it.
type Secondary struct {
	Name        string
	DeviceIndex int
	Address     netip.Addr
	Gateway     netip.Addr
	Subnet      netip.Prefix
}

// ConfigureSecondary sets an additional interface up, fills its routing table and makes the rules that choose between
// tables.
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
	index, table := link.Attrs().Index, tableOf(s.DeviceIndex)
	for _, route := range []netlink.Route{
		{LinkIndex: index, Table: table, Dst: single(s.Gateway), Scope: netlink.SCOPE_LINK},
		{LinkIndex: index, Table: table, Dst: everywhere(), Gw: s.Gateway.AsSlice(), Flags: int(netlink.FLAG_ONLINK)},
	} {
		if err := netlink.RouteReplace(&route); err != nil {
			return fmt.Errorf("setting the route to %s by %s in table %d: %w", route.Dst, s.Name, table, err)
		}
	}
	for _, rule := range tableRules(s, table) {
		if err := netlink.RuleAdd(rule); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("adding the routing rule of priority %d: %w", rule.Priority, err)
		}
	}
	return set(s.Name, "rp_filter", "2")
}

// tableRules choose the table: pods of this node are always reached directly, answers to what came in by the primary
// interface leave by it, and the interface's own address by its table.
func tableRules(s Secondary, table int) []*netlink.Rule {
	toPod := newRule(priorityToPod, unix.RT_TABLE_MAIN)
	toPod.SuppressPrefixlen = 31 // of the main table, only the routes to single addresses
	marked := newRule(priorityMarked, unix.RT_TABLE_MAIN)
	mask := uint32(primaryMark)
	marked.Mark, marked.Mask = primaryMark, &mask
	rules := []*netlink.Rule{toPod, marked}
	if s.Address.IsValid() {
		fromNode := newRule(priorityFromNode, table)
		fromNode.Src = single(s.Address)
		rules = append(rules, fromNode)
	}
	return rules
}

func newRule(priority, table int) *netlink.Rule {
	rule := netlink.NewRule()
	rule.Family, rule.Priority, rule.Table = netlink.FAMILY_V4, priority, table
	return rule
}

func tableOf(deviceIndex int) int { return firstTable + deviceIndex }

// RouteFrom makes what a pod sends to the given networks leave by the interface that holds its address; no networks means
// all of them. Rules of an earlier pod with that address are replaced.
func RouteFrom(address netip.Addr, deviceIndex int, to []netip.Prefix) error {
	if err := unrouteFrom(address); err != nil {
		return err
	}
	if deviceIndex == 0 {
		return nil
	}
	if len(to) == 0 {
		to = []netip.Prefix{{}}
	}
	for _, network := range to {
		rule := newRule(priorityFromPod, tableOf(deviceIndex))
		rule.Src = single(address)
		if network.IsValid() {
			rule.Dst = &net.IPNet{IP: network.Masked().Addr().AsSlice(), Mask: net.CIDRMask(network.Bits(), 32)}
		}
		if err := netlink.RuleAdd(rule); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("adding the rule that routes from %s by table %d: %w", address, rule.Table, err)
		}
	}
	return nil
}

func unrouteFrom(address netip.Addr) error {
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
