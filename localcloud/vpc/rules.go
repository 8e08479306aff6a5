package vpc

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/automode-dev/automode/internal/home"
)

// Names in the router's table.
const (
	routerTable  = "vpc"
	ingressChain = "ingress"
)

// renderRules writes the router's nftables table, replacing the one before in one transaction. A new connection passes
// when a group of the sending interface allows it out and a group of the receiving one allows it in; the groups are
// chains shared by their interfaces. What the host itself sends is let in, as the person at its keyboard owns the VPC.
func renderRules(n Network, devices []Interface, hostAddr netip.Addr) string {
	w := &ruleWriter{}
	w.open("table ip %s", routerTable)
	w.close()
	w.line("delete table ip %s", routerTable)
	w.open("table ip %s", routerTable)
	w.memberSets(n, devices)
	for _, g := range sorted(n.SecurityGroups, func(g SecurityGroup) string { return g.ID }) {
		w.group("in-", g.ID, g.Ingress, "saddr", "accept")
		w.group("out-", g.ID, g.Egress, "daddr", "goto "+ingressChain)
	}
	for _, d := range devices {
		w.interfaceChains(n, d)
	}
	w.sourceCheck(devices)
	w.routeMarks(n, devices)
	w.ingress(devices)
	w.forward(devices, hostAddr)
	w.local()
	w.nat()
	w.close()
	return w.String()
}

// memberSets writes, for each group that a rule refers to, the addresses of its interfaces.
func (w *ruleWriter) memberSets(n Network, devices []Interface) {
	for _, id := range referencedGroups(n) {
		var members []string
		for _, d := range devices {
			if slices.Contains(d.Groups, id) {
				members = append(members, ownAddresses(d)...)
			}
		}
		w.open("set of-%s", id)
		w.line("type ipv4_addr")
		w.line("flags interval")
		if len(members) > 0 {
			w.line("elements = { %s }", strings.Join(members, ", "))
		}
		w.close()
	}
}

// group writes the rules of one direction of a security group.
func (w *ruleWriter) group(prefix, id string, rules []Rule, peer, verdict string) {
	w.open("chain %s%s", prefix, id)
	for _, r := range rules {
		if m, ok := matchRule(r, peer); ok {
			w.line("%s", strings.TrimSpace(m+" "+verdict))
		}
	}
	w.close()
}

// matchRule renders what a rule matches; rules on IPv6 peers match nothing here.
func matchRule(r Rule, peer string) (string, bool) {
	var parts []string
	switch {
	case r.Group != "":
		parts = append(parts, fmt.Sprintf("ip %s @of-%s", peer, r.Group))
	case !r.CIDR.Addr().Is4():
		return "", false
	case r.CIDR.Bits() > 0:
		parts = append(parts, fmt.Sprintf("ip %s %s", peer, r.CIDR.Masked()))
	}
	switch r.Protocol {
	case "-1", "all", "":
	case "tcp", "6":
		parts = append(parts, matchPorts("tcp", r))
	case "udp", "17":
		parts = append(parts, matchPorts("udp", r))
	case "icmp", "1":
		parts = append(parts, matchICMP(r))
	default:
		parts = append(parts, "ip protocol "+r.Protocol)
	}
	return strings.Join(parts, " "), true
}

func matchPorts(protocol string, r Rule) string {
	switch {
	case r.FromPort < 0 || r.FromPort == 0 && r.ToPort == 65535:
		return "ip protocol " + protocol
	case r.FromPort == r.ToPort:
		return fmt.Sprintf("%s dport %d", protocol, r.FromPort)
	}
	return fmt.Sprintf("%s dport %d-%d", protocol, r.FromPort, r.ToPort)
}

func matchICMP(r Rule) string {
	switch {
	case r.FromPort < 0:
		return "ip protocol icmp"
	case r.ToPort < 0:
		return fmt.Sprintf("icmp type %d", r.FromPort)
	}
	return fmt.Sprintf("icmp type %d icmp code %d", r.FromPort, r.ToPort)
}

// interfaceChains writes what one interface may send and receive: its groups, after the destination check.
func (w *ruleWriter) interfaceChains(n Network, d Interface) {
	dev := routerDevice(d.ID)
	groups := slices.DeleteFunc(slices.Clone(d.Groups), func(id string) bool {
		return !slices.ContainsFunc(n.SecurityGroups, func(g SecurityGroup) bool { return g.ID == id })
	})
	w.open("chain to-%s", dev)
	if d.SourceDestCheck {
		w.line("ip daddr != { %s } drop", strings.Join(ownAddresses(d), ", "))
	}
	for _, g := range groups {
		w.line("jump in-%s", g)
	}
	w.close()
	w.open("chain from-%s", dev)
	for _, g := range groups {
		w.line("jump out-%s", g)
	}
	w.close()
}

// sourceCheck drops, before connection tracking, what an interface sends from an address that is not its own.
func (w *ruleWriter) sourceCheck(devices []Interface) {
	w.open("chain source-check")
	w.line("type filter hook prerouting priority raw; policy accept;")
	for _, d := range devices {
		if d.SourceDestCheck {
			w.line("iifname %q ip saddr != { %s } drop", routerDevice(d.ID), strings.Join(ownAddresses(d), ", "))
		}
	}
	w.close()
}

