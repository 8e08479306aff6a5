package agent

import (
	"context"
	"net/netip"

	"github.com/automode-dev/automode/network/datapath"
)

// Node is the Kernel of the network namespace that the process runs in.
type Node struct{}

// LoadRules implements Kernel.
func (Node) LoadRules(ctx context.Context, rules datapath.Rules) error {
	return datapath.Load(ctx, rules)
}

// RouteFrom implements Kernel.
func (Node) RouteFrom(address netip.Addr, deviceIndex int, to []netip.Prefix) error {
	return datapath.RouteFrom(address, deviceIndex, to)
}

// Secondary implements Kernel.
func (Node) Secondary(mac string, s datapath.Secondary) error {
	uplink, err := datapath.FindUplink(mac)
	if err != nil {
		return err
	}
	s.Name = uplink.Name
	return datapath.ConfigureSecondary(s)
}

// Pods implements Kernel.
func (Node) Pods() ([]datapath.Connected, error) { return datapath.List() }

// Disconnect implements Kernel.
func (Node) Disconnect(veth string) error { return datapath.Disconnect(veth) }

// ForgetUDP implements Kernel.
func (Node) ForgetUDP(port int) error { return datapath.ForgetUDP(port) }
