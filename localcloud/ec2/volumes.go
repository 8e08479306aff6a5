package ec2

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// volumeRow is a volume. Creating, attaching and detaching take time: until Settles the row shows the state it has, from
// then on the one that follows; nothing has to run for that.
type volumeRow struct {
	types.Volume
	Settles time.Time
}

var volumeKind = register(&kind[volumeRow]{
	prefix: "vol", resource: types.ResourceTypeVolume,
	absent: func(ids []string) error {
		if len(ids) > 1 {
			return errorf("InvalidVolume.NotFound", "The volumes %s do not exist.", quoted(ids))
		}
		return errorf("InvalidVolume.NotFound", "The volume '%s' does not exist.", ids[0])
	},
	badID: func(id string) error {
		return invalid("Value (%s) for parameter volumeId is invalid. Expected: 'vol-...'.", id)
	},
	table:    func(r *region) *table[volumeRow] { return r.volumes },
	tags:     func(v *volumeRow) []types.Tag { return v.Tags },
	retag:    func(v *volumeRow, tags []types.Tag) { v.Tags = tags },
	operator: func(v *volumeRow) *types.OperatorResponse { return v.Operator },
	filters: map[string]func(*region, *volumeRow) []string{
		"volume-id":                        func(_ *region, v *volumeRow) []string { return one(v.VolumeId) },
		"availability-zone":                func(_ *region, v *volumeRow) []string { return one(v.AvailabilityZone) },
		"status":                           func(r *region, v *volumeRow) []string { return []string{string(v.view(r.svc.now()).State)} },
		"volume-type":                      func(_ *region, v *volumeRow) []string { return []string{string(v.VolumeType)} },
		"size":                             func(_ *region, v *volumeRow) []string { return []string{intText(v.Size)} },
		"snapshot-id":                      func(_ *region, v *volumeRow) []string { return one(v.SnapshotId) },
		"encrypted":                        func(_ *region, v *volumeRow) []string { return []string{boolText(v.Encrypted)} },
		"attachment.instance-id":           volumeFilter(func(a types.VolumeAttachment) *string { return a.InstanceId }),
		"attachment.device":                volumeFilter(func(a types.VolumeAttachment) *string { return a.Device }),
		"attachment.status":                volumeFilter(func(a types.VolumeAttachment) *string { return new(string(a.State)) }),
		"attachment.delete-on-termination": volumeFilter(func(a types.VolumeAttachment) *string { return new(boolText(a.DeleteOnTermination)) }),
		"operator.managed":                 func(_ *region, v *volumeRow) []string { return operatorManaged(v.Operator) },
		"operator.principal":               func(_ *region, v *volumeRow) []string { return operatorPrincipal(v.Operator) },
	},
})

func volumeFilter(field func(types.VolumeAttachment) *string) func(*region, *volumeRow) []string {
	return func(r *region, v *volumeRow) (values []string) {
		for _, a := range v.view(r.svc.now()).Attachments {
			values = append(values, one(field(a))...)
		}
		return values
	}
}

// view is the volume as it is at a time.
func (v *volumeRow) view(now time.Time) types.Volume {
	out := v.Volume
	if now.Before(v.Settles) {
		return out
	}
	out.Attachments = nil
	for _, a := range v.Attachments {
		switch a.State {
		case types.VolumeAttachmentStateDetaching:
			continue
		case types.VolumeAttachmentStateAttaching:
			a.State = types.VolumeAttachmentStateAttached
		}
		out.Attachments = append(out.Attachments, a)
	}
	switch {
	case len(out.Attachments) > 0:
		out.State = types.VolumeStateInUse
	default:
		out.Attachments, out.State = []types.VolumeAttachment{}, types.VolumeStateAvailable
	}
	return out
}

func (v *volumeRow) machine() string {
	if len(v.Attachments) == 0 {
		return ""
	}
	return str(v.Attachments[0].InstanceId)
}

// attachment is the volume's attachment to an instance at a time, or nil.
func (v *volumeRow) attachment(instanceID string, now time.Time) *types.VolumeAttachment {
	for _, a := range v.view(now).Attachments {
		if str(a.InstanceId) == instanceID {
			return &a
		}
	}
	return nil
}

func (v *volumeRow) detached(instanceID string) *volumeRow {
	return with(v, func(v *volumeRow) {
		v.Attachments = without(v.Attachments, func(a types.VolumeAttachment) bool { return str(a.InstanceId) == instanceID })
		v.State = types.VolumeStateAvailable
	})
}

// volumesOf returns the volumes of an instance by device.
func (r *region) volumesOf(instanceID string) []*volumeRow {
	have := r.index.volumesByMachine[instanceID]
	list := make([]*volumeRow, 0, len(have))
	for _, v := range have {
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b *volumeRow) int {
		return strings.Compare(str(a.Attachments[0].Device), str(b.Attachments[0].Device))
	})
	return list
}

