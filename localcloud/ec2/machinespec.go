package ec2

import (
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/automode-dev/automode/localcloud/ec2/images"
	"github.com/automode-dev/automode/localcloud/machine"
)

// kubernetesOf is the Kubernetes version of an image.
func kubernetesOf(imageID, region string) string {
	for _, i := range images.All() {
		if i.ID(region) == imageID {
			return i.Kubernetes
		}
	}
	return ""
}

// machineSpec is the machine that an instance should be. The region's lock is held.
func (r *region) machineSpec(i *instanceRow) machine.Spec {
	shape, _ := r.svc.catalog.Type(string(i.InstanceType))
	spec := machine.Spec{
		ID: *i.InstanceId, Type: shape.Name, ImageID: *i.ImageId, Region: r.name, Zone: *i.Placement.AvailabilityZone,
		ZoneID: *i.Placement.AvailabilityZoneId, Account: r.svc.account, Arch: goArch(i.Architecture), Hostname: str(i.PrivateDnsName),
		KubernetesVersion: kubernetesOf(*i.ImageId, r.name), VCPUs: shape.VCPUs, MemoryBytes: shape.MemoryMiB << 20,
		UserData: i.UserData, BootDelay: r.svc.Timing().Boot, HostPorts: append(slices.Clone(r.svc.ports), r.vpcs.get(*i.VpcId).Ports...),
	}
	for _, n := range r.nics(*i.InstanceId) {
		cidr := netip.MustParsePrefix(*r.subnets.get(*n.SubnetId).CidrBlock)
		spec.Interfaces = append(spec.Interfaces, machine.Interface{ID: *n.NetworkInterfaceId, MAC: *n.MacAddress, SubnetID: *n.SubnetId,
			DeviceIndex: int(*n.Attachment.DeviceIndex), Address: netip.MustParseAddr(*n.PrivateIpAddress), Prefix: cidr,
			Gateway: cidr.Masked().Addr().Next(), Delegated: n.prefixes()})
	}
	for _, v := range r.volumesOf(*i.InstanceId) {
		if a := v.attachment(*i.InstanceId, r.svc.now()); a != nil {
			spec.Volumes = append(spec.Volumes, machine.Volume{ID: *v.VolumeId, Device: *a.Device, SizeBytes: int64(*v.Size) << 30})
		}
	}
	slices.SortFunc(spec.Volumes, func(a, b machine.Volume) int { // the root device first
		if a.Device == str(i.RootDeviceName) {
			return -1
		}
		if b.Device == str(i.RootDeviceName) {
			return 1
		}
		return 0
	})
	return spec
}

func goArch(a types.ArchitectureValues) string {
	if a == types.ArchitectureValuesArm64 {
		return "arm64"
	}
	return "amd64"
}
