package ec2_test

import (
	"fmt"
	"slices"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func TestVPCGoesWhenEmpty(t *testing.T) {
	c, ctx := start(t), t.Context()
	vpcID, subnetID := c.network("10.0.0.0/16", "10.0.0.0/24")
	_, err := c.DeleteVpc(ctx, &sdk.DeleteVpcInput{VpcId: &vpcID})
	wantCode(t, err, "DependencyViolation")
	i := must[*sdk.CreateNetworkInterfaceOutput](t)(c.CreateNetworkInterface(ctx, &sdk.CreateNetworkInterfaceInput{SubnetId: &subnetID}))
	_, err = c.DeleteSubnet(ctx, &sdk.DeleteSubnetInput{SubnetId: &subnetID})
	wantCode(t, err, "DependencyViolation")
	must[*sdk.DeleteNetworkInterfaceOutput](t)(c.DeleteNetworkInterface(ctx, &sdk.DeleteNetworkInterfaceInput{NetworkInterfaceId: i.NetworkInterface.NetworkInterfaceId}))
	must[*sdk.DeleteSubnetOutput](t)(c.DeleteSubnet(ctx, &sdk.DeleteSubnetInput{SubnetId: &subnetID}))
	must[*sdk.DeleteVpcOutput](t)(c.DeleteVpc(ctx, &sdk.DeleteVpcInput{VpcId: &vpcID}))
	_, err = c.DescribeVpcs(ctx, &sdk.DescribeVpcsInput{VpcIds: []string{vpcID}})
	wantCode(t, err, "InvalidVpcID.NotFound")
	groups := must[*sdk.DescribeSecurityGroupsOutput](t)(c.DescribeSecurityGroups(ctx, &sdk.DescribeSecurityGroupsInput{
		Filters: []types.Filter{{Name: new("vpc-id"), Values: []string{vpcID}}}}))
	if len(groups.SecurityGroups) != 0 {
		t.Errorf("the default group is left")
	}
}

func TestRanges(t *testing.T) {
	c, ctx := start(t), t.Context()
	_, err := c.CreateVpc(ctx, &sdk.CreateVpcInput{CidrBlock: new("10.0.0.0/8")})
	wantCode(t, err, "InvalidVpc.Range")
	vpcID, _ := c.network("10.0.0.0/16", "10.0.0.0/24")
	for cidr, code := range map[string]string{"10.0.0.128/25": "InvalidSubnet.Conflict", "10.1.0.0/24": "InvalidSubnet.Range", "10.0.1.0/29": "InvalidSubnet.Range", "x": "InvalidParameterValue"} {
		_, err := c.CreateSubnet(ctx, &sdk.CreateSubnetInput{VpcId: &vpcID, CidrBlock: &cidr})
		wantCode(t, err, code)
	}
	must[*sdk.AssociateVpcCidrBlockOutput](t)(c.AssociateVpcCidrBlock(ctx, &sdk.AssociateVpcCidrBlockInput{VpcId: &vpcID, CidrBlock: new("10.1.0.0/16")}))
	must[*sdk.CreateSubnetOutput](t)(c.CreateSubnet(ctx, &sdk.CreateSubnetInput{VpcId: &vpcID, CidrBlock: new("10.1.0.0/24")}))
}

func TestSecurityGroupRulesInBothViews(t *testing.T) {
	c, ctx := start(t), t.Context()
	vpcID, _ := c.network("10.0.0.0/16", "10.0.0.0/24")
	group := func(name string) *string {
		return must[*sdk.CreateSecurityGroupOutput](t)(c.CreateSecurityGroup(ctx, &sdk.CreateSecurityGroupInput{VpcId: &vpcID, GroupName: &name, Description: &name})).GroupId
	}
	a, b := group("a"), group("b")
	permission := types.IpPermission{IpProtocol: new("tcp"), FromPort: new(int32(80)), ToPort: new(int32(80)),
		IpRanges:         []types.IpRange{{CidrIp: new("10.1.2.3/8"), Description: new("all of ten")}},
		UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: b}}}
	in := &sdk.AuthorizeSecurityGroupIngressInput{GroupId: a, IpPermissions: []types.IpPermission{permission}}
	made := must[*sdk.AuthorizeSecurityGroupIngressOutput](t)(c.AuthorizeSecurityGroupIngress(ctx, in))
	if len(made.SecurityGroupRules) != 2 {
		t.Fatalf("got rules %+v", made.SecurityGroupRules)
	}
	_, err := c.AuthorizeSecurityGroupIngress(ctx, in)
	wantCode(t, err, "InvalidPermission.Duplicate")
	shown := must[*sdk.DescribeSecurityGroupsOutput](t)(c.DescribeSecurityGroups(ctx, &sdk.DescribeSecurityGroupsInput{GroupIds: []string{*a}})).SecurityGroups[0]
	if p := shown.IpPermissions; len(p) != 1 || *p[0].IpRanges[0].CidrIp != "10.0.0.0/8" || *p[0].UserIdGroupPairs[0].GroupId != *b {
		t.Errorf("got permissions %+v", p)
	}
	_, err = c.DeleteSecurityGroup(ctx, &sdk.DeleteSecurityGroupInput{GroupId: b})
	wantCode(t, err, "DependencyViolation")
	must[*sdk.RevokeSecurityGroupIngressOutput](t)(c.RevokeSecurityGroupIngress(ctx, &sdk.RevokeSecurityGroupIngressInput{GroupId: a,
		SecurityGroupRuleIds: []string{*made.SecurityGroupRules[1].SecurityGroupRuleId}}))
	must[*sdk.DeleteSecurityGroupOutput](t)(c.DeleteSecurityGroup(ctx, &sdk.DeleteSecurityGroupInput{GroupId: b}))
	_, err = c.RevokeSecurityGroupIngress(ctx, &sdk.RevokeSecurityGroupIngressInput{GroupId: a, IpPermissions: []types.IpPermission{{
		IpProtocol: new("udp"), FromPort: new(int32(1)), ToPort: new(int32(1)), IpRanges: []types.IpRange{{CidrIp: new("10.0.0.0/8")}}}}})
	wantCode(t, err, "InvalidPermission.NotFound")
}

