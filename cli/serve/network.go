package serve

import (
	"context"
	"errors"
	"fmt"

	"github.com/automode-dev/automode/localcloud/ec2"
	"github.com/automode-dev/automode/localcloud/eks"
)

// network gives the EKS service what it does in EC2 on its own behalf.
type network struct{ ec2 *ec2.Service }

var _ eks.Network = network{}

// missing tells EKS in its own terms that something does not exist.
func missing(err error) error {
	if errors.Is(err, ec2.ErrNotFound) {
		return fmt.Errorf("%w: %w", eks.ErrNotFound, err)
	}
	return err
}

func (n network) Subnets(_ context.Context, region string, ids []string) ([]eks.Subnet, error) {
	list, err := n.ec2.ClusterSubnets(region, ids)
	subnets := make([]eks.Subnet, len(list))
	for i, s := range list {
		subnets[i] = eks.Subnet(s)
	}
	return subnets, missing(err)
}

func (n network) CheckSecurityGroups(_ context.Context, region, vpcID string, ids []string) error {
	return missing(n.ec2.CheckGroups(region, vpcID, ids))
}

func (n network) EnsureClusterSecurityGroup(_ context.Context, spec eks.SecurityGroupSpec) (string, error) {
	return n.ec2.EnsureClusterGroup(ec2.ClusterGroup(spec))
}

func (n network) EnsureInterface(ctx context.Context, spec eks.InterfaceSpec) (eks.Interface, error) {
	placed, err := n.ec2.EnsureClusterInterface(ctx, ec2.ClusterInterface(spec))
	return eks.Interface(placed), err
}

func (n network) PublishPort(_ context.Context, region, vpcID string, port int) error {
	return n.ec2.PublishPort(region, vpcID, port)
}

func (n network) WithdrawPort(_ context.Context, region, vpcID string, port int) error {
	return n.ec2.WithdrawPort(region, vpcID, port)
}

func (n network) RemoveCompute(_ context.Context, region, cluster string) ([]string, error) {
	return n.ec2.RemoveCompute(region, cluster)
}

func (n network) RemoveInterface(_ context.Context, region, cluster string) error {
	return n.ec2.RemoveClusterInterface(region, cluster)
}

func (n network) RemoveClusterSecurityGroup(_ context.Context, region, vpcID, cluster string) error {
	return n.ec2.RemoveClusterGroup(region, vpcID, cluster)
}

func (n network) PrivateDNSName(_ context.Context, region, instanceID string) (string, error) {
	name, err := n.ec2.PrivateDNSName(region, instanceID)
	return name, missing(err)
}
