package ec2

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// AttachNetworkInterface connects a free interface with an instance of the same zone at a free device index.
func (s *Service) AttachNetworkInterface(ctx context.Context, in *ec2.AttachNetworkInterfaceInput) (*ec2.AttachNetworkInterfaceOutput, error) {
	if in.DeviceIndex == nil {
		return nil, missing("deviceIndex")
	}
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	machines, err := targetsOf(r, instanceKind, str(in.InstanceId))
	if err != nil {
		return nil, err
	}
	out := &ec2.AttachNetworkInterfaceOutput{NetworkCardIndex: new(value(in.NetworkCardIndex))}
	err = s.onInterface(ctx, in.NetworkInterfaceId, in.DryRun, []target{machines[0].guard()}, func(r *region, tx *txn, i *interfaceRow) error {
		inst, err := instanceKind.find(r, *in.InstanceId)
		if err != nil {
			return err
		}
		if err := r.mayAttach(i, inst, *in.DeviceIndex); err != nil {
			return err
		}
		i = r.attach(tx, i, *in.InstanceId, *in.DeviceIndex, false, s.now())
		out.AttachmentId = i.Attachment.AttachmentId
		return nil
	})
	return out, err
}

func (r *region) mayAttach(i *interfaceRow, inst *instanceRow, index int32) error {
	t, _ := r.svc.catalog.Type(string(inst.InstanceType))
	have := r.index.interfacesByMachine[*inst.InstanceId]
	switch state := inst.State.Name; {
	case i.Attachment != nil:
		return errorf("InvalidNetworkInterface.InUse", "Interface: [%s] in use.", *i.NetworkInterfaceId)
	case state == types.InstanceStateNameTerminated || state == types.InstanceStateNameShuttingDown:
		return incorrectState("Instance '%s' is not 'running' or 'stopped'.", *inst.InstanceId)
	case *i.AvailabilityZone != *inst.Placement.AvailabilityZone:
		return invalid("You may not attach a network interface to an instance if they are not in the same availability zone")
	case len(have) >= t.Network.Interfaces:
		return errorf("AttachmentLimitExceeded", "Interface count %d exceeds the limit for %s", len(have)+1, t.Name)
	case i.slots() > t.Network.IPv4PerInterface:
		return errorf("PrivateIpAddressLimitExceeded", "The network interface %s has more addresses than instance type %s allows (%d).",
			*i.NetworkInterfaceId, t.Name, t.Network.IPv4PerInterface)
	}
	for _, other := range have {
		if *other.Attachment.DeviceIndex == index {
			return invalid("Instance '%s' already has an interface attached at device index '%d'.", *inst.InstanceId, index)
		}
	}
	return nil
}

// findAttachment returns the interface with an attachment.
func (r *region) findAttachment(id string) (*interfaceRow, error) {
	for _, i := range r.interfaces.rows {
		if i.Attachment != nil && *i.Attachment.AttachmentId == id {
			return i, nil
		}
	}
	return nil, errorf("InvalidAttachmentID.NotFound", "The attachment '%s' does not exist.", id)
}

// DetachNetworkInterface disconnects a secondary interface from its instance.
func (s *Service) DetachNetworkInterface(ctx context.Context, in *ec2.DetachNetworkInterfaceInput) (*ec2.DetachNetworkInterfaceOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	var i *interfaceRow
	var machine target
	r.view(func() {
		if i, err = r.findAttachment(str(in.AttachmentId)); err == nil && r.instances.get(i.machine()) != nil {
			machine = existing(r, instanceKind, i.machine()).guard()
		}
	})
	if err != nil {
		return nil, err
	}
	if machine.arn == "" {
		return nil, errorf("OperationNotPermitted", "You do not have permission to access the specified resource.")
	}
	err = s.onInterface(ctx, i.NetworkInterfaceId, in.DryRun, []target{machine}, func(r *region, tx *txn, i *interfaceRow) error {
		if i.Attachment == nil {
			return nil
		}
		if *i.Attachment.DeviceIndex == 0 {
			return errorf("OperationNotPermitted", "The network interface at device index 0 cannot be detached.")
		}
		r.detach(tx, i)
		return nil
	})
	return &ec2.DetachNetworkInterfaceOutput{}, err
}

// detach leaves an interface attached to nothing.
func (r *region) detach(tx *txn, i *interfaceRow) {
	r.interfaces.put(tx, *i.NetworkInterfaceId, with(i, func(i *interfaceRow) {
		i.Attachment, i.Status = nil, types.NetworkInterfaceStatusAvailable
	}))
	r.nets.later(tx, *i.VpcId)
}

// ModifyNetworkInterfaceAttribute changes description, groups, source/destination check or what happens on termination.
func (s *Service) ModifyNetworkInterfaceAttribute(ctx context.Context, in *ec2.ModifyNetworkInterfaceAttributeInput) (*ec2.ModifyNetworkInterfaceAttributeOutput, error) {
	err := s.onInterface(ctx, in.NetworkInterfaceId, in.DryRun, nil, func(r *region, tx *txn, i *interfaceRow) error {
		i = with(i, func(*interfaceRow) {})
		if in.Description != nil {
			i.Description = new(str(in.Description.Value))
		}
		change(&i.SourceDestCheck, in.SourceDestCheck)
		if len(in.Groups) > 0 {
			groups, err := r.groupIdentifiers(*i.VpcId, in.Groups)
			if err != nil {
				return err
			}
			i.Groups = groups
		}
		if a := in.Attachment; a != nil {
			if i.Attachment == nil || *i.Attachment.AttachmentId != str(a.AttachmentId) {
				return errorf("InvalidAttachmentID.NotFound", "The attachment '%s' does not exist.", str(a.AttachmentId))
			}
			i.Attachment = with(i.Attachment, func(to *types.NetworkInterfaceAttachment) {
				if a.DeleteOnTermination != nil {
					to.DeleteOnTermination = new(*a.DeleteOnTermination)
				}
			})
		}
		r.interfaces.put(tx, *i.NetworkInterfaceId, i)
		r.nets.later(tx, *i.VpcId)
		return nil
	})
	return &ec2.ModifyNetworkInterfaceAttributeOutput{}, err
}

// DescribeNetworkInterfaceAttribute reads one attribute of an interface.
func (s *Service) DescribeNetworkInterfaceAttribute(ctx context.Context, in *ec2.DescribeNetworkInterfaceAttributeInput) (*ec2.DescribeNetworkInterfaceAttributeOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, in.DryRun, anything); err != nil {
		return nil, err
	}
	i, err := interfaceKind.get(r, str(in.NetworkInterfaceId))
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeNetworkInterfaceAttributeOutput{NetworkInterfaceId: i.NetworkInterfaceId}
	switch in.Attribute {
	case types.NetworkInterfaceAttributeDescription:
		out.Description = &types.AttributeValue{Value: i.Description}
	case types.NetworkInterfaceAttributeGroupSet:
		out.Groups = slices.Clone(i.Groups)
	case types.NetworkInterfaceAttributeSourceDestCheck:
		out.SourceDestCheck = &types.AttributeBooleanValue{Value: i.SourceDestCheck}
	case types.NetworkInterfaceAttributeAttachment:
		out.Attachment = i.Attachment
	default:
		return nil, invalid("Value (%s) for parameter attribute is invalid. Unknown attribute.", in.Attribute)
	}
	return out, nil
}
