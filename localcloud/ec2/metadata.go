package ec2

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/automode-dev/automode/localcloud/machine/imds"
)

// Metadata is all that an instance may learn about itself; ErrNotFound is wrapped when there is no such instance.
func (s *Service) Metadata(ctx context.Context, instanceID string) (imds.Document, error) {
	var doc imds.Document
	var profile string
	found := false
	s.each(func(r *region) {
		r.view(func() {
			if i := r.instances.get(instanceID); i != nil && i.State.Name != types.InstanceStateNameTerminated {
				found, doc = true, r.document(i)
				if i.IamInstanceProfile != nil {
					profile = *i.IamInstanceProfile.Arn
				}
			}
		})
	})
	if !found {
		return doc, fmt.Errorf("looking for instance %s: %w", instanceID, ErrNotFound)
	}
	if profile == "" || s.profiles == nil {
		return doc, nil
	}
	return doc, s.addCredentials(ctx, &doc, profile)
}

// addCredentials adds the role that the profile has now and its credentials; a profile without a role, or that was
// deleted, leaves the instance without.
func (s *Service) addCredentials(ctx context.Context, doc *imds.Document, profileARN string) error {
	p, err := s.profiles.InstanceProfile(ctx, profileARN)
	if errors.Is(err, ErrNoSuchProfile) || err == nil && p.RoleARN == "" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("finding instance profile of instance %s: %w", doc.InstanceID, err)
	}
	c, err := s.profiles.RoleCredentials(ctx, p.RoleARN, doc.InstanceID)
	if err != nil {
		return fmt.Errorf("getting credentials of role %s for instance %s: %w", p.RoleARN, doc.InstanceID, err)
	}
	doc.RoleName = p.RoleName
	doc.Credentials = &imds.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, Token: c.Token,
		LastUpdated: c.LastUpdated, Expiration: c.Expiration}
	return nil
}

// document is what follows from the region's rows. Its lock is held.
func (r *region) document(i *instanceRow) imds.Document {
	doc := imds.Document{
		InstanceID: *i.InstanceId, InstanceType: string(i.InstanceType), ImageID: *i.ImageId, ReservationID: i.ReservationID, Account: r.svc.account,
		Region: r.name, Zone: *i.Placement.AvailabilityZone, ZoneID: *i.Placement.AvailabilityZoneId, Architecture: string(i.Architecture),
		LifeCycle: "on-demand", PrivateDNSName: str(i.PrivateDnsName), AMILaunchIndex: int(value(i.AmiLaunchIndex)), PendingTime: *i.LaunchTime,
		KeyName: str(i.KeyName), UserData: i.UserData, VPCID: str(i.VpcId), Volumes: map[string]string{}, Tags: map[string]string{},
		TagsInMetadata: i.MetadataOptions.InstanceMetadataTags == types.InstanceMetadataTagsStateEnabled,
		HopLimit:       int(value(i.MetadataOptions.HttpPutResponseHopLimit)),
		EndpointOff:    i.MetadataOptions.HttpEndpoint == types.InstanceMetadataEndpointStateDisabled,
	}
	if i.SpotInstanceRequestId != nil {
		doc.LifeCycle = "spot"
	}
	if i.IamInstanceProfile != nil {
		doc.ProfileARN, doc.ProfileID = *i.IamInstanceProfile.Arn, *i.IamInstanceProfile.Id
	}
	if k := r.keys.get(str(i.KeyName)); k != nil {
		doc.PublicKey = k.Public
	}
	if v := r.vpcs.get(str(i.VpcId)); v != nil {
		doc.VPCCIDRs = v.cidrs()
	}
	for _, t := range i.Tags {
		doc.Tags[str(t.Key)] = str(t.Value)
	}
	if !i.Interrupt.IsZero() {
		doc.SpotAction = &imds.SpotAction{Action: "terminate", Time: i.Interrupt.Truncate(time.Second)}
	}
	r.documentDevices(i, &doc)
	return doc
}

func (r *region) documentDevices(i *instanceRow, doc *imds.Document) {
	for _, n := range r.nics(*i.InstanceId) {
		nic := r.documentInterface(n, doc.VPCCIDRs)
		if nic.DeviceIndex == 0 {
			doc.PublicIPv4, doc.SecurityGroups = nic.PublicIPv4, nic.SecurityGroups
			if nic.PublicIPv4 != "" {
				doc.PublicDNSName = publicDNS(r.name, nic.PublicIPv4)
			}
		}
		doc.Interfaces = append(doc.Interfaces, nic)
	}
	ebs := 0
	for _, v := range r.volumesOf(*i.InstanceId) {
		a := v.attachment(*i.InstanceId, r.svc.now())
		switch {
		case a == nil:
		case str(a.Device) == str(i.RootDeviceName):
			doc.Volumes["ami"], doc.Volumes["root"] = *a.Device, *a.Device
		default:
			ebs++
			doc.Volumes["ebs"+strconv.Itoa(ebs)] = *a.Device
		}
	}
}

func (r *region) documentInterface(n *interfaceRow, vpcCIDRs []netip.Prefix) imds.Interface {
	out := imds.Interface{ID: *n.NetworkInterfaceId, MAC: *n.MacAddress, DeviceIndex: int(*n.Attachment.DeviceIndex),
		NetworkCard: int(value(n.Attachment.NetworkCardIndex)), OwnerID: *n.OwnerId, PrivateDNSName: *n.PrivateDnsName,
		Addresses: append([]netip.Addr{netip.MustParseAddr(*n.PrivateIpAddress)}, n.secondary()...), Prefixes: n.prefixes(),
		SubnetID: *n.SubnetId, VPCID: *n.VpcId, VPCCIDRs: vpcCIDRs, SecurityGroupIDs: n.groupIDs()}
	if sub := r.subnets.get(*n.SubnetId); sub != nil {
		out.SubnetCIDR = netip.MustParsePrefix(*sub.CidrBlock)
	}
	for _, g := range n.Groups {
		out.SecurityGroups = append(out.SecurityGroups, str(g.GroupName))
	}
	if a := r.associationOf(n, *n.PrivateIpAddress); a != nil {
		out.PublicIPv4 = *a.PublicIp
	}
	return out
}
