package ec2

import (
	"context"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// maxCIDRs is how many ranges a VPC may have.
const maxCIDRs = 5

// AssociateVpcCidrBlock adds an IPv4 range to a VPC.
func (s *Service) AssociateVpcCidrBlock(ctx context.Context, in *ec2.AssociateVpcCidrBlockInput) (*ec2.AssociateVpcCidrBlockOutput, error) {
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
	if err := authorizeOn(ctx, s, r, nil, vpcKind, str(in.VpcId)); err != nil {
		return nil, err
	}
	a := types.VpcCidrBlockAssociation{AssociationId: new(newID("vpc-cidr-assoc")), CidrBlock: new(cidr.String()),
		CidrBlockState: &types.VpcCidrBlockState{State: types.VpcCidrBlockStateCodeAssociated}}
	err = r.update(func(tx *txn) error {
		v, err := vpcKind.find(r, *in.VpcId)
		if err != nil {
			return err
		}
		if len(v.CidrBlockAssociationSet) >= maxCIDRs {
			return errorf("CidrLimitExceeded", "This network %s has met its maximum number of allowed CIDRs: %d", *v.VpcId, maxCIDRs)
		}
		for _, have := range v.cidrs() {
			if have.Overlaps(cidr) {
				return errorf("CidrConflict", "Network %s already has an overlapping CIDR %s.", *v.VpcId, have)
			}
		}
		r.vpcs.put(tx, *v.VpcId, with(v, func(v *vpcRow) {
			v.CidrBlockAssociationSet = append(slices.Clone(v.CidrBlockAssociationSet), a)
		}))
		r.localRoutes(tx, *v.VpcId)
		return nil
	})
	out := a
	out.CidrBlockState = &types.VpcCidrBlockState{State: types.VpcCidrBlockStateCodeAssociating}
	return &ec2.AssociateVpcCidrBlockOutput{VpcId: in.VpcId, CidrBlockAssociation: &out}, err
}

// DisassociateVpcCidrBlock removes a range that no subnet uses; the first one stays.
func (s *Service) DisassociateVpcCidrBlock(ctx context.Context, in *ec2.DisassociateVpcCidrBlockInput) (*ec2.DisassociateVpcCidrBlockOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, nil, anything); err != nil {
		return nil, err
	}
	out := &ec2.DisassociateVpcCidrBlockOutput{}
	err = r.update(func(tx *txn) error {
		v, i := r.cidrAssociation(str(in.AssociationId))
		if v == nil {
			return errorf("InvalidVpcCidrBlockAssociationIdError.NotFound", "The vpc CIDR block association ID '%s' does not exist", str(in.AssociationId))
		}
		a := v.CidrBlockAssociationSet[i]
		if i == 0 {
			return errorf("OperationNotPermitted", "The vpc CIDR block with association ID %s may not be disassociated. It is the primary IPv4 CIDR block of the VPC", *a.AssociationId)
		}
		for _, sub := range r.subnets.rows {
			if *sub.VpcId == *v.VpcId && netip.MustParsePrefix(*a.CidrBlock).Overlaps(netip.MustParsePrefix(*sub.CidrBlock)) {
				return dependency("The vpc CIDR block with association ID %s has dependencies and cannot be disassociated.", *a.AssociationId)
			}
		}
		r.vpcs.put(tx, *v.VpcId, with(v, func(v *vpcRow) {
			v.CidrBlockAssociationSet = slices.Delete(slices.Clone(v.CidrBlockAssociationSet), i, i+1)
		}))
		r.localRoutes(tx, *v.VpcId)
		a.CidrBlockState = &types.VpcCidrBlockState{State: types.VpcCidrBlockStateCodeDisassociating}
		out.VpcId, out.CidrBlockAssociation = v.VpcId, &a
		return nil
	})
	return out, err
}

func (r *region) cidrAssociation(id string) (*vpcRow, int) {
	for _, v := range r.vpcs.rows {
		for i, a := range v.CidrBlockAssociationSet {
			if *a.AssociationId == id {
				return v, i
			}
		}
	}
	return nil, 0
}

// localRoutes brings the local routes of a VPC's tables to its ranges.
func (r *region) localRoutes(tx *txn, vpcID string) {
	v := r.vpcs.get(vpcID)
	for id, t := range r.tables.rows {
		if *t.VpcId != vpcID {
			continue
		}
		r.tables.put(tx, id, with(t, func(t *types.RouteTable) {
			others := without(t.Routes, func(route types.Route) bool { return str(route.GatewayId) == "local" })
			t.Routes = nil
			for _, cidr := range v.cidrTexts() {
				t.Routes = append(t.Routes, localRoute(cidr))
			}
			t.Routes = append(t.Routes, others...)
		}))
	}
	r.nets.later(tx, vpcID)
}

func localRoute(cidr string) types.Route {
	return types.Route{DestinationCidrBlock: new(cidr), GatewayId: new("local"), Origin: types.RouteOriginCreateRouteTable, State: types.RouteStateActive}
}
