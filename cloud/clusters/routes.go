package clusters

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

const everywhere = "0.0.0.0/0"

// routes gives the public subnets a way out through an internet gateway, the private ones through one NAT gateway.
func (n networkBuilder) routes(ctx context.Context, net Network) error {
	gateway, err := n.internetGateway(ctx, net.VPC)
	if err != nil {
		return err
	}
	if err := n.routeTable(ctx, net.VPC, "public", &ec2.CreateRouteInput{GatewayId: &gateway}, net.Public); err != nil {
		return err
	}
	nat, err := n.natGateway(ctx, net.Public[0])
	if err != nil {
		return err
	}
	return n.routeTable(ctx, net.VPC, "private", &ec2.CreateRouteInput{NatGatewayId: &nat}, net.Private)
}

func (n networkBuilder) internetGateway(ctx context.Context, vpc string) (string, error) {
	found, err := n.ec2.DescribeInternetGateways(ctx, &ec2.DescribeInternetGatewaysInput{Filters: n.filter("internet")})
	if err != nil {
		return "", fmt.Errorf("looking for the internet gateway: %w", err)
	}
	var gateway types.InternetGateway
	if len(found.InternetGateways) > 0 {
		gateway = found.InternetGateways[0]
	} else {
		made, err := n.ec2.CreateInternetGateway(ctx, &ec2.CreateInternetGatewayInput{TagSpecifications: n.tags(types.ResourceTypeInternetGateway, "internet")})
		if err != nil {
			return "", fmt.Errorf("creating the internet gateway: %w", err)
		}
		gateway = *made.InternetGateway
	}
	if len(gateway.Attachments) == 0 {
		if _, err := n.ec2.AttachInternetGateway(ctx, &ec2.AttachInternetGatewayInput{InternetGatewayId: gateway.InternetGatewayId, VpcId: &vpc}); err != nil {
			return "", fmt.Errorf("attaching internet gateway %s to %s: %w", *gateway.InternetGatewayId, vpc, err)
		}
	}
	return *gateway.InternetGatewayId, nil
}

func (n networkBuilder) natGateway(ctx context.Context, subnet string) (string, error) {
	alive := types.Filter{Name: str("state"), Values: []string{"pending", "available"}}
	found, err := n.ec2.DescribeNatGateways(ctx, &ec2.DescribeNatGatewaysInput{Filter: append(n.filter("nat"), alive)})
	if err != nil {
		return "", fmt.Errorf("looking for the NAT gateway: %w", err)
	}
	if len(found.NatGateways) > 0 {
		return *found.NatGateways[0].NatGatewayId, nil
	}
	address, err := n.address(ctx)
	if err != nil {
		return "", err
	}
	made, err := n.ec2.CreateNatGateway(ctx, &ec2.CreateNatGatewayInput{SubnetId: &subnet, AllocationId: &address, TagSpecifications: n.tags(types.ResourceTypeNatgateway, "nat")})
	if err != nil {
		return "", fmt.Errorf("creating the NAT gateway in %s: %w", subnet, err)
	}
	return *made.NatGateway.NatGatewayId, nil
}

func (n networkBuilder) address(ctx context.Context) (string, error) {
	found, err := n.ec2.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{Filters: n.filter("nat")})
	if err != nil {
		return "", fmt.Errorf("looking for the NAT gateway's address: %w", err)
	}
	if len(found.Addresses) > 0 {
		return *found.Addresses[0].AllocationId, nil
	}
	made, err := n.ec2.AllocateAddress(ctx, &ec2.AllocateAddressInput{Domain: types.DomainTypeVpc, TagSpecifications: n.tags(types.ResourceTypeElasticIp, "nat")})
	if err != nil {
		return "", fmt.Errorf("allocating the NAT gateway's address: %w", err)
	}
	return *made.AllocationId, nil
}

// routeTable makes a table whose default route is the given one and associates it with the subnets.
func (n networkBuilder) routeTable(ctx context.Context, vpc, part string, way *ec2.CreateRouteInput, subnets []string) error {
	found, err := n.ec2.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{Filters: n.filter(part)})
	if err != nil {
		return fmt.Errorf("looking for the %s route table: %w", part, err)
	}
	var table types.RouteTable
	if len(found.RouteTables) > 0 {
		table = found.RouteTables[0]
	} else {
		made, err := n.ec2.CreateRouteTable(ctx, &ec2.CreateRouteTableInput{VpcId: &vpc, TagSpecifications: n.tags(types.ResourceTypeRouteTable, part)})
		if err != nil {
			return fmt.Errorf("creating the %s route table: %w", part, err)
		}
		table = *made.RouteTable
	}
	if !leadsOut(table) {
		way.RouteTableId, way.DestinationCidrBlock = table.RouteTableId, str(everywhere)
		if _, err := n.ec2.CreateRoute(ctx, way); err != nil {
			return fmt.Errorf("creating the default route of %s: %w", *table.RouteTableId, err)
		}
	}
	associated := map[string]bool{}
	for _, a := range table.Associations {
		if a.SubnetId != nil {
			associated[*a.SubnetId] = true
		}
	}
	for _, subnet := range subnets {
		if associated[subnet] {
			continue
		}
		if _, err := n.ec2.AssociateRouteTable(ctx, &ec2.AssociateRouteTableInput{RouteTableId: table.RouteTableId, SubnetId: &subnet}); err != nil {
			return fmt.Errorf("associating route table %s with %s: %w", *table.RouteTableId, subnet, err)
		}
	}
	return nil
}

func leadsOut(table types.RouteTable) bool {
	for _, r := range table.Routes {
		if r.DestinationCidrBlock != nil && *r.DestinationCidrBlock == everywhere {
			return true
		}
	}
	return false
}
