package ec2

import (
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// start makes one instance of a launch with its interfaces and volumes; what follows is the life cycle's business.
func (r *region) start(tx *txn, l *launch, reservation string, index int32, now time.Time) (*instanceRow, error) {
	id := newID("i")
	first, err := r.startInterfaces(tx, l, id, now)
	if err != nil {
		return nil, err
	}
	i := r.newInstance(l, id, reservation, index, now)
	if err := r.resolvePlacement(l, i.Placement); err != nil {
		return nil, err
	}
	i.SubnetId, i.VpcId = l.subnet.SubnetId, l.subnet.VpcId
	i.PrivateDnsName, i.PrivateIpAddress = first.PrivateDnsName, first.PrivateIpAddress
	if l.spot {
		r.startSpot(tx, l, i, now)
	}
	if err := r.startVolumes(tx, l, i, now); err != nil {
		return nil, err
	}
	return r.to(tx, i, types.InstanceStateNamePending, nil), nil
}

// newInstance fills in what the request and its type say.
func (r *region) newInstance(l *launch, id, reservation string, index int32, now time.Time) *instanceRow {
	in := l.in
	i := &instanceRow{ReservationID: reservation, FleetID: l.fleetID, UserData: l.userData, NoTermination: value(in.DisableApiTermination),
		NoStop: value(in.DisableApiStop), OnShutdown: types.ShutdownBehavior(orText(string(in.InstanceInitiatedShutdownBehavior), "stop")),
		NotBefore: now.Add(r.svc.Timing().Pending)}
	i.Instance = types.Instance{
		InstanceId: new(id), ImageId: l.image.ImageId, InstanceType: types.InstanceType(l.shape.Name), Architecture: l.image.Architecture,
		AmiLaunchIndex: new(index), ClientToken: in.ClientToken, KeyName: in.KeyName, LaunchTime: new(now), Tags: r.launchTags(l),
		BootMode: l.image.BootMode, CurrentInstanceBootMode: types.InstanceBootModeValuesUefi, EbsOptimized: new(value(in.EbsOptimized)),
		EnaSupport: new(true), Hypervisor: types.HypervisorTypeXen, VirtualizationType: types.VirtualizationTypeHvm,
		RootDeviceName: l.image.RootDeviceName, RootDeviceType: types.DeviceTypeEbs, PlatformDetails: new("Linux/UNIX"),
		UsageOperation: new("RunInstances"), UsageOperationUpdateTime: new(now), SourceDestCheck: new(true), StateTransitionReason: new(""),
		Operator: l.operator, MetadataOptions: metadataOptions(in.MetadataOptions), Placement: l.placement(),
		CpuOptions:         &types.CpuOptions{CoreCount: new(int32(l.shape.Cores)), ThreadsPerCore: new(int32(max(1, l.shape.ThreadsPerCore)))},
		Monitoring:         &types.Monitoring{State: types.MonitoringStateDisabled},
		EnclaveOptions:     &types.EnclaveOptions{Enabled: new(false)},
		HibernationOptions: &types.HibernationOptions{Configured: new(in.HibernationOptions != nil && value(in.HibernationOptions.Configured))},
		MaintenanceOptions: &types.InstanceMaintenanceOptions{AutoRecovery: types.InstanceAutoRecoveryStateDefault},
		CapacityReservationSpecification: &types.CapacityReservationSpecificationResponse{
			CapacityReservationPreference: types.CapacityReservationPreferenceOpen},
		PrivateDnsNameOptions: &types.PrivateDnsNameOptionsResponse{HostnameType: types.HostnameTypeIpName,
			EnableResourceNameDnsARecord: new(false), EnableResourceNameDnsAAAARecord: new(false)},
	}
	if in.Monitoring != nil && value(in.Monitoring.Enabled) {
		i.Monitoring.State = types.MonitoringStateEnabled
	}
	if l.profile != nil {
		i.IamInstanceProfile = &types.IamInstanceProfile{Arn: new(l.profile.ARN), Id: new(l.profile.ID)}
		i.ProfileID, i.RoleARN, i.RoleName = l.profile.ID, l.profile.RoleARN, l.profile.RoleName
	}
	return i
}

// launchTags are the instance's tags with those that EC2 adds.
func (r *region) launchTags(l *launch) []types.Tag {
	tags := l.tags[types.ResourceTypeInstance]
	var more []types.Tag
	if l.template != nil {
		more = append(more, types.Tag{Key: new("aws:ec2launchtemplate:id"), Value: l.template.LaunchTemplateId},
			types.Tag{Key: new("aws:ec2launchtemplate:version"), Value: new(strconv.FormatInt(l.version, 10))})
	}
	if l.fleetID != "" {
		more = append(more, types.Tag{Key: new("aws:ec2:fleet-id"), Value: new(l.fleetID)})
	}
	if managedBy(l.operator) {
		more = append(more, types.Tag{Key: new("aws:ec2:managed-launch"), Value: l.operator.Principal})
	}
	return merge(tags, more)
}

func (l *launch) placement() *types.Placement {
	p := &types.Placement{AvailabilityZone: l.subnet.AvailabilityZone, AvailabilityZoneId: l.subnet.AvailabilityZoneId,
		Tenancy: types.TenancyDefault, GroupName: new("")}
	if asked := l.in.Placement; asked != nil && asked.Tenancy != "" {
		p.Tenancy = asked.Tenancy
	}
	return p
}

func metadataOptions(in *types.InstanceMetadataOptionsRequest) *types.InstanceMetadataOptionsResponse {
	out := &types.InstanceMetadataOptionsResponse{State: types.InstanceMetadataOptionsStateApplied, HttpTokens: types.HttpTokensStateRequired,
		HttpEndpoint: types.InstanceMetadataEndpointStateEnabled, HttpPutResponseHopLimit: new(int32(2)),
		HttpProtocolIpv6: types.InstanceMetadataProtocolStateDisabled, InstanceMetadataTags: types.InstanceMetadataTagsStateDisabled}
	if in == nil {
		return out
	}
	if in.HttpTokens != "" {
		out.HttpTokens = in.HttpTokens
	}
	if in.HttpEndpoint != "" {
		out.HttpEndpoint = in.HttpEndpoint
	}
	if in.HttpProtocolIpv6 != "" {
		out.HttpProtocolIpv6 = in.HttpProtocolIpv6
	}
	if in.InstanceMetadataTags != "" {
		out.InstanceMetadataTags = in.InstanceMetadataTags
	}
	if in.HttpPutResponseHopLimit != nil {
		out.HttpPutResponseHopLimit = in.HttpPutResponseHopLimit
	}
	return out
}

// startInterfaces makes or takes the instance's interfaces and returns the primary one.
func (r *region) startInterfaces(tx *txn, l *launch, id string, now time.Time) (first *interfaceRow, err error) {
	specs := l.in.NetworkInterfaces
	if len(specs) == 0 {
		specs = []types.InstanceNetworkInterfaceSpecification{{DeviceIndex: new(int32(0)), SubnetId: l.subnet.SubnetId, Groups: l.groups,
			PrivateIpAddress: l.in.PrivateIpAddress}}
	}
	for n := range specs {
		i, err := r.startInterface(tx, l, &specs[n])
		if err != nil {
			return nil, err
		}
		index := value(specs[n].DeviceIndex)
		keep := specs[n].NetworkInterfaceId != nil
		i = r.attach(tx, i, id, index, or(specs[n].DeleteOnTermination, !keep), now)
		if index == 0 {
			i = r.mapPublic(tx, l, &specs[n], i)
			first = i
		}
	}
	return first, nil
}

func (r *region) startInterface(tx *txn, l *launch, spec *types.InstanceNetworkInterfaceSpecification) (*interfaceRow, error) {
	if spec.NetworkInterfaceId != nil {
		i, err := interfaceKind.find(r, *spec.NetworkInterfaceId)
		if err == nil && i.Attachment != nil {
			err = errorf("InvalidNetworkInterface.InUse", "Interface: [%s] in use.", *spec.NetworkInterfaceId)
		}
		return i, err
	}
	sub := l.subnet
	if spec.SubnetId != nil && *spec.SubnetId != *sub.SubnetId {
		other, err := subnetKind.find(r, *spec.SubnetId)
		if err != nil {
			return nil, err
		}
		if *other.AvailabilityZone != *sub.AvailabilityZone {
			return nil, invalid("All network interfaces of an instance must be in the same availability zone")
		}
		sub = other
	}
	groups := spec.Groups
	if len(groups) == 0 {
		groups = l.groups
	}
	return r.createInterface(tx, newInterface{subnet: sub, groups: groups, description: str(spec.Description), addresses: wantedOf(spec),
		tags: l.tags[types.ResourceTypeNetworkInterface], operator: l.operator})
}

// mapPublic gives the primary interface a public address where the request or the subnet says so.
func (r *region) mapPublic(tx *txn, l *launch, spec *types.InstanceNetworkInterfaceSpecification, i *interfaceRow) *interfaceRow {
	if !or(spec.AssociatePublicIpAddress, value(l.subnet.MapPublicIpOnLaunch)) {
		return i
	}
	i = with(i, func(i *interfaceRow) { i.PublicIP = r.publicAddress() })
	r.interfaces.put(tx, *i.NetworkInterfaceId, i)
	return i
}

// startVolumes makes the instance's volumes: those of the image, changed and added to by the request.
func (r *region) startVolumes(tx *txn, l *launch, i *instanceRow, now time.Time) error {
	for _, m := range l.devices() {
		if m.Ebs == nil || m.NoDevice != nil {
			continue
		}
		v, err := newVolume(r, m.Ebs, *l.subnet.AvailabilityZone, *l.subnet.AvailabilityZoneId, now)
		if err != nil {
			return err
		}
		v.Tags, v.Operator = l.tags[types.ResourceTypeVolume], l.operator
		v.State = types.VolumeStateInUse
		v.Attachments = []types.VolumeAttachment{{InstanceId: i.InstanceId, VolumeId: v.VolumeId, Device: m.DeviceName, AttachTime: new(now),
			DeleteOnTermination: new(or(m.Ebs.DeleteOnTermination, true)), State: types.VolumeAttachmentStateAttached}}
		r.volumes.put(tx, *v.VolumeId, v)
	}
	return nil
}

// devices are the image's block devices overlaid with the request's by device name.
func (l *launch) devices() []types.BlockDeviceMapping {
	list := append([]types.BlockDeviceMapping(nil), l.image.BlockDeviceMappings...)
	for _, m := range l.in.BlockDeviceMappings {
		found := false
		for n := range list {
			if str(list[n].DeviceName) != str(m.DeviceName) {
				continue
			}
			found = true
			if m.Ebs != nil && list[n].Ebs != nil {
				m.Ebs = new(overlay[types.EbsBlockDevice](list[n].Ebs, m.Ebs))
			}
			list[n] = m
		}
		if !found {
			list = append(list, m)
		}
	}
	return list
}

// startSpot records the spot request that an instance fulfils.
func (r *region) startSpot(tx *txn, l *launch, i *instanceRow, now time.Time) {
	sir := &types.SpotInstanceRequest{
		SpotInstanceRequestId: new(newID("sir")), InstanceId: i.InstanceId, CreateTime: new(now), State: types.SpotInstanceStateActive,
		Type: types.SpotInstanceTypeOneTime, ProductDescription: types.RIProductDescriptionLinuxUnix, Tags: l.tags[types.ResourceTypeSpotInstancesRequest],
		LaunchedAvailabilityZone: l.subnet.AvailabilityZone, InstanceInterruptionBehavior: types.InstanceInterruptionBehaviorTerminate,
		Status: &types.SpotInstanceStatus{Code: new("fulfilled"), Message: new("Your spot request is fulfilled."), UpdateTime: new(now)},
	}
	if price, ok := r.svc.spotPrice(r.name, *l.subnet.AvailabilityZone, l.shape.Name, now); ok {
		sir.SpotPrice = new(priceText(price))
	}
	i.SpotInstanceRequestId, i.InstanceLifecycle = sir.SpotInstanceRequestId, types.InstanceLifecycleTypeSpot
	r.spots.put(tx, *sir.SpotInstanceRequestId, sir)
}
