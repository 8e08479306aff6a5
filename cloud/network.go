package cloud

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/automode-dev/automode/compute"
	"github.com/automode-dev/automode/network/controller"
)

// Tags of interfaces that the network controller creates; the managed policies allow no others.
const (
	clusterNameTag = "eks:eks-cluster-name"
	cniNodeTag     = "eks:kubernetes-cni-node-name"
)

// networkCache is how long the networks of a VPC are believed.
const networkCache = 10 * time.Minute

// Network is what the network controller needs from AWS. It is safe for concurrent use.
type Network struct {
	cluster string
	ec2     *ec2.Client // as the cluster role: assigns and creates
	service *ec2.Client // as the service-linked role: looks up and deletes

	mu      sync.Mutex
	limits  map[string]controller.Limits
	subnets map[string]cachedSubnet
}

type cachedSubnet struct {
	controller.Subnet
	until time.Time
}

// NewNetwork connects to AWS for one cluster.
func NewNetwork(identities Identities, cluster string) *Network {
	return &Network{
		cluster: cluster, ec2: ec2.NewFromConfig(identities.Cluster), service: ec2.NewFromConfig(identities.Service),
		limits: map[string]controller.Limits{}, subnets: map[string]cachedSubnet{},
	}
}

// Interfaces implements controller.EC2.
func (n *Network) Interfaces(ctx context.Context, instanceID string) ([]controller.Interface, error) {
	var found []controller.Interface
	pages := ec2.NewDescribeNetworkInterfacesPaginator(n.service, &ec2.DescribeNetworkInterfacesInput{
		Filters: []ec2types.Filter{filter("attachment.instance-id", instanceID)},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describing the network interfaces of instance %s: %w", instanceID, classify(err))
		}
		for _, raw := range page.NetworkInterfaces {
			i, err := networkInterface(raw)
			if err != nil {
				return nil, err
			}
			found = append(found, i)
		}
	}
	slices.SortFunc(found, func(a, b controller.Interface) int { return a.DeviceIndex - b.DeviceIndex })
	return found, nil
}

func networkInterface(raw ec2types.NetworkInterface) (controller.Interface, error) {
	i := controller.Interface{
		ID: aws.ToString(raw.NetworkInterfaceId), MAC: aws.ToString(raw.MacAddress), SubnetID: aws.ToString(raw.SubnetId),
	}
	if raw.Attachment != nil {
		i.DeviceIndex = int(aws.ToInt32(raw.Attachment.DeviceIndex))
		i.NetworkCardIndex = int(aws.ToInt32(raw.Attachment.NetworkCardIndex))
	}
	for _, group := range raw.Groups {
		i.Groups = append(i.Groups, aws.ToString(group.GroupId))
	}
	var err error
	if i.Address, err = netip.ParseAddr(aws.ToString(raw.PrivateIpAddress)); err != nil {
		return i, fmt.Errorf("reading the address of network interface %s: %w", i.ID, err)
	}
	for _, p := range raw.Ipv4Prefixes {
		prefix, err := netip.ParsePrefix(aws.ToString(p.Ipv4Prefix))
		if err != nil {
			return i, fmt.Errorf("reading a prefix of network interface %s: %w", i.ID, err)
		}
		i.Prefixes = append(i.Prefixes, prefix)
	}
	for _, a := range raw.PrivateIpAddresses {
		if aws.ToBool(a.Primary) {
			continue
		}
		address, err := netip.ParseAddr(aws.ToString(a.PrivateIpAddress))
		if err != nil {
			return i, fmt.Errorf("reading an address of network interface %s: %w", i.ID, err)
		}
		i.Addresses = append(i.Addresses, address)
	}
	return i, nil
}

// Subnet implements controller.EC2.
func (n *Network) Subnet(ctx context.Context, id string) (controller.Subnet, error) {
	n.mu.Lock()
	cached, ok := n.subnets[id]
	n.mu.Unlock()
	if ok && time.Now().Before(cached.until) {
		return cached.Subnet, nil
	}
	subnet, err := n.readSubnet(ctx, id)
	if err != nil {
		return controller.Subnet{}, err
	}
	n.mu.Lock()
	n.subnets[id] = cachedSubnet{subnet, time.Now().Add(networkCache)}
	n.mu.Unlock()
	return subnet, nil
}

