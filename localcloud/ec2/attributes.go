package ec2

import (
	"context"
	"encoding/base64"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// ModifyInstanceAttribute changes one attribute of an instance; type and user data only while it is stopped.
func (s *Service) ModifyInstanceAttribute(ctx context.Context, in *ec2.ModifyInstanceAttributeInput) (*ec2.ModifyInstanceAttributeOutput, error) {
	err := s.onInstances(ctx, in.DryRun, []string{str(in.InstanceId)}, func(r *region, tx *txn, i *instanceRow) error {
		i = with(i, func(*instanceRow) {})
		set(&i.NoTermination, in.DisableApiTermination)
		set(&i.NoStop, in.DisableApiStop)
		change(&i.EbsOptimized, in.EbsOptimized)
		change(&i.EnaSupport, in.EnaSupport)
		if v := in.InstanceInitiatedShutdownBehavior; v != nil {
			if str(v.Value) != "stop" && str(v.Value) != "terminate" {
				return invalid("Value (%s) for parameter instanceInitiatedShutdownBehavior is invalid.", str(v.Value))
			}
			i.OnShutdown = types.ShutdownBehavior(*v.Value)
		}
		if err := r.modifyStopped(i, in); err != nil {
			return err
		}
		if err := r.modifyPrimary(tx, i, in); err != nil {
			return err
		}
		r.instances.put(tx, *i.InstanceId, i)
		return nil
	})
	return &ec2.ModifyInstanceAttributeOutput{}, err
}

// modifyStopped makes the changes that need a stopped instance.
func (r *region) modifyStopped(i *instanceRow, in *ec2.ModifyInstanceAttributeInput) error {
	asked := in.InstanceType
	if in.Attribute == types.InstanceAttributeNameInstanceType && in.Value != nil {
		asked = &types.AttributeValue{Value: in.Value}
	}
	if asked == nil && in.UserData == nil {
		return nil
	}
	if i.State.Name != types.InstanceStateNameStopped {
		return errorf("IncorrectInstanceState", "The instance '%s' is not in the 'stopped' state.", *i.InstanceId)
	}
	if in.UserData != nil {
		if len(in.UserData.Value) > maxUserData {
			return invalid("User data is limited to %d bytes", maxUserData)
		}
		i.UserData = in.UserData.Value
	}
	if asked != nil {
		shape, ok := r.svc.catalog.Type(str(asked.Value))
		if !ok || !r.svc.catalog.Offered(r.name, *i.Placement.AvailabilityZone, shape.Name) {
			return invalid("Invalid value '%s' for InstanceType.", str(asked.Value))
		}
		i.InstanceType = types.InstanceType(shape.Name)
		i.CpuOptions = &types.CpuOptions{CoreCount: new(int32(shape.Cores)), ThreadsPerCore: new(int32(max(1, shape.ThreadsPerCore)))}
	}
	return nil
}

// modifyPrimary changes what an instance's attributes mean for its primary interface.
func (r *region) modifyPrimary(tx *txn, i *instanceRow, in *ec2.ModifyInstanceAttributeInput) error {
	n := r.primary(i)
	if n == nil || len(in.Groups) == 0 && in.SourceDestCheck == nil {
		return nil
	}
	n = with(n, func(n *interfaceRow) { change(&n.SourceDestCheck, in.SourceDestCheck) })
	if len(in.Groups) > 0 {
		groups, err := r.groupIdentifiers(*n.VpcId, in.Groups)
		if err != nil {
			return err
		}
		n.Groups = groups
	}
	r.interfaces.put(tx, *n.NetworkInterfaceId, n)
	r.nets.later(tx, *n.VpcId)
	return nil
}

// DescribeInstanceAttribute reads one attribute of an instance.
func (s *Service) DescribeInstanceAttribute(ctx context.Context, in *ec2.DescribeInstanceAttributeInput) (*ec2.DescribeInstanceAttributeOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := authorizeOn(ctx, s, r, in.DryRun, instanceKind, str(in.InstanceId)); err != nil {
		return nil, err
	}
	out := &ec2.DescribeInstanceAttributeOutput{InstanceId: in.InstanceId}
	r.view(func() {
		var i *instanceRow
		if i, err = instanceKind.find(r, *in.InstanceId); err == nil {
			err = r.attribute(i, in.Attribute, out)
		}
	})
	return out, err
}

func (r *region) attribute(i *instanceRow, name types.InstanceAttributeName, out *ec2.DescribeInstanceAttributeOutput) error {
	flag := func(b bool) *types.AttributeBooleanValue { return &types.AttributeBooleanValue{Value: new(b)} }
	text := func(s string) *types.AttributeValue { return &types.AttributeValue{Value: optional(s)} }
	switch name {
	case types.InstanceAttributeNameInstanceType:
		out.InstanceType = text(string(i.InstanceType))
	case types.InstanceAttributeNameUserData:
		out.UserData = text(base64.StdEncoding.EncodeToString(i.UserData))
	case types.InstanceAttributeNameDisableApiTermination:
		out.DisableApiTermination = flag(i.NoTermination)
	case types.InstanceAttributeNameDisableApiStop:
		out.DisableApiStop = flag(i.NoStop)
	case types.InstanceAttributeNameInstanceInitiatedShutdownBehavior:
		out.InstanceInitiatedShutdownBehavior = text(string(i.OnShutdown))
	case types.InstanceAttributeNameRootDeviceName:
		out.RootDeviceName = text(str(i.RootDeviceName))
	case types.InstanceAttributeNameBlockDeviceMapping:
		out.BlockDeviceMappings = r.blockDevices(*i.InstanceId)
	case types.InstanceAttributeNameSourceDestCheck:
		out.SourceDestCheck = flag(true)
		if n := r.primary(i); n != nil {
			out.SourceDestCheck = flag(value(n.SourceDestCheck))
		}
	case types.InstanceAttributeNameGroupSet:
		if n := r.primary(i); n != nil {
			out.Groups = n.Groups
		}
	case types.InstanceAttributeNameEbsOptimized:
		out.EbsOptimized = flag(value(i.EbsOptimized))
	case types.InstanceAttributeNameEnaSupport:
		out.EnaSupport = flag(value(i.EnaSupport))
	case types.InstanceAttributeNameEnclaveOptions:
		out.EnclaveOptions = i.EnclaveOptions
	case types.InstanceAttributeNameSriovNetSupport:
		out.SriovNetSupport = text("simple")
	case types.InstanceAttributeNameProductCodes:
		out.ProductCodes = []types.ProductCode{}
	case types.InstanceAttributeNameKernel, types.InstanceAttributeNameRamdisk:
		out.KernelId = nil
	default:
		return invalid("Value (%s) for parameter attribute is invalid. Unknown attribute.", name)
	}
	return nil
}

// ModifyInstanceMetadataOptions changes how an instance may reach its metadata.
func (s *Service) ModifyInstanceMetadataOptions(ctx context.Context, in *ec2.ModifyInstanceMetadataOptionsInput) (*ec2.ModifyInstanceMetadataOptionsOutput, error) {
	if n := in.HttpPutResponseHopLimit; n != nil && (*n < 1 || *n > 64) {
		return nil, invalid("Value (%d) for parameter HttpPutResponseHopLimit is invalid. It must be between 1 and 64.", *n)
	}
	out := &ec2.ModifyInstanceMetadataOptionsOutput{InstanceId: in.InstanceId}
	err := s.onInstances(ctx, in.DryRun, []string{str(in.InstanceId)}, func(r *region, tx *txn, i *instanceRow) error {
		merged := overlay[types.InstanceMetadataOptionsRequest](i.MetadataOptions, types.InstanceMetadataOptionsRequest{HttpEndpoint: in.HttpEndpoint,
			HttpProtocolIpv6: in.HttpProtocolIpv6, HttpPutResponseHopLimit: in.HttpPutResponseHopLimit, HttpTokens: in.HttpTokens, InstanceMetadataTags: in.InstanceMetadataTags})
		out.InstanceMetadataOptions = metadataOptions(&merged)
		r.instances.put(tx, *i.InstanceId, with(i, func(i *instanceRow) { i.MetadataOptions = out.InstanceMetadataOptions }))
		return nil
	})
	return out, err
}

// MonitorInstances switches detailed monitoring on.
func (s *Service) MonitorInstances(ctx context.Context, in *ec2.MonitorInstancesInput) (*ec2.MonitorInstancesOutput, error) {
	list, err := s.monitor(ctx, in.DryRun, in.InstanceIds, types.MonitoringStateEnabled)
	return &ec2.MonitorInstancesOutput{InstanceMonitorings: list}, err
}

// UnmonitorInstances switches detailed monitoring off.
func (s *Service) UnmonitorInstances(ctx context.Context, in *ec2.UnmonitorInstancesInput) (*ec2.UnmonitorInstancesOutput, error) {
	list, err := s.monitor(ctx, in.DryRun, in.InstanceIds, types.MonitoringStateDisabled)
	return &ec2.UnmonitorInstancesOutput{InstanceMonitorings: list}, err
}

func (s *Service) monitor(ctx context.Context, dryRun *bool, ids []string, state types.MonitoringState) (list []types.InstanceMonitoring, err error) {
	err = s.onInstances(ctx, dryRun, ids, func(r *region, tx *txn, i *instanceRow) error {
		i = with(i, func(i *instanceRow) { i.Monitoring = &types.Monitoring{State: state} })
		r.instances.put(tx, *i.InstanceId, i)
		list = append(list, types.InstanceMonitoring{InstanceId: i.InstanceId, Monitoring: i.Monitoring})
		return nil
	})
	return list, err
}
