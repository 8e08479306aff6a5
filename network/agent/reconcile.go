package agent

import (
	"context"
	"errors"
	"slices"

	"github.com/automode-dev/automode/network/datapath"
	"github.com/automode-dev/automode/network/ipam"
)

// configureSecondaries returns the interfaces whose pods can be connected. An interface that is announced before it is
// plugged in is skipped until the next picture or reconciliation.
func (a *Agent) configureSecondaries() map[string]bool {
	ready := map[string]bool{}
	for _, i := range a.picture.Interfaces {
		if i.DeviceIndex == 0 {
			ready[i.ID] = true
			continue
		}
		err := a.Kernel.Secondary(i.MAC, datapath.Secondary{DeviceIndex: i.DeviceIndex, Address: i.Address, Gateway: i.Gateway, Subnet: i.Subnet})
		if err != nil {
			a.Log.Warn("interface is not usable yet", "interface", i.ID, "error", err)
			continue
		}
		ready[i.ID] = true
	}
	return ready
}

func sources(p Picture, ready map[string]bool) (all []ipam.Source) {
	for _, i := range p.Interfaces {
		if !ready[i.ID] {
			continue
		}
		for _, prefix := range i.Pods {
			all = append(all, ipam.Source{Prefix: prefix, InterfaceID: i.ID, DeviceIndex: i.DeviceIndex})
		}
	}
	return all
}

// Keep releases every attachment that is not in the list: CNI's garbage collection.
func (a *Agent) Keep(ctx context.Context, keys []ipam.Key) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var errs []error
	for _, attachment := range a.pool.Attachments() {
		if !slices.Contains(keys, attachment.Key) {
			errs = append(errs, a.Kernel.Disconnect(datapath.VethName(attachment.ContainerID, attachment.IfName)),
				a.release(ctx, attachment.Key))
		}
	}
	return errors.Join(errs...)
}

// Run keeps the agent's picture true to the kernel's until the context ends.
func (a *Agent) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.Clock.After(reconcileEvery):
		}
		if err := a.reconcile(ctx); err != nil {
			a.Log.Warn("reconciling addresses failed", "error", err)
		}
	}
}

// reconcile takes back the addresses of pods that went without a word, and repairs rules that something else removed.
func (a *Agent) reconcile(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	connected, err := a.Kernel.Pods()
	if err != nil {
		return err
	}
	veths := map[string]bool{}
	for _, pod := range connected {
		veths[pod.Veth] = true
	}
	now := a.Clock.Now()
	var errs []error
	for _, attachment := range a.pool.Attachments() {
		if !veths[datapath.VethName(attachment.ContainerID, attachment.IfName)] && now.Sub(attachment.Since) > abandonedAfter {
			errs = append(errs, a.release(ctx, attachment.Key))
		}
	}
	a.pool.Sweep(now)
	a.pool.SetSources(sources(a.picture, a.configureSecondaries()))
	a.loaded = ""
	a.wake()
	return errors.Join(append(errs, a.loadRules(ctx), a.save())...)
}

// loadRules brings the nftables table to what the attachments and the picture say.
func (a *Agent) loadRules(ctx context.Context) error {
	rules := datapath.Rules{Uplink: a.Uplink.Name, NodeAddress: a.picture.NodeAddress, Local: a.picture.VPC, SNAT: a.picture.SNAT}
	rules.Secondary = slices.ContainsFunc(a.picture.Interfaces, func(i Interface) bool { return i.DeviceIndex > 0 })
	for _, attachment := range a.pool.Attachments() {
		for _, port := range attachment.HostPorts {
			rules.Ports = append(rules.Ports, datapath.PortRule{Port: port, Address: attachment.Address})
		}
	}
	text := rules.Render()
	if text == a.loaded {
		return nil
	}
	if err := a.Kernel.LoadRules(ctx, rules); err != nil {
		return err
	}
	a.loaded = text
	return nil
}
