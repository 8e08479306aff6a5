// Package ipam decides which address a pod of one node gets. It is pure: no clock, no files, no network; callers hand in
// the time and keep the snapshot. It never gives an address to a second pod before the first one's has cooled down, and
// never forgets an attachment by itself.
package ipam

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Cooldown is how long a released address stays unused, so that connections that others still track do not reach the
// next pod. It is the time the VPC CNI uses.
const Cooldown = 30 * time.Second

// Key names one attachment of a container to the network, as CNI does.
type Key struct {
	ContainerID string `json:"containerID"`
	IfName      string `json:"ifName"`
}

// Owner says for whom an attachment was made; it never decides anything.
type Owner struct {
	Namespace string `json:"namespace"`
	Pod       string `json:"pod"`
	UID       string `json:"uid,omitempty"`
}

// PortMapping is a port of the node that leads to a port of the pod. HostIP is empty for all of the node's addresses.
type PortMapping struct {
	HostIP        string `json:"hostIP,omitempty"`
	HostPort      int    `json:"hostPort"`
	ContainerPort int    `json:"containerPort"`
	Protocol      string `json:"protocol"`
}

// Attachment is an address in use.
type Attachment struct {
	Key
	Owner
	Address   netip.Addr    `json:"address"`
	HostPorts []PortMapping `json:"hostPorts,omitempty"`
	Since     time.Time     `json:"since"`
}

// Source is a range of addresses that an interface of the node holds: a delegated /28 or a single /32.
type Source struct {
	Prefix      netip.Prefix `json:"prefix"`
	InterfaceID string       `json:"interfaceID,omitempty"`
	// DeviceIndex is 0 for the node's primary interface.
	DeviceIndex int `json:"deviceIndex,omitempty"`
}

// Snapshot is everything a Pool knows, as it is kept in the checkpoint file.
type Snapshot struct {
	Sources     []Source                 `json:"sources,omitempty"`
	Attachments []Attachment             `json:"attachments"`
	Cooling     map[netip.Addr]time.Time `json:"cooling,omitempty"` // address -> when it was released
}

// Pool holds the addresses of one node. It is not safe for concurrent use.
type Pool struct {
	sources     []Source
	attachments map[Key]Attachment
	inUse       map[netip.Addr]Key
	released    map[netip.Addr]time.Time
}

// New returns a pool that continues from a snapshot; the zero Snapshot is an empty pool.
func New(s Snapshot) *Pool {
	p := &Pool{
		sources:     slices.Clone(s.Sources),
		attachments: map[Key]Attachment{},
		inUse:       map[netip.Addr]Key{},
		released:    map[netip.Addr]time.Time{},
	}
	maps.Copy(p.released, s.Cooling)
	for _, a := range s.Attachments {
		p.Adopt(a)
	}
	return p
}

// Snapshot returns a copy of the pool's state in a stable order.
func (p *Pool) Snapshot() Snapshot {
	return Snapshot{Sources: slices.Clone(p.sources), Attachments: p.Attachments(), Cooling: maps.Clone(p.released)}
}

// Attachments lists the addresses in use, in order of address.
func (p *Pool) Attachments() []Attachment {
	return slices.SortedFunc(maps.Values(p.attachments), func(a, b Attachment) int {
		return cmp.Or(a.Address.Compare(b.Address), cmp.Compare(a.ContainerID, b.ContainerID))
	})
}

// Sources lists the ranges new addresses come from, in the order they are used.
func (p *Pool) Sources() []Source { return slices.Clone(p.sources) }

// SetSources replaces the ranges that new addresses come from, in the order they are to be used. Addresses in use outside
// of them stay in use until they are removed.
func (p *Pool) SetSources(sources []Source) { p.sources = slices.Clone(sources) }

// Adopt takes over an attachment that exists already, whatever the sources are. An attachment with the same key is replaced.
func (p *Pool) Adopt(a Attachment) {
	if old, ok := p.attachments[a.Key]; ok {
		delete(p.inUse, old.Address)
	}
	p.attachments[a.Key] = a
	p.inUse[a.Address] = a.Key
	delete(p.released, a.Address)
}