func (n *Network) readSubnet(ctx context.Context, id string) (subnet controller.Subnet, err error) {
	subnets, err := n.service.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{id}})
	if err != nil {
		return subnet, fmt.Errorf("describing subnet %s: %w", id, classify(err))
	}
	if len(subnets.Subnets) == 0 {
		return subnet, fmt.Errorf("describing subnet %s: %w", id, failure("InvalidSubnetID.NotFound", "the answer is empty"))
	}
	if subnet.CIDR, err = netip.ParsePrefix(aws.ToString(subnets.Subnets[0].CidrBlock)); err != nil {
		return subnet, fmt.Errorf("reading the network of subnet %s: %w", id, err)
	}
	vpc := aws.ToString(subnets.Subnets[0].VpcId)
	vpcs, err := n.service.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{vpc}})
	if err != nil {
		return subnet, fmt.Errorf("describing VPC %s: %w", vpc, classify(err))
	}
	for _, v := range vpcs.Vpcs {
		for _, block := range v.CidrBlockAssociationSet {
			if block.CidrBlockState != nil && block.CidrBlockState.State != ec2types.VpcCidrBlockStateCodeAssociated {
				continue
			}
			prefix, err := netip.ParsePrefix(aws.ToString(block.CidrBlock))
			if err != nil {
				return subnet, fmt.Errorf("reading a network of VPC %s: %w", vpc, err)
			}
			subnet.VPC = append(subnet.VPC, prefix)
		}
	}
	return subnet, nil
}

// Limits implements controller.EC2.
func (n *Network) Limits(ctx context.Context, instanceType string) (controller.Limits, error) {
	n.mu.Lock()
	limits, ok := n.limits[instanceType]
	n.mu.Unlock()
	if ok {
		return limits, nil
	}
	out, err := n.service.DescribeInstanceTypes(ctx, &ec2.DescribeInstanceTypesInput{InstanceTypes: []ec2types.InstanceType{ec2types.InstanceType(instanceType)}})
	if err != nil {
		return limits, fmt.Errorf("describing instance type %s: %w", instanceType, classify(err))
	}
	for _, t := range out.InstanceTypes {
		if t.NetworkInfo != nil {
			limits.Interfaces = int(aws.ToInt32(t.NetworkInfo.MaximumNetworkInterfaces))
			limits.AddressesPerInterface = int(aws.ToInt32(t.NetworkInfo.Ipv4AddressesPerInterface))
		}
	}
	n.mu.Lock()
	n.limits[instanceType] = limits
	n.mu.Unlock()
	return limits, nil
}

// Assign implements controller.EC2.
func (n *Network) Assign(ctx context.Context, id string, prefixes, addresses int) ([]netip.Prefix, error) {
	in := &ec2.AssignPrivateIpAddressesInput{NetworkInterfaceId: &id}
	if prefixes > 0 {
		in.Ipv4PrefixCount = aws.Int32(int32(prefixes))
	} else {
		in.SecondaryPrivateIpAddressCount = aws.Int32(int32(addresses))
	}
	out, err := n.ec2.AssignPrivateIpAddresses(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("assigning pod addresses to network interface %s: %w", id, classify(err))
	}
	var ranges []netip.Prefix
	for _, p := range out.AssignedIpv4Prefixes {
		prefix, err := netip.ParsePrefix(aws.ToString(p.Ipv4Prefix))
		if err != nil {
			return nil, fmt.Errorf("reading a prefix assigned to network interface %s: %w", id, err)
		}
		ranges = append(ranges, prefix)
	}
	for _, a := range out.AssignedPrivateIpAddresses {
		address, err := netip.ParseAddr(aws.ToString(a.PrivateIpAddress))
		if err != nil {
			return nil, fmt.Errorf("reading an address assigned to network interface %s: %w", id, err)
		}
		ranges = append(ranges, netip.PrefixFrom(address, address.BitLen()))
	}
	return ranges, nil
}

