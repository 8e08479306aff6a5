package clusters

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// RemoveNetwork removes the network that EnsureNetwork made for the cluster and returns the ids of what it removed. What is
// gone already is passed over. The cluster must be deleted first: the cloud refuses to remove subnets in use.
func (c *Client) RemoveNetwork(ctx context.Context, cluster string) ([]string, error) {
	r := networkRemover{networkBuilder: networkBuilder{ec2: c.ec2, cluster: cluster}}
	for _, step := range []func(context.Context) error{r.natGateways, r.addresses, r.internetGateways, r.subnets, r.routeTables, r.vpcs} {
		if err := step(ctx); err != nil {
			return r.removed, err
		}
	}
	return r.removed, nil
}

type networkRemover struct {
	networkBuilder
	removed []string
}

// owned selects every part of the cluster's network.
func (r *networkRemover) owned() []types.Filter {
	return []types.Filter{{Name: str("tag:" + ownerTag), Values: []string{r.cluster}}}
}

// note records a removal, or explains why it failed.
func (r *networkRemover) note(id string, err error) error {
	if err != nil {
		return fmt.Errorf("removing %s of cluster %q: %w", id, r.cluster, err)
	}
	r.removed = append(r.removed, id)
	return nil
}

// natGateways deletes the NAT gateways and waits until they are gone: their addresses are not free before.
func (r *networkRemover) natGateways(ctx context.Context) error {
	found, err := r.describeNAT(ctx, "pending", "available")
	if err != nil {
		return err
	}
	for _, nat := range found {
		_, err := r.ec2.DeleteNatGateway(ctx, &ec2.DeleteNatGatewayInput{NatGatewayId: nat.NatGatewayId})
		if err := r.note(*nat.NatGatewayId, err); err != nil {
			return err
		}
	}
	for {
		deleting, err := r.describeNAT(ctx, "deleting")
		if err != nil || len(deleting) == 0 {
			return err
		}
		if err := sleep(ctx, poll); err != nil {
			return fmt.Errorf("waiting for NAT gateway %s to go: %w", *deleting[0].NatGatewayId, err)
		}
	}
}

func (r *networkRemover) describeNAT(ctx context.Context, states ...string) ([]types.NatGateway, error) {
	found, err := r.ec2.DescribeNatGateways(ctx, &ec2.DescribeNatGatewaysInput{Filter: append(r.owned(), types.Filter{Name: str("state"), Values: states})})
	if err != nil {
		return nil, fmt.Errorf("listing NAT gateways: %w", err)
	}
	return found.NatGateways, nil
}

func (r *networkRemover) addresses(ctx context.Context) error {
	found, err := r.ec2.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{Filters: r.owned()})
	if err != nil {
		return fmt.Errorf("listing addresses: %w", err)
	}
	for _, a := range found.Addresses {
		_, err := r.ec2.ReleaseAddress(ctx, &ec2.ReleaseAddressInput{AllocationId: a.AllocationId})
		if err := r.note(*a.AllocationId, err); err != nil {
			return err
		}
	}
	return nil
}

func (r *networkRemover) internetGateways(ctx context.Context) error {
	found, err := r.ec2.DescribeInternetGateways(ctx, &ec2.DescribeInternetGatewaysInput{Filters: r.owned()})
	if err != nil {
		return fmt.Errorf("listing internet gateways: %w", err)
	}
	for _, g := range found.InternetGateways {
		for _, a := range g.Attachments {
			if _, err := r.ec2.DetachInternetGateway(ctx, &ec2.DetachInternetGatewayInput{InternetGatewayId: g.InternetGatewayId, VpcId: a.VpcId}); err != nil {
				return fmt.Errorf("detaching internet gateway %s: %w", *g.InternetGatewayId, err)
			}
		}
		_, err := r.ec2.DeleteInternetGateway(ctx, &ec2.DeleteInternetGatewayInput{InternetGatewayId: g.InternetGatewayId})
		if err := r.note(*g.InternetGatewayId, err); err != nil {
			return err
		}
	}
	return nil
}

func (r *networkRemover) subnets(ctx context.Context) error {
	found, err := r.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: r.owned()})
	if err != nil {
		return fmt.Errorf("listing subnets: %w", err)
	}
	for _, s := range found.Subnets {
		_, err := r.ec2.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: s.SubnetId})
		if err := r.note(*s.SubnetId, err); err != nil {
			return err
		}
	}
	return nil
}

func (r *networkRemover) routeTables(ctx context.Context) error {
	found, err := r.ec2.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{Filters: r.owned()})
	if err != nil {
		return fmt.Errorf("listing route tables: %w", err)
	}
	for _, t := range found.RouteTables {
		_, err := r.ec2.DeleteRouteTable(ctx, &ec2.DeleteRouteTableInput{RouteTableId: t.RouteTableId})
		if err := r.note(*t.RouteTableId, err); err != nil {
			return err
		}
	}
	return nil
}

func (r *networkRemover) vpcs(ctx context.Context) error {
	found, err := r.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{Filters: r.owned()})
	if err != nil {
		return fmt.Errorf("listing VPCs: %w", err)
	}
	for _, v := range found.Vpcs {
		_, err := r.ec2.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: v.VpcId})
		if err := r.note(*v.VpcId, err); err != nil {
			return err
		}
	}
	return nil
}
