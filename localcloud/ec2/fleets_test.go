package ec2_test

import (
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/automode-dev/automode/localcloud/ec2"
)

func TestFleetLaunchesAndTerminates(t *testing.T) {
	c, ctx := start(t), t.Context()
	_, subnetID := c.network("10.0.0.0/16", "10.0.0.0/24")
	lt := c.template("nodes", nil)
	fleet := must[*sdk.CreateFleetOutput](t)(c.CreateFleet(ctx, &sdk.CreateFleetInput{
		Type: types.FleetTypeInstant,
		LaunchTemplateConfigs: []types.FleetLaunchTemplateConfigRequest{{
			LaunchTemplateSpecification: &types.FleetLaunchTemplateSpecificationRequest{LaunchTemplateId: &lt, Version: new("$Latest")},
			Overrides: []types.FleetLaunchTemplateOverridesRequest{
				{InstanceType: "c6a.2xlarge", SubnetId: &subnetID}, {InstanceType: "c6a.large", SubnetId: &subnetID}},
		}},
		TargetCapacitySpecification: &types.TargetCapacitySpecificationRequest{TotalTargetCapacity: new(int32(2)), DefaultTargetCapacityType: types.DefaultTargetCapacityTypeOnDemand},
		TagSpecifications:           []types.TagSpecification{{ResourceType: types.ResourceTypeInstance, Tags: []types.Tag{{Key: new("k"), Value: new("v")}}}},
	}))
	if len(fleet.Errors) != 0 || len(fleet.Instances) != 1 || len(fleet.Instances[0].InstanceIds) != 2 {
		t.Fatalf("got fleet %+v", fleet)
	}
	over := fleet.Instances[0].LaunchTemplateAndOverrides.Overrides
	if over.InstanceType != "c6a.large" || *over.SubnetId != subnetID || *over.AvailabilityZone != "us-east-1a" || over.ImageId == nil {
		t.Errorf("override not echoed: %+v", over)
	}
	id := fleet.Instances[0].InstanceIds[0]
	c.waitState(id, types.InstanceStateNameRunning)
	i := c.instance(id)
	if len(i.NetworkInterfaces) != 1 || len(i.NetworkInterfaces[0].Ipv4Prefixes) != 1 || len(i.BlockDeviceMappings) != 2 {
		t.Errorf("got interfaces %+v, devices %+v", i.NetworkInterfaces, i.BlockDeviceMappings)
	}
	must[*sdk.TerminateInstancesOutput](t)(c.TerminateInstances(ctx, &sdk.TerminateInstancesInput{InstanceIds: fleet.Instances[0].InstanceIds}))
	c.waitState(id, types.InstanceStateNameTerminated)
	nics := must[*sdk.DescribeNetworkInterfacesOutput](t)(c.DescribeNetworkInterfaces(ctx, &sdk.DescribeNetworkInterfacesInput{
		Filters: []types.Filter{{Name: new("subnet-id"), Values: []string{subnetID}}}}))
	if len(nics.NetworkInterfaces) > 1 {
		t.Errorf("interfaces left: %d", len(nics.NetworkInterfaces))
	}
}

// fleet asks for units of the types, all in one subnet.
func (c *cloud) fleet(lt, subnetID string, units int32, market types.DefaultTargetCapacityType, kinds ...types.InstanceType) *sdk.CreateFleetInput {
	in := &sdk.CreateFleetInput{Type: types.FleetTypeInstant,
		TargetCapacitySpecification: &types.TargetCapacitySpecificationRequest{TotalTargetCapacity: &units, DefaultTargetCapacityType: market},
		LaunchTemplateConfigs: []types.FleetLaunchTemplateConfigRequest{{
			LaunchTemplateSpecification: &types.FleetLaunchTemplateSpecificationRequest{LaunchTemplateId: &lt, Version: new("$Latest")}}}}
	for i, kind := range kinds {
		in.LaunchTemplateConfigs[0].Overrides = append(in.LaunchTemplateConfigs[0].Overrides,
			types.FleetLaunchTemplateOverridesRequest{InstanceType: kind, SubnetId: &subnetID, Priority: new(float64(i))})
	}
	return in
}

