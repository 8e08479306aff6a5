package ec2

import (
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// instanceRow is an instance: the members that EC2 shows and do not follow from other rows, and what it does not show.
type instanceRow struct {
	types.Instance
	ReservationID string
	FleetID       string
	UserData      []byte // decoded
	ProfileID     string
	RoleARN       string
	RoleName      string
	NoTermination bool // DisableApiTermination
	NoStop        bool // DisableApiStop
	OnShutdown    types.ShutdownBehavior
	// NotBefore is when the present state may end.
	NotBefore time.Time
	// Ended is when the instance became terminated.
	Ended time.Time
	// Interrupt is when a spot instance is taken away; zero while it is not.
	Interrupt time.Time
	// Problem is why the machine does not come up, as far as it is known.
	Problem string
}

var instanceKind = register(&kind[instanceRow]{
	prefix: "i", resource: types.ResourceTypeInstance,
	absent: func(ids []string) error {
		return errorf("InvalidInstanceID.NotFound", "%s", notExist("instance", ids))
	},
	badID:    func(id string) error { return errorf("InvalidInstanceID.Malformed", "Invalid id: \"%s\"", id) },
	table:    func(r *region) *table[instanceRow] { return r.instances },
	tags:     func(i *instanceRow) []types.Tag { return i.Tags },
	retag:    func(i *instanceRow, tags []types.Tag) { i.Tags = tags },
	operator: func(i *instanceRow) *types.OperatorResponse { return i.Operator },
	filters: map[string]func(*region, *instanceRow) []string{
		"instance-id":              func(_ *region, i *instanceRow) []string { return one(i.InstanceId) },
		"instance-type":            func(_ *region, i *instanceRow) []string { return []string{string(i.InstanceType)} },
		"instance-state-name":      func(_ *region, i *instanceRow) []string { return []string{string(i.State.Name)} },
		"instance-state-code":      func(_ *region, i *instanceRow) []string { return []string{intText(i.State.Code)} },
		"instance-lifecycle":       func(_ *region, i *instanceRow) []string { return []string{string(i.InstanceLifecycle)} },
		"spot-instance-request-id": func(_ *region, i *instanceRow) []string { return one(i.SpotInstanceRequestId) },
		"image-id":                 func(_ *region, i *instanceRow) []string { return one(i.ImageId) },
		"architecture":             func(_ *region, i *instanceRow) []string { return []string{string(i.Architecture)} },
		"availability-zone":        func(_ *region, i *instanceRow) []string { return one(i.Placement.AvailabilityZone) },
		"availability-zone-id":     func(_ *region, i *instanceRow) []string { return one(i.Placement.AvailabilityZoneId) },
		"tenancy":                  func(_ *region, i *instanceRow) []string { return []string{string(i.Placement.Tenancy)} },
		"placement-group-name":     func(_ *region, i *instanceRow) []string { return one(i.Placement.GroupName) },
		"subnet-id":                func(_ *region, i *instanceRow) []string { return one(i.SubnetId) },
		"vpc-id":                   func(_ *region, i *instanceRow) []string { return one(i.VpcId) },
		"key-name":                 func(_ *region, i *instanceRow) []string { return one(i.KeyName) },
		"client-token":             func(_ *region, i *instanceRow) []string { return one(i.ClientToken) },
		"reservation-id":           func(_ *region, i *instanceRow) []string { return []string{i.ReservationID} },
		"owner-id":                 func(r *region, _ *instanceRow) []string { return []string{r.svc.account} },
		"iam-instance-profile.arn": func(_ *region, i *instanceRow) []string {
			if i.IamInstanceProfile == nil {
				return nil
			}
			return one(i.IamInstanceProfile.Arn)
		},
		"launch-time": func(_ *region, i *instanceRow) []string {
			return []string{i.LaunchTime.Format("2006-01-02T15:04:05.000Z")}
		},
		"root-device-name": func(_ *region, i *instanceRow) []string { return one(i.RootDeviceName) },
		"root-device-type": func(_ *region, i *instanceRow) []string { return []string{string(i.RootDeviceType)} },
		"state-reason-code": func(_ *region, i *instanceRow) []string {
			if i.StateReason == nil {
				return nil
			}
			return one(i.StateReason.Code)
		},
		"metadata-options.http-tokens": func(_ *region, i *instanceRow) []string { return []string{string(i.MetadataOptions.HttpTokens)} },
		"operator.managed":             func(_ *region, i *instanceRow) []string { return operatorManaged(i.Operator) },
		"operator.principal":           func(_ *region, i *instanceRow) []string { return operatorPrincipal(i.Operator) },
		"private-ip-address": nicFilter(func(n *interfaceRow) []string {
			if *n.Attachment.DeviceIndex != 0 {
				return nil
			}
			return one(n.PrivateIpAddress)
		}),
		"private-dns-name": nicFilter(func(n *interfaceRow) []string {
			if *n.Attachment.DeviceIndex != 0 {
				return nil
			}
			return one(n.PrivateDnsName)
		}),
		"ip-address": func(r *region, i *instanceRow) []string {
			if n := r.primary(i); n != nil {
				if a := r.associationOf(n, *n.PrivateIpAddress); a != nil {
					return one(a.PublicIp)
				}
			}
			return nil
		},
		"instance.group-id":                              nicFilter((*interfaceRow).groupIDs),
		"group-id":                                       nicFilter((*interfaceRow).groupIDs),
		"group-name":                                     nicFilter((*interfaceRow).groupNames),
		"instance.group-name":                            nicFilter((*interfaceRow).groupNames),
		"network-interface.group-id":                     nicFilter((*interfaceRow).groupIDs),
		"network-interface.network-interface-id":         nicFilter(func(n *interfaceRow) []string { return one(n.NetworkInterfaceId) }),
		"network-interface.subnet-id":                    nicFilter(func(n *interfaceRow) []string { return one(n.SubnetId) }),
		"network-interface.vpc-id":                       nicFilter(func(n *interfaceRow) []string { return one(n.VpcId) }),
		"network-interface.mac-address":                  nicFilter(func(n *interfaceRow) []string { return one(n.MacAddress) }),
		"network-interface.private-dns-name":             nicFilter(func(n *interfaceRow) []string { return one(n.PrivateDnsName) }),
		"network-interface.availability-zone":            nicFilter(func(n *interfaceRow) []string { return one(n.AvailabilityZone) }),
		"network-interface.status":                       nicFilter(func(n *interfaceRow) []string { return []string{string(n.Status)} }),
		"network-interface.description":                  nicFilter(func(n *interfaceRow) []string { return one(n.Description) }),
		"network-interface.attachment.attachment-id":     nicFilter(func(n *interfaceRow) []string { return one(n.Attachment.AttachmentId) }),
		"network-interface.addresses.private-ip-address": nicFilter((*interfaceRow).addressTexts),
		"network-interface.addresses.primary":            nicFilter(func(*interfaceRow) []string { return []string{"true"} }),
		"block-device-mapping.volume-id": func(r *region, i *instanceRow) (ids []string) {
			for id := range r.index.volumesByMachine[*i.InstanceId] {
				ids = append(ids, id)
			}
			return ids
		},
	},
})

func nicFilter(values func(*interfaceRow) []string) func(*region, *instanceRow) []string {
	return func(r *region, i *instanceRow) (all []string) {
		for _, n := range r.index.interfacesByMachine[*i.InstanceId] {
			all = append(all, values(n)...)
		}
		return all
	}
}

// nics returns the interfaces of an instance by device index.
func (r *region) nics(instanceID string) []*interfaceRow {
	have := r.index.interfacesByMachine[instanceID]
	list := make([]*interfaceRow, 0, len(have))
	for _, n := range have {
		list = append(list, n)
	}
	slices.SortFunc(list, func(a, b *interfaceRow) int { return int(*a.Attachment.DeviceIndex - *b.Attachment.DeviceIndex) })
	return list
}

// primary is the interface with device index 0, or nil.
func (r *region) primary(i *instanceRow) *interfaceRow {
	for _, n := range r.index.interfacesByMachine[*i.InstanceId] {
		if *n.Attachment.DeviceIndex == 0 {
			return n
		}
	}
	return nil
}

// states and their codes.
var stateCodes = map[types.InstanceStateName]int32{
	types.InstanceStateNamePending: 0, types.InstanceStateNameRunning: 16, types.InstanceStateNameShuttingDown: 32,
	types.InstanceStateNameTerminated: 48, types.InstanceStateNameStopping: 64, types.InstanceStateNameStopped: 80,
}

func state(name types.InstanceStateName) *types.InstanceState {
	return &types.InstanceState{Name: name, Code: new(stateCodes[name])}
}

// ended says whether an instance is on its way out or gone.
func (i *instanceRow) ended() bool {
	return i.State.Name == types.InstanceStateNameShuttingDown || i.State.Name == types.InstanceStateNameTerminated
}

// to stores the instance in another state.
func (r *region) to(tx *txn, i *instanceRow, name types.InstanceStateName, change func(*instanceRow)) *instanceRow {
	i = with(i, func(i *instanceRow) {
		i.State = state(name)
		if change != nil {
			change(i)
		}
	})
	r.instances.put(tx, *i.InstanceId, i)
	tx.then(func() { r.svc.lifecycle.instance(r, *i.InstanceId) })
	return i
}