// Unassign implements controller.EC2.
func (n *Network) Unassign(ctx context.Context, id string, r netip.Prefix) error {
	in := &ec2.UnassignPrivateIpAddressesInput{NetworkInterfaceId: &id}
	if r.IsSingleIP() {
		in.PrivateIpAddresses = []string{r.Addr().String()}
	} else {
		in.Ipv4Prefixes = []string{r.String()}
	}
	_, err := n.ec2.UnassignPrivateIpAddresses(ctx, in)
	if err = classify(err); err != nil && !compute.IsNotFound(err) && compute.CodeOf(err) != "InvalidParameterValue" {
		return fmt.Errorf("taking %s from network interface %s: %w", r, id, err)
	}
	return nil
}

// AddInterface implements controller.EC2.
func (n *Network) AddInterface(ctx context.Context, want controller.NewInterface) (controller.Interface, error) {
	in := &ec2.CreateNetworkInterfaceInput{
		SubnetId: &want.SubnetID, Groups: want.Groups, Description: aws.String("aws-K8S-" + want.InstanceID),
		Operator: &ec2types.OperatorRequest{Principal: aws.String(compute.Operator)},
		TagSpecifications: []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeNetworkInterface, Tags: []ec2types.Tag{
			{Key: aws.String(clusterNameTag), Value: &n.cluster}, {Key: aws.String(cniNodeTag), Value: &want.NodeName},
		}}},
	}
	if want.Prefixes > 0 {
		in.Ipv4PrefixCount = aws.Int32(int32(want.Prefixes))
	} else {
		in.SecondaryPrivateIpAddressCount = aws.Int32(int32(want.Addresses))
	}
	out, err := n.ec2.CreateNetworkInterface(ctx, in)
	if err != nil {
		return controller.Interface{}, fmt.Errorf("creating a network interface for node %s: %w", want.NodeName, classify(err))
	}
	added, err := networkInterface(*out.NetworkInterface)
	if err != nil {
		return added, err
	}
	added.DeviceIndex = want.DeviceIndex
	return added, n.attach(ctx, added.ID, want)
}

// attach plugs an interface in and makes it go with its instance. One that stays behind on an error is collected later.
func (n *Network) attach(ctx context.Context, id string, want controller.NewInterface) error {
	out, err := n.ec2.AttachNetworkInterface(ctx, &ec2.AttachNetworkInterfaceInput{
		NetworkInterfaceId: &id, InstanceId: &want.InstanceID, DeviceIndex: aws.Int32(int32(want.DeviceIndex)),
	})
	if err != nil {
		return fmt.Errorf("attaching network interface %s to instance %s: %w", id, want.InstanceID, classify(err))
	}
	_, err = n.ec2.ModifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{
		NetworkInterfaceId: &id,
		Attachment:         &ec2types.NetworkInterfaceAttachmentChanges{AttachmentId: out.AttachmentId, DeleteOnTermination: aws.Bool(true)},
	})
	if err != nil {
		return fmt.Errorf("making network interface %s go with instance %s: %w", id, want.InstanceID, classify(err))
	}
	return nil
}

// Abandoned implements controller.EC2.
func (n *Network) Abandoned(ctx context.Context) (ids []string, err error) {
	pages := ec2.NewDescribeNetworkInterfacesPaginator(n.service, &ec2.DescribeNetworkInterfacesInput{Filters: []ec2types.Filter{
		filter("status", "available"), filter("tag:"+clusterNameTag, n.cluster), filter("tag-key", cniNodeTag),
	}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describing unattached network interfaces: %w", classify(err))
		}
		for _, i := range page.NetworkInterfaces {
			ids = append(ids, aws.ToString(i.NetworkInterfaceId))
		}
	}
	return ids, nil
}

// DeleteInterface implements controller.EC2.
func (n *Network) DeleteInterface(ctx context.Context, id string) error {
	_, err := n.service.DeleteNetworkInterface(ctx, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: &id})
	if err = classify(err); err != nil && !compute.IsNotFound(err) {
		return fmt.Errorf("deleting network interface %s: %w", id, err)
	}
	return nil
}
