package ec2

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/automode-dev/automode/localcloud/vpc"
)

// networks keeps the fabric at what the region's rows say. Changes are counted; whoever applies a picture covers all
// changes before it, so that many changes at once need few pictures.
type networks struct {
	r  *region
	mu sync.Mutex
	by map[string]*network
}

type network struct {
	changed int // counts changes; guarded by networks.mu

	applying sync.Mutex
	applied  int  // the last change that the fabric has; guarded by applying
	real     bool // the fabric has had something of this VPC
}

func newNetworks(r *region) *networks { return &networks{r: r, by: map[string]*network{}} }

func (n *networks) get(vpcID string) *network {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.by[vpcID] == nil {
		n.by[vpcID] = &network{changed: 1}
	}
	return n.by[vpcID]
}

// later has the VPC's picture applied once the transaction is durable.
func (n *networks) later(tx *txn, vpcID string) {
	if n.r.svc.fabric == nil {
		return
	}
	tx.then(func() {
		net := n.get(vpcID)
		n.mu.Lock()
		net.changed++
		n.mu.Unlock()
		n.r.svc.lifecycle.queue.Add(job{n.r, vpcID})
	})
}

// remove takes the VPC's network away.
func (n *networks) remove(vpcID string) {
	if n.r.svc.fabric != nil {
		n.r.svc.lifecycle.queue.Add(job{n.r, vpcID})
	}
}

// resume looks at every VPC after a start.
func (n *networks) resume() {
	if n.r.svc.fabric == nil {
		return
	}
	n.r.view(func() {
		for id := range n.r.vpcs.rows {
			n.r.svc.lifecycle.queue.Add(job{n.r, id})
		}
	})
}

// apply returns when the fabric has what the rows said when it was called, or something newer.
func (n *networks) apply(ctx context.Context, vpcID string) error {
	if n.r.svc.fabric == nil {
		return nil
	}
	net := n.get(vpcID)
	n.mu.Lock()
	asked := net.changed
	n.mu.Unlock()
	net.applying.Lock()
	defer net.applying.Unlock()
	if net.applied >= asked {
		return nil
	}
	n.mu.Lock()
	covers := net.changed
	n.mu.Unlock()
	picture, ok := n.picture(vpcID)
	if !ok {
		return n.r.svc.fabric.Remove(ctx, vpcID)
	}
	if len(picture.Interfaces) == 0 && !net.real {
		net.applied = covers
		return nil
	}
	if err := n.r.svc.fabric.Apply(ctx, picture); err != nil {
		return fmt.Errorf("making network of %s real: %w", vpcID, err)
	}
	net.applied, net.real = covers, true
	return nil
}

// stale makes the next apply do its work although no row changed: a namespace has appeared.
func (n *networks) stale(vpcID string) {
	net := n.get(vpcID)
	n.mu.Lock()
	net.changed++
	n.mu.Unlock()
}

// picture is the VPC as the fabric should make it; false when there is no such VPC.
func (n *networks) picture(vpcID string) (p vpc.Network, ok bool) {
	r := n.r
	r.mu.RLock()
	defer r.mu.RUnlock()
	v := r.vpcs.get(vpcID)
	if v == nil {
		return p, false
	}
	p = vpc.Network{ID: vpcID, CIDRs: v.cidrs()}
	for _, sub := range r.subnets.rows {
		if *sub.VpcId == vpcID {
			p.Subnets = append(p.Subnets, vpc.Subnet{ID: *sub.SubnetId, CIDR: netip.MustParsePrefix(*sub.CidrBlock), RouteTableID: *r.tableOf(sub).RouteTableId})
		}
	}
	for _, t := range r.tables.rows {
		if *t.VpcId == vpcID {
			p.RouteTables = append(p.RouteTables, vpc.RouteTable{ID: *t.RouteTableId, Routes: fabricRoutes(t)})
		}
	}
	for _, g := range r.groups.rows {
		if *g.VpcId == vpcID {
			p.SecurityGroups = append(p.SecurityGroups, vpc.SecurityGroup{ID: *g.GroupId,
				Ingress: fabricRules(r.rulesOf(*g.GroupId, false)), Egress: fabricRules(r.rulesOf(*g.GroupId, true))})
		}
	}
	for _, i := range r.index.interfacesByVPC[vpcID] {
		if f := r.fabricInterface(i); f.NetNS != "" {
			p.Interfaces = append(p.Interfaces, f)
		}
	}
	slices.SortFunc(p.Subnets, func(a, b vpc.Subnet) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(p.RouteTables, func(a, b vpc.RouteTable) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(p.SecurityGroups, func(a, b vpc.SecurityGroup) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(p.Interfaces, func(a, b vpc.Interface) int { return strings.Compare(a.ID, b.ID) })
	return p, true
}

func (r *region) fabricInterface(i *interfaceRow) vpc.Interface {
	f := vpc.Interface{ID: *i.NetworkInterfaceId, MAC: *i.MacAddress, SubnetID: *i.SubnetId, Address: netip.MustParseAddr(*i.PrivateIpAddress),
		Secondary: i.secondary(), Prefixes: i.prefixes(), Groups: i.groupIDs(), SourceDestCheck: value(i.SourceDestCheck),
		NetNS: i.NetNS, Name: i.HostName}
	if id := i.machine(); id != "" && r.svc.machines != nil {
		f.DeviceIndex = int(*i.Attachment.DeviceIndex)
		f.NetNS, f.Name = r.svc.machines.NetNS(id), fmt.Sprintf("eth%d", f.DeviceIndex)
	}
	return f
}

func fabricRoutes(t *types.RouteTable) []vpc.Route {
	var list []vpc.Route
	for _, route := range t.Routes {
		if str(route.GatewayId) == "local" || route.DestinationCidrBlock == nil {
			continue
		}
		f := vpc.Route{Destination: netip.MustParsePrefix(*route.DestinationCidrBlock), Target: vpc.TargetBlackhole}
		switch {
		case route.State == types.RouteStateBlackhole:
		case route.GatewayId != nil:
			f.Target, f.TargetID = vpc.TargetInternetGateway, *route.GatewayId
		case route.NatGatewayId != nil:
			f.Target, f.TargetID = vpc.TargetNATGateway, *route.NatGatewayId
		case route.NetworkInterfaceId != nil:
			f.Target, f.TargetID = vpc.TargetInterface, *route.NetworkInterfaceId
		}
		list = append(list, f)
	}
	return list
}

// fabricRules leaves out IPv6 and prefix lists, which this fabric does not have.
func fabricRules(rules []*types.SecurityGroupRule) []vpc.Rule {
	var list []vpc.Rule
	for _, rule := range rules {
		spec := specOf(rule)
		f := vpc.Rule{Protocol: spec.protocol, FromPort: int(spec.from), ToPort: int(spec.to), Group: spec.group}
		if spec.cidr != "" {
			f.CIDR = netip.MustParsePrefix(spec.cidr)
		}
		if f.Group != "" || f.CIDR.IsValid() {
			list = append(list, f)
		}
	}
	return list
}
