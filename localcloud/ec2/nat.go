package ec2

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// natRow is a NAT gateway; until Settles it is pending or deleting.
type natRow struct {
	types.NatGateway
	Settles time.Time
}

var natKind = register(&kind[natRow]{
	prefix: "nat", resource: types.ResourceTypeNatgateway,
	absent: func(ids []string) error {
		return errorf("NatGatewayNotFound", "NAT gateway %s was not found", ids[0])
	},
	badID: func(id string) error {
		return errorf("NatGatewayMalformed", "The NAT gateway ID '%s' is malformed", id)
	},
	table: func(r *region) *table[natRow] { return r.nats },
	tags:  func(n *natRow) []types.Tag { return n.Tags },
	retag: func(n *natRow, tags []types.Tag) { n.Tags = tags },
	filters: map[string]func(*region, *natRow) []string{
		"nat-gateway-id": func(_ *region, n *natRow) []string { return one(n.NatGatewayId) },
		"subnet-id":      func(_ *region, n *natRow) []string { return one(n.SubnetId) },
		"vpc-id":         func(_ *region, n *natRow) []string { return one(n.VpcId) },
		"state":          func(r *region, n *natRow) []string { return []string{string(n.view(r.svc.now()).State)} },
	},
})

// view is the gateway as it is at a time.
func (n *natRow) view(now time.Time) types.NatGateway {
	out := n.NatGateway
	if now.Before(n.Settles) {
		return out
	}
	switch out.State {
	case types.NatGatewayStatePending:
		out.State = types.NatGatewayStateAvailable
	case types.NatGatewayStateDeleting:
		out.State = types.NatGatewayStateDeleted
	}
	return out
}

// CreateNatGateway makes a NAT gateway in a subnet, with an elastic address unless it is private.
func (s *Service) CreateNatGateway(ctx context.Context, in *ec2.CreateNatGatewayInput) (*ec2.CreateNatGatewayOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	public := in.ConnectivityType != types.ConnectivityTypePrivate
	if public && in.AllocationId == nil {
		return nil, missing("AllocationId")
	}
	if err := checkSpecs(in.TagSpecifications, types.ResourceTypeNatgateway); err != nil {
		return nil, err
	}
	tags := specified(in.TagSpecifications, types.ResourceTypeNatgateway)
	targets, err := targetsOf(r, subnetKind, str(in.SubnetId))
	if err != nil {
		return nil, err
	}
	if public {
		addresses, err := targetsOf(r, addressKind, *in.AllocationId)
		if err != nil {
			return nil, err
		}
		targets = append(targets, addresses...)
	}
	if err := s.authorize(ctx, in.DryRun, append(targets, created(r, types.ResourceTypeNatgateway, tags))...); err != nil {
		return nil, err
	}
	id, err := r.once(str(in.ClientToken), "CreateNatGateway", in, func(tx *txn) (string, error) { return r.createNAT(tx, in, tags, public) })
	if err != nil {
		return nil, err
	}
	n, err := natKind.get(r, id)
	if err != nil {
		return nil, err
	}
	return &ec2.CreateNatGatewayOutput{NatGateway: &n.NatGateway, ClientToken: in.ClientToken}, nil
}

