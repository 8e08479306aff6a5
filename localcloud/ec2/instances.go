package ec2

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// DescribeInstances lists instances, grouped by what started them.
func (s *Service) DescribeInstances(ctx context.Context, in *ec2.DescribeInstancesInput) (*ec2.DescribeInstancesOutput, error) {
	r, rows, next, err := describe(ctx, s, instanceKind, query{ids: in.InstanceIds, filters: in.Filters, managed: in.IncludeManagedResources,
		maxResults: in.MaxResults, nextToken: in.NextToken, dryRun: in.DryRun, min: 5, max: 1000})
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeInstancesOutput{NextToken: next}
	at := map[string]int{}
	r.view(func() {
		for _, i := range rows {
			n, ok := at[i.ReservationID]
			if !ok {
				n = len(out.Reservations)
				at[i.ReservationID] = n
				out.Reservations = append(out.Reservations, types.Reservation{ReservationId: new(i.ReservationID), OwnerId: new(s.account),
					RequesterId: operatorRequester(i.Operator), Groups: []types.GroupIdentifier{}})
			}
			out.Reservations[n].Instances = append(out.Reservations[n].Instances, r.instanceView(i))
		}
	})
	return out, nil
}

// operatorRequester is who asked for the instances where an AWS service did.
func operatorRequester(op *types.OperatorResponse) *string {
	if managedBy(op) {
		return op.Principal
	}
	return nil
}

// instanceView is an instance as EC2 shows it. The region's lock is held.
func (r *region) instanceView(i *instanceRow) types.Instance {
	out := i.Instance
	out.NetworkInterfaces, out.SecurityGroups = []types.InstanceNetworkInterface{}, []types.GroupIdentifier{}
	out.BlockDeviceMappings = r.blockDevices(*i.InstanceId)
	if i.State.Name == types.InstanceStateNameTerminated {
		out.SubnetId, out.VpcId, out.PrivateIpAddress, out.PrivateDnsName = nil, nil, nil, new("")
		return out
	}
	for _, n := range r.nics(*i.InstanceId) {
		nic := r.nicView(n)
		out.NetworkInterfaces = append(out.NetworkInterfaces, nic)
		if *n.Attachment.DeviceIndex == 0 {
			out.SecurityGroups, out.SourceDestCheck = n.Groups, n.SourceDestCheck
			if nic.Association != nil && i.State.Name != types.InstanceStateNameStopped {
				out.PublicIpAddress, out.PublicDnsName = nic.Association.PublicIp, nic.Association.PublicDnsName
			}
		}
	}
	if out.PublicDnsName == nil {
		out.PublicDnsName = new("")
	}
	return out
}

func (r *region) blockDevices(instanceID string) []types.InstanceBlockDeviceMapping {
	list := []types.InstanceBlockDeviceMapping{}
	for _, v := range r.volumesOf(instanceID) {
		a := v.attachment(instanceID, r.svc.now())
		if a == nil {
			continue
		}
		list = append(list, types.InstanceBlockDeviceMapping{DeviceName: a.Device, Ebs: &types.EbsInstanceBlockDevice{VolumeId: v.VolumeId,
			AttachTime: a.AttachTime, DeleteOnTermination: a.DeleteOnTermination, Status: types.AttachmentStatus(a.State), Operator: v.Operator}})
	}
	return list
}

// nicView is a network interface as its instance shows it.
func (r *region) nicView(n *interfaceRow) types.InstanceNetworkInterface {
	out := types.InstanceNetworkInterface{
		NetworkInterfaceId: n.NetworkInterfaceId, MacAddress: n.MacAddress, SubnetId: n.SubnetId, VpcId: n.VpcId, OwnerId: n.OwnerId,
		Description: n.Description, Groups: n.Groups, InterfaceType: new(string(n.InterfaceType)), SourceDestCheck: n.SourceDestCheck,
		PrivateDnsName: n.PrivateDnsName, PrivateIpAddress: n.PrivateIpAddress, Status: n.Status, Operator: n.Operator,
		Attachment: &types.InstanceNetworkInterfaceAttachment{AttachmentId: n.Attachment.AttachmentId, AttachTime: n.Attachment.AttachTime,
			DeviceIndex: n.Attachment.DeviceIndex, NetworkCardIndex: n.Attachment.NetworkCardIndex,
			DeleteOnTermination: n.Attachment.DeleteOnTermination, Status: n.Attachment.Status},
	}
	for _, a := range n.PrivateIpAddresses {
		p := types.InstancePrivateIpAddress{PrivateIpAddress: a.PrivateIpAddress, PrivateDnsName: a.PrivateDnsName, Primary: a.Primary}
		if public := r.associationOf(n, *a.PrivateIpAddress); public != nil {
			p.Association = &types.InstanceNetworkInterfaceAssociation{IpOwnerId: public.IpOwnerId, PublicIp: public.PublicIp, PublicDnsName: public.PublicDnsName}
			if value(a.Primary) {
				out.Association = p.Association
			}
		}
		out.PrivateIpAddresses = append(out.PrivateIpAddresses, p)
	}
	for _, p := range n.Ipv4Prefixes {
		out.Ipv4Prefixes = append(out.Ipv4Prefixes, types.InstanceIpv4Prefix{Ipv4Prefix: p.Ipv4Prefix})
	}
	return out
}
