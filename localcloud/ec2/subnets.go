package ec2

import (
	"context"
	"net/netip"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

var subnetKind = register(&kind[types.Subnet]{
	prefix: "subnet", resource: types.ResourceTypeSubnet,
	absent: func(ids []string) error { return errorf("InvalidSubnetID.NotFound", "%s", notExist("subnet", ids)) },
	table:  func(r *region) *table[types.Subnet] { return r.subnets },
	tags:   func(s *types.Subnet) []types.Tag { return s.Tags },
	retag:  func(s *types.Subnet, tags []types.Tag) { s.Tags = tags },
	filters: map[string]func(*region, *types.Subnet) []string{
		"subnet-id":               func(_ *region, s *types.Subnet) []string { return one(s.SubnetId) },
		"subnet-arn":              func(_ *region, s *types.Subnet) []string { return one(s.SubnetArn) },
		"vpc-id":                  func(_ *region, s *types.Subnet) []string { return one(s.VpcId) },
		"availability-zone":       func(_ *region, s *types.Subnet) []string { return one(s.AvailabilityZone) },
		"availabilityZone":        func(_ *region, s *types.Subnet) []string { return one(s.AvailabilityZone) },
		"availability-zone-id":    func(_ *region, s *types.Subnet) []string { return one(s.AvailabilityZoneId) },
		"availabilityZoneId":      func(_ *region, s *types.Subnet) []string { return one(s.AvailabilityZoneId) },
		"cidr":                    func(_ *region, s *types.Subnet) []string { return one(s.CidrBlock) },
		"cidr-block":              func(_ *region, s *types.Subnet) []string { return one(s.CidrBlock) },
		"cidrBlock":               func(_ *region, s *types.Subnet) []string { return one(s.CidrBlock) },
		"default-for-az":          func(_ *region, s *types.Subnet) []string { return []string{boolText(s.DefaultForAz)} },
		"defaultForAz":            func(_ *region, s *types.Subnet) []string { return []string{boolText(s.DefaultForAz)} },
		"map-public-ip-on-launch": func(_ *region, s *types.Subnet) []string { return []string{boolText(s.MapPublicIpOnLaunch)} },
		"owner-id":                func(_ *region, s *types.Subnet) []string { return one(s.OwnerId) },
		"state":                   func(_ *region, s *types.Subnet) []string { return []string{string(s.State)} },
		"available-ip-address-count": func(r *region, s *types.Subnet) []string {
			return []string{strconv.Itoa(r.index.pools[*s.SubnetId].free)}
		},
	},
})

// zone finds a zone of the region by name or id; with neither it is the first.
func (r *region) zone(name, id *string) (zoneName, zoneID string, err error) {
	for _, z := range r.svc.catalog.Zones(r.name) {
		if (name == nil || *name == z.Name) && (id == nil || *id == z.ID) {
			return z.Name, z.ID, nil
		}
	}
	return "", "", invalid("Value (%s) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: %s.",
		str(name)+str(id), r.zoneNames())
}

func (r *region) zoneNames() (text string) {
	for i, z := range r.svc.catalog.Zones(r.name) {
		if i > 0 {
			text += ", "
		}
		text += z.Name
	}
	return text
}

// CreateSubnet makes a subnet of a VPC in one zone.
func (s *Service) CreateSubnet(ctx context.Context, in *ec2.CreateSubnetInput) (*ec2.CreateSubnetOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if in.CidrBlock == nil {
		return nil, missing("cidrBlock")
	}
	cidr, err := parseCIDR(*in.CidrBlock, "InvalidSubnet.Range", 16, 28)
	if err != nil {
		return nil, err
	}
	zone, zoneID, err := r.zone(in.AvailabilityZone, in.AvailabilityZoneId)
	if err != nil {
		return nil, err
	}
	if err := checkSpecs(in.TagSpecifications, types.ResourceTypeSubnet); err != nil {
		return nil, err
	}
	tags := specified(in.TagSpecifications, types.ResourceTypeSubnet)
	targets, err := targetsOf(r, vpcKind, str(in.VpcId))
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, in.DryRun, append(targets, created(r, types.ResourceTypeSubnet, tags))...); err != nil {
		return nil, err
	}
	var sub *types.Subnet
	err = r.update(func(tx *txn) error {
		v, err := vpcKind.find(r, str(in.VpcId))
		if err != nil {
			return err
		}
		if err := r.checkSubnetRange(v, cidr, *in.CidrBlock); err != nil {
			return err
		}
		sub = r.createSubnet(tx, v, cidr, zone, zoneID, tags)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CreateSubnetOutput{Subnet: new(r.renderSubnet(sub))}, nil
}

func (r *region) checkSubnetRange(v *vpcRow, cidr netip.Prefix, text string) error {
	inside := false
	for _, c := range v.cidrs() {
		inside = inside || c.Contains(cidr.Addr()) && c.Bits() <= cidr.Bits()
	}
	if !inside {
		return errorf("InvalidSubnet.Range", "The CIDR '%s' is invalid.", text)
	}
	for _, other := range r.subnets.rows {
		if str(other.VpcId) == *v.VpcId && netip.MustParsePrefix(*other.CidrBlock).Overlaps(cidr) {
			return errorf("InvalidSubnet.Conflict", "The CIDR '%s' conflicts with another subnet", text)
		}
	}
	return nil
}

func (r *region) createSubnet(tx *txn, v *vpcRow, cidr netip.Prefix, zone, zoneID string, tags []types.Tag) *types.Subnet {
	id := newID("subnet")
	sub := &types.Subnet{
		SubnetId: new(id), SubnetArn: new(r.arn("subnet", id)), VpcId: v.VpcId, CidrBlock: new(cidr.String()), OwnerId: v.OwnerId,
		AvailabilityZone: new(zone), AvailabilityZoneId: new(zoneID), State: types.SubnetStateAvailable, Tags: tags,
		DefaultForAz: new(false), MapPublicIpOnLaunch: new(false), AssignIpv6AddressOnCreation: new(false), Ipv6Native: new(false),
		EnableDns64: new(false), MapCustomerOwnedIpOnLaunch: new(false), Ipv6CidrBlockAssociationSet: []types.SubnetIpv6CidrBlockAssociation{},
		PrivateDnsNameOptionsOnLaunch: &types.PrivateDnsNameOptionsOnLaunch{HostnameType: types.HostnameTypeIpName,
			EnableResourceNameDnsARecord: new(false), EnableResourceNameDnsAAAARecord: new(false)},
	}
	r.subnets.put(tx, id, sub)
	r.nets.later(tx, *v.VpcId)
	return sub
}

// renderSubnet adds what changes all the time.
func (r *region) renderSubnet(sub *types.Subnet) types.Subnet {
	out := *sub
	r.view(func() {
		if p := r.index.pools[*sub.SubnetId]; p != nil {
			out.AvailableIpAddressCount = new(int32(p.free))
		}
	})
	return out
}

// DescribeSubnets lists subnets.
func (s *Service) DescribeSubnets(ctx context.Context, in *ec2.DescribeSubnetsInput) (*ec2.DescribeSubnetsOutput, error) {
	r, rows, next, err := describe(ctx, s, subnetKind, query{ids: in.SubnetIds, filters: in.Filters,
		maxResults: in.MaxResults, nextToken: in.NextToken, dryRun: in.DryRun, min: 5, max: 1000})
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeSubnetsOutput{NextToken: next}
	for _, sub := range rows {
		out.Subnets = append(out.Subnets, r.renderSubnet(sub))
	}
	return out, nil
}

// DeleteSubnet removes a subnet without network interfaces.
func (s *Service) DeleteSubnet(ctx context.Context, in *ec2.DeleteSubnetInput) (*ec2.DeleteSubnetOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	id := str(in.SubnetId)
	if err := authorizeOn(ctx, s, r, in.DryRun, subnetKind, id); err != nil {
		return nil, err
	}
	err = r.update(func(tx *txn) error {
		sub, err := subnetKind.find(r, id)
		if err != nil {
			return err
		}
		for _, i := range r.index.interfacesByVPC[*sub.VpcId] {
			if *i.SubnetId == id {
				return dependency("The subnet '%s' has dependencies and cannot be deleted.", id)
			}
		}
		if t := r.tableOf(sub); !isMainOnly(t, id) {
			r.tables.put(tx, *t.RouteTableId, with(t, func(t *types.RouteTable) {
				t.Associations = without(t.Associations, func(a types.RouteTableAssociation) bool { return str(a.SubnetId) == id })
			}))
		}
		r.subnets.drop(tx, id)
		r.nets.later(tx, *sub.VpcId)
		return nil
	})
	return &ec2.DeleteSubnetOutput{}, err
}

// ModifySubnetAttribute changes one attribute of a subnet.
func (s *Service) ModifySubnetAttribute(ctx context.Context, in *ec2.ModifySubnetAttributeInput) (*ec2.ModifySubnetAttributeOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := authorizeOn(ctx, s, r, nil, subnetKind, str(in.SubnetId)); err != nil {
		return nil, err
	}
	err = r.update(func(tx *txn) error {
		sub, err := subnetKind.find(r, str(in.SubnetId))
		if err != nil {
			return err
		}
		r.subnets.put(tx, *sub.SubnetId, with(sub, func(sub *types.Subnet) {
			change(&sub.MapPublicIpOnLaunch, in.MapPublicIpOnLaunch)
			change(&sub.AssignIpv6AddressOnCreation, in.AssignIpv6AddressOnCreation)
			change(&sub.EnableDns64, in.EnableDns64)
			names := *sub.PrivateDnsNameOptionsOnLaunch
			change(&names.EnableResourceNameDnsARecord, in.EnableResourceNameDnsARecordOnLaunch)
			change(&names.EnableResourceNameDnsAAAARecord, in.EnableResourceNameDnsAAAARecordOnLaunch)
			if in.PrivateDnsHostnameTypeOnLaunch != "" {
				names.HostnameType = in.PrivateDnsHostnameTypeOnLaunch
			}
			sub.PrivateDnsNameOptionsOnLaunch = &names
		}))
		return nil
	})
	return &ec2.ModifySubnetAttributeOutput{}, err
}

func change(to **bool, from *types.AttributeBooleanValue) {
	if from != nil && from.Value != nil {
		*to = new(*from.Value)
	}
}
