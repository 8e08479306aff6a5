package ec2

import (
	"context"
	"net/netip"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

const settingsKey = "settings"

// vpcRow is a VPC with the attributes that have calls of their own.
type vpcRow struct {
	types.Vpc
	DNSSupport, DNSHostnames, UsageMetrics bool
	// Ports of the host's loopback that machines of the VPC reach on their own, besides those of the service.
	Ports []int
}

var vpcKind = register(&kind[vpcRow]{
	prefix: "vpc", resource: types.ResourceTypeVpc,
	absent: func(ids []string) error { return errorf("InvalidVpcID.NotFound", "%s", notExist("vpc", ids)) },
	table:  func(r *region) *table[vpcRow] { return r.vpcs },
	tags:   func(v *vpcRow) []types.Tag { return v.Tags },
	retag:  func(v *vpcRow, tags []types.Tag) { v.Tags = tags },
	filters: map[string]func(*region, *vpcRow) []string{
		"vpc-id":                            func(_ *region, v *vpcRow) []string { return one(v.VpcId) },
		"cidr":                              func(_ *region, v *vpcRow) []string { return one(v.CidrBlock) },
		"cidr-block":                        func(_ *region, v *vpcRow) []string { return one(v.CidrBlock) },
		"dhcp-options-id":                   func(_ *region, v *vpcRow) []string { return one(v.DhcpOptionsId) },
		"is-default":                        func(_ *region, v *vpcRow) []string { return []string{boolText(v.IsDefault)} },
		"isDefault":                         func(_ *region, v *vpcRow) []string { return []string{boolText(v.IsDefault)} },
		"owner-id":                          func(_ *region, v *vpcRow) []string { return one(v.OwnerId) },
		"state":                             func(_ *region, v *vpcRow) []string { return []string{string(v.State)} },
		"cidr-block-association.cidr-block": func(_ *region, v *vpcRow) []string { return v.cidrTexts() },
		"cidr-block-association.state":      func(*region, *vpcRow) []string { return []string{"associated"} },
		"cidr-block-association.association-id": func(_ *region, v *vpcRow) (ids []string) {
			for _, a := range v.CidrBlockAssociationSet {
				ids = append(ids, *a.AssociationId)
			}
			return ids
		},
	},
})

func (v *vpcRow) cidrTexts() []string {
	texts := make([]string, 0, len(v.CidrBlockAssociationSet))
	for _, a := range v.CidrBlockAssociationSet {
		texts = append(texts, str(a.CidrBlock))
	}
	return texts
}

func (v *vpcRow) cidrs() []netip.Prefix {
	var list []netip.Prefix
	for _, text := range v.cidrTexts() {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// parseCIDR reads an IPv4 range whose length must lie between the bounds; the host bits are cleared.
func parseCIDR(text, code string, shortest, longest int) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil || !p.Addr().Is4() {
		return p, invalid("Value (%s) for parameter cidrBlock is invalid. This is not a valid CIDR block.", text)
	}
	if p.Bits() < shortest || p.Bits() > longest {
		return p, errorf(code, "The CIDR '%s' is invalid.", text)
	}
	return p.Masked(), nil
}

// CreateVpc makes a VPC with its main route table and default security group.
func (s *Service) CreateVpc(ctx context.Context, in *ec2.CreateVpcInput) (*ec2.CreateVpcOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if in.CidrBlock == nil {
		return nil, missing("cidrBlock")
	}
	cidr, err := parseCIDR(*in.CidrBlock, "InvalidVpc.Range", 16, 28)
	if err != nil {
		return nil, err
	}
	if err := checkSpecs(in.TagSpecifications, types.ResourceTypeVpc); err != nil {
		return nil, err
	}
	tags := specified(in.TagSpecifications, types.ResourceTypeVpc)
	if err := s.authorize(ctx, in.DryRun, created(r, types.ResourceTypeVpc, tags)); err != nil {
		return nil, err
	}
	var v *vpcRow
	err = r.update(func(tx *txn) error {
		v = r.createVPC(tx, cidr, tags, false)
		v = with(v, func(v *vpcRow) { v.InstanceTenancy = types.Tenancy(orText(string(in.InstanceTenancy), "default")) })
		r.vpcs.put(tx, *v.VpcId, v)
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := v.Vpc
	out.State = types.VpcStatePending
	return &ec2.CreateVpcOutput{Vpc: &out}, nil
}

func orText(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// createVPC stores a VPC, its main route table and its default security group.
func (r *region) createVPC(tx *txn, cidr netip.Prefix, tags []types.Tag, isDefault bool) *vpcRow {
	v := &vpcRow{Vpc: types.Vpc{
		VpcId: new(newID("vpc")), CidrBlock: new(cidr.String()), State: types.VpcStateAvailable, OwnerId: new(r.svc.account),
		DhcpOptionsId: new(r.dhcpOptions()), InstanceTenancy: types.TenancyDefault, IsDefault: new(isDefault), Tags: tags,
		CidrBlockAssociationSet: []types.VpcCidrBlockAssociation{{
			AssociationId: new(newID("vpc-cidr-assoc")), CidrBlock: new(cidr.String()),
			CidrBlockState: &types.VpcCidrBlockState{State: types.VpcCidrBlockStateCodeAssociated},
		}},
	}, DNSSupport: true, DNSHostnames: isDefault}
	r.vpcs.put(tx, *v.VpcId, v)
	r.createRouteTable(tx, v, nil, true)
	g := r.createGroup(tx, v, "default", "default VPC security group", nil)
	r.putRule(tx, g, false, ruleSpec{protocol: "-1", from: -1, to: -1, group: *g.GroupId})
	return v
}

// createDefaultVPC gives a region its default VPC: 172.31.0.0/16, a public /20 subnet per zone, an internet gateway.
func (r *region) createDefaultVPC(tx *txn) {
	v := r.createVPC(tx, netip.MustParsePrefix("172.31.0.0/16"), nil, true)
	for i, zone := range r.svc.catalog.Zones(r.name) {
		if i == 16 {
			break
		}
		cidr := netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 31, byte(16 * i), 0}), 20)
		sub := r.createSubnet(tx, v, cidr, zone.Name, zone.ID, nil)
		r.subnets.put(tx, *sub.SubnetId, with(sub, func(s *types.Subnet) { s.DefaultForAz, s.MapPublicIpOnLaunch = new(true), new(true) }))
	}
	igw := r.createIGW(tx, nil)
	r.attachIGW(tx, igw, *v.VpcId)
	main := r.mainTable(*v.VpcId)
	r.tables.put(tx, *main.RouteTableId, with(main, func(t *types.RouteTable) {
		t.Routes = append(t.Routes, types.Route{DestinationCidrBlock: new("0.0.0.0/0"), GatewayId: igw.InternetGatewayId,
			Origin: types.RouteOriginCreateRoute, State: types.RouteStateActive})
	}))
	r.settings.put(tx, settingsKey, &regionSettings{DefaultVPC: *v.VpcId})
}

// DescribeVpcs lists VPCs.
func (s *Service) DescribeVpcs(ctx context.Context, in *ec2.DescribeVpcsInput) (*ec2.DescribeVpcsOutput, error) {
	_, rows, next, err := describe(ctx, s, vpcKind, query{ids: in.VpcIds, filters: in.Filters,
		maxResults: in.MaxResults, nextToken: in.NextToken, dryRun: in.DryRun, min: 5, max: 1000})
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeVpcsOutput{NextToken: next}
	for _, v := range rows {
		out.Vpcs = append(out.Vpcs, v.Vpc)
	}
	return out, nil
}

// DeleteVpc removes an empty VPC with what was made together with it.
func (s *Service) DeleteVpc(ctx context.Context, in *ec2.DeleteVpcInput) (*ec2.DeleteVpcOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	id := str(in.VpcId)
	if err := authorizeOn(ctx, s, r, in.DryRun, vpcKind, id); err != nil {
		return nil, err
	}
	err = r.update(func(tx *txn) error {
		if _, err := vpcKind.find(r, id); err != nil {
			return err
		}
		if r.vpcInUse(id) {
			return dependency("The vpc '%s' has dependencies and cannot be deleted.", id)
		}
		for gid, g := range r.groups.rows {
			if str(g.VpcId) == id {
				r.dropGroup(tx, gid)
			}
		}
		for tid, t := range r.tables.rows {
			if str(t.VpcId) == id {
				r.tables.drop(tx, tid)
			}
		}
		r.vpcs.drop(tx, id)
		tx.then(func() { r.nets.remove(id) })
		return nil
	})
	return &ec2.DeleteVpcOutput{}, err
}

// vpcInUse says whether something of the VPC keeps it from being deleted.
func (r *region) vpcInUse(id string) bool {
	if len(r.index.interfacesByVPC[id]) > 0 {
		return true
	}
	for _, sub := range r.subnets.rows {
		if str(sub.VpcId) == id {
			return true
		}
	}
	for _, g := range r.groups.rows {
		if str(g.VpcId) == id && str(g.GroupName) != "default" {
			return true
		}
	}
	for _, t := range r.tables.rows {
		if str(t.VpcId) == id && !isMain(t) {
			return true
		}
	}
	return r.attachedIGW(id) != nil
}

// ModifyVpcAttribute switches the DNS attributes of a VPC.
func (s *Service) ModifyVpcAttribute(ctx context.Context, in *ec2.ModifyVpcAttributeInput) (*ec2.ModifyVpcAttributeOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := authorizeOn(ctx, s, r, nil, vpcKind, str(in.VpcId)); err != nil {
		return nil, err
	}
	err = r.update(func(tx *txn) error {
		v, err := vpcKind.find(r, str(in.VpcId))
		if err != nil {
			return err
		}
		r.vpcs.put(tx, *v.VpcId, with(v, func(v *vpcRow) {
			set(&v.DNSSupport, in.EnableDnsSupport)
			set(&v.DNSHostnames, in.EnableDnsHostnames)
			set(&v.UsageMetrics, in.EnableNetworkAddressUsageMetrics)
		}))
		return nil
	})
	return &ec2.ModifyVpcAttributeOutput{}, err
}

// set takes over a switch that a request may leave out.
func set(to *bool, from *types.AttributeBooleanValue) {
	if from != nil && from.Value != nil {
		*to = *from.Value
	}
}

// DescribeVpcAttribute reads one DNS attribute of a VPC.
func (s *Service) DescribeVpcAttribute(ctx context.Context, in *ec2.DescribeVpcAttributeInput) (*ec2.DescribeVpcAttributeOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, in.DryRun, anything); err != nil {
		return nil, err
	}
	v, err := vpcKind.get(r, str(in.VpcId))
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeVpcAttributeOutput{VpcId: v.VpcId}
	switch in.Attribute {
	case types.VpcAttributeNameEnableDnsSupport:
		out.EnableDnsSupport = &types.AttributeBooleanValue{Value: &v.DNSSupport}
	case types.VpcAttributeNameEnableDnsHostnames:
		out.EnableDnsHostnames = &types.AttributeBooleanValue{Value: &v.DNSHostnames}
	case types.VpcAttributeNameEnableNetworkAddressUsageMetrics:
		out.EnableNetworkAddressUsageMetrics = &types.AttributeBooleanValue{Value: &v.UsageMetrics}
	default:
		return nil, invalid("Value (%s) for parameter attribute is invalid. Unknown attribute.", in.Attribute)
	}
	return out, nil
}
