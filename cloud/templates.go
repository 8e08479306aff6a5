package cloud

import (
	"context"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/automode-dev/automode/compute"
)

// CreateLaunchTemplate makes a launch template. One of the same name that exists already is as good.
func (c *Compute) CreateLaunchTemplate(ctx context.Context, template compute.LaunchTemplate) error {
	_, err := c.ec2.CreateLaunchTemplate(ctx, launchTemplateInput(template))
	if compute.CodeOf(classify(err)) == "InvalidLaunchTemplateName.AlreadyExistsException" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("creating launch template %s: %w", template.Name, classify(err))
	}
	return nil
}

func launchTemplateInput(t compute.LaunchTemplate) *ec2.CreateLaunchTemplateInput {
	var specs []ec2types.LaunchTemplateTagSpecificationRequest
	for _, resource := range launchedResources(t.CapacityType) {
		specs = append(specs, ec2types.LaunchTemplateTagSpecificationRequest{ResourceType: resource, Tags: tags(t.Tags)})
	}
	return &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: &t.Name,
		Operator:           &ec2types.OperatorRequest{Principal: aws.String(compute.Operator)},
		TagSpecifications:  []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeLaunchTemplate, Tags: tags(t.Tags)}},
		LaunchTemplateData: &ec2types.RequestLaunchTemplateData{
			ImageId:             &t.ImageID,
			UserData:            aws.String(base64.StdEncoding.EncodeToString(t.UserData)),
			IamInstanceProfile:  &ec2types.LaunchTemplateIamInstanceProfileSpecificationRequest{Name: &t.InstanceProfile},
			BlockDeviceMappings: []ec2types.LaunchTemplateBlockDeviceMappingRequest{blockDevice(t.RootVolume), blockDevice(t.DataVolume)},
			NetworkInterfaces:   launchInterfaces(t),
			Placement:           placement(t),
			Operator:            &ec2types.OperatorRequest{Principal: aws.String(compute.Operator)},
			TagSpecifications:   specs,
			Monitoring:          &ec2types.LaunchTemplatesMonitoringRequest{Enabled: aws.Bool(false)},
			MetadataOptions: &ec2types.LaunchTemplateInstanceMetadataOptionsRequest{
				HttpEndpoint:            ec2types.LaunchTemplateInstanceMetadataEndpointStateEnabled,
				HttpTokens:              ec2types.LaunchTemplateHttpTokensStateRequired,
				HttpPutResponseHopLimit: aws.Int32(1),
			},
		},
	}
}

// launchedResources come into being with an instance; policies look at the tags of each.
func launchedResources(capacityType string) []ec2types.ResourceType {
	resources := []ec2types.ResourceType{ec2types.ResourceTypeInstance, ec2types.ResourceTypeVolume, ec2types.ResourceTypeNetworkInterface}
	if capacityType == compute.Spot {
		resources = append(resources, ec2types.ResourceTypeSpotInstancesRequest)
	}
	return resources
}

func blockDevice(v compute.Volume) ec2types.LaunchTemplateBlockDeviceMappingRequest {
	ebs := &ec2types.LaunchTemplateEbsBlockDeviceRequest{
		DeleteOnTermination: aws.Bool(true),
		Encrypted:           aws.Bool(true),
		VolumeType:          ec2types.VolumeTypeGp3,
		VolumeSize:          &v.SizeGiB,
	}
	if v.IOPS > 0 {
		ebs.Iops = &v.IOPS
	}
	if v.Throughput > 0 {
		ebs.Throughput = &v.Throughput
	}
	if v.KMSKeyID != "" {
		ebs.KmsKeyId = &v.KMSKeyID
	}
	return ec2types.LaunchTemplateBlockDeviceMappingRequest{DeviceName: &v.Device, Ebs: ebs}
}

func launchInterfaces(t compute.LaunchTemplate) []ec2types.LaunchTemplateInstanceNetworkInterfaceSpecificationRequest {
	var specs []ec2types.LaunchTemplateInstanceNetworkInterfaceSpecificationRequest
	for i, n := range t.Interfaces {
		spec := ec2types.LaunchTemplateInstanceNetworkInterfaceSpecificationRequest{
			DeviceIndex:         aws.Int32(n.DeviceIndex),
			NetworkCardIndex:    aws.Int32(n.CardIndex),
			Groups:              t.SecurityGroupIDs,
			DeleteOnTermination: aws.Bool(true),
		}
		if n.Type != "" {
			spec.InterfaceType = aws.String(n.Type)
		}
		if n.Prefixes > 0 {
			spec.Ipv4PrefixCount = aws.Int32(n.Prefixes)
		}
		if n.Addresses > 0 {
			spec.SecondaryPrivateIpAddressCount = aws.Int32(n.Addresses)
		}
		if i == 0 {
			spec.AssociatePublicIpAddress = t.PublicIP
		}
		specs = append(specs, spec)
	}
	return specs
}

func placement(t compute.LaunchTemplate) *ec2types.LaunchTemplatePlacementRequest {
	switch {
	case t.PlacementGroupName != "":
		return &ec2types.LaunchTemplatePlacementRequest{GroupName: &t.PlacementGroupName}
	case t.PlacementGroupID != "":
		return &ec2types.LaunchTemplatePlacementRequest{GroupId: &t.PlacementGroupID}
	}
	return nil
}

// LaunchTemplates gives the creation times of the cluster's launch templates by name.
func (c *Compute) LaunchTemplates(ctx context.Context) (map[string]time.Time, error) {
	created := map[string]time.Time{}
	pages := ec2.NewDescribeLaunchTemplatesPaginator(c.service.ec2, &ec2.DescribeLaunchTemplatesInput{
		Filters:                 []ec2types.Filter{filter("tag:"+compute.TagCluster, c.cluster), filter("tag-key", compute.TagNodePool)},
		IncludeManagedResources: aws.Bool(true),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describing launch templates: %w", classify(err))
		}
		for _, t := range page.LaunchTemplates {
			created[aws.ToString(t.LaunchTemplateName)] = aws.ToTime(t.CreateTime)
		}
	}
	return created, nil
}

// DeleteLaunchTemplate removes a launch template; one that is gone is fine.
func (c *Compute) DeleteLaunchTemplate(ctx context.Context, name string) error {
	_, err := c.service.ec2.DeleteLaunchTemplate(ctx, &ec2.DeleteLaunchTemplateInput{LaunchTemplateName: &name})
	if err = classify(err); err != nil && !compute.IsNotFound(err) {
		return fmt.Errorf("deleting launch template %s: %w", name, err)
	}
	return nil
}

func tags(m map[string]string) []ec2types.Tag {
	var list []ec2types.Tag
	for _, pair := range sortedPairs(m) {
		list = append(list, ec2types.Tag{Key: aws.String(pair.key), Value: aws.String(pair.value)})
	}
	return list
}
