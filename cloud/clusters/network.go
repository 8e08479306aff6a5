package clusters

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"sort"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Network is the network of a cluster: one public and one private subnet in each of up to three zones.
type Network struct {
	VPC     string
	CIDR    netip.Prefix // of the VPC: one made earlier keeps its own
	Public  []string     // subnet ids, by zone
	Private []string
}

// zonesPerCluster is how many zones a network made here spans, as eksctl does.
const zonesPerCluster = 3

// EnsureNetwork makes the network of the cluster, or completes what an earlier call began: a VPC with the CIDR, a quarter of
// it for each of three private subnets, where nodes and pods live, a sixteenth for each of three public ones, an internet
// gateway and one NAT gateway.
func (c *Client) EnsureNetwork(ctx context.Context, cluster string, cidr netip.Prefix) (Network, error) {
	n := networkBuilder{ec2: c.ec2, cluster: cluster}
	vpc, cidr, err := n.vpc(ctx, cidr)
	if err != nil {
		return Network{}, err
	}
	zones, err := n.zones(ctx)
	if err != nil {
		return Network{}, err
	}
	net := Network{VPC: vpc, CIDR: cidr}
	if !cidr.Addr().Is4() || cidr.Bits() < 16 || cidr.Bits() > 24 {
		return Network{}, fmt.Errorf("splitting network %s: want an IPv4 prefix of /16 to /24", cidr)
	}
	quarters := quarter(cidr)
	publics := quarter(quarters[0])
	for i, zone := range zones {
		public, err := n.subnet(ctx, vpc, "public", zone, publics[i])
		if err != nil {
			return Network{}, err
		}
		private, err := n.subnet(ctx, vpc, "private", zone, quarters[1+i])
		if err != nil {
			return Network{}, err
		}
		net.Public, net.Private = append(net.Public, public), append(net.Private, private)
	}
	return net, n.routes(ctx, net)
}

// quarter splits an IPv4 prefix into four equal ones: 192.168.0.0/16 into 192.168.0.0/18, 192.168.64.0/18, ….
func quarter(cidr netip.Prefix) [4]netip.Prefix {
	start := binary.BigEndian.Uint32(cidr.Masked().Addr().AsSlice())
	bits := cidr.Bits() + 2
	var out [4]netip.Prefix
	for i := range out {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], start+uint32(i)<<(32-bits))
		out[i] = netip.PrefixFrom(netip.AddrFrom4(a), bits)
	}
	return out
}

// networkBuilder finds the parts of one cluster's network by their tags and makes the missing ones.
type networkBuilder struct {
	ec2     *ec2.Client
	cluster string
}

func (n networkBuilder) name(part string) string { return "automode-" + n.cluster + "/" + part }

// tags is the tag specification of a part; extra pairs follow.
func (n networkBuilder) tags(kind types.ResourceType, part string, extra ...string) []types.TagSpecification {
	tags := []types.Tag{{Key: str("Name"), Value: str(n.name(part))}, {Key: str(ownerTag), Value: str(n.cluster)}}
	for i := 0; i < len(extra); i += 2 {
		tags = append(tags, types.Tag{Key: str(extra[i]), Value: str(extra[i+1])})
	}
	return []types.TagSpecification{{ResourceType: kind, Tags: tags}}
}

// filter selects a part by its tags.
func (n networkBuilder) filter(part string) []types.Filter {
	return []types.Filter{
		{Name: str("tag:" + ownerTag), Values: []string{n.cluster}},
		{Name: str("tag:Name"), Values: []string{n.name(part)}},
	}
}

func (n networkBuilder) vpc(ctx context.Context, cidr netip.Prefix) (string, netip.Prefix, error) {
	found, err := n.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{Filters: n.filter("vpc")})
	if err != nil {
		return "", cidr, fmt.Errorf("looking for the VPC: %w", err)
	}
	var id string
	if len(found.Vpcs) > 0 {
		id = *found.Vpcs[0].VpcId
		if cidr, err = netip.ParsePrefix(*found.Vpcs[0].CidrBlock); err != nil {
			return "", cidr, fmt.Errorf("reading the CIDR of VPC %s: %w", id, err)
		}
	} else {
		made, err := n.ec2.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: str(cidr.String()), TagSpecifications: n.tags(types.ResourceTypeVpc, "vpc")})
		if err != nil {
			return "", cidr, fmt.Errorf("creating VPC %s: %w", cidr, err)
		}
		id = *made.Vpc.VpcId
	}
	for _, in := range []*ec2.ModifyVpcAttributeInput{
		{VpcId: &id, EnableDnsSupport: &types.AttributeBooleanValue{Value: aws.Bool(true)}},
		{VpcId: &id, EnableDnsHostnames: &types.AttributeBooleanValue{Value: aws.Bool(true)}},
	} {
		if _, err := n.ec2.ModifyVpcAttribute(ctx, in); err != nil {
			return "", cidr, fmt.Errorf("switching on DNS in VPC %s: %w", id, err)
		}
	}
	return id, cidr, nil
}

// zones returns the names of the region's first available zones.
func (n networkBuilder) zones(ctx context.Context) ([]string, error) {
	out, err := n.ec2.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{Filters: []types.Filter{
		{Name: str("state"), Values: []string{"available"}}, {Name: str("zone-type"), Values: []string{"availability-zone"}},
	}})
	if err != nil {
		return nil, fmt.Errorf("listing zones: %w", err)
	}
	var zones []string
	for _, z := range out.AvailabilityZones {
		zones = append(zones, *z.ZoneName)
	}
	sort.Strings(zones)
	if len(zones) < 2 {
		return nil, fmt.Errorf("listing zones: the region has %d, a cluster needs 2", len(zones))
	}
	return zones[:min(len(zones), zonesPerCluster)], nil
}

func (n networkBuilder) subnet(ctx context.Context, vpc, kind, zone string, cidr netip.Prefix) (string, error) {
	part := kind + "-" + zone
	found, err := n.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: n.filter(part)})
	if err != nil {
		return "", fmt.Errorf("looking for subnet %s: %w", part, err)
	}
	var id string
	if len(found.Subnets) > 0 {
		id = *found.Subnets[0].SubnetId
	} else {
		role := "kubernetes.io/role/internal-elb"
		if kind == "public" {
			role = "kubernetes.io/role/elb"
		}
		made, err := n.ec2.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: &vpc, AvailabilityZone: &zone, CidrBlock: str(cidr.String()),
			TagSpecifications: n.tags(types.ResourceTypeSubnet, part, role, "1")})
		if err != nil {
			return "", fmt.Errorf("creating subnet %s %s: %w", part, cidr, err)
		}
		id = *made.Subnet.SubnetId
	}
	if kind == "public" {
		_, err := n.ec2.ModifySubnetAttribute(ctx, &ec2.ModifySubnetAttributeInput{SubnetId: &id, MapPublicIpOnLaunch: &types.AttributeBooleanValue{Value: aws.Bool(true)}})
		if err != nil {
			return "", fmt.Errorf("giving subnet %s public addresses: %w", id, err)
		}
	}
	return id, nil
}