// limits of a volume type: sizes in GiB, then I/O operations per second.
type volumeLimits struct{ minSize, maxSize, minIOPS, maxIOPS, iopsPerGiB, defaultIOPS int32 }

var volumeTypes = map[types.VolumeType]volumeLimits{
	types.VolumeTypeGp3:      {1, 65536, 3000, 80000, 500, 3000},
	types.VolumeTypeGp2:      {1, 16384, 0, 0, 0, 0},
	types.VolumeTypeIo1:      {4, 16384, 100, 64000, 50, 0},
	types.VolumeTypeIo2:      {4, 65536, 100, 256000, 1000, 0},
	types.VolumeTypeSt1:      {125, 16384, 0, 0, 0, 0},
	types.VolumeTypeSc1:      {125, 16384, 0, 0, 0, 0},
	types.VolumeTypeStandard: {1, 1024, 0, 0, 0, 0},
}

// newVolume checks a volume's figures and makes the row, not yet stored.
func newVolume(r *region, e *types.EbsBlockDevice, zone, zoneID string, now time.Time) (*volumeRow, error) {
	kind := types.VolumeType(orText(string(e.VolumeType), string(types.VolumeTypeGp2)))
	limits, ok := volumeTypes[kind]
	if !ok {
		return nil, errorf("UnknownVolumeType", "Unsupported volume type '%s' for volume creation.", kind)
	}
	size := value(e.VolumeSize)
	if e.VolumeSize == nil {
		if e.SnapshotId == nil {
			return nil, missing("size/snapshot")
		}
		size = 8
	}
	if size < limits.minSize || size > limits.maxSize {
		return nil, invalid("Volume of %dGiB is invalid; size for volume type %s must be between %dGiB and %dGiB", size, kind, limits.minSize, limits.maxSize)
	}
	iops, err := limits.iops(kind, size, e.Iops)
	if err != nil {
		return nil, err
	}
	v := &volumeRow{Volume: types.Volume{VolumeId: new(newID("vol")), AvailabilityZone: new(zone), AvailabilityZoneId: new(zoneID),
		CreateTime: new(now), Encrypted: new(value(e.Encrypted)), KmsKeyId: e.KmsKeyId, Iops: iops, MultiAttachEnabled: new(false),
		Size: new(size), SnapshotId: new(str(e.SnapshotId)), State: types.VolumeStateAvailable, VolumeType: kind, Operator: operatorFor(nil)}}
	if value(e.Encrypted) && v.KmsKeyId == nil {
		v.KmsKeyId = new("arn:aws:kms:" + r.name + ":" + r.svc.account + ":key/" + defaultKey(r.name))
	}
	if kind == types.VolumeTypeGp3 {
		v.Throughput = new(or(e.Throughput, 125))
		if *v.Throughput < 125 || *v.Throughput > 2000 {
			return nil, invalid("Throughput of %dMiBps is invalid; it must be between 125MiBps and 2000MiBps", *v.Throughput)
		}
	}
	return v, nil
}

