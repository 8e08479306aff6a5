package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
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

// set changes an IPv4 setting of one interface.
func set(name, setting, value string) error {
	path := filepath.Join("/proc/sys/net/ipv4/conf", name, setting)
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		return fmt.Errorf("setting %s of %s to %s: %w", setting, name, value, err)
	}
	return nil
}