func TestPrefixesOfInterfaces(t *testing.T) {
	c, ctx := start(t), t.Context()
	_, subnetID := c.network("10.0.0.0/16", "10.0.0.0/24")
	i := must[*sdk.CreateNetworkInterfaceOutput](t)(c.CreateNetworkInterface(ctx, &sdk.CreateNetworkInterfaceInput{SubnetId: &subnetID, Ipv4PrefixCount: new(int32(2))})).NetworkInterface
	if len(i.Ipv4Prefixes) != 2 || *i.PrivateIpAddress != "10.0.0.4" {
		t.Fatalf("got %s, %+v", *i.PrivateIpAddress, i.Ipv4Prefixes)
	}
	more := must[*sdk.AssignPrivateIpAddressesOutput](t)(c.AssignPrivateIpAddresses(ctx, &sdk.AssignPrivateIpAddressesInput{
		NetworkInterfaceId: i.NetworkInterfaceId, Ipv4PrefixCount: new(int32(12))}))
	if len(more.AssignedIpv4Prefixes) != 12 {
		t.Fatalf("got %d prefixes", len(more.AssignedIpv4Prefixes))
	}
	// 14 aligned prefixes of a /24 are all there are, though 11 single addresses are still free.
	_, err := c.AssignPrivateIpAddresses(ctx, &sdk.AssignPrivateIpAddressesInput{NetworkInterfaceId: i.NetworkInterfaceId, Ipv4PrefixCount: new(int32(1))})
	wantCode(t, err, "InsufficientCidrBlocks")
	free := func() int32 {
		return *must[*sdk.DescribeSubnetsOutput](t)(c.DescribeSubnets(ctx, &sdk.DescribeSubnetsInput{SubnetIds: []string{subnetID}})).Subnets[0].AvailableIpAddressCount
	}
	if n := free(); n != 251-1-14*16 {
		t.Errorf("%d addresses free", n)
	}
	_, err = c.AssignPrivateIpAddresses(ctx, &sdk.AssignPrivateIpAddressesInput{NetworkInterfaceId: i.NetworkInterfaceId, SecondaryPrivateIpAddressCount: new(int32(27))})
	wantCode(t, err, "InsufficientFreeAddressesInSubnet")
	if n := free(); n != 251-1-14*16 {
		t.Errorf("%d addresses free after a failure", n)
	}
	must[*sdk.UnassignPrivateIpAddressesOutput](t)(c.UnassignPrivateIpAddresses(ctx, &sdk.UnassignPrivateIpAddressesInput{
		NetworkInterfaceId: i.NetworkInterfaceId, Ipv4Prefixes: []string{*i.Ipv4Prefixes[0].Ipv4Prefix}}))
	if n := free(); n != 251-1-13*16 {
		t.Errorf("%d addresses free after giving one prefix back", n)
	}
}

