package ec2

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

var addressKind = register(&kind[types.Address]{
	prefix: "eipalloc", resource: types.ResourceTypeElasticIp,
	absent: func(ids []string) error {
		return errorf("InvalidAllocationID.NotFound", "%s", notExist("allocation", ids))
	},
	table: func(r *region) *table[types.Address] { return r.addresses },
	tags:  func(a *types.Address) []types.Tag { return a.Tags },
	retag: func(a *types.Address, tags []types.Tag) { a.Tags = tags },
	filters: map[string]func(*region, *types.Address) []string{
		"allocation-id":        func(_ *region, a *types.Address) []string { return one(a.AllocationId) },
		"association-id":       func(_ *region, a *types.Address) []string { return one(a.AssociationId) },
		"domain":               func(_ *region, a *types.Address) []string { return []string{string(a.Domain)} },
		"instance-id":          func(_ *region, a *types.Address) []string { return one(a.InstanceId) },
		"network-interface-id": func(_ *region, a *types.Address) []string { return one(a.NetworkInterfaceId) },
		"network-border-group": func(_ *region, a *types.Address) []string { return one(a.NetworkBorderGroup) },
		"private-ip-address":   func(_ *region, a *types.Address) []string { return one(a.PrivateIpAddress) },
		"public-ip":            func(_ *region, a *types.Address) []string { return one(a.PublicIp) },
	},
})

// publicAddress invents a public address out of a range kept for documentation and benchmarks (RFC 2544), which
// nobody on the internet has.
func (r *region) publicAddress() string {
	for {
		text := fmt.Sprintf("198.%d.%d.%d", 18+rand.IntN(2), rand.IntN(256), 1+rand.IntN(254))
		if !r.publicInUse(text) {
			return text
		}
	}
}

func (r *region) publicInUse(text string) bool {
	for _, a := range r.addresses.rows {
		if str(a.PublicIp) == text {
			return true
		}
	}
	return false
}

// publicAddresses says whether a VPC has elastic addresses in use.
func (r *region) publicAddresses(vpcID string) bool {
	for id, i := range r.index.interfacesByVPC[vpcID] {
		if len(r.index.addressesByIface[id]) > 0 || i.PublicIP != "" {
			return true
		}
	}
	return false
}