// routeMarks marks packets by the route table of the subnet they come from.
func (w *ruleWriter) routeMarks(n Network, devices []Interface) {
	tables := map[string]int{}
	for _, s := range n.Subnets {
		if slices.ContainsFunc(n.RouteTables, func(t RouteTable) bool { return t.ID == s.RouteTableID }) {
			tables[s.ID] = tableNumber(s.RouteTableID)
		}
	}
	var elements []string
	for _, d := range devices {
		if t, ok := tables[d.SubnetID]; ok {
			elements = append(elements, fmt.Sprintf("%q : %#x", routerDevice(d.ID), t))
		}
	}
	w.open("chain route-tables")
	w.line("type filter hook prerouting priority mangle; policy accept;")
	if len(elements) > 0 {
		w.line("meta mark set iifname map { %s }", strings.Join(elements, ", "))
	}
	w.close()
}

// ingress decides for a packet that may leave its sender (or comes from outside) whether its receiver takes it.
func (w *ruleWriter) ingress(devices []Interface) {
	w.open("chain %s", ingressChain)
	w.line("oifname %q ip daddr %s drop", uplinkName, "169.254.0.0/16")
	w.line("oifname %q accept", uplinkName)
	w.verdictMap("oifname", "to-", devices)
	w.line("drop")
	w.close()
}

func (w *ruleWriter) forward(devices []Interface, hostAddr netip.Addr) {
	w.open("chain forward")
	w.line("type filter hook forward priority filter; policy drop;")
	w.line("oifname %q tcp flags syn tcp option maxseg size set rt mtu", uplinkName)
	w.line("ct state established,related accept")
	w.line("ct state invalid drop")
	w.line("iifname %q ip saddr %s accept", uplinkName, hostAddr)
	w.line("iifname %q goto %s", uplinkName, ingressChain)
	w.verdictMap("iifname", "from-", devices)
	w.close()
}

func (w *ruleWriter) verdictMap(key, prefix string, devices []Interface) {
	if len(devices) == 0 {
		return
	}
	var elements []string
	for _, d := range devices {
		elements = append(elements, fmt.Sprintf("%q : jump %s%s", routerDevice(d.ID), prefix, routerDevice(d.ID)))
	}
	w.line("%s vmap { %s }", key, strings.Join(elements, ", "))
}

// local keeps the router itself silent, as a VPC's is.
func (w *ruleWriter) local() {
	w.open("chain input")
	w.line("type filter hook input priority filter; policy drop;")
	w.line("ct state established,related accept")
	w.line("iifname \"lo\" accept")
	w.close()
}

// nat hides the VPC's addresses behind the router's end of the uplink: two VPCs may have the same CIDR.
func (w *ruleWriter) nat() {
	w.open("chain nat")
	w.line("type nat hook postrouting priority srcnat; policy accept;")
	w.line("oifname %q masquerade", uplinkName)
	w.close()
}

// renderHostRules writes the host's table of a home: VPCs reach the internet behind the host's address, but neither the
// host itself nor each other.
func renderHostRules(h home.Dir) string {
	devices := hostPrefix(h) + "*"
	w := &ruleWriter{}
	w.open("table ip %s", hostTable(h))
	w.close()
	w.line("delete table ip %s", hostTable(h))
	w.open("table ip %s", hostTable(h))
	w.open("chain nat")
	w.line("type nat hook postrouting priority srcnat; policy accept;")
	w.line("iifname %q oifname != %q masquerade", devices, devices)
	w.close()
	w.open("chain input")
	w.line("type filter hook input priority filter; policy accept;")
	w.line("iifname %q ct state established,related accept", devices)
	w.line("iifname %q drop", devices)
	w.close()
	w.open("chain forward")
	w.line("type filter hook forward priority filter; policy accept;")
	w.line("iifname %q oifname %q drop", devices, devices)
	w.close()
	w.close()
	return w.String()
}

// ownAddresses lists the addresses and prefixes of an interface, without overlaps, sorted.
func ownAddresses(d Interface) []string {
	all := []netip.Prefix{host(d.Address)}
	for _, p := range d.Prefixes {
		all = append(all, p.Masked())
	}
	for _, a := range d.Secondary {
		if !slices.ContainsFunc(d.Prefixes, func(p netip.Prefix) bool { return p.Contains(a) }) {
			all = append(all, host(a))
		}
	}
	slices.SortFunc(all, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	var out []string
	for _, p := range slices.Compact(all) {
		if p.IsSingleIP() {
			out = append(out, p.Addr().String())
			continue
		}
		out = append(out, p.String())
	}
	return out
}

// referencedGroups lists the groups that rules name as peers.
func referencedGroups(n Network) []string {
	var ids []string
	for _, g := range n.SecurityGroups {
		for _, r := range slices.Concat(g.Ingress, g.Egress) {
			if r.Group != "" {
				ids = append(ids, r.Group)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func sorted[T any](in []T, key func(T) string) []T {
	out := slices.Clone(in)
	slices.SortFunc(out, func(a, b T) int { return strings.Compare(key(a), key(b)) })
	return out
}

// ruleWriter builds indented nftables text.
type ruleWriter struct {
	strings.Builder
	depth int
}

func (w *ruleWriter) line(format string, args ...any) {
	w.WriteString(strings.Repeat("\t", w.depth))
	fmt.Fprintf(w, format, args...)
	w.WriteByte('\n')
}

func (w *ruleWriter) open(format string, args ...any) {
	w.line(format+" {", args...)
	w.depth++
}

func (w *ruleWriter) close() {
	w.depth--
	w.line("}")
}
