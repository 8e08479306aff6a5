package datapath

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"

	"github.com/automode-dev/automode/network/ipam"
)

// Table is the node's nftables table of this package.
const Table = "automode"

// Rules is everything the node's nftables table says.
type Rules struct {
	// Uplink is the primary interface and NodeAddress its address: what pods look like outside the VPC.
	Uplink      string
	NodeAddress netip.Addr
	// Local are the networks in which pods keep their own addresses: every CIDR block of the VPC.
	Local []netip.Prefix
	// SNAT is false where the routers beyond the VPC know the pods' addresses (NodeClass snatPolicy: Disabled).
	SNAT bool
	// Secondary says that the node has further interfaces: answers to what came in by the uplink must leave by it.
	Secondary bool
	// Ports are the host ports of the node's pods.
	Ports []PortRule
}

// PortRule leads a port of the node to a pod.
type PortRule struct {
	Port    ipam.PortMapping
	Address netip.Addr
}

// Render returns the table as the text that `nft -f` loads in one transaction, replacing the table as it was.
func (r Rules) Render() string {
	var b strings.Builder
	fmt.Fprintf(&b, "add table ip %s\ndelete table ip %s\ntable ip %s {\n", Table, Table, Table)
	if len(r.Local) > 0 {
		b.WriteString("\tset local {\n\t\ttype ipv4_addr\n\t\tflags interval\n\t\tauto-merge\n\t\telements = { " + joined(r.Local) + " }\n\t}\n")
	}
	b.WriteString("\tchain hostports {\n")
	for _, line := range r.portLines() {
		b.WriteString("\t\t" + line + "\n")
	}
	b.WriteString("\t}\n")
	b.WriteString("\tchain loopback {\n\t\ttype filter hook prerouting priority -300; policy accept;\n\t\tiifname != \"lo\" ip daddr 127.0.0.0/8 drop\n\t}\n")
	if r.Secondary {
		fmt.Fprintf(&b, "\tchain marks {\n\t\ttype filter hook prerouting priority -150; policy accept;\n"+
			"\t\tiifname %q ct state new fib daddr type local ct mark set ct mark or %#x\n"+
			"\t\tiifname \"%s*\" ct mark and %#x == %#x meta mark set meta mark or %#x\n\t}\n",
			r.Uplink, primaryMark, vethPrefix, primaryMark, primaryMark, primaryMark)
	}
	b.WriteString("\tchain prerouting {\n\t\ttype nat hook prerouting priority -105; policy accept;\n\t\tfib daddr type local jump hostports\n\t}\n")
	b.WriteString("\tchain output {\n\t\ttype nat hook output priority -105; policy accept;\n\t\tfib daddr type local jump hostports\n\t}\n")
	b.WriteString("\tchain postrouting {\n\t\ttype nat hook postrouting priority 105; policy accept;\n")
	for _, line := range r.sourceLines() {
		b.WriteString("\t\t" + line + "\n")
	}
	b.WriteString("\t}\n}\n")
	return b.String()
}

// sourceLines translate the source of what leaves the VPC, and of what a pod or the node sends to itself through a host port.
func (r Rules) sourceLines() (lines []string) {
	for _, p := range r.Ports {
		lines = append(lines, fmt.Sprintf("ct status dnat ip saddr { 127.0.0.1, %s } ip daddr %s %s dport %d masquerade",
			p.Address, p.Address, p.Port.Protocol, p.Port.ContainerPort))
	}
	if !r.SNAT || !r.NodeAddress.IsValid() {
		return slices.Compact(lines)
	}
	beyond := ""
	if len(r.Local) > 0 {
		beyond = "ip daddr != @local "
	}
	return append(slices.Compact(lines), fmt.Sprintf("oifname %q %sfib daddr type != local ip saddr != %s snat to %s fully-random",
		r.Uplink, beyond, r.NodeAddress, r.NodeAddress))
}

func (r Rules) portLines() (lines []string) {
	for _, p := range r.Ports {
		match := ""
		if p.Port.HostIP != "" && p.Port.HostIP != "0.0.0.0" {
			match = "ip daddr " + p.Port.HostIP + " "
		}
		lines = append(lines, fmt.Sprintf("%s%s dport %d dnat to %s:%d", match, p.Port.Protocol, p.Port.HostPort, p.Address, p.Port.ContainerPort))
	}
	slices.Sort(lines)
	return lines
}

func joined(prefixes []netip.Prefix) string {
	texts := make([]string, len(prefixes))
	for i, p := range prefixes {
		texts[i] = p.Masked().String()
	}
	slices.Sort(texts)
	return strings.Join(slices.Compact(texts), ", ")
}

// Load puts the rules into the kernel, all or nothing.
func Load(ctx context.Context, rules Rules) error {
	cmd := exec.CommandContext(ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules.Render())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("loading the node's nftables table %s: %w: %s", Table, err, strings.TrimSpace(stderr.String()))
	}
	return nil
}
