package cloud

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/automode-dev/automode/compute"
)

// DryRunLaunchTemplate asks whether CreateLaunchTemplate would be allowed; nil means yes.
func (c *Compute) DryRunLaunchTemplate(ctx context.Context, template compute.LaunchTemplate) error {
	in := launchTemplateInput(template)
	in.DryRun = aws.Bool(true)
	_, err := c.ec2.CreateLaunchTemplate(ctx, in)
	return dryRunResult("CreateLaunchTemplate", err)
}

// DryRunFleet asks whether CreateFleet would be allowed; nil means yes.
func (c *Compute) DryRunFleet(ctx context.Context, launch compute.Launch) error {
	in := fleetInput(launch)
	in.DryRun = aws.Bool(true)
	_, err := c.ec2.CreateFleet(ctx, in)
	return dryRunResult("CreateFleet", err)
}

// DryRunInstance asks whether RunInstances would be allowed with the template's settings; nil means yes.
func (c *Compute) DryRunInstance(ctx context.Context, template compute.LaunchTemplate, o compute.Override) error {
	var specs []ec2types.TagSpecification
	for _, resource := range []ec2types.ResourceType{ec2types.ResourceTypeInstance, ec2types.ResourceTypeVolume, ec2types.ResourceTypeNetworkInterface} {
		specs = append(specs, ec2types.TagSpecification{ResourceType: resource, Tags: tags(template.Tags)})
	}
	_, err := c.ec2.RunInstances(ctx, &ec2.RunInstancesInput{
		DryRun:             aws.Bool(true),
		MinCount:           aws.Int32(1),
		MaxCount:           aws.Int32(1),
		ImageId:            &template.ImageID,
		InstanceType:       ec2types.InstanceType(o.InstanceType),
		SubnetId:           &o.SubnetID,
		SecurityGroupIds:   template.SecurityGroupIDs,
		IamInstanceProfile: &ec2types.IamInstanceProfileSpecification{Name: &template.InstanceProfile},
		TagSpecifications:  specs,
		Operator:           &ec2types.OperatorRequest{Principal: aws.String(compute.Operator)},
	})
	return dryRunResult("RunInstances", err)
}

func dryRunResult(operation string, err error) error {
	if err == nil || dryRunPassed(err) {
		return nil
	}
	return fmt.Errorf("trying %s: %w", operation, classify(err))
}