func TestLimitsOfTypes(t *testing.T) {
	c, ctx := start(t), t.Context()
	_, subnetID := c.network("10.0.0.0/16", "10.0.0.0/20")
	out := must[*sdk.RunInstancesOutput](t)(c.RunInstances(ctx, &sdk.RunInstancesInput{MinCount: new(int32(1)), MaxCount: new(int32(1)),
		ImageId: new(image(t, "x86_64")), InstanceType: "c5a.large", SubnetId: &subnetID})) // 3 interfaces of 10 addresses
	i := out.Instances[0]
	assign := func(n int32) error {
		_, err := c.AssignPrivateIpAddresses(ctx, &sdk.AssignPrivateIpAddressesInput{NetworkInterfaceId: i.NetworkInterfaces[0].NetworkInterfaceId, Ipv4PrefixCount: &n})
		return err
	}
	if err := assign(9); err != nil {
		t.Fatal(err)
	}
	wantCode(t, assign(1), "PrivateIpAddressLimitExceeded")
	for index := range int32(3) {
		n := must[*sdk.CreateNetworkInterfaceOutput](t)(c.CreateNetworkInterface(ctx, &sdk.CreateNetworkInterfaceInput{SubnetId: &subnetID}))
		attach := &sdk.AttachNetworkInterfaceInput{InstanceId: i.InstanceId, NetworkInterfaceId: n.NetworkInterface.NetworkInterfaceId, DeviceIndex: new(index + 1)}
		_, err := c.AttachNetworkInterface(ctx, attach)
		if index == 2 {
			wantCode(t, err, "AttachmentLimitExceeded")
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.DeleteNetworkInterface(ctx, &sdk.DeleteNetworkInterfaceInput{NetworkInterfaceId: n.NetworkInterface.NetworkInterfaceId})
		wantCode(t, err, "InvalidParameterValue") // currently in use
	}
}

func TestRoutesAndGateways(t *testing.T) {
	c, ctx := start(t), t.Context()
	vpcID, subnetID := c.network("10.0.0.0/16", "10.0.0.0/24")
	igw := must[*sdk.CreateInternetGatewayOutput](t)(c.CreateInternetGateway(ctx, &sdk.CreateInternetGatewayInput{})).InternetGateway.InternetGatewayId
	must[*sdk.AttachInternetGatewayOutput](t)(c.AttachInternetGateway(ctx, &sdk.AttachInternetGatewayInput{InternetGatewayId: igw, VpcId: &vpcID}))
	rtb := must[*sdk.CreateRouteTableOutput](t)(c.CreateRouteTable(ctx, &sdk.CreateRouteTableInput{VpcId: &vpcID})).RouteTable.RouteTableId
	route := &sdk.CreateRouteInput{RouteTableId: rtb, DestinationCidrBlock: new("0.0.0.0/0"), GatewayId: igw}
	must[*sdk.CreateRouteOutput](t)(c.CreateRoute(ctx, route))
	_, err := c.CreateRoute(ctx, route)
	wantCode(t, err, "RouteAlreadyExists")
	must[*sdk.AssociateRouteTableOutput](t)(c.AssociateRouteTable(ctx, &sdk.AssociateRouteTableInput{RouteTableId: rtb, SubnetId: &subnetID}))
	_, err = c.DeleteRouteTable(ctx, &sdk.DeleteRouteTableInput{RouteTableId: rtb})
	wantCode(t, err, "DependencyViolation")

	eip := must[*sdk.AllocateAddressOutput](t)(c.AllocateAddress(ctx, &sdk.AllocateAddressInput{}))
	nat := must[*sdk.CreateNatGatewayOutput](t)(c.CreateNatGateway(ctx, &sdk.CreateNatGatewayInput{SubnetId: &subnetID, AllocationId: eip.AllocationId})).NatGateway
	_, err = c.ReleaseAddress(ctx, &sdk.ReleaseAddressInput{AllocationId: eip.AllocationId})
	wantCode(t, err, "InvalidIPAddress.InUse")
	must[*sdk.ReplaceRouteOutput](t)(c.ReplaceRoute(ctx, &sdk.ReplaceRouteInput{RouteTableId: rtb, DestinationCidrBlock: new("0.0.0.0/0"), NatGatewayId: nat.NatGatewayId}))
	must[*sdk.DeleteNatGatewayOutput](t)(c.DeleteNatGateway(ctx, &sdk.DeleteNatGatewayInput{NatGatewayId: nat.NatGatewayId}))
	tables := must[*sdk.DescribeRouteTablesOutput](t)(c.DescribeRouteTables(ctx, &sdk.DescribeRouteTablesInput{RouteTableIds: []string{*rtb}}))
	i := slices.IndexFunc(tables.RouteTables[0].Routes, func(r types.Route) bool { return *r.DestinationCidrBlock == "0.0.0.0/0" })
	if state := tables.RouteTables[0].Routes[i].State; state != types.RouteStateBlackhole {
		t.Errorf("the route to the deleted gateway is %s", state)
	}
	must[*sdk.ReleaseAddressOutput](t)(c.ReleaseAddress(ctx, &sdk.ReleaseAddressInput{AllocationId: eip.AllocationId}))
}

func TestPagesAndFilters(t *testing.T) {
	c, ctx := start(t), t.Context()
	_, subnetID := c.network("10.0.0.0/16", "10.0.0.0/24")
	for i := range 12 {
		must[*sdk.RunInstancesOutput](t)(c.RunInstances(ctx, &sdk.RunInstancesInput{MinCount: new(int32(1)), MaxCount: new(int32(1)), SubnetId: &subnetID,
			ImageId: new(image(t, "x86_64")), InstanceType: "c6a.large", TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeInstance,
				Tags: []types.Tag{{Key: new("n"), Value: new(fmt.Sprint(i % 3))}, {Key: new("name"), Value: new(fmt.Sprintf("node-%d", i))}}}}}))
	}
	seen := map[string]bool{}
	pages := 0
	for p := sdk.NewDescribeInstancesPaginator(c, &sdk.DescribeInstancesInput{MaxResults: new(int32(5))}); p.HasMorePages(); pages++ {
		for _, r := range must[*sdk.DescribeInstancesOutput](t)(p.NextPage(ctx)).Reservations {
			seen[*r.Instances[0].InstanceId] = true
		}
	}
	if pages != 3 || len(seen) != 12 {
		t.Errorf("%d pages with %d instances", pages, len(seen))
	}
	count := func(filters ...types.Filter) int {
		return len(must[*sdk.DescribeInstancesOutput](t)(c.DescribeInstances(ctx, &sdk.DescribeInstancesInput{Filters: filters})).Reservations)
	}
	f := func(name string, values ...string) types.Filter { return types.Filter{Name: &name, Values: values} }
	for _, k := range []struct {
		want    int
		filters []types.Filter
	}{
		{8, []types.Filter{f("tag:n", "0", "1")}}, {2, []types.Filter{f("tag:n", "0", "1"), f("tag:name", "node-1*")}},
		{12, []types.Filter{f("tag-key", "n")}}, {12, []types.Filter{f("subnet-id", subnetID), f("instance-state-name", "pending", "running")}},
		{1, []types.Filter{f("private-ip-address", "10.0.0.4")}}, {0, []types.Filter{f("tag:n", "3")}}, {3, []types.Filter{f("tag:name", "node-1?", "node-1")}},
	} {
		if got := count(k.filters...); got != k.want {
			t.Errorf("%d instances for %+v, want %d", got, k.filters, k.want)
		}
	}
	for _, in := range []*sdk.DescribeInstancesInput{
		{MaxResults: new(int32(5)), InstanceIds: []string{"i-0123456789abcdef0"}}, {MaxResults: new(int32(4))}, {Filters: []types.Filter{f("bogus", "x")}}, {NextToken: new("bogus")},
	} {
		if _, err := c.DescribeInstances(ctx, in); err == nil {
			t.Errorf("no error for %+v", in)
		}
	}
	_, err := c.DescribeInstances(ctx, &sdk.DescribeInstancesInput{MaxResults: new(int32(5)), InstanceIds: []string{"i-0123456789abcdef0"}})
	wantCode(t, err, "InvalidParameterCombination")
}
