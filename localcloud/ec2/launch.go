package ec2

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/automode-dev/automode/compute/catalog"
)

// launch is everything needed to make instances of one kind: a request with its launch template, resolved and checked.
type launch struct {
	in       *ec2.RunInstancesInput // with what the template adds
	template *templateRow           // nil for none
	version  int64
	fleetID  string
	operator *types.OperatorResponse
	spot     bool

	shape    *catalog.Type
	image    *types.Image
	subnet   *types.Subnet
	groups   []string
	profile  *Profile
	userData []byte
	tags     map[types.ResourceType][]types.Tag
}

// taggableAtLaunch are the resources that a launch can tag.
var taggableAtLaunch = []types.ResourceType{types.ResourceTypeInstance, types.ResourceTypeVolume, types.ResourceTypeNetworkInterface,
	types.ResourceTypeSpotInstancesRequest}

// maxUserData is the limit of decoded user data.
const maxUserData = 16384

func decodeUserData(text *string) ([]byte, error) {
	if str(text) == "" {
		return nil, nil
	}
	raw, err := base64.StdEncoding.DecodeString(*text)
	if err != nil {
		return nil, errorf("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.")
	}
	if len(raw) > maxUserData {
		return nil, errorf("InvalidParameterValue", "User data is limited to %d bytes", maxUserData)
	}
	return raw, nil
}

// prepare merges the request with its launch template and checks all that does not depend on a free address.
func (s *Service) prepare(ctx context.Context, r *region, in *ec2.RunInstancesInput) (*launch, error) {
	l := &launch{in: in}
	if err := l.applyTemplate(r); err != nil {
		return nil, err
	}
	return l, s.check(ctx, r, l)
}

// check resolves a launch whose template was merged in.
func (s *Service) check(ctx context.Context, r *region, l *launch) error {
	if l.operator == nil {
		l.operator = operatorFor(l.in.Operator)
	}
	for _, check := range []func(*region) error{l.checkTags, l.checkImage, l.checkNetwork, l.checkOffer, l.checkRest} {
		if err := check(r); err != nil {
			return err
		}
	}
	return s.findProfile(ctx, l)
}

// applyTemplate lays the request over the data of its launch template.
func (l *launch) applyTemplate(r *region) (err error) {
	ref := l.in.LaunchTemplate
	if ref == nil {
		return nil
	}
	var v *types.LaunchTemplateVersion
	r.view(func() {
		if l.template, err = r.template(ref.LaunchTemplateId, ref.LaunchTemplateName); err == nil {
			v, err = l.template.version(str(ref.Version))
		}
	})
	if err != nil {
		return err
	}
	l.fromTemplate(v)
	own := l.in
	merged := overlay[ec2.RunInstancesInput](v.LaunchTemplateData, own)
	if own.SubnetId != nil && len(own.NetworkInterfaces) == 0 && len(merged.NetworkInterfaces) > 0 {
		merged.NetworkInterfaces[0].SubnetId, merged.SubnetId = own.SubnetId, nil
	}
	merged.TagSpecifications = own.TagSpecifications
	l.in = &merged
	return nil
}

// fromTemplate takes over what a template's version says besides the request's own parameters.
func (l *launch) fromTemplate(v *types.LaunchTemplateVersion) {
	l.version = *v.VersionNumber
	if op := v.LaunchTemplateData.Operator; op != nil {
		l.operator = op
	} else if managedBy(l.template.Operator) {
		l.operator = l.template.Operator
	}
	l.tags = map[types.ResourceType][]types.Tag{}
	for _, spec := range v.LaunchTemplateData.TagSpecifications {
		l.tags[spec.ResourceType] = merge(nil, spec.Tags)
	}
}

func (l *launch) checkTags(*region) error {
	if err := checkSpecs(l.in.TagSpecifications, taggableAtLaunch...); err != nil {
		return err
	}
	all := map[types.ResourceType][]types.Tag{}
	for _, resource := range taggableAtLaunch {
		all[resource] = merge(l.tags[resource], specified(l.in.TagSpecifications, resource))
	}
	l.tags = all
	return nil
}

func (l *launch) checkImage(r *region) (err error) {
	if str(l.in.ImageId) == "" {
		return missing("ImageId")
	}
	if l.image, err = r.image(*l.in.ImageId); err != nil {
		return err
	}
	name := orText(string(l.in.InstanceType), "m1.small")
	shape, ok := r.svc.catalog.Type(name)
	if !ok {
		return invalid("Invalid value '%s' for InstanceType.", name)
	}
	l.shape = shape
	if !slices.Contains(shape.Architectures, string(l.image.Architecture)) {
		return invalid("The architecture '%s' of the specified instance type does not match the architecture '%s' of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again. You can use 'describe-instance-types' or 'describe-images' to discover the architecture of the instance type or AMI.",
			strings.Join(shape.Architectures, ","), l.image.Architecture)
	}
	market := l.in.InstanceMarketOptions
	l.spot = market != nil && market.MarketType == types.MarketTypeSpot
	return nil
}