func TestFleetPartialSuccess(t *testing.T) {
	c, ctx := start(t), t.Context()
	_, subnetID := c.network("10.0.0.0/16", "10.0.0.0/24")
	lt := c.template("nodes", nil)
	if err := c.service.SetShortage(ec2.Shortage{Region: "us-east-1", InstanceType: "c6a.large", Zone: "us-east-1a", Left: 1}); err != nil {
		t.Fatal(err)
	}
	if err := c.service.SetShortage(ec2.Shortage{Region: "us-east-1", InstanceType: "m6a.large"}); err != nil {
		t.Fatal(err)
	}
	out := must[*sdk.CreateFleetOutput](t)(c.CreateFleet(ctx, c.fleet(lt, subnetID, 3, types.DefaultTargetCapacityTypeOnDemand, "c6a.large", "m6a.large")))
	if len(out.Instances) != 1 || len(out.Instances[0].InstanceIds) != 1 || len(out.Errors) != 2 {
		t.Fatalf("got instances %+v, errors %+v", out.Instances, out.Errors)
	}
	for _, e := range out.Errors {
		if *e.ErrorCode != "InsufficientInstanceCapacity" || e.LaunchTemplateAndOverrides.Overrides.InstanceType == "" || e.Lifecycle != types.InstanceLifecycleOnDemand {
			t.Errorf("got error %s %s of %+v", *e.ErrorCode, *e.ErrorMessage, e.LaunchTemplateAndOverrides.Overrides)
		}
	}
	if err := c.service.ClearShortage(ec2.Shortage{Region: "us-east-1"}); err != nil {
		t.Fatal(err)
	}
	out = must[*sdk.CreateFleetOutput](t)(c.CreateFleet(ctx, c.fleet(lt, subnetID, 3, types.DefaultTargetCapacityTypeOnDemand, "c6a.large")))
	if len(out.Instances[0].InstanceIds) != 3 {
		t.Errorf("got %+v after the shortage", out.Instances)
	}
}

func TestFleetSpot(t *testing.T) {
	c, ctx := start(t), t.Context()
	_, subnetID := c.network("10.0.0.0/16", "10.0.0.0/24")
	in := c.fleet(c.template("nodes", nil), subnetID, 1, types.DefaultTargetCapacityTypeSpot, "c6a.4xlarge", "c6a.large")
	in.SpotOptions = &types.SpotOptionsRequest{AllocationStrategy: types.SpotAllocationStrategyPriceCapacityOptimized}
	out := must[*sdk.CreateFleetOutput](t)(c.CreateFleet(ctx, in))
	if len(out.Instances) != 1 || out.Instances[0].Lifecycle != types.InstanceLifecycleSpot || out.Instances[0].InstanceType != "c6a.large" {
		t.Fatalf("got %+v, %+v", out.Instances, out.Errors)
	}
	id := out.Instances[0].InstanceIds[0]
	c.waitState(id, types.InstanceStateNameRunning)
	i := c.instance(id)
	if i.InstanceLifecycle != types.InstanceLifecycleTypeSpot || i.SpotInstanceRequestId == nil {
		t.Errorf("got life cycle %q, request %v", i.InstanceLifecycle, i.SpotInstanceRequestId)
	}
	in.ClientToken = nil
	in.LaunchTemplateConfigs[0].Overrides[0].MaxPrice, in.LaunchTemplateConfigs[0].Overrides[1].MaxPrice = new("0.001"), new("0.001")
	out = must[*sdk.CreateFleetOutput](t)(c.CreateFleet(ctx, in))
	if len(out.Instances) != 0 || *out.Errors[0].ErrorCode != "SpotMaxPriceTooLow" {
		t.Errorf("got %+v, %+v for a price nobody sells at", out.Instances, out.Errors)
	}
}