// Add gives an address to an attachment. Adding an existing key returns the address it has. A *NoAddressError says why none is left.
func (p *Pool) Add(now time.Time, key Key, owner Owner, ports []PortMapping) (Attachment, error) {
	if a, ok := p.attachments[key]; ok {
		return a, nil
	}
	if err := p.checkPorts(owner, ports); err != nil {
		return Attachment{}, err
	}
	address, ok := p.next(now)
	if !ok {
		return Attachment{}, p.exhausted(now)
	}
	a := Attachment{Key: key, Owner: owner, Address: address, HostPorts: ports, Since: now}
	p.Adopt(a)
	return a, nil
}

// Remove releases an attachment, whose address then cools down. It returns false for a key that is not there.
func (p *Pool) Remove(now time.Time, key Key) (Attachment, bool) {
	a, ok := p.attachments[key]
	if !ok {
		return Attachment{}, false
	}
	delete(p.attachments, key)
	delete(p.inUse, a.Address)
	p.released[a.Address] = now
	return a, true
}

// Get returns the attachment of a key.
func (p *Pool) Get(key Key) (Attachment, bool) {
	a, ok := p.attachments[key]
	return a, ok
}

// Find returns the source that an address belongs to; false when the node no longer holds it.
func (p *Pool) Find(address netip.Addr) (Source, bool) {
	for _, s := range p.sources {
		if s.Prefix.Contains(address) {
			return s, true
		}
	}
	return Source{}, false
}

// next picks an address that was never used, else the one that has been free for longest; sources in their order.
func (p *Pool) next(now time.Time) (best netip.Addr, ok bool) {
	var freeSince time.Time
	for _, s := range p.sources {
		for address := s.Prefix.Masked().Addr(); s.Prefix.Contains(address); address = address.Next() {
			if _, used := p.inUse[address]; used {
				continue
			}
			since, wasUsed := p.released[address]
			switch {
			case !wasUsed:
				return address, true
			case now.Sub(since) >= Cooldown && (!ok || since.Before(freeSince)):
				best, freeSince, ok = address, since, true
			}
		}
		if ok {
			return best, true
		}
	}
	return best, ok
}

// Sweep forgets the cool-downs that are over.
func (p *Pool) Sweep(now time.Time) {
	maps.DeleteFunc(p.released, func(_ netip.Addr, since time.Time) bool { return now.Sub(since) >= Cooldown })
}

// Stats counts addresses.
type Stats struct {
	Total, Used, Cooling int
}

// Stats counts the addresses of the sources, those in use (wherever they come from) and those that cool down.
func (p *Pool) Stats(now time.Time) Stats {
	s := Stats{Used: len(p.attachments)}
	for _, source := range p.sources {
		s.Total += 1 << (source.Prefix.Addr().BitLen() - source.Prefix.Bits())
	}
	for _, since := range p.released {
		if now.Sub(since) < Cooldown {
			s.Cooling++
		}
	}
	return s
}

// NoAddressError says that a node has no address to give, and how it stands.
type NoAddressError struct{ Stats }

func (e *NoAddressError) Error() string {
	return fmt.Sprintf("no free address on this node: %d held, %d in use, %d cooling down", e.Total, e.Used, e.Cooling)
}

func (p *Pool) exhausted(now time.Time) error { return &NoAddressError{p.Stats(now)} }

// checkPorts refuses a host port that another pod has already. A new sandbox of the same pod may take its ports over.
func (p *Pool) checkPorts(owner Owner, ports []PortMapping) error {
	for _, want := range ports {
		for _, a := range p.attachments {
			if a.Owner == owner {
				continue
			}
			for _, have := range a.HostPorts {
				if want.overlaps(have) {
					return fmt.Errorf("host port %d/%s is already in use by pod %s/%s", want.HostPort, want.Protocol, a.Namespace, a.Pod)
				}
			}
		}
	}
	return nil
}

func (h PortMapping) overlaps(other PortMapping) bool {
	sameAddress := h.anywhere() || other.anywhere() || h.HostIP == other.HostIP
	return sameAddress && h.HostPort == other.HostPort && h.Protocol == other.Protocol
}

func (h PortMapping) anywhere() bool { return h.HostIP == "" || h.HostIP == "0.0.0.0" }