func (r *region) createNAT(tx *txn, in *ec2.CreateNatGatewayInput, tags []types.Tag, public bool) (string, error) {
	sub, err := subnetKind.find(r, *in.SubnetId)
	if err != nil {
		return "", err
	}
	now, id := r.svc.now(), newID("nat")
	i, err := r.createInterface(tx, newInterface{subnet: sub, description: "Interface for NAT Gateway " + id, kind: types.NetworkInterfaceTypeNatGateway,
		addresses: wanted{primary: str(in.PrivateIpAddress)}, requester: r.svc.account})
	if err != nil {
		return "", err
	}
	i = with(i, func(i *interfaceRow) {
		i.Groups, i.SourceDestCheck, i.Status = nil, new(false), types.NetworkInterfaceStatusInUse
		i.Attachment = &types.NetworkInterfaceAttachment{AttachmentId: new(newID("ela-attach")), DeviceIndex: new(int32(1)),
			InstanceOwnerId: new("amazon-aws"), DeleteOnTermination: new(false), Status: types.AttachmentStatusAttached}
	})
	r.interfaces.put(tx, *i.NetworkInterfaceId, i)
	address := types.NatGatewayAddress{NetworkInterfaceId: i.NetworkInterfaceId, PrivateIp: i.PrivateIpAddress, IsPrimary: new(true),
		Status: types.NatGatewayAddressStatusSucceeded, AllocationId: in.AllocationId}
	if public {
		a, err := addressKind.find(r, *in.AllocationId)
		if err != nil {
			return "", err
		}
		if a.AssociationId != nil {
			return "", errorf("Resource.AlreadyAssociated", "Elastic IP address [%s] is already associated", *a.AllocationId)
		}
		a = with(a, func(a *types.Address) {
			a.AssociationId, a.NetworkInterfaceId, a.NetworkInterfaceOwnerId = new(newID("eipassoc")), i.NetworkInterfaceId, i.OwnerId
			a.PrivateIpAddress = i.PrivateIpAddress
		})
		r.addresses.put(tx, *a.AllocationId, a)
		address.PublicIp, address.AssociationId = a.PublicIp, a.AssociationId
	}
	n := &natRow{Settles: now.Add(r.svc.Timing().NATGateway), NatGateway: types.NatGateway{
		NatGatewayId: new(id), SubnetId: sub.SubnetId, VpcId: sub.VpcId, CreateTime: new(now), State: types.NatGatewayStatePending, Tags: tags,
		ConnectivityType:    types.ConnectivityType(orText(string(in.ConnectivityType), string(types.ConnectivityTypePublic))),
		NatGatewayAddresses: []types.NatGatewayAddress{address},
	}}
	r.nats.put(tx, id, n)
	return id, nil
}

// DescribeNatGateways lists NAT gateways, deleted ones for an hour too.
func (s *Service) DescribeNatGateways(ctx context.Context, in *ec2.DescribeNatGatewaysInput) (*ec2.DescribeNatGatewaysOutput, error) {
	_, rows, next, err := describe(ctx, s, natKind, query{ids: in.NatGatewayIds, filters: in.Filter,
		maxResults: in.MaxResults, nextToken: in.NextToken, dryRun: in.DryRun, min: 5, max: 1000})
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeNatGatewaysOutput{NextToken: next}
	for _, n := range rows {
		out.NatGateways = append(out.NatGateways, n.view(s.now()))
	}
	return out, nil
}

// DeleteNatGateway removes a NAT gateway and frees its elastic address; routes to it become black holes.
func (s *Service) DeleteNatGateway(ctx context.Context, in *ec2.DeleteNatGatewayInput) (*ec2.DeleteNatGatewayOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	id := str(in.NatGatewayId)
	if err := authorizeOn(ctx, s, r, in.DryRun, natKind, id); err != nil {
		return nil, err
	}
	err = r.update(func(tx *txn) error {
		n, err := natKind.find(r, id)
		if err != nil {
			return err
		}
		if n.DeleteTime != nil {
			return nil
		}
		for _, a := range n.NatGatewayAddresses {
			if i := r.interfaces.get(*a.NetworkInterfaceId); i != nil {
				r.dropInterface(tx, i)
			}
		}
		r.blackhole(tx, func(route types.Route) bool { return str(route.NatGatewayId) == id })
		r.nats.put(tx, id, with(n, func(n *natRow) {
			n.State, n.DeleteTime, n.Settles = types.NatGatewayStateDeleting, new(r.svc.now()), r.svc.now().Add(r.svc.Timing().NATGateway)
		}))
		return nil
	})
	return &ec2.DeleteNatGatewayOutput{NatGatewayId: in.NatGatewayId}, err
}
