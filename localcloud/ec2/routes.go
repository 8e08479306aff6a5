package ec2

import (
	"context"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// CreateRoute adds a route to an internet gateway, NAT gateway, instance or network interface.
func (s *Service) CreateRoute(ctx context.Context, in *ec2.CreateRouteInput) (*ec2.CreateRouteOutput, error) {
	route := types.Route{DestinationCidrBlock: in.DestinationCidrBlock, GatewayId: in.GatewayId, NatGatewayId: in.NatGatewayId,
		InstanceId: in.InstanceId, NetworkInterfaceId: in.NetworkInterfaceId}
	err := s.changeRoute(ctx, str(in.RouteTableId), in.DryRun, route, func(t *types.RouteTable, i int, route types.Route) error {
		if i >= 0 {
			return errorf("RouteAlreadyExists", "The route identified by %s already exists.", *route.DestinationCidrBlock)
		}
		t.Routes = append(t.Routes, route)
		return nil
	})
	return &ec2.CreateRouteOutput{Return: new(err == nil)}, err
}

// ReplaceRoute changes the target of a route.
func (s *Service) ReplaceRoute(ctx context.Context, in *ec2.ReplaceRouteInput) (*ec2.ReplaceRouteOutput, error) {
	route := types.Route{DestinationCidrBlock: in.DestinationCidrBlock, GatewayId: in.GatewayId, NatGatewayId: in.NatGatewayId,
		InstanceId: in.InstanceId, NetworkInterfaceId: in.NetworkInterfaceId}
	err := s.changeRoute(ctx, str(in.RouteTableId), in.DryRun, route, func(t *types.RouteTable, i int, route types.Route) error {
		if i < 0 {
			return noRoute(t, route)
		}
		route.Origin = t.Routes[i].Origin
		t.Routes[i] = route
		return nil
	})
	return &ec2.ReplaceRouteOutput{}, err
}

// DeleteRoute removes a route; the local ones stay.
func (s *Service) DeleteRoute(ctx context.Context, in *ec2.DeleteRouteInput) (*ec2.DeleteRouteOutput, error) {
	route := types.Route{DestinationCidrBlock: in.DestinationCidrBlock, GatewayId: new(anyGateway)}
	err := s.changeRoute(ctx, str(in.RouteTableId), in.DryRun, route, func(t *types.RouteTable, i int, route types.Route) error {
		switch {
		case i < 0:
			return noRoute(t, route)
		case str(t.Routes[i].GatewayId) == "local":
			return invalid("cannot remove local route %s in route table %s", *route.DestinationCidrBlock, *t.RouteTableId)
		}
		t.Routes = slices.Delete(t.Routes, i, i+1)
		return nil
	})
	return &ec2.DeleteRouteOutput{}, err
}

// anyGateway stands for the target where a call names none.
const anyGateway = "any"

func noRoute(t *types.RouteTable, route types.Route) error {
	return errorf("InvalidRoute.NotFound", "no route with destination-cidr-block %s in route table %s", *route.DestinationCidrBlock, *t.RouteTableId)
}

// changeRoute finds the table and the route with the destination (i is -1 without one) and stores what change makes of them.
func (s *Service) changeRoute(ctx context.Context, tableID string, dryRun *bool, route types.Route, change func(t *types.RouteTable, i int, route types.Route) error) error {
	r, err := s.regionOf(ctx)
	if err != nil {
		return err
	}
	if route.DestinationCidrBlock == nil {
		return missing("destinationCidrBlock")
	}
	cidr, err := netip.ParsePrefix(*route.DestinationCidrBlock)
	if err != nil {
		return invalid("Value (%s) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block.", *route.DestinationCidrBlock)
	}
	route.DestinationCidrBlock = new(cidr.Masked().String())
	if err := authorizeOn(ctx, s, r, dryRun, routeTableKind, tableID); err != nil {
		return err
	}
	return r.update(func(tx *txn) error {
		t, err := routeTableKind.find(r, tableID)
		if err != nil {
			return err
		}
		if err := r.resolveRoute(t, &route); err != nil {
			return err
		}
		t = with(t, func(t *types.RouteTable) { t.Routes = slices.Clone(t.Routes) })
		i := slices.IndexFunc(t.Routes, func(o types.Route) bool { return str(o.DestinationCidrBlock) == *route.DestinationCidrBlock })
		if err := change(t, i, route); err != nil {
			return err
		}
		r.tables.put(tx, tableID, t)
		r.nets.later(tx, *t.VpcId)
		return nil
	})
}

// resolveRoute checks the target of a route and fills in what follows from it.
func (r *region) resolveRoute(t *types.RouteTable, route *types.Route) error {
	route.Origin, route.State = types.RouteOriginCreateRoute, types.RouteStateActive
	switch {
	case str(route.GatewayId) == anyGateway || str(route.GatewayId) == "local":
		return nil
	case route.GatewayId != nil:
		igw, err := igwKind.find(r, *route.GatewayId)
		if err != nil {
			return err
		}
		if attachedTo(igw) != *t.VpcId {
			return invalid("route table %s and network gateway %s belong to different networks", *t.RouteTableId, *route.GatewayId)
		}
	case route.NatGatewayId != nil:
		_, err := natKind.find(r, *route.NatGatewayId)
		return err
	case route.InstanceId != nil:
		inst, err := instanceKind.find(r, *route.InstanceId)
		if err != nil {
			return err
		}
		route.NetworkInterfaceId, route.InstanceOwnerId = r.primary(inst).NetworkInterfaceId, new(r.svc.account)
	case route.NetworkInterfaceId != nil:
		i, err := interfaceKind.find(r, *route.NetworkInterfaceId)
		if err != nil {
			return err
		}
		route.InstanceId, route.InstanceOwnerId = optional(i.machine()), optional(r.svc.account)
	default:
		return missing("gatewayId")
	}
	return nil
}

// blackhole marks the routes to a target that went away.
func (r *region) blackhole(tx *txn, matches func(types.Route) bool) {
	for id, t := range r.tables.rows {
		if !slices.ContainsFunc(t.Routes, matches) {
			continue
		}
		r.tables.put(tx, id, with(t, func(t *types.RouteTable) {
			t.Routes = slices.Clone(t.Routes)
			for i := range t.Routes {
				if matches(t.Routes[i]) {
					t.Routes[i].State = types.RouteStateBlackhole
				}
			}
		}))
		r.nets.later(tx, *t.VpcId)
	}
}
