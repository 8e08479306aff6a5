// Package datapath connects pods to the node's network: a veth pair and a /32 route per pod, the node's nftables rules
// for source translation and host ports, and the routes of secondary interfaces. It executes what it is told and never
// decides which address a pod gets. All of it works on Linux, as root, in the network namespace of the node.
package datapath

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Gateway is the link-local address that every pod uses as its router. No interface has it: a permanent neighbour entry
// points it at the node's end of the pod's veth pair.
var Gateway = netip.MustParseAddr("169.254.1.1")

// vethPrefix starts the name of the node's end of every pod's veth pair, as users know it from the VPC CNI.
const vethPrefix = "eni"

// Pod says how one container's interface is to be connected.
type Pod struct {
	NetNS   string     // file of the pod's network namespace
	IfName  string     // name of the interface in the pod, usually eth0
	Veth    string     // name of the node's end: VethName
	Label   string     // kept as the alias of the node's end: what a restarted address manager learns the pod from
	Address netip.Addr // the pod's address
	MTU     int        // of the node's uplink; 0 leaves the kernel's default
	// HostPorts says that ports of the node lead to the pod; the node may then use them by its loopback address too.
	HostPorts bool
}

// Link is one end of a connected pair.
type Link struct {
	Name, MAC string
}

// VethName returns the name of the node's end for an attachment: "eni" and 11 hex digits. It is made from the container,
// not from the pod's name, so that a pod's new sandbox never meets the interface of its old one.
func VethName(containerID, ifName string) string {
	sum := sha1.Sum([]byte(containerID + "." + ifName))
	return vethPrefix + hex.EncodeToString(sum[:])[:11]
}

// Connect makes the pair and its routes and returns the node's end and the pod's end. Leftovers of an earlier, half-done
// attempt for the same attachment are replaced.
func Connect(p Pod) (host, pod Link, err error) {
	if err := Disconnect(p.Veth); err != nil {
		return host, pod, err
	}
	ns, err := netns.GetFromPath(p.NetNS)
	if err != nil {
		return host, pod, fmt.Errorf("opening the pod's network namespace %s: %w", p.NetNS, err)
	}
	defer ns.Close()
	inside, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return host, pod, fmt.Errorf("entering the pod's network namespace %s: %w", p.NetNS, err)
	}
	defer inside.Close()

	hostLink, podLink, err := makePair(p, ns, inside)
	if err != nil {
		return host, pod, err
	}
	host = Link{hostLink.Attrs().Name, hostLink.Attrs().HardwareAddr.String()}
	pod = Link{podLink.Attrs().Name, podLink.Attrs().HardwareAddr.String()}
	if err := configurePod(inside, p, podLink, hostLink.Attrs().HardwareAddr); err != nil {
		return host, pod, errors.Join(err, Disconnect(p.Veth))
	}
	if err := configureHost(p, hostLink, podLink.Attrs().HardwareAddr); err != nil {
		return host, pod, errors.Join(err, Disconnect(p.Veth))
	}
	waitUntilUp(netlink.LinkByName, p.Veth)
	waitUntilUp(inside.LinkByName, p.IfName)
	return host, pod, nil
}

