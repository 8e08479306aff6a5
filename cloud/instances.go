package cloud

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/automode-dev/automode/compute"
)

// Launch asks for one instance. No instance and only refusals is a normal outcome, not an error.
func (c *Compute) Launch(ctx context.Context, launch compute.Launch) (compute.Launched, error) {
	out, err := c.ec2.CreateFleet(ctx, fleetInput(launch))
	if err != nil {
		return compute.Launched{}, fmt.Errorf("creating fleet: %w", classify(err))
	}
	var result compute.Launched
	for _, e := range out.Errors {
		refused := compute.Refusal{Failure: failure(aws.ToString(e.ErrorCode), aws.ToString(e.ErrorMessage))}
		if e.LaunchTemplateAndOverrides != nil {
			refused.Override = override(e.LaunchTemplateAndOverrides.Overrides)
		}
		result.Refusals = append(result.Refusals, refused)
	}
	for _, i := range out.Instances {
		if len(i.InstanceIds) == 0 {
			continue
		}
		result.Instance = launchedInstance(i, launch)
		break
	}
	return result, nil
}

func launchedInstance(i ec2types.CreateFleetInstance, launch compute.Launch) *compute.Instance {
	instance := &compute.Instance{
		ID: i.InstanceIds[0], Type: string(i.InstanceType), State: "pending", CapacityType: launch.CapacityType, Tags: launch.Tags,
		Zone: aws.ToString(i.AvailabilityZone), ZoneID: aws.ToString(i.AvailabilityZoneId), SubnetID: aws.ToString(i.SubnetId),
	}
	if i.LaunchTemplateAndOverrides != nil {
		chosen := override(i.LaunchTemplateAndOverrides.Overrides)
		if instance.Zone == "" {
			instance.Zone = chosen.Zone
		}
		if instance.SubnetID == "" {
			instance.SubnetID = chosen.SubnetID
		}
	}
	return instance
}

func override(o *ec2types.FleetLaunchTemplateOverrides) compute.Override {
	if o == nil {
		return compute.Override{}
	}
	return compute.Override{InstanceType: string(o.InstanceType), Zone: aws.ToString(o.AvailabilityZone), SubnetID: aws.ToString(o.SubnetId)}
}

func fleetInput(launch compute.Launch) *ec2.CreateFleetInput {
	in := &ec2.CreateFleetInput{
		Type: ec2types.FleetTypeInstant,
		TargetCapacitySpecification: &ec2types.TargetCapacitySpecificationRequest{
			TotalTargetCapacity:       aws.Int32(1),
			DefaultTargetCapacityType: ec2types.DefaultTargetCapacityType(launch.CapacityType),
		},
	}
	for _, resource := range []ec2types.ResourceType{ec2types.ResourceTypeInstance, ec2types.ResourceTypeVolume, ec2types.ResourceTypeFleet} {
		in.TagSpecifications = append(in.TagSpecifications, ec2types.TagSpecification{ResourceType: resource, Tags: tags(launch.Tags)})
	}
	if launch.CapacityType == compute.Spot {
		in.SpotOptions = &ec2types.SpotOptionsRequest{AllocationStrategy: ec2types.SpotAllocationStrategyPriceCapacityOptimized}
	} else {
		in.OnDemandOptions = &ec2types.OnDemandOptionsRequest{AllocationStrategy: ec2types.FleetOnDemandAllocationStrategyLowestPrice}
	}
	for _, group := range launch.Groups {
		config := ec2types.FleetLaunchTemplateConfigRequest{
			LaunchTemplateSpecification: &ec2types.FleetLaunchTemplateSpecificationRequest{
				LaunchTemplateName: aws.String(group.TemplateName),
				Version:            aws.String("$Latest"),
			},
		}
		for _, o := range group.Overrides {
			config.Overrides = append(config.Overrides, ec2types.FleetLaunchTemplateOverridesRequest{
				InstanceType:     ec2types.InstanceType(o.InstanceType),
				SubnetId:         aws.String(o.SubnetID),
				AvailabilityZone: aws.String(o.Zone),
			})
		}
		in.LaunchTemplateConfigs = append(in.LaunchTemplateConfigs, config)
	}
	return in
}

