package ec2

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// newInterface is what a new network interface is made of.
type newInterface struct {
	subnet      *types.Subnet
	groups      []string
	description string
	addresses   wanted
	tags        []types.Tag
	operator    *types.OperatorResponse
	kind        types.NetworkInterfaceType
	requester   string // id of the AWS service that asked, for requester-managed interfaces
}

// createInterface makes an interface that is attached to nothing.
func (r *region) createInterface(tx *txn, n newInterface) (*interfaceRow, error) {
	groups, err := r.groupIdentifiers(*n.subnet.VpcId, n.groups)
	if err != nil {
		return nil, err
	}
	if n.kind == "" {
		n.kind = types.NetworkInterfaceTypeInterface
	}
	i := &interfaceRow{NetworkInterface: types.NetworkInterface{
		NetworkInterfaceId: new(newID("eni")), MacAddress: new(newMAC()), SubnetId: n.subnet.SubnetId, VpcId: n.subnet.VpcId,
		AvailabilityZone: n.subnet.AvailabilityZone, AvailabilityZoneId: n.subnet.AvailabilityZoneId, OwnerId: n.subnet.OwnerId,
		Description: new(n.description), Groups: groups, InterfaceType: n.kind, SourceDestCheck: new(true),
		Status: types.NetworkInterfaceStatusAvailable, TagSet: n.tags, Operator: n.operator,
		RequesterManaged: new(n.requester != ""), RequesterId: optional(n.requester),
	}}
	if i.Operator == nil {
		i.Operator = operatorFor(nil)
	}
	i, err = r.extend(i, n.addresses)
	if err != nil {
		return nil, err
	}
	r.interfaces.put(tx, *i.NetworkInterfaceId, i)
	return i, nil
}

// CreateNetworkInterface makes an interface with addresses and /28 prefixes of a subnet.
func (s *Service) CreateNetworkInterface(ctx context.Context, in *ec2.CreateNetworkInterfaceInput) (*ec2.CreateNetworkInterfaceOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkSpecs(in.TagSpecifications, types.ResourceTypeNetworkInterface); err != nil {
		return nil, err
	}
	tags := specified(in.TagSpecifications, types.ResourceTypeNetworkInterface)
	w := wanted{primary: str(in.PrivateIpAddress), secondaryMore: int(value(in.SecondaryPrivateIpAddressCount)), prefixesMore: int(value(in.Ipv4PrefixCount))}
	w.addSpecs(in.PrivateIpAddresses, in.Ipv4Prefixes)
	if err := w.check(); err != nil {
		return nil, err
	}
	targets, err := targetsOf(r, subnetKind, str(in.SubnetId))
	if err != nil {
		return nil, err
	}
	groups, err := targetsOf(r, groupKind, in.Groups...)
	if err != nil {
		return nil, err
	}
	made := created(r, types.ResourceTypeNetworkInterface, tags)
	made.operator = operatorName(in.Operator)
	if err := s.authorize(ctx, in.DryRun, append(append(targets, groups...), made)...); err != nil {
		return nil, err
	}
	var i *interfaceRow
	id, err := r.once(str(in.ClientToken), "CreateNetworkInterface", in, func(tx *txn) (string, error) {
		sub, err := subnetKind.find(r, *in.SubnetId)
		if err != nil {
			return "", err
		}
		i, err = r.createInterface(tx, newInterface{subnet: sub, groups: in.Groups, description: str(in.Description), addresses: w,
			tags: tags, operator: operatorFor(in.Operator), kind: types.NetworkInterfaceType(in.InterfaceType)})
		if err != nil {
			return "", err
		}
		i = with(i, func(i *interfaceRow) { i.RequesterId = new(callOf(ctx).Caller.UserID) })
		r.interfaces.put(tx, *i.NetworkInterfaceId, i)
		return *i.NetworkInterfaceId, nil
	})
	if err != nil {
		return nil, err
	}
	if i, err = interfaceKind.get(r, id); err != nil {
		return nil, err
	}
	out := r.renderInterface(i)
	out.Status = "pending"
	return &ec2.CreateNetworkInterfaceOutput{NetworkInterface: &out, ClientToken: in.ClientToken}, nil
}

func operatorName(o *types.OperatorRequest) string {
	if o == nil {
		return ""
	}
	return str(o.Principal)
}