// waitUntilUp gives the kernel the moment it takes to switch the queue of a new link on: what is sent before is dropped,
// and would cost a pod a second at its very first connection. A link that stays down is for Check to find.
func waitUntilUp(find func(string) (netlink.Link, error), name string) {
	for range 200 {
		if link, err := find(name); err != nil || link.Attrs().OperState == netlink.OperUp {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// Disconnect removes the pair by the name of its node's end, and its routes with it. Nothing there is fine.
func Disconnect(veth string) error {
	link, err := netlink.LinkByName(veth)
	if notFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("finding interface %s: %w", veth, err)
	}
	if err := netlink.LinkDel(link); err != nil && !notFound(err) {
		return fmt.Errorf("deleting interface %s: %w", veth, err)
	}
	return nil
}

func makePair(p Pod, ns netns.NsHandle, inside *netlink.Handle) (host, pod netlink.Link, err error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = p.Veth
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: p.IfName, PeerNamespace: netlink.NsFd(ns)}
	if p.MTU > 0 {
		veth.MTU, veth.PeerMTU = p.MTU, uint32(p.MTU)
	}
	if err := netlink.LinkAdd(veth); err != nil {
		return nil, nil, fmt.Errorf("creating veth pair %s - %s in %s: %w", p.Veth, p.IfName, p.NetNS, err)
	}
	if host, err = netlink.LinkByName(p.Veth); err != nil {
		return nil, nil, fmt.Errorf("finding interface %s just made: %w", p.Veth, err)
	}
	if err := netlink.LinkSetAlias(host, p.Label); err != nil {
		return nil, nil, fmt.Errorf("labelling interface %s: %w", p.Veth, err)
	}
	if pod, err = inside.LinkByName(p.IfName); err != nil {
		return nil, nil, fmt.Errorf("finding interface %s in the pod: %w", p.IfName, err)
	}
	return host, pod, nil
}

func configurePod(inside *netlink.Handle, p Pod, link netlink.Link, gatewayMAC net.HardwareAddr) error {
	if lo, err := inside.LinkByName("lo"); err != nil {
		return fmt.Errorf("finding the pod's loopback: %w", err)
	} else if err := inside.LinkSetUp(lo); err != nil {
		return fmt.Errorf("setting the pod's loopback up: %w", err)
	}
	if err := inside.AddrReplace(link, &netlink.Addr{IPNet: single(p.Address)}); err != nil {
		return fmt.Errorf("giving address %s to the pod: %w", p.Address, err)
	}
	if err := inside.LinkSetUp(link); err != nil {
		return fmt.Errorf("setting the pod's %s up: %w", p.IfName, err)
	}
	index := link.Attrs().Index
	if err := inside.NeighSet(permanent(index, Gateway, gatewayMAC)); err != nil {
		return fmt.Errorf("setting the pod's gateway neighbour: %w", err)
	}
	routes := []netlink.Route{
		{LinkIndex: index, Dst: single(Gateway), Scope: netlink.SCOPE_LINK},
		{LinkIndex: index, Dst: everywhere(), Gw: Gateway.AsSlice()},
	}
	for _, route := range routes {
		if err := inside.RouteReplace(&route); err != nil {
			return fmt.Errorf("setting the pod's route to %s: %w", route.Dst, err)
		}
	}
	return nil
}

func configureHost(p Pod, link netlink.Link, podMAC net.HardwareAddr) error {
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("setting %s up: %w", p.Veth, err)
	}
	index := link.Attrs().Index
	if err := netlink.NeighSet(permanent(index, p.Address, podMAC)); err != nil {
		return fmt.Errorf("setting the neighbour entry of pod address %s: %w", p.Address, err)
	}
	route := netlink.Route{LinkIndex: index, Dst: single(p.Address), Scope: netlink.SCOPE_LINK}
	if err := netlink.RouteReplace(&route); err != nil {
		return fmt.Errorf("routing pod address %s to %s: %w", p.Address, p.Veth, err)
	}
	if p.HostPorts {
		// Answers to what was sent to 127.0.0.1 come in by this interface. The rules keep pods from using that themselves.
		return set(p.Veth, "route_localnet", "1")
	}
	return nil
}

func permanent(index int, address netip.Addr, mac net.HardwareAddr) *netlink.Neigh {
	return &netlink.Neigh{LinkIndex: index, State: netlink.NUD_PERMANENT, IP: address.AsSlice(), HardwareAddr: mac}
}

func single(a netip.Addr) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}
}

func everywhere() *net.IPNet { return &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)} }

func notFound(err error) bool {
	var none netlink.LinkNotFoundError
	return errors.As(err, &none) || errors.Is(err, unix.ENODEV)
}
