package ec2

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

var igwKind = register(&kind[types.InternetGateway]{
	prefix: "igw", resource: types.ResourceTypeInternetGateway,
	absent: func(ids []string) error {
		return errorf("InvalidInternetGatewayID.NotFound", "%s", notExist("internetGateway", ids))
	},
	table: func(r *region) *table[types.InternetGateway] { return r.igws },
	tags:  func(g *types.InternetGateway) []types.Tag { return g.Tags },
	retag: func(g *types.InternetGateway, tags []types.Tag) { g.Tags = tags },
	filters: map[string]func(*region, *types.InternetGateway) []string{
		"internet-gateway-id": func(_ *region, g *types.InternetGateway) []string { return one(g.InternetGatewayId) },
		"owner-id":            func(_ *region, g *types.InternetGateway) []string { return one(g.OwnerId) },
		"attachment.vpc-id":   func(_ *region, g *types.InternetGateway) []string { return one(optional(attachedTo(g))) },
		"attachment.state": func(_ *region, g *types.InternetGateway) (states []string) {
			for _, a := range g.Attachments {
				states = append(states, string(a.State))
			}
			return states
		},
	},
})

func attachedTo(g *types.InternetGateway) string {
	if len(g.Attachments) == 0 {
		return ""
	}
	return str(g.Attachments[0].VpcId)
}

// attachedIGW returns the internet gateway of a VPC, or nil.
func (r *region) attachedIGW(vpcID string) *types.InternetGateway {
	for _, g := range r.igws.rows {
		if attachedTo(g) == vpcID {
			return g
		}
	}
	return nil
}

func (r *region) createIGW(tx *txn, tags []types.Tag) *types.InternetGateway {
	g := &types.InternetGateway{InternetGatewayId: new(newID("igw")), OwnerId: new(r.svc.account), Tags: tags,
		Attachments: []types.InternetGatewayAttachment{}}
	r.igws.put(tx, *g.InternetGatewayId, g)
	return g
}

func (r *region) attachIGW(tx *txn, g *types.InternetGateway, vpcID string) {
	r.igws.put(tx, *g.InternetGatewayId, with(g, func(g *types.InternetGateway) {
		g.Attachments = []types.InternetGatewayAttachment{{VpcId: new(vpcID), State: "available"}}
	}))
}

// CreateInternetGateway makes a gateway that no VPC uses yet.
func (s *Service) CreateInternetGateway(ctx context.Context, in *ec2.CreateInternetGatewayInput) (*ec2.CreateInternetGatewayOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkSpecs(in.TagSpecifications, types.ResourceTypeInternetGateway); err != nil {
		return nil, err
	}
	tags := specified(in.TagSpecifications, types.ResourceTypeInternetGateway)
	if err := s.authorize(ctx, in.DryRun, created(r, types.ResourceTypeInternetGateway, tags)); err != nil {
		return nil, err
	}
	out := &ec2.CreateInternetGatewayOutput{}
	err = r.update(func(tx *txn) error {
		out.InternetGateway = r.createIGW(tx, tags)
		return nil
	})
	return out, err
}

// DescribeInternetGateways lists internet gateways.
func (s *Service) DescribeInternetGateways(ctx context.Context, in *ec2.DescribeInternetGatewaysInput) (*ec2.DescribeInternetGatewaysOutput, error) {
	_, rows, next, err := describe(ctx, s, igwKind, query{ids: in.InternetGatewayIds, filters: in.Filters,
		maxResults: in.MaxResults, nextToken: in.NextToken, dryRun: in.DryRun, min: 5, max: 1000})
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeInternetGatewaysOutput{NextToken: next}
	for _, g := range rows {
		out.InternetGateways = append(out.InternetGateways, *g)
	}
	return out, nil
}

// AttachInternetGateway connects a gateway with a VPC; each has at most one of the other.
func (s *Service) AttachInternetGateway(ctx context.Context, in *ec2.AttachInternetGatewayInput) (*ec2.AttachInternetGatewayOutput, error) {
	err := s.changeIGW(ctx, in.DryRun, in.InternetGatewayId, in.VpcId, func(r *region, tx *txn, g *types.InternetGateway) error {
		switch {
		case attachedTo(g) != "":
			return errorf("Resource.AlreadyAssociated", "resource %s is already attached to network %s", *g.InternetGatewayId, attachedTo(g))
		case r.attachedIGW(*in.VpcId) != nil:
			return invalid("Network %s already has an internet gateway attached", *in.VpcId)
		}
		r.attachIGW(tx, g, *in.VpcId)
		return nil
	})
	return &ec2.AttachInternetGatewayOutput{}, err
}

// DetachInternetGateway disconnects a gateway from its VPC, whose routes to it become black holes.
func (s *Service) DetachInternetGateway(ctx context.Context, in *ec2.DetachInternetGatewayInput) (*ec2.DetachInternetGatewayOutput, error) {
	err := s.changeIGW(ctx, in.DryRun, in.InternetGatewayId, in.VpcId, func(r *region, tx *txn, g *types.InternetGateway) error {
		if attachedTo(g) != *in.VpcId {
			return errorf("Gateway.NotAttached", "resource %s is not attached to network %s", *g.InternetGatewayId, *in.VpcId)
		}
		if r.publicAddresses(*in.VpcId) {
			return dependency("Network %s has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.", *in.VpcId)
		}
		r.igws.put(tx, *g.InternetGatewayId, with(g, func(g *types.InternetGateway) { g.Attachments = []types.InternetGatewayAttachment{} }))
		r.blackhole(tx, func(route types.Route) bool { return str(route.GatewayId) == *g.InternetGatewayId })
		return nil
	})
	return &ec2.DetachInternetGatewayOutput{}, err
}

func (s *Service) changeIGW(ctx context.Context, dryRun *bool, igwID, vpcID *string, change func(*region, *txn, *types.InternetGateway) error) error {
	r, err := s.regionOf(ctx)
	if err != nil {
		return err
	}
	igws, err := targetsOf(r, igwKind, str(igwID))
	if err != nil {
		return err
	}
	vpcs, err := targetsOf(r, vpcKind, str(vpcID))
	if err != nil {
		return err
	}
	if err := s.authorize(ctx, dryRun, append(igws, vpcs...)...); err != nil {
		return err
	}
	return r.update(func(tx *txn) error {
		g, err := igwKind.find(r, *igwID)
		if err != nil {
			return err
		}
		return change(r, tx, g)
	})
}

// DeleteInternetGateway removes a gateway that no VPC uses.
func (s *Service) DeleteInternetGateway(ctx context.Context, in *ec2.DeleteInternetGatewayInput) (*ec2.DeleteInternetGatewayOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	id := str(in.InternetGatewayId)
	if err := authorizeOn(ctx, s, r, in.DryRun, igwKind, id); err != nil {
		return nil, err
	}
	err = r.update(func(tx *txn) error {
		g, err := igwKind.find(r, id)
		if err != nil {
			return err
		}
		if attachedTo(g) != "" {
			return dependency("The internetGateway '%s' has dependencies and cannot be deleted.", id)
		}
		r.igws.drop(tx, id)
		return nil
	})
	return &ec2.DeleteInternetGatewayOutput{}, err
}
