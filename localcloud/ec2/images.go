package ec2

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/automode-dev/automode/localcloud/ec2/images"
)

// imageKind knows the filters of DescribeImages; images are the same for everyone and have no tags.
var imageKind = &kind[types.Image]{
	prefix: "ami",
	tags:   func(i *types.Image) []types.Tag { return i.Tags },
	filters: map[string]func(*region, *types.Image) []string{
		"image-id":            func(_ *region, i *types.Image) []string { return one(i.ImageId) },
		"name":                func(_ *region, i *types.Image) []string { return one(i.Name) },
		"description":         func(_ *region, i *types.Image) []string { return one(i.Description) },
		"architecture":        func(_ *region, i *types.Image) []string { return []string{string(i.Architecture)} },
		"state":               func(_ *region, i *types.Image) []string { return []string{string(i.State)} },
		"owner-id":            func(_ *region, i *types.Image) []string { return one(i.OwnerId) },
		"owner-alias":         func(_ *region, i *types.Image) []string { return one(i.ImageOwnerAlias) },
		"is-public":           func(_ *region, i *types.Image) []string { return []string{boolText(i.Public)} },
		"root-device-type":    func(_ *region, i *types.Image) []string { return []string{string(i.RootDeviceType)} },
		"root-device-name":    func(_ *region, i *types.Image) []string { return one(i.RootDeviceName) },
		"virtualization-type": func(_ *region, i *types.Image) []string { return []string{string(i.VirtualizationType)} },
		"hypervisor":          func(_ *region, i *types.Image) []string { return []string{string(i.Hypervisor)} },
		"image-type":          func(_ *region, i *types.Image) []string { return []string{string(i.ImageType)} },
		"ena-support":         func(_ *region, i *types.Image) []string { return []string{boolText(i.EnaSupport)} },
		"creation-date":       func(_ *region, i *types.Image) []string { return one(i.CreationDate) },
	},
}

// imagesOf returns the images of a region by id.
func (r *region) imagesOf() map[string]*types.Image {
	r.svc.imagesMu.Lock()
	defer r.svc.imagesMu.Unlock()
	if list := r.svc.images[r.name]; list != nil {
		return list
	}
	list := map[string]*types.Image{}
	for _, i := range images.All() {
		img := renderImage(i, r.name)
		list[*img.ImageId] = img
	}
	r.svc.images[r.name] = list
	return list
}

func renderImage(i images.Image, region string) *types.Image {
	root := types.BlockDeviceMapping{DeviceName: new("/dev/xvda"), Ebs: &types.EbsBlockDevice{DeleteOnTermination: new(true),
		SnapshotId: new("snap-0" + hexOf(region+i.Name, 16)), VolumeSize: new(int32(20)), VolumeType: types.VolumeTypeGp3,
		Iops: new(int32(3000)), Throughput: new(int32(125)), Encrypted: new(false)}}
	devices := []types.BlockDeviceMapping{root}
	if i.Family == images.Bottlerocket {
		devices[0].Ebs.VolumeSize = new(int32(4))
		devices = append(devices, types.BlockDeviceMapping{DeviceName: new("/dev/xvdb"), Ebs: &types.EbsBlockDevice{DeleteOnTermination: new(true),
			SnapshotId: new("snap-0" + hexOf(region+i.Name+"data", 16)), VolumeSize: new(int32(20)), VolumeType: types.VolumeTypeGp3,
			Iops: new(int32(3000)), Throughput: new(int32(125)), Encrypted: new(false)}})
	}
	const stamp = "2006-01-02T15:04:05.000Z"
	return &types.Image{
		ImageId: new(i.ID(region)), Name: new(i.Name), Description: new(i.Description), OwnerId: new(i.Owner()), ImageOwnerAlias: new("amazon"),
		ImageLocation: new("amazon/" + i.Name), Architecture: types.ArchitectureValues(i.Arch), BlockDeviceMappings: devices,
		CreationDate: new(i.Created.Format(stamp)), DeprecationTime: new(i.Created.AddDate(2, 0, 0).Format(stamp)),
		EnaSupport: new(true), Hypervisor: types.HypervisorTypeXen, ImageType: types.ImageTypeValuesMachine, Public: new(true),
		PlatformDetails: new("Linux/UNIX"), UsageOperation: new("RunInstances"), RootDeviceName: new("/dev/xvda"), RootDeviceType: types.DeviceTypeEbs,
		SriovNetSupport: new("simple"), State: types.ImageStateAvailable, VirtualizationType: types.VirtualizationTypeHvm,
		BootMode: types.BootModeValuesUefiPreferred, ImdsSupport: types.ImdsSupportValuesV20,
	}
}

func (r *region) image(id string) (*types.Image, error) {
	if i := r.imagesOf()[id]; i != nil {
		return i, nil
	}
	if !wellFormed("ami", id) {
		return nil, errorf("InvalidAMIID.Malformed", "Invalid id: \"%s\" (expecting \"ami-...\")", id)
	}
	return nil, errorf("InvalidAMIID.NotFound", "The image id '[%s]' does not exist", id)
}

// DescribeImages lists the images this cloud offers: those that the public SSM parameters name.
func (s *Service) DescribeImages(ctx context.Context, in *ec2.DescribeImagesInput) (*ec2.DescribeImagesOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	match, err := compile(imageKind, in.Filters)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, in.DryRun, anything); err != nil {
		return nil, err
	}
	var list []types.Image
	for _, id := range in.ImageIds {
		i, err := r.image(id)
		if err != nil {
			return nil, err
		}
		if match(r, i) && ownedBy(i, in.Owners) {
			list = append(list, *i)
		}
	}
	if len(in.ImageIds) == 0 {
		for _, i := range r.imagesOf() {
			if match(r, i) && ownedBy(i, in.Owners) {
				list = append(list, *i)
			}
		}
	}
	list, next, err := pageOf(query{maxResults: in.MaxResults, nextToken: in.NextToken, min: 1, max: 1000}, list,
		func(i types.Image) string { return *i.ImageId })
	return &ec2.DescribeImagesOutput{Images: list, NextToken: next}, err
}

func ownedBy(i *types.Image, owners []string) bool {
	return len(owners) == 0 || slices.Contains(owners, *i.OwnerId) || slices.Contains(owners, *i.ImageOwnerAlias)
}