func TestFleetStrategies(t *testing.T) {
	c, ctx := start(t), t.Context()
	_, subnetID := c.network("10.0.0.0/16", "10.0.0.0/24")
	in := c.fleet(c.template("nodes", nil), subnetID, 1, types.DefaultTargetCapacityTypeOnDemand, "c6a.4xlarge", "c6a.large")
	in.OnDemandOptions = &types.OnDemandOptionsRequest{AllocationStrategy: types.FleetOnDemandAllocationStrategyPrioritized}
	out := must[*sdk.CreateFleetOutput](t)(c.CreateFleet(ctx, in))
	if out.Instances[0].InstanceType != "c6a.4xlarge" {
		t.Errorf("prioritized chose %s", out.Instances[0].InstanceType)
	}
	in.ClientToken, in.OnDemandOptions.AllocationStrategy = nil, types.FleetOnDemandAllocationStrategyLowestPrice
	out = must[*sdk.CreateFleetOutput](t)(c.CreateFleet(ctx, in))
	if out.Instances[0].InstanceType != "c6a.large" {
		t.Errorf("lowest-price chose %s", out.Instances[0].InstanceType)
	}
}

func TestFleetErrors(t *testing.T) {
	c, ctx := start(t), t.Context()
	_, subnetID := c.network("10.0.0.0/16", "10.0.0.0/28") // 11 free addresses, no room for a /28
	lt := c.template("nodes", nil)
	out := must[*sdk.CreateFleetOutput](t)(c.CreateFleet(ctx, c.fleet(lt, subnetID, 1, types.DefaultTargetCapacityTypeOnDemand, "c6a.large")))
	if len(out.Instances) != 0 || *out.Errors[0].ErrorCode != "InsufficientCidrBlocks" {
		t.Errorf("got %+v, %+v", out.Instances, out.Errors)
	}
	_, err := c.CreateFleet(ctx, c.fleet("lt-0123456789abcdef0", subnetID, 1, types.DefaultTargetCapacityTypeOnDemand, "c6a.large"))
	wantCode(t, err, "InvalidLaunchTemplateId.NotFound")
	in := c.fleet(lt, subnetID, 1, types.DefaultTargetCapacityTypeOnDemand, "c6a.large")
	in.LaunchTemplateConfigs[0].LaunchTemplateSpecification = &types.FleetLaunchTemplateSpecificationRequest{LaunchTemplateName: new("absent"), Version: new("$Latest")}
	_, err = c.CreateFleet(ctx, in)
	wantCode(t, err, "InvalidLaunchTemplateName.NotFoundException")
	in = c.fleet(lt, subnetID, 1, types.DefaultTargetCapacityTypeOnDemand, "c6a.large")
	in.DryRun = new(true)
	_, err = c.CreateFleet(ctx, in)
	wantCode(t, err, "DryRunOperation")
}

func TestFleetToken(t *testing.T) {
	c, ctx := start(t), t.Context()
	_, subnetID := c.network("10.0.0.0/16", "10.0.0.0/24")
	in := c.fleet(c.template("nodes", nil), subnetID, 1, types.DefaultTargetCapacityTypeOnDemand, "c6a.large")
	in.ClientToken = new("token")
	first := must[*sdk.CreateFleetOutput](t)(c.CreateFleet(ctx, in))
	again := must[*sdk.CreateFleetOutput](t)(c.CreateFleet(ctx, in))
	if *first.FleetId != *again.FleetId || first.Instances[0].InstanceIds[0] != again.Instances[0].InstanceIds[0] {
		t.Errorf("the same token made %s and %s", *first.FleetId, *again.FleetId)
	}
	in.TargetCapacitySpecification.TotalTargetCapacity = new(int32(2))
	_, err := c.CreateFleet(ctx, in)
	wantCode(t, err, "IdempotentParameterMismatch")
}