// liveStates are all states but terminated.
var liveStates = []string{"pending", "running", "shutting-down", "stopping", "stopped"}

// Instance finds one instance by id; a Failure of kind NotFound when it is gone or terminated.
func (c *Compute) Instance(ctx context.Context, id string) (compute.Instance, error) {
	out, err := c.service.ec2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	if err != nil {
		return compute.Instance{}, fmt.Errorf("describing instance %s: %w", id, classify(err))
	}
	for _, reservation := range out.Reservations {
		for _, i := range reservation.Instances {
			if instance := fromInstance(i); instance.State != "terminated" {
				return instance, nil
			}
		}
	}
	return compute.Instance{}, fmt.Errorf("describing instance %s: %w", id, failure("InvalidInstanceID.NotFound", "the instance is terminated"))
}

// Instances lists the cluster's instances that are not terminated.
func (c *Compute) Instances(ctx context.Context) ([]compute.Instance, error) {
	var found []compute.Instance
	pages := ec2.NewDescribeInstancesPaginator(c.service.ec2, &ec2.DescribeInstancesInput{
		MaxResults:              aws.Int32(1000),
		IncludeManagedResources: aws.Bool(true),
		Filters: []ec2types.Filter{
			filter("tag:"+compute.TagCluster, c.cluster), filter("tag-key", compute.TagNodePool), filter("instance-state-name", liveStates...),
		},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describing instances of cluster %s: %w", c.cluster, classify(err))
		}
		for _, reservation := range page.Reservations {
			for _, i := range reservation.Instances {
				found = append(found, fromInstance(i))
			}
		}
	}
	return found, nil
}

// Terminate ends an instance; a Failure of kind NotFound when there is none.
func (c *Compute) Terminate(ctx context.Context, id string) error {
	_, err := c.service.ec2.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
	if err != nil {
		return fmt.Errorf("terminating instance %s: %w", id, classify(err))
	}
	return nil
}

func fromInstance(i ec2types.Instance) compute.Instance {
	instance := compute.Instance{
		ID: aws.ToString(i.InstanceId), Type: string(i.InstanceType), CapacityType: compute.OnDemand,
		ImageID: aws.ToString(i.ImageId), SubnetID: aws.ToString(i.SubnetId), Launched: aws.ToTime(i.LaunchTime),
		Tags: map[string]string{},
	}
	if i.State != nil {
		instance.State = string(i.State.Name)
	}
	if i.Placement != nil {
		instance.Zone, instance.ZoneID = aws.ToString(i.Placement.AvailabilityZone), aws.ToString(i.Placement.AvailabilityZoneId)
	}
	switch {
	case i.InstanceLifecycle == ec2types.InstanceLifecycleTypeSpot:
		instance.CapacityType = compute.Spot
	case aws.ToString(i.CapacityReservationId) != "" && i.CapacityReservationSpecification != nil && i.CapacityReservationSpecification.CapacityReservationTarget != nil:
		instance.CapacityType = compute.Reserved
	}
	for _, tag := range i.Tags {
		instance.Tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	for _, group := range i.SecurityGroups {
		instance.SecurityGroupIDs = append(instance.SecurityGroupIDs, aws.ToString(group.GroupId))
	}
	for _, n := range i.NetworkInterfaces {
		for _, address := range n.PrivateIpAddresses {
			instance.Addresses = append(instance.Addresses, aws.ToString(address.PrivateIpAddress))
		}
	}
	if len(instance.Addresses) == 0 && i.PrivateIpAddress != nil {
		instance.Addresses = []string{*i.PrivateIpAddress}
	}
	if name := aws.ToString(i.PrivateDnsName); name != "" {
		instance.DNSNames = []string{name}
	}
	return instance
}