// nic is the primary interface's specification, or nil.
func (l *launch) nic() *types.InstanceNetworkInterfaceSpecification {
	for i := range l.in.NetworkInterfaces {
		if value(l.in.NetworkInterfaces[i].DeviceIndex) == 0 {
			return &l.in.NetworkInterfaces[i]
		}
	}
	return nil
}

// checkNetwork finds subnet and groups.
func (l *launch) checkNetwork(r *region) (err error) {
	subnetID := str(l.in.SubnetId)
	l.groups = l.in.SecurityGroupIds
	if nic := l.nic(); nic != nil {
		switch {
		case subnetID != "":
			return combination("Network interfaces and an instance-level subnet ID may not be specified on the same request")
		case len(l.groups) > 0 || len(l.in.SecurityGroups) > 0:
			return combination("Network interfaces and an instance-level security groups may not be specified on the same request")
		}
		subnetID, l.groups = str(nic.SubnetId), nic.Groups
		if nic.NetworkInterfaceId != nil {
			i, err := interfaceKind.get(r, *nic.NetworkInterfaceId)
			if err != nil {
				return err
			}
			subnetID, l.groups = *i.SubnetId, i.groupIDs()
		}
	} else if len(l.in.NetworkInterfaces) > 0 {
		return invalid("When specifying network interfaces, you must include a device at index 0.")
	}
	r.view(func() {
		if subnetID == "" {
			l.subnet, err = r.defaultSubnet(l)
		} else {
			l.subnet, err = subnetKind.find(r, subnetID)
		}
		if err != nil {
			return
		}
		for _, name := range l.in.SecurityGroups {
			g := r.groupNamed(*l.subnet.VpcId, name)
			if g == nil {
				err = errorf("InvalidGroup.NotFound", "The security group '%s' does not exist in VPC '%s'", name, *l.subnet.VpcId)
				return
			}
			l.groups = append(slices.Clone(l.groups), *g.GroupId)
		}
		_, err = r.groupIdentifiers(*l.subnet.VpcId, l.groups)
	})
	return err
}

// defaultSubnet is where an instance goes that names no subnet: the default one of its zone, or of the first zone that
// offers its type.
func (r *region) defaultSubnet(l *launch) (*types.Subnet, error) {
	zone := ""
	if p := l.in.Placement; p != nil {
		zone = str(p.AvailabilityZone) + str(p.AvailabilityZoneId)
	}
	var best *types.Subnet
	for _, sub := range r.subnets.rows {
		if !value(sub.DefaultForAz) || zone != "" && zone != *sub.AvailabilityZone && zone != *sub.AvailabilityZoneId {
			continue
		}
		if zone == "" && !r.svc.catalog.Offered(r.name, *sub.AvailabilityZone, l.shape.Name) {
			continue
		}
		if best == nil || *sub.AvailabilityZone < *best.AvailabilityZone {
			best = sub
		}
	}
	if best == nil {
		return nil, errorf("MissingInput", "No default subnet for availability zone: '%s'.", orText(zone, "null"))
	}
	return best, nil
}

// checkOffer asks whether the type is sold in the subnet's zone.
func (l *launch) checkOffer(r *region) error {
	zone := *l.subnet.AvailabilityZone
	if p := l.in.Placement; p != nil && p.AvailabilityZone != nil && *p.AvailabilityZone != zone {
		return invalid("The availability zone '%s' does not match the zone of subnet '%s' (%s).", *p.AvailabilityZone, *l.subnet.SubnetId, zone)
	}
	if r.svc.catalog.Offered(r.name, zone, l.shape.Name) {
		return nil
	}
	var others []string
	for _, z := range r.svc.catalog.Zones(r.name) {
		if r.svc.catalog.Offered(r.name, z.Name, l.shape.Name) {
			others = append(others, z.Name)
		}
	}
	return errorf("Unsupported", "Your requested instance type (%s) is not supported in your requested Availability Zone (%s). Please retry your request by not specifying an Availability Zone or choosing %s.",
		l.shape.Name, zone, strings.Join(others, ", "))
}

