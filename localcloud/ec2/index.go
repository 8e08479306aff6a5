package ec2

import (
	"net/netip"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// indexes are views of a region's tables that are kept as rows change and never stored.
type indexes struct {
	pools               map[string]*pool                     // by subnet
	interfacesByMachine map[string]map[string]*interfaceRow  // by instance, then interface
	interfacesByVPC     map[string]map[string]*interfaceRow  // by VPC, then interface
	volumesByMachine    map[string]map[string]*volumeRow     // by instance, then volume
	addressesByIface    map[string]map[string]*types.Address // by interface, then allocation
	rulesByGroup        map[string]map[string]*types.SecurityGroupRule
	templateIDs         map[string]string // by name
}

func newIndexes() indexes {
	return indexes{
		pools:               map[string]*pool{},
		interfacesByMachine: map[string]map[string]*interfaceRow{},
		interfacesByVPC:     map[string]map[string]*interfaceRow{},
		volumesByMachine:    map[string]map[string]*volumeRow{},
		addressesByIface:    map[string]map[string]*types.Address{},
		rulesByGroup:        map[string]map[string]*types.SecurityGroupRule{},
		templateIDs:         map[string]string{},
	}
}

// move keeps a two-level index: the row leaves the group it was in and enters the one it is in; "" is no group.
func move[T any](index map[string]map[string]*T, id, from, to string, row *T) {
	if from != "" {
		delete(index[from], id)
		if len(index[from]) == 0 {
			delete(index, from)
		}
	}
	if to != "" {
		if index[to] == nil {
			index[to] = map[string]*T{}
		}
		index[to][id] = row
	}
}

// key applies f to a row that may be nil.
func key[T any](row *T, f func(*T) string) string {
	if row == nil {
		return ""
	}
	return f(row)
}

// either returns the row after the change, or the one before when it went away.
func either[T any](before, after *T) *T {
	if after != nil {
		return after
	}
	return before
}

func (x *indexes) subnetChanged(before, after *types.Subnet) {
	switch {
	case before == nil && after != nil:
		x.pools[*after.SubnetId] = newPool(netip.MustParsePrefix(*after.CidrBlock))
	case after == nil && before != nil:
		delete(x.pools, *before.SubnetId)
	}
}

func (x *indexes) interfaceChanged(before, after *interfaceRow) {
	if before == nil && after == nil {
		return
	}
	id := *either(before, after).NetworkInterfaceId
	move(x.interfacesByMachine, id, key(before, (*interfaceRow).machine), key(after, (*interfaceRow).machine), after)
	vpcID := func(i *interfaceRow) string { return *i.VpcId }
	move(x.interfacesByVPC, id, key(before, vpcID), key(after, vpcID), after)
	if before != nil {
		before.occupy(x.pools[*before.SubnetId], false)
	}
	if after != nil {
		after.occupy(x.pools[*after.SubnetId], true)
	}
}

func (x *indexes) volumeChanged(before, after *volumeRow) {
	if before == nil && after == nil {
		return
	}
	id := *either(before, after).VolumeId
	move(x.volumesByMachine, id, key(before, (*volumeRow).machine), key(after, (*volumeRow).machine), after)
}

func (x *indexes) addressChanged(before, after *types.Address) {
	if before == nil && after == nil {
		return
	}
	iface := func(a *types.Address) string { return str(a.NetworkInterfaceId) }
	move(x.addressesByIface, *either(before, after).AllocationId, key(before, iface), key(after, iface), after)
}

func (x *indexes) ruleChanged(before, after *types.SecurityGroupRule) {
	if before == nil && after == nil {
		return
	}
	group := func(r *types.SecurityGroupRule) string { return *r.GroupId }
	move(x.rulesByGroup, *either(before, after).SecurityGroupRuleId, key(before, group), key(after, group), after)
}

func (x *indexes) templateChanged(before, after *templateRow) {
	if before != nil {
		delete(x.templateIDs, *before.LaunchTemplateName)
	}
	if after != nil {
		x.templateIDs[*after.LaunchTemplateName] = *after.LaunchTemplateId
	}
}
