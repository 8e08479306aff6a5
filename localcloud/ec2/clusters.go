package ec2

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// This file is what the EKS service asks of EC2 on its own behalf: Go calls, not requests, made with the rights of the
// service. All of them may be repeated.

// ErrNotFound is wrapped by the errors of these calls when something named does not exist.
var ErrNotFound = errors.New("not found")

// ClusterSubnet is what EKS must know of a subnet.
type ClusterSubnet struct{ ID, VPCID, Zone, ZoneID string }

// ClusterGroup describes the security group of a cluster.
type ClusterGroup struct {
	Region, VPCID, Cluster string
	Name, Description      string
	Tags                   map[string]string
}

// ClusterInterface describes the requester-managed network interface of a cluster's control plane.
type ClusterInterface struct {
	Region, VPCID, SubnetID, Cluster string
	Description                      string
	SecurityGroupIDs                 []string
	Tags                             map[string]string
}

// PlacedInterface is a control plane's interface that exists; NetNS is empty where the cloud has no data path.
type PlacedInterface struct {
	ID      string
	NetNS   string
	Address netip.Addr
}

// tags that EKS puts on what belongs to a control plane.
const controlPlaneTag = "aws:eks:cluster-name"

// eksRequester is who asked for the interfaces of control planes.
const eksRequester = "AmazonEKS"

// ClusterSubnets returns the named subnets in the order asked.
func (s *Service) ClusterSubnets(regionName string, ids []string) ([]ClusterSubnet, error) {
	r, err := s.Region(regionName)
	if err != nil {
		return nil, err
	}
	list := make([]ClusterSubnet, 0, len(ids))
	r.view(func() {
		for _, id := range ids {
			sub := r.subnets.get(id)
			if sub == nil {
				err = fmt.Errorf("looking for subnet %s: %w", id, ErrNotFound)
				return
			}
			list = append(list, ClusterSubnet{ID: id, VPCID: *sub.VpcId, Zone: *sub.AvailabilityZone, ZoneID: *sub.AvailabilityZoneId})
		}
	})
	return list, err
}

// CheckGroups fails when one of the ids is not a security group of the VPC.
func (s *Service) CheckGroups(regionName, vpcID string, ids []string) error {
	r, err := s.Region(regionName)
	if err != nil {
		return err
	}
	r.view(func() {
		for _, id := range ids {
			if g := r.groups.get(id); g == nil || *g.VpcId != vpcID {
				err = fmt.Errorf("looking for security group %s in VPC %s: %w", id, vpcID, ErrNotFound)
			}
		}
	})
	return err
}

// EnsureClusterGroup returns the id of the cluster's security group, which lets its members talk to each other and
// out, and makes it where it is missing.
func (s *Service) EnsureClusterGroup(want ClusterGroup) (id string, err error) {
	r, err := s.Region(want.Region)
	if err != nil {
		return "", err
	}
	err = r.update(func(tx *txn) error {
		v := r.vpcs.get(want.VPCID)
		if v == nil {
			return fmt.Errorf("looking for VPC %s: %w", want.VPCID, ErrNotFound)
		}
		if g := r.groupNamed(want.VPCID, want.Name); g != nil {
			id = *g.GroupId
			return nil
		}
		tags := want.Tags
		if tags[controlPlaneTag] == "" {
			tags = map[string]string{controlPlaneTag: want.Cluster}
			for k, v := range want.Tags {
				tags[k] = v
			}
		}
		g := r.createGroup(tx, v, want.Name, want.Description, tagsFromMap(tags))
		r.putRule(tx, g, false, ruleSpec{protocol: "-1", from: -1, to: -1, group: *g.GroupId})
		id = *g.GroupId
		return nil
	})
	return id, err
}

// EnsureClusterInterface returns the interface of a cluster's control plane, makes it where it is missing, and puts it
// into a network namespace of its own, which it makes anew after the host was restarted.
func (s *Service) EnsureClusterInterface(ctx context.Context, want ClusterInterface) (PlacedInterface, error) {
	r, err := s.Region(want.Region)
	if err != nil {
		return PlacedInterface{}, err
	}
	var i *interfaceRow
	err = r.update(func(tx *txn) (err error) {
		if i = r.controlPlaneInterface(want.Cluster); i == nil {
			i, err = r.createControlPlaneInterface(tx, want)
		}
		return err
	})
	if err != nil {
		return PlacedInterface{}, err
	}
	out := PlacedInterface{ID: *i.NetworkInterfaceId, Address: netip.MustParseAddr(*i.PrivateIpAddress)}
	if s.fabric == nil || s.spaces == nil {
		return out, nil
	}
	if out.NetNS, err = s.spaces.Make(out.ID); err != nil {
		return out, err
	}
	if i.NetNS != out.NetNS {
		err := r.update(func(tx *txn) error {
			r.interfaces.put(tx, out.ID, with(r.interfaces.get(out.ID), func(i *interfaceRow) { i.NetNS, i.HostName = out.NetNS, "eth0" }))
			return nil
		})
		if err != nil {
			return out, err
		}
	}
	r.nets.stale(want.VPCID)
	return out, r.nets.apply(ctx, want.VPCID)
}

func (r *region) controlPlaneInterface(cluster string) *interfaceRow {
	for _, i := range r.interfaces.rows {
		if tagValue(i.TagSet, controlPlaneTag) == cluster && value(i.RequesterManaged) {
			return i
		}
	}
	return nil
}

