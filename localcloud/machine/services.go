package machine

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/automode-dev/automode/localcloud/machine/imds"
	"github.com/automode-dev/automode/localcloud/vpc"
)

// serve starts the metadata service and the resolver on the machine's link-local addresses.
func (s *supervisor) serve(ctx context.Context, r record) error {
	for _, a := range []netip.Addr{imds.Address, resolverAddress} {
		if err := addLinkLocal(s.layout.netNS(), a); err != nil {
			return err
		}
	}
	metadata, err := listenIn(s.layout.netNS(), "tcp4", netip.AddrPortFrom(imds.Address, 80).String())
	if err != nil {
		return fmt.Errorf("listening for metadata requests: %w", err)
	}
	dns := netip.AddrPortFrom(resolverAddress, 53).String()
	packets, err := listenPacketIn(s.layout.netNS(), "udp4", dns)
	if err != nil {
		return fmt.Errorf("listening for DNS queries: %w", err)
	}
	streams, err := listenIn(s.layout.netNS(), "tcp4", dns)
	if err != nil {
		return fmt.Errorf("listening for DNS queries: %w", err)
	}
	source := imds.NewSocketSource(s.layout.home.Socket(), r.Spec.ID)
	go imds.NewServer(source, s.log).Serve(ctx, metadata)
	go (&resolver{conf: "/etc/resolv.conf", log: s.log}).serve(ctx, packets, streams)
	return nil
}

// addLinkLocal puts an address on the loopback of a namespace.
func addLinkLocal(netNS string, a netip.Addr) error {
	err := vpc.InNetNS(netNS, func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		address, err := netlink.ParseAddr(netip.PrefixFrom(a, a.BitLen()).String())
		if err != nil {
			return err
		}
		return netlink.AddrReplace(lo, address)
	})
	if err != nil {
		return fmt.Errorf("adding address %s: %w", a, err)
	}
	return nil
}

// forwardPorts forwards the ports that the record names now.
func (s *supervisor) forwardPorts(ctx context.Context) error {
	r, err := s.layout.readRecord()
	if err != nil {
		return fmt.Errorf("reading machine: %w", err)
	}
	s.ports.set(ctx, r.Spec.HostPorts)
	return nil
}

// waitForInterfaces returns when the fabric has put every interface into the namespace.
func waitForInterfaces(ctx context.Context, netNS string, spec Spec) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		missing, err := missingInterface(netNS, spec)
		if err != nil || missing == "" {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waiting for network interface %s: not there", missing)
		}
		if err := sleepUntil(ctx, time.Now().Add(20*time.Millisecond)); err != nil {
			return err
		}
	}
}

// missingInterface names an interface of the machine that no device has the hardware address of.
func missingInterface(netNS string, spec Spec) (missing string, err error) {
	err = vpc.InNetNS(netNS, func() error {
		links, err := netlink.LinkList()
		if err != nil {
			return fmt.Errorf("listing network devices: %w", err)
		}
		have := map[string]bool{}
		for _, l := range links {
			have[l.Attrs().HardwareAddr.String()] = l.Attrs().Flags&unix.IFF_UP != 0
		}
		for _, i := range spec.Interfaces {
			if !have[i.MAC] {
				missing = i.ID
			}
		}
		return nil
	})
	return missing, err
}
