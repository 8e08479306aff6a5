package datapath

import (
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ForgetUDP makes the kernel forget the flows to a UDP port of the node. A UDP flow has no end: without this a sender that
// never pauses would go on reaching the pod that had the host port before, or none.
func ForgetUDP(port int) error {
	filter := &netlink.ConntrackFilter{}
	if err := filter.AddProtocol(unix.IPPROTO_UDP); err != nil {
		return fmt.Errorf("filtering UDP flows: %w", err)
	}
	if err := filter.AddPort(netlink.ConntrackOrigDstPort, uint16(port)); err != nil {
		return fmt.Errorf("filtering flows to port %d: %w", port, err)
	}
	if _, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, unix.AF_INET, filter); err != nil {
		return fmt.Errorf("forgetting flows to UDP port %d: %w", port, err)
	}
	return nil
}