func (r *region) createControlPlaneInterface(tx *txn, want ClusterInterface) (*interfaceRow, error) {
	sub := r.subnets.get(want.SubnetID)
	if sub == nil {
		return nil, fmt.Errorf("looking for subnet %s: %w", want.SubnetID, ErrNotFound)
	}
	tags := tagsFromMap(want.Tags)
	if tagValue(tags, controlPlaneTag) == "" {
		tags = merge(tags, []types.Tag{{Key: new(controlPlaneTag), Value: new(want.Cluster)}})
	}
	i, err := r.createInterface(tx, newInterface{subnet: sub, groups: want.SecurityGroupIDs, description: want.Description, tags: tags, requester: eksRequester})
	if err != nil {
		return nil, err
	}
	i = with(i, func(i *interfaceRow) {
		i.Status = types.NetworkInterfaceStatusInUse
		i.Attachment = &types.NetworkInterfaceAttachment{AttachmentId: new(newID("ela-attach")), DeviceIndex: new(int32(1)), AttachTime: new(r.svc.now()),
			InstanceOwnerId: new("amazon-aws"), DeleteOnTermination: new(false), Status: types.AttachmentStatusAttached}
	})
	r.interfaces.put(tx, *i.NetworkInterfaceId, i)
	return i, nil
}

// RemoveClusterInterface takes the control plane's interface and its namespace away.
func (s *Service) RemoveClusterInterface(regionName, cluster string) error {
	r, err := s.Region(regionName)
	if err != nil {
		return err
	}
	var i *interfaceRow
	r.view(func() { i = r.controlPlaneInterface(cluster) })
	if i == nil {
		return nil
	}
	if s.fabric != nil && s.spaces != nil {
		if err := s.spaces.Remove(*i.NetworkInterfaceId); err != nil {
			return err
		}
	}
	return r.update(func(tx *txn) error {
		if i := r.controlPlaneInterface(cluster); i != nil {
			r.dropInterface(tx, i)
		}
		return nil
	})
}

// RemoveClusterGroup deletes the cluster's security group and the rules of other groups that refer to it.
func (s *Service) RemoveClusterGroup(regionName, vpcID, cluster string) error {
	r, err := s.Region(regionName)
	if err != nil {
		return err
	}
	return r.update(func(tx *txn) error {
		for id, g := range r.groups.rows {
			if *g.VpcId != vpcID || tagValue(g.Tags, controlPlaneTag) != cluster {
				continue
			}
			for ruleID, rule := range r.rules.rows {
				if str(ruleReference(rule)) == id {
					r.rules.drop(tx, ruleID)
				}
			}
			if r.groupInUse(g) {
				return fmt.Errorf("deleting security group %s of cluster %q: network interfaces are still in it", id, cluster)
			}
			r.dropGroup(tx, id)
			r.nets.later(tx, vpcID)
		}
		return nil
	})
}

// PublishPort makes a loopback port of the host reachable under the same number on the loopback of every machine of
// the VPC.
func (s *Service) PublishPort(regionName, vpcID string, port int) error {
	return s.changePorts(regionName, vpcID, func(ports []int) []int {
		if slices.Contains(ports, port) {
			return ports
		}
		return append(slices.Clone(ports), port)
	})
}

// WithdrawPort ends what PublishPort began.
func (s *Service) WithdrawPort(regionName, vpcID string, port int) error {
	return s.changePorts(regionName, vpcID, func(ports []int) []int { return without(ports, func(p int) bool { return p == port }) })
}

func (s *Service) changePorts(regionName, vpcID string, change func([]int) []int) error {
	r, err := s.Region(regionName)
	if err != nil {
		return err
	}
	return r.update(func(tx *txn) error {
		v := r.vpcs.get(vpcID)
		if v == nil {
			return nil
		}
		ports := change(v.Ports)
		if slices.Equal(ports, v.Ports) {
			return nil
		}
		r.vpcs.put(tx, vpcID, with(v, func(v *vpcRow) { v.Ports = ports }))
		for id, i := range r.instances.rows {
			if str(i.VpcId) == vpcID && !i.ended() {
				tx.then(func() { s.lifecycle.again(r, id) })
			}
		}
		return nil
	})
}

// RemoveCompute starts the removal of what a cluster's controllers made (instances, launch templates, interfaces; not
// the volumes of claims) and names what is still there.
func (s *Service) RemoveCompute(regionName, cluster string) (left []string, err error) {
	r, err := s.Region(regionName)
	if err != nil {
		return nil, err
	}
	err = r.update(func(tx *txn) error {
		for id, i := range r.instances.rows {
			if tagValue(i.Tags, clusterTag) != cluster || !managedBy(i.Operator) || i.State.Name == types.InstanceStateNameTerminated {
				continue
			}
			left = append(left, id)
			r.terminate(tx, i, "Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown", userReason(s.now()))
		}
		for id, t := range r.templates.rows {
			if tagValue(t.Tags, clusterTag) == cluster && managedBy(t.Operator) {
				r.templates.drop(tx, id)
			}
		}
		for id, i := range r.interfaces.rows {
			switch {
			case tagValue(i.TagSet, clusterTag) != cluster || !managedBy(i.Operator):
			case i.Attachment == nil:
				r.dropInterface(tx, i)
			default:
				left = append(left, id)
			}
		}
		return nil
	})
	slices.Sort(left)
	return left, err
}

// PrivateDNSName is the private DNS name of an instance.
func (s *Service) PrivateDNSName(regionName, instanceID string) (string, error) {
	r, err := s.Region(regionName)
	if err != nil {
		return "", err
	}
	var i *instanceRow
	r.view(func() { i = r.instances.get(instanceID) })
	if i == nil {
		return "", fmt.Errorf("looking for instance %s: %w", instanceID, ErrNotFound)
	}
	return str(i.PrivateDnsName), nil
}
