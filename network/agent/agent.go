// Package agent is the address manager of a node (ipamd): it hands the addresses that the node's interfaces hold to pods,
// answers the CNI plugin on a unix socket, and keeps the node's nftables table. What it decides is written to a checkpoint
// before it is answered; after the loss of the checkpoint it learns the pods from the kernel and from the runtime's CNI
// cache. It never calls EC2: which addresses the node has is the network controller's business, told by the CNINode.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/automode-dev/automode/network/datapath"
	"github.com/automode-dev/automode/network/ipam"
)

// How long an attachment waits for the controller to bring more addresses, and how old an attachment without an interface
// must be before its address is taken back (a plugin may be at work on a younger one).
const (
	addressWait    = 20 * time.Second
	abandonedAfter = 60 * time.Second
	reconcileEvery = 60 * time.Second
)

// Picture is what the node knows about its own network: from the instance metadata at first, from its CNINode later.
type Picture struct {
	NodeAddress netip.Addr
	VPC         []netip.Prefix
	SNAT        bool
	Interfaces  []Interface
}

// Interface is one network interface of the node.
type Interface struct {
	ID, MAC     string
	DeviceIndex int
	Address     netip.Addr
	Gateway     netip.Addr
	Subnet      netip.Prefix
	Pods        []netip.Prefix // ranges for pods: /28 prefixes and single /32 addresses
}

// Kernel is what the agent changes on the node; the real one is network/datapath.
type Kernel interface {
	// LoadRules replaces the node's nftables table.
	LoadRules(ctx context.Context, rules datapath.Rules) error
	// RouteFrom makes an address leave by the interface that holds it.
	RouteFrom(address netip.Addr, deviceIndex int, to []netip.Prefix) error
	// Secondary configures an additional interface; a *datapath.NoInterfaceError means that it is not attached yet.
	Secondary(mac string, s datapath.Secondary) error
	// Pods lists the pods that are connected.
	Pods() ([]datapath.Connected, error)
	// ForgetUDP ends the flows to a UDP port of the node.
	ForgetUDP(port int) error
	// Disconnect removes a pod's interface; none is fine.
	Disconnect(veth string) error
}

// Options of an Agent.
type Options struct {
	Socket     string // unix socket the CNI plugin calls
	Checkpoint string // file with the state, on a file system that does not outlive the machine
	CNICache   string // directory in which the runtime keeps CNI results
	Uplink     datapath.Uplink
	Kernel     Kernel
	Clock      clock.Clock
	Log        *slog.Logger
}

// Agent manages the addresses of one node.
type Agent struct {
	Options

	mu      sync.Mutex
	pool    *ipam.Pool
	picture Picture
	loaded  string        // nftables text that is in the kernel
	changed chan struct{} // closed and replaced whenever addresses may have become free
}

// New returns an agent that continues where the checkpoint, or else the kernel, says an earlier one was.
func New(o Options) (*Agent, error) {
	a := &Agent{Options: o, changed: make(chan struct{})}
	if err := a.restore(); err != nil {
		return nil, err
	}
	return a, nil
}

// SetPicture tells the agent what the node's network looks like now.
func (a *Agent) SetPicture(ctx context.Context, p Picture) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.picture = p
	ready := a.configureSecondaries()
	a.pool.SetSources(sources(p, ready))
	a.wake()
	return errors.Join(a.loadRules(ctx), a.save())
}

// Attach gives an address to a pod. It waits a while when all addresses are in use, because the controller brings more.
func (a *Agent) Attach(ctx context.Context, r AttachRequest) (AttachReply, error) {
	ctx, cancel := context.WithTimeout(ctx, addressWait)
	defer cancel()
	for {
		reply, changed, err := a.attachNow(ctx, r)
		var none *ipam.NoAddressError
		if !errors.As(err, &none) {
			return reply, err
		}
		select {
		case <-ctx.Done():
			return AttachReply{}, err
		case <-changed:
		case <-a.Clock.After(time.Second): // a cool-down may be over
		}
	}
}

func (a *Agent) attachNow(ctx context.Context, r AttachRequest) (AttachReply, <-chan struct{}, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	attachment, err := a.pool.Add(a.Clock.Now(), r.Key, r.Owner, r.HostPorts)
	if err != nil {
		return AttachReply{}, a.changed, err
	}
	source, _ := a.pool.Find(attachment.Address)
	if err := errors.Join(a.save(), a.loadRules(ctx), a.Kernel.RouteFrom(attachment.Address, source.DeviceIndex, a.viaInterface())); err != nil {
		a.pool.Remove(a.Clock.Now(), r.Key)
		return AttachReply{}, nil, fmt.Errorf("attaching pod %s/%s: %w", r.Namespace, r.Pod, err)
	}
	a.forgetFlows(attachment)
	a.Log.Info("address assigned", "pod", r.Namespace+"/"+r.Pod, "address", attachment.Address)
	return AttachReply{Address: attachment.Address, MTU: a.Uplink.MTU}, nil, nil
}

// viaInterface is where pods of secondary interfaces may go with their own address: everywhere without source
// translation, else the VPC only (the rest goes out as the node, by the primary interface).
func (a *Agent) viaInterface() []netip.Prefix {
	if !a.picture.SNAT {
		return nil
	}
	return a.picture.VPC
}

// Detach takes the address of a pod back. Detaching what is not attached is fine.
func (a *Agent) Detach(ctx context.Context, key ipam.Key) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.release(ctx, key)
}

func (a *Agent) release(ctx context.Context, key ipam.Key) error {
	attachment, ok := a.pool.Remove(a.Clock.Now(), key)
	if !ok {
		return nil
	}
	a.wake()
	a.Log.Info("address released", "pod", attachment.Namespace+"/"+attachment.Pod, "address", attachment.Address)
	err := errors.Join(a.save(), a.loadRules(ctx), a.Kernel.RouteFrom(attachment.Address, 0, nil))
	a.forgetFlows(attachment)
	return err
}

// forgetFlows ends what flows to the host ports of a pod that comes or goes. It only shortens a wait: failing is no harm
// that the pod should suffer for.
func (a *Agent) forgetFlows(attachment ipam.Attachment) {
	for _, port := range attachment.HostPorts {
		if port.Protocol != "udp" {
			continue
		}
		if err := a.Kernel.ForgetUDP(port.HostPort); err != nil {
			a.Log.Warn("flows to a host port may outlive their pod", "error", err)
		}
	}
}

// Ready reports why pods can not be connected, or nil.
func (a *Agent) Ready() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pool.Stats(a.Clock.Now()).Total == 0 {
		return errors.New("the node has no addresses for pods yet")
	}
	return nil
}

func (a *Agent) wake() {
	close(a.changed)
	a.changed = make(chan struct{})
}

// Label is what the node's end of a pod's veth pair carries: enough to know the attachment again. The kernel keeps at most
// 255 bytes of it, so the pod's name comes last and may be cut.
func Label(key ipam.Key, owner ipam.Owner) string {
	label := strings.Join([]string{key.ContainerID, key.IfName, owner.Namespace, owner.Pod}, " ")
	return label[:min(len(label), 255)]
}

func parseLabel(label string) (key ipam.Key, owner ipam.Owner, ok bool) {
	fields := strings.Fields(label)
	if len(fields) != 4 {
		return key, owner, false
	}
	return ipam.Key{ContainerID: fields[0], IfName: fields[1]}, ipam.Owner{Namespace: fields[2], Pod: fields[3]}, true
}