// addSpecs takes over explicitly named addresses and prefixes.
func (w *wanted) addSpecs(addresses []types.PrivateIpAddressSpecification, prefixes []types.Ipv4PrefixSpecificationRequest) {
	for _, a := range addresses {
		if value(a.Primary) {
			w.primary = str(a.PrivateIpAddress)
		} else {
			w.secondary = append(w.secondary, str(a.PrivateIpAddress))
		}
	}
	for _, p := range prefixes {
		w.prefixes = append(w.prefixes, str(p.Ipv4Prefix))
	}
}

// renderInterface adds the public addresses.
func (r *region) renderInterface(i *interfaceRow) (out types.NetworkInterface) {
	r.view(func() { out = r.interfaceView(i) })
	return out
}

func (r *region) interfaceView(i *interfaceRow) types.NetworkInterface {
	out := i.NetworkInterface
	out.PrivateIpAddresses = slices.Clone(out.PrivateIpAddresses)
	for n := range out.PrivateIpAddresses {
		p := &out.PrivateIpAddresses[n]
		p.Association = r.associationOf(i, *p.PrivateIpAddress)
		if value(p.Primary) {
			out.Association = p.Association
		}
	}
	return out
}

// associationOf is the public address mapped to a private one, or nil.
func (r *region) associationOf(i *interfaceRow, address string) *types.NetworkInterfaceAssociation {
	for _, a := range r.index.addressesByIface[*i.NetworkInterfaceId] {
		if str(a.PrivateIpAddress) == address {
			return &types.NetworkInterfaceAssociation{AllocationId: a.AllocationId, AssociationId: a.AssociationId, IpOwnerId: i.OwnerId,
				PublicIp: a.PublicIp, PublicDnsName: new(publicDNS(r.name, *a.PublicIp))}
		}
	}
	if i.PublicIP != "" && address == *i.PrivateIpAddress {
		return &types.NetworkInterfaceAssociation{IpOwnerId: new("amazon"), PublicIp: new(i.PublicIP), PublicDnsName: new(publicDNS(r.name, i.PublicIP))}
	}
	return nil
}

// DescribeNetworkInterfaces lists network interfaces.
func (s *Service) DescribeNetworkInterfaces(ctx context.Context, in *ec2.DescribeNetworkInterfacesInput) (*ec2.DescribeNetworkInterfacesOutput, error) {
	r, rows, next, err := describe(ctx, s, interfaceKind, query{ids: in.NetworkInterfaceIds, filters: in.Filters, managed: in.IncludeManagedResources,
		maxResults: in.MaxResults, nextToken: in.NextToken, dryRun: in.DryRun, min: 5, max: 1000})
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeNetworkInterfacesOutput{NextToken: next}
	r.view(func() {
		for _, i := range rows {
			out.NetworkInterfaces = append(out.NetworkInterfaces, r.interfaceView(i))
		}
	})
	return out, nil
}

// onInterface authorizes a change of an interface and makes it.
func (s *Service) onInterface(ctx context.Context, id *string, dryRun *bool, more []target, f func(*region, *txn, *interfaceRow) error) error {
	r, err := s.regionOf(ctx)
	if err != nil {
		return err
	}
	targets, err := targetsOf(r, interfaceKind, str(id))
	if err != nil {
		return err
	}
	targets[0] = targets[0].guard()
	if err := s.authorize(ctx, dryRun, append(targets, more...)...); err != nil {
		return err
	}
	return r.update(func(tx *txn) error {
		i, err := interfaceKind.find(r, *id)
		if err != nil {
			return err
		}
		return f(r, tx, i)
	})
}

// DeleteNetworkInterface removes an interface that is attached to nothing.
func (s *Service) DeleteNetworkInterface(ctx context.Context, in *ec2.DeleteNetworkInterfaceInput) (*ec2.DeleteNetworkInterfaceOutput, error) {
	err := s.onInterface(ctx, in.NetworkInterfaceId, in.DryRun, nil, func(r *region, tx *txn, i *interfaceRow) error {
		if i.Attachment != nil {
			return invalid("Network interface '%s' is currently in use.", *i.NetworkInterfaceId)
		}
		if value(i.RequesterManaged) {
			return errorf("OperationNotPermitted", "You do not have permission to access the specified resource.")
		}
		r.dropInterface(tx, i)
		return nil
	})
	return &ec2.DeleteNetworkInterfaceOutput{}, err
}