// defaultKey is the id of the region's aws/ebs key.
func defaultKey(region string) string {
	h := hexOf("aws/ebs "+region, 32)
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

func (l volumeLimits) iops(kind types.VolumeType, size int32, asked *int32) (*int32, error) {
	switch {
	case kind == types.VolumeTypeGp2:
		return new(min(max(100, 3*size), 16000)), nil
	case l.maxIOPS == 0:
		if asked != nil {
			return nil, combination("The parameter iops is not supported for %s volumes.", kind)
		}
		return nil, nil
	case asked == nil && l.defaultIOPS == 0:
		return nil, missing("iops")
	}
	n := or(asked, l.defaultIOPS)
	switch {
	case n < l.minIOPS:
		return nil, invalid("Volume iops of %d is too low; minimum is %d.", n, l.minIOPS)
	case n > l.maxIOPS:
		return nil, invalid("Volume iops of %d is too high; maximum is %d.", n, l.maxIOPS)
	case n > l.minIOPS && n > size*l.iopsPerGiB:
		return nil, invalid("Iops to volume size ratio of %f is too high; maximum is %d", float64(n)/float64(size), l.iopsPerGiB)
	}
	return new(n), nil
}

// CreateVolume makes a volume in a zone.
func (s *Service) CreateVolume(ctx context.Context, in *ec2.CreateVolumeInput) (*ec2.CreateVolumeOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if in.AvailabilityZone == nil && in.AvailabilityZoneId == nil {
		return nil, missing("availabilityZone")
	}
	zone, zoneID, err := r.zone(in.AvailabilityZone, in.AvailabilityZoneId)
	if err != nil {
		return nil, errorf("InvalidZone.NotFound", "The zone '%s' does not exist.", str(in.AvailabilityZone)+str(in.AvailabilityZoneId))
	}
	if err := checkSpecs(in.TagSpecifications, types.ResourceTypeVolume); err != nil {
		return nil, err
	}
	ebs := &types.EbsBlockDevice{Encrypted: in.Encrypted, Iops: in.Iops, KmsKeyId: in.KmsKeyId, SnapshotId: in.SnapshotId,
		Throughput: in.Throughput, VolumeSize: in.Size, VolumeType: in.VolumeType}
	v, err := newVolume(r, ebs, zone, zoneID, s.now())
	if err != nil {
		return nil, err
	}
	if value(in.MultiAttachEnabled) && v.VolumeType != types.VolumeTypeIo1 && v.VolumeType != types.VolumeTypeIo2 {
		return nil, errorf("InvalidParameterDependency", "The parameter MultiAttachEnabled can only be used with io1 and io2 volumes, not with %s.", v.VolumeType)
	}
	v.Tags, v.MultiAttachEnabled = specified(in.TagSpecifications, types.ResourceTypeVolume), new(value(in.MultiAttachEnabled))
	v.Operator, v.State, v.Settles = operatorFor(in.Operator), types.VolumeStateCreating, s.now().Add(s.Timing().Volume)
	made := created(r, types.ResourceTypeVolume, v.Tags)
	made.operator = operatorName(in.Operator)
	if err := s.authorize(ctx, in.DryRun, made); err != nil {
		return nil, err
	}
	id, err := r.once(str(in.ClientToken), "CreateVolume", in, func(tx *txn) (string, error) {
		r.volumes.put(tx, *v.VolumeId, v)
		return *v.VolumeId, nil
	})
	if err != nil {
		return nil, err
	}
	if v, err = volumeKind.get(r, id); err != nil {
		return nil, err
	}
	out := reshape[ec2.CreateVolumeOutput](v.Volume)
	return &out, nil
}

// DescribeVolumes lists volumes.
func (s *Service) DescribeVolumes(ctx context.Context, in *ec2.DescribeVolumesInput) (*ec2.DescribeVolumesOutput, error) {
	_, rows, next, err := describe(ctx, s, volumeKind, query{ids: in.VolumeIds, filters: in.Filters, managed: in.IncludeManagedResources,
		maxResults: in.MaxResults, nextToken: in.NextToken, dryRun: in.DryRun, min: 5, max: 500})
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeVolumesOutput{NextToken: next}
	for _, v := range rows {
		out.Volumes = append(out.Volumes, v.view(s.now()))
	}
	return out, nil
}

// onVolume authorizes a change of a volume, and of an instance where one is named, and makes it.
func (s *Service) onVolume(ctx context.Context, dryRun *bool, id, instanceID *string, f func(*region, *txn, *volumeRow) error) error {
	r, err := s.regionOf(ctx)
	if err != nil {
		return err
	}
	targets, err := targetsOf(r, volumeKind, str(id))
	if err != nil {
		return err
	}
	var launched bool // managed volumes are guarded only where they came with their instance
	r.view(func() {
		a := r.volumes.get(*id).Attachments
		launched = len(a) > 0 && value(a[0].DeleteOnTermination)
	})
	if launched {
		targets[0] = targets[0].guard()
	}
	if instanceID != nil {
		machines, err := targetsOf(r, instanceKind, *instanceID)
		if err != nil {
			return err
		}
		targets = append(targets, machines...)
	}
	if err := s.authorize(ctx, dryRun, targets...); err != nil {
		return err
	}
	return r.update(func(tx *txn) error {
		v, err := volumeKind.find(r, *id)
		if err != nil {
			return err
		}
		return f(r, tx, v)
	})
}

// DeleteVolume removes a volume that is attached to nothing.
func (s *Service) DeleteVolume(ctx context.Context, in *ec2.DeleteVolumeInput) (*ec2.DeleteVolumeOutput, error) {
	err := s.onVolume(ctx, in.DryRun, in.VolumeId, nil, func(r *region, tx *txn, v *volumeRow) error {
		if now := v.view(s.now()); now.State == types.VolumeStateInUse {
			return errorf("VolumeInUse", "Volume %s is currently attached to %s", *v.VolumeId, str(now.Attachments[0].InstanceId))
		}
		r.volumes.drop(tx, *v.VolumeId)
		return nil
	})
	return &ec2.DeleteVolumeOutput{}, err
}

// AttachVolume connects a volume with an instance of its zone under a device name.
func (s *Service) AttachVolume(ctx context.Context, in *ec2.AttachVolumeInput) (*ec2.AttachVolumeOutput, error) {
	if in.Device == nil {
		return nil, missing("device")
	}
	if in.InstanceId == nil {
		return nil, missing("instanceId")
	}
	out := &ec2.AttachVolumeOutput{}
	err := s.onVolume(ctx, in.DryRun, in.VolumeId, in.InstanceId, func(r *region, tx *txn, v *volumeRow) error {
		i := r.instances.get(*in.InstanceId)
		if err := r.mayAttachVolume(v, i, *in.Device); err != nil {
			return err
		}
		a := types.VolumeAttachment{VolumeId: v.VolumeId, InstanceId: in.InstanceId, Device: in.Device, AttachTime: new(s.now()),
			DeleteOnTermination: new(false), State: types.VolumeAttachmentStateAttaching}
		v = with(v, func(v *volumeRow) {
			v.Volume = v.view(s.now())
			v.Attachments = append(slices.Clone(v.Attachments), a)
			v.State, v.Settles = types.VolumeStateInUse, s.now().Add(s.Timing().Volume)
		})
		r.volumes.put(tx, *v.VolumeId, v)
		*out = reshape[ec2.AttachVolumeOutput](a)
		return nil
	})
	return out, err
}

func (r *region) mayAttachVolume(v *volumeRow, i *instanceRow, device string) error {
	now := r.svc.now()
	view := v.view(now)
	switch {
	case view.State == types.VolumeStateCreating:
		return incorrectState("Volume '%s' is not 'available'.", *v.VolumeId)
	case view.State == types.VolumeStateInUse && !value(v.MultiAttachEnabled):
		return errorf("VolumeInUse", "%s is already attached to an instance", *v.VolumeId)
	case i.ended():
		return incorrectState("Instance '%s' is not 'running'.", *i.InstanceId)
	case *i.Placement.AvailabilityZone != *v.AvailabilityZone:
		return errorf("InvalidVolume.ZoneMismatch", "The volume '%s' is not in the same availability zone as instance '%s'", *v.VolumeId, *i.InstanceId)
	}
	have := r.volumesOf(*i.InstanceId)
	for _, other := range have {
		if a := other.attachment(*i.InstanceId, now); a != nil && str(a.Device) == device {
			return invalid("Invalid value '%s' for unixDevice. Attachment point %s is already in use", device, device)
		}
	}
	shape, _ := r.svc.catalog.Type(string(i.InstanceType))
	limit := shape.EBS.MaxAttachments
	if shape.EBS.AttachmentType == "shared" {
		limit -= len(r.index.interfacesByMachine[*i.InstanceId]) - 1
	}
	if limit > 0 && len(have) >= limit {
		return errorf("AttachmentLimitExceeded", "Attachment limit exceeded for instance %s: %d", *i.InstanceId, limit)
	}
	return nil
}

// DetachVolume disconnects a volume from its instance.
func (s *Service) DetachVolume(ctx context.Context, in *ec2.DetachVolumeInput) (*ec2.DetachVolumeOutput, error) {
	out := &ec2.DetachVolumeOutput{}
	err := s.onVolume(ctx, in.DryRun, in.VolumeId, in.InstanceId, func(r *region, tx *txn, v *volumeRow) error {
		view := v.view(s.now())
		n := slices.IndexFunc(view.Attachments, func(a types.VolumeAttachment) bool { return in.InstanceId == nil || *a.InstanceId == *in.InstanceId })
		if n < 0 {
			if in.InstanceId != nil {
				return errorf("InvalidAttachment.NotFound", "The volume %s is not attached to instance %s as device %s", *v.VolumeId, *in.InstanceId, orText(str(in.Device), "null"))
			}
			return incorrectState("Volume '%s' is in the 'available' state.", *v.VolumeId)
		}
		view.Attachments = slices.Clone(view.Attachments)
		view.Attachments[n].State = types.VolumeAttachmentStateDetaching
		*out = reshape[ec2.DetachVolumeOutput](view.Attachments[n])
		v = with(v, func(v *volumeRow) { v.Volume, v.Settles = view, s.now().Add(s.Timing().Volume) })
		if s.Timing().Volume == 0 {
			v = v.detached(*view.Attachments[n].InstanceId)
		}
		r.volumes.put(tx, *v.VolumeId, v)
		return nil
	})
	return out, err
}

// DescribeVolumeAttribute reads one attribute of a volume.
func (s *Service) DescribeVolumeAttribute(ctx context.Context, in *ec2.DescribeVolumeAttributeInput) (*ec2.DescribeVolumeAttributeOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, in.DryRun, anything); err != nil {
		return nil, err
	}
	v, err := volumeKind.get(r, str(in.VolumeId))
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeVolumeAttributeOutput{VolumeId: v.VolumeId}
	if in.Attribute == types.VolumeAttributeNameAutoEnableIO {
		out.AutoEnableIO = &types.AttributeBooleanValue{Value: new(false)}
	} else {
		out.ProductCodes = []types.ProductCode{}
	}
	return out, nil
}