func (l *launch) checkRest(r *region) (err error) {
	if l.userData, err = decodeUserData(l.in.UserData); err != nil {
		return err
	}
	if name := l.in.KeyName; name != nil && *name != "" {
		var known bool
		r.view(func() { known = r.keys.get(*name) != nil })
		if !known {
			return errorf("InvalidKeyPair.NotFound", "The key pair '%s' does not exist", *name)
		}
	}
	if len(l.in.NetworkInterfaces) > l.shape.Network.Interfaces {
		return errorf("AttachmentLimitExceeded", "Interface count %d exceeds the limit for %s", len(l.in.NetworkInterfaces), l.shape.Name)
	}
	for i := range l.in.NetworkInterfaces {
		w := wantedOf(&l.in.NetworkInterfaces[i])
		if err := w.check(); err != nil {
			return err
		}
		if 1+w.count() > l.shape.Network.IPv4PerInterface {
			return errorf("PrivateIpAddressLimitExceeded", "Number of private addresses and prefixes (%d) exceeds the limit of %d for %s.", 1+w.count(), l.shape.Network.IPv4PerInterface, l.shape.Name)
		}
	}
	return nil
}

func wantedOf(n *types.InstanceNetworkInterfaceSpecification) wanted {
	w := wanted{primary: str(n.PrivateIpAddress), secondaryMore: int(value(n.SecondaryPrivateIpAddressCount)), prefixesMore: int(value(n.Ipv4PrefixCount))}
	w.addSpecs(n.PrivateIpAddresses, n.Ipv4Prefixes)
	return w
}

// findProfile looks the instance profile up in IAM.
func (s *Service) findProfile(ctx context.Context, l *launch) error {
	spec := l.in.IamInstanceProfile
	if spec == nil || str(spec.Arn) == "" && str(spec.Name) == "" {
		return nil
	}
	what, parameter := str(spec.Name), "iamInstanceProfile.name"
	if spec.Arn != nil {
		what, parameter = *spec.Arn, "iamInstanceProfile.arn"
	}
	if s.profiles == nil {
		name := what[strings.LastIndexByte(what, '/')+1:]
		l.profile = &Profile{Name: name, ARN: s.iamARN("instance-profile/" + name), ID: "AIPA" + strings.ToUpper(hexOf(name, 17))}
		return nil
	}
	p, err := s.profiles.InstanceProfile(ctx, what)
	if errors.Is(err, ErrNoSuchProfile) {
		return invalid("Value (%s) for parameter %s is invalid. Invalid IAM Instance Profile name", what, parameter)
	}
	if err != nil {
		return err
	}
	l.profile = &p
	return nil
}

func (s *Service) iamARN(resource string) string { return "arn:aws:iam::" + s.account + ":" + resource }

// targets are the resources that a launch touches, as authorisation sees them.
func (l *launch) targets(r *region) (targets []target) {
	market := "on-demand"
	if l.spot {
		market = "spot"
	}
	about := func(t target) target {
		t = t.key("ec2:InstanceType", l.shape.Name).key("ec2:InstanceMarketType", market).key("ec2:AvailabilityZone", *l.subnet.AvailabilityZone)
		if l.template != nil {
			t = t.key("ec2:LaunchTemplate", r.arn("launch-template", *l.template.LaunchTemplateId))
		}
		if l.profile != nil {
			t = t.key("ec2:InstanceProfile", l.profile.ARN)
		}
		if managedBy(l.operator) {
			t.operator = *l.operator.Principal
		}
		return t
	}
	add := func(resource types.ResourceType) {
		targets = append(targets, about(created(r, resource, l.tags[resource])))
	}
	add(types.ResourceTypeInstance)
	add(types.ResourceTypeVolume)
	add(types.ResourceTypeNetworkInterface)
	if l.spot && len(l.tags[types.ResourceTypeSpotInstancesRequest]) > 0 {
		add(types.ResourceTypeSpotInstancesRequest)
	}
	targets = append(targets, target{arn: "arn:aws:ec2:" + r.name + "::image/" + *l.image.ImageId})
	r.view(func() {
		targets = append(targets, existing(r, subnetKind, *l.subnet.SubnetId))
		for _, id := range l.groups {
			targets = append(targets, existing(r, groupKind, id))
		}
		if l.template != nil && r.templates.get(*l.template.LaunchTemplateId) != nil {
			t := existing(r, templateKind, *l.template.LaunchTemplateId)
			t.operator = ""
			targets = append(targets, t)
		}
	})
	if l.profile != nil && l.profile.RoleARN != "" {
		targets = append(targets, target{action: "iam:PassRole", arn: l.profile.RoleARN}.key("iam:PassedToService", "ec2.amazonaws.com"))
	}
	return targets
}
