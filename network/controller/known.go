package controller

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/automode-dev/automode/api/eks/v1alpha1"
)

// known is what the controller remembers of a node. It may be lost at any time: EC2 and the CNINode have the rest.
type known struct {
	interfaces []Interface
	subnets    map[string]Subnet
	described  time.Time
	withdrawn  map[netip.Prefix]time.Time
	fragmented time.Time // when the subnet had no prefix
}

func (c *Controller) state(name string) *known {
	c.mu.Lock()
	defer c.mu.Unlock()
	state, ok := c.nodes[name]
	if !ok {
		state = &known{subnets: map[string]Subnet{}, withdrawn: map[netip.Prefix]time.Time{}}
		c.nodes[name] = state
	}
	return state
}

// forget drops what is known of a node that is gone.
func (c *Controller) forget(ctx context.Context, name string) error {
	c.mu.Lock()
	delete(c.nodes, name)
	c.mu.Unlock()
	gone := &v1alpha1.CNINode{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := c.Client.Delete(ctx, gone); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting CNINode %s: %w", name, err)
	}
	return nil
}

// describe refreshes what is known of the node's interfaces where it is too old.
func (c *Controller) describe(ctx context.Context, state *known, instance string) error {
	if len(state.interfaces) > 0 && c.Clock.Since(state.described) < describeEvery {
		return nil
	}
	return c.refresh(ctx, state, instance)
}

func (c *Controller) refresh(ctx context.Context, state *known, instance string) error {
	interfaces, err := c.EC2.Interfaces(ctx, instance)
	if err != nil {
		return err
	}
	for _, i := range interfaces {
		if _, ok := state.subnets[i.SubnetID]; ok {
			continue
		}
		subnet, err := c.EC2.Subnet(ctx, i.SubnetID)
		if err != nil {
			return err
		}
		state.subnets[i.SubnetID] = subnet
	}
	state.interfaces, state.described = interfaces, c.Clock.Now()
	return nil
}

// change edits what is known of one interface, on a copy.
func (k *known) change(id string, edit func(*Interface)) {
	k.interfaces = slices.Clone(k.interfaces)
	for n := range k.interfaces {
		if k.interfaces[n].ID == id {
			edit(&k.interfaces[n])
		}
	}
}

// usable are the interfaces without the ranges that are being withdrawn.
func (k *known) usable() []Interface {
	usable := slices.Clone(k.interfaces)
	for n := range usable {
		i := &usable[n]
		i.Prefixes = slices.DeleteFunc(slices.Clone(i.Prefixes), k.isWithdrawn)
		i.Addresses = slices.DeleteFunc(slices.Clone(i.Addresses), func(a netip.Addr) bool {
			return k.isWithdrawn(netip.PrefixFrom(a, a.BitLen()))
		})
	}
	return usable
}

func (k *known) isWithdrawn(r netip.Prefix) bool {
	_, ok := k.withdrawn[r]
	return ok
}

// restore takes one withdrawn range back into use; false when there is none.
func (k *known) restore() bool {
	for _, i := range k.interfaces {
		for _, r := range i.Ranges() {
			if k.isWithdrawn(r) {
				delete(k.withdrawn, r)
				return true
			}
		}
	}
	return false
}