// AllocateAddress gives the account an elastic address.
func (s *Service) AllocateAddress(ctx context.Context, in *ec2.AllocateAddressInput) (*ec2.AllocateAddressOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkSpecs(in.TagSpecifications, types.ResourceTypeElasticIp); err != nil {
		return nil, err
	}
	tags := specified(in.TagSpecifications, types.ResourceTypeElasticIp)
	if err := s.authorize(ctx, in.DryRun, created(r, types.ResourceTypeElasticIp, tags)); err != nil {
		return nil, err
	}
	var a *types.Address
	err = r.update(func(tx *txn) error {
		a = &types.Address{AllocationId: new(newID("eipalloc")), PublicIp: new(r.publicAddress()), Domain: types.DomainTypeVpc,
			PublicIpv4Pool: new("amazon"), NetworkBorderGroup: new(r.name), Tags: tags}
		r.addresses.put(tx, *a.AllocationId, a)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ec2.AllocateAddressOutput{AllocationId: a.AllocationId, PublicIp: a.PublicIp, Domain: a.Domain,
		PublicIpv4Pool: a.PublicIpv4Pool, NetworkBorderGroup: a.NetworkBorderGroup}, nil
}

// DescribeAddresses lists elastic addresses.
func (s *Service) DescribeAddresses(ctx context.Context, in *ec2.DescribeAddressesInput) (*ec2.DescribeAddressesOutput, error) {
	_, rows, _, err := describe(ctx, s, addressKind, query{ids: in.AllocationIds, filters: in.Filters, dryRun: in.DryRun})
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeAddressesOutput{}
	for _, a := range rows {
		if len(in.PublicIps) == 0 || slices.Contains(in.PublicIps, str(a.PublicIp)) {
			out.Addresses = append(out.Addresses, *a)
		}
	}
	if len(in.PublicIps) > len(out.Addresses) {
		return nil, errorf("InvalidAddress.NotFound", "Address '%s' not found.", strings.Join(in.PublicIps, ", "))
	}
	return out, nil
}

// findAddress finds an address by allocation or public address.
func (r *region) findAddress(allocationID, publicIP *string) (*types.Address, error) {
	if allocationID != nil {
		return addressKind.find(r, *allocationID)
	}
	for _, a := range r.addresses.rows {
		if publicIP != nil && str(a.PublicIp) == *publicIP {
			return a, nil
		}
	}
	if publicIP == nil {
		return nil, missing("AllocationId")
	}
	return nil, errorf("InvalidAddress.NotFound", "Address '%s' not found.", *publicIP)
}

// ReleaseAddress gives an unused elastic address back.
func (s *Service) ReleaseAddress(ctx context.Context, in *ec2.ReleaseAddressInput) (*ec2.ReleaseAddressOutput, error) {
	err := s.changeAddress(ctx, in.DryRun, in.AllocationId, in.PublicIp, func(r *region, tx *txn, a *types.Address) error {
		if a.AssociationId != nil {
			return errorf("InvalidIPAddress.InUse", "The address '%s' is in use.", *a.PublicIp)
		}
		r.addresses.drop(tx, *a.AllocationId)
		return nil
	})
	return &ec2.ReleaseAddressOutput{}, err
}

func (s *Service) changeAddress(ctx context.Context, dryRun *bool, allocationID, publicIP *string, change func(*region, *txn, *types.Address) error) error {
	r, err := s.regionOf(ctx)
	if err != nil {
		return err
	}
	var a *types.Address
	var t target
	r.view(func() {
		if a, err = r.findAddress(allocationID, publicIP); err == nil {
			t = existing(r, addressKind, *a.AllocationId)
		}
	})
	if err != nil {
		return err
	}
	if err := s.authorize(ctx, dryRun, t); err != nil {
		return err
	}
	return r.update(func(tx *txn) error {
		a, err := addressKind.find(r, *a.AllocationId)
		if err != nil {
			return err
		}
		return change(r, tx, a)
	})
}

// AssociateAddress maps an elastic address to a private address of an interface or an instance.
func (s *Service) AssociateAddress(ctx context.Context, in *ec2.AssociateAddressInput) (*ec2.AssociateAddressOutput, error) {
	out := &ec2.AssociateAddressOutput{}
	err := s.changeAddress(ctx, in.DryRun, in.AllocationId, in.PublicIp, func(r *region, tx *txn, a *types.Address) error {
		i, err := r.addressee(in)
		if err != nil {
			return err
		}
		if a.AssociationId != nil && !or(in.AllowReassociation, true) {
			return errorf("Resource.AlreadyAssociated", "resource %s is already associated with associate-id %s", *a.AllocationId, *a.AssociationId)
		}
		a = with(a, func(a *types.Address) {
			a.AssociationId = new(newID("eipassoc"))
			a.NetworkInterfaceId, a.NetworkInterfaceOwnerId = i.NetworkInterfaceId, new(r.svc.account)
			a.PrivateIpAddress = new(or(in.PrivateIpAddress, *i.PrivateIpAddress))
			a.InstanceId = optional(i.machine())
		})
		r.addresses.put(tx, *a.AllocationId, a)
		out.AssociationId = a.AssociationId
		return nil
	})
	return out, err
}

// addressee is the interface that an AssociateAddress call means.
func (r *region) addressee(in *ec2.AssociateAddressInput) (*interfaceRow, error) {
	switch {
	case in.NetworkInterfaceId != nil:
		i, err := interfaceKind.find(r, *in.NetworkInterfaceId)
		if err == nil && managedBy(i.Operator) {
			return nil, errorf("OperationNotPermitted", "The network interface '%s' is managed by %s and cannot be changed.", *in.NetworkInterfaceId, *i.Operator.Principal)
		}
		return i, err
	case in.InstanceId != nil:
		inst, err := instanceKind.find(r, *in.InstanceId)
		if err != nil {
			return nil, err
		}
		if i := r.primary(inst); i != nil {
			return i, nil
		}
		return nil, errorf("InvalidInstanceID", "The instance '%s' has no network interface.", *in.InstanceId)
	}
	return nil, errorf("MissingParameter", "Invalid request, expect InstanceId/NetworkId parameter.")
}

// DisassociateAddress ends the mapping of an elastic address.
func (s *Service) DisassociateAddress(ctx context.Context, in *ec2.DisassociateAddressInput) (*ec2.DisassociateAddressOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if in.AssociationId == nil && in.PublicIp == nil {
		return nil, missing("AssociationId")
	}
	var id *string
	r.view(func() {
		for _, a := range r.addresses.rows {
			if in.AssociationId != nil && str(a.AssociationId) == *in.AssociationId || in.PublicIp != nil && str(a.PublicIp) == *in.PublicIp {
				id = a.AllocationId
			}
		}
	})
	if id == nil {
		return nil, errorf("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", str(in.AssociationId))
	}
	err = s.changeAddress(ctx, in.DryRun, id, nil, func(r *region, tx *txn, a *types.Address) error {
		r.unmap(tx, a)
		return nil
	})
	return &ec2.DisassociateAddressOutput{}, err
}

func (r *region) unmap(tx *txn, a *types.Address) {
	r.addresses.put(tx, *a.AllocationId, with(a, func(a *types.Address) {
		a.AssociationId, a.NetworkInterfaceId, a.NetworkInterfaceOwnerId, a.PrivateIpAddress, a.InstanceId = nil, nil, nil, nil, nil
	}))
}