// dropInterface removes an interface and frees what it had.
func (r *region) dropInterface(tx *txn, i *interfaceRow) {
	for _, a := range r.index.addressesByIface[*i.NetworkInterfaceId] {
		r.unmap(tx, a)
	}
	r.interfaces.drop(tx, *i.NetworkInterfaceId)
	r.blackhole(tx, func(route types.Route) bool { return str(route.NetworkInterfaceId) == *i.NetworkInterfaceId })
	r.nets.later(tx, *i.VpcId)
}

// AssignPrivateIpAddresses gives an interface more addresses or /28 prefixes, all or none.
func (s *Service) AssignPrivateIpAddresses(ctx context.Context, in *ec2.AssignPrivateIpAddressesInput) (*ec2.AssignPrivateIpAddressesOutput, error) {
	w := wanted{secondary: in.PrivateIpAddresses, secondaryMore: int(value(in.SecondaryPrivateIpAddressCount)),
		prefixes: in.Ipv4Prefixes, prefixesMore: int(value(in.Ipv4PrefixCount))}
	if err := w.check(); err != nil {
		return nil, err
	}
	if w.count() == 0 {
		return nil, missing("secondaryPrivateIpAddressCount or privateIpAddresses")
	}
	out := &ec2.AssignPrivateIpAddressesOutput{NetworkInterfaceId: in.NetworkInterfaceId}
	err := s.onInterface(ctx, in.NetworkInterfaceId, nil, nil, func(r *region, tx *txn, i *interfaceRow) error {
		if err := r.roomFor(i, w.count()); err != nil {
			return err
		}
		next, err := r.extend(i, w)
		if err != nil {
			return err
		}
		r.interfaces.put(tx, *i.NetworkInterfaceId, next)
		r.nets.later(tx, *i.VpcId)
		for _, a := range next.PrivateIpAddresses[len(i.PrivateIpAddresses):] {
			out.AssignedPrivateIpAddresses = append(out.AssignedPrivateIpAddresses, types.AssignedPrivateIpAddress{PrivateIpAddress: a.PrivateIpAddress})
		}
		out.AssignedIpv4Prefixes = next.Ipv4Prefixes[len(i.Ipv4Prefixes):]
		return nil
	})
	return out, err
}

// UnassignPrivateIpAddresses takes secondary addresses or prefixes back.
func (s *Service) UnassignPrivateIpAddresses(ctx context.Context, in *ec2.UnassignPrivateIpAddressesInput) (*ec2.UnassignPrivateIpAddressesOutput, error) {
	err := s.onInterface(ctx, in.NetworkInterfaceId, nil, nil, func(r *region, tx *txn, i *interfaceRow) error {
		if slices.Contains(in.PrivateIpAddresses, *i.PrivateIpAddress) {
			return invalid("The primary private IP address %s cannot be unassigned.", *i.PrivateIpAddress)
		}
		next := with(i, func(i *interfaceRow) {
			i.PrivateIpAddresses = without(i.PrivateIpAddresses, func(a types.NetworkInterfacePrivateIpAddress) bool {
				return slices.Contains(in.PrivateIpAddresses, *a.PrivateIpAddress)
			})
			i.Ipv4Prefixes = without(i.Ipv4Prefixes, func(p types.Ipv4PrefixSpecification) bool { return slices.Contains(in.Ipv4Prefixes, *p.Ipv4Prefix) })
		})
		if i.slots()-next.slots() != len(in.PrivateIpAddresses)+len(in.Ipv4Prefixes) {
			return invalid("Some of the addresses or prefixes are not assigned to interface %s", *i.NetworkInterfaceId)
		}
		r.interfaces.put(tx, *i.NetworkInterfaceId, next)
		r.nets.later(tx, *i.VpcId)
		return nil
	})
	return &ec2.UnassignPrivateIpAddressesOutput{}, err
}

// attach connects an interface with an instance.
func (r *region) attach(tx *txn, i *interfaceRow, instanceID string, index int32, deleteOnTermination bool, now time.Time) *interfaceRow {
	i = with(i, func(i *interfaceRow) {
		i.Status = types.NetworkInterfaceStatusInUse
		i.Attachment = &types.NetworkInterfaceAttachment{AttachmentId: new(newID("eni-attach")), AttachTime: new(now),
			DeviceIndex: new(index), NetworkCardIndex: new(int32(0)), InstanceId: new(instanceID), InstanceOwnerId: i.OwnerId,
			DeleteOnTermination: new(deleteOnTermination), Status: types.AttachmentStatusAttached}
	})
	r.interfaces.put(tx, *i.NetworkInterfaceId, i)
	r.nets.later(tx, *i.VpcId)
	return i
}
