package ec2

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// DescribeAccountAttributes tells what the account is and may have.
func (s *Service) DescribeAccountAttributes(ctx context.Context, in *ec2.DescribeAccountAttributesInput) (*ec2.DescribeAccountAttributesOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, in.DryRun, anything); err != nil {
		return nil, err
	}
	all := []struct{ name, value string }{
		{"supported-platforms", "VPC"}, {"default-vpc", r.defaultVPC()}, {"vpc-max-security-groups-per-interface", "5"},
		{"max-instances", "5000"}, {"max-elastic-ips", "5"}, {"vpc-max-elastic-ips", "5"},
	}
	out := &ec2.DescribeAccountAttributesOutput{}
	for _, a := range all {
		if len(in.AttributeNames) == 0 || slices.Contains(in.AttributeNames, types.AccountAttributeName(a.name)) {
			out.AccountAttributes = append(out.AccountAttributes, types.AccountAttribute{AttributeName: new(a.name),
				AttributeValues: []types.AccountAttributeValue{{AttributeValue: new(a.value)}}})
		}
	}
	return out, nil
}

// none answers for things that this cloud never has: it only checks who asks.
func none[Out any](ctx context.Context, s *Service, dryRun *bool) (*Out, error) {
	if _, err := s.regionOf(ctx); err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, dryRun, anything); err != nil {
		return nil, err
	}
	return new(Out), nil
}

// DescribeCapacityReservations lists capacity reservations, of which there are none.
func (s *Service) DescribeCapacityReservations(ctx context.Context, in *ec2.DescribeCapacityReservationsInput) (*ec2.DescribeCapacityReservationsOutput, error) {
	if len(in.CapacityReservationIds) > 0 {
		return nil, errorf("InvalidCapacityReservationId.NotFound", "The capacity reservation IDs %s do not exist", quoted(in.CapacityReservationIds))
	}
	return none[ec2.DescribeCapacityReservationsOutput](ctx, s, in.DryRun)
}

// DescribeVpcEndpoints lists VPC endpoints, of which there are none.
func (s *Service) DescribeVpcEndpoints(ctx context.Context, in *ec2.DescribeVpcEndpointsInput) (*ec2.DescribeVpcEndpointsOutput, error) {
	if len(in.VpcEndpointIds) > 0 {
		return nil, errorf("InvalidVpcEndpointId.NotFound", "The Vpc Endpoint Id '%s' does not exist", in.VpcEndpointIds[0])
	}
	return none[ec2.DescribeVpcEndpointsOutput](ctx, s, in.DryRun)
}

// DescribeVpcPeeringConnections lists VPC peerings, of which there are none.
func (s *Service) DescribeVpcPeeringConnections(ctx context.Context, in *ec2.DescribeVpcPeeringConnectionsInput) (*ec2.DescribeVpcPeeringConnectionsOutput, error) {
	return none[ec2.DescribeVpcPeeringConnectionsOutput](ctx, s, in.DryRun)
}

// DescribeVpcEndpointServices names the services that VPC endpoints could be made for.
func (s *Service) DescribeVpcEndpointServices(ctx context.Context, in *ec2.DescribeVpcEndpointServicesInput) (*ec2.DescribeVpcEndpointServicesOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	out, err := none[ec2.DescribeVpcEndpointServicesOutput](ctx, s, in.DryRun)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"autoscaling", "cloudformation", "ec2", "ecr.api", "ecr.dkr", "eks", "eks-auth", "elasticloadbalancing", "logs", "s3", "sqs", "ssm", "sts"} {
		full := "com.amazonaws." + r.name + "." + name
		if len(in.ServiceNames) == 0 || slices.Contains(in.ServiceNames, full) {
			out.ServiceNames = append(out.ServiceNames, full)
			out.ServiceDetails = append(out.ServiceDetails, types.ServiceDetail{ServiceName: new(full), ServiceId: new("vpce-svc-0" + hexOf(full, 16)),
				Owner: new("amazon"), ServiceRegion: new(r.name), AcceptanceRequired: new(false), ManagesVpcEndpoints: new(false), VpcEndpointPolicySupported: new(true),
				ServiceType: []types.ServiceTypeDetail{{ServiceType: types.ServiceTypeInterface}}, AvailabilityZones: r.zoneList()})
		}
	}
	if len(in.ServiceNames) > len(out.ServiceNames) {
		return nil, errorf("InvalidServiceName", "The Vpc Endpoint Service '%s' does not exist", in.ServiceNames[0])
	}
	return out, nil
}

func (r *region) zoneList() (names []string) {
	for _, z := range r.svc.catalog.Zones(r.name) {
		names = append(names, z.Name)
	}
	return names
}

var aclKind = &kind[types.NetworkAcl]{
	tags: func(a *types.NetworkAcl) []types.Tag { return a.Tags },
	filters: map[string]func(*region, *types.NetworkAcl) []string{
		"vpc-id":         func(_ *region, a *types.NetworkAcl) []string { return one(a.VpcId) },
		"network-acl-id": func(_ *region, a *types.NetworkAcl) []string { return one(a.NetworkAclId) },
		"default":        func(_ *region, a *types.NetworkAcl) []string { return []string{boolText(a.IsDefault)} },
		"owner-id":       func(_ *region, a *types.NetworkAcl) []string { return one(a.OwnerId) },
		"association.subnet-id": func(_ *region, a *types.NetworkAcl) (ids []string) {
			for _, as := range a.Associations {
				ids = append(ids, *as.SubnetId)
			}
			return ids
		},
	},
}

// DescribeNetworkAcls shows the default network ACL of every VPC, which lets everything pass; others cannot be made.
func (s *Service) DescribeNetworkAcls(ctx context.Context, in *ec2.DescribeNetworkAclsInput) (*ec2.DescribeNetworkAclsOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	match, err := compile(aclKind, in.Filters)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, in.DryRun, anything); err != nil {
		return nil, err
	}
	list := []types.NetworkAcl{}
	r.view(func() {
		for _, v := range r.vpcs.rows {
			a := r.defaultACL(v)
			if (len(in.NetworkAclIds) == 0 || slices.Contains(in.NetworkAclIds, *a.NetworkAclId)) && match(r, &a) {
				list = append(list, a)
			}
		}
	})
	if len(in.NetworkAclIds) > 0 && len(list) < len(in.NetworkAclIds) && len(in.Filters) == 0 {
		return nil, errorf("InvalidNetworkAclID.NotFound", "%s", notExist("networkAcl", in.NetworkAclIds))
	}
	list, next, err := pageOf(query{maxResults: in.MaxResults, nextToken: in.NextToken, min: 5, max: 1000}, list,
		func(a types.NetworkAcl) string { return *a.NetworkAclId })
	return &ec2.DescribeNetworkAclsOutput{NetworkAcls: list, NextToken: next}, err
}

func (r *region) defaultACL(v *vpcRow) types.NetworkAcl {
	a := types.NetworkAcl{NetworkAclId: new("acl-0" + hexOf(*v.VpcId, 16)), VpcId: v.VpcId, OwnerId: v.OwnerId, IsDefault: new(true), Tags: []types.Tag{}}
	for _, egress := range []bool{true, false} {
		for n, action := range map[int32]types.RuleAction{100: types.RuleActionAllow, 32767: types.RuleActionDeny} {
			a.Entries = append(a.Entries, types.NetworkAclEntry{RuleNumber: new(n), RuleAction: action, Egress: new(egress), Protocol: new("-1"), CidrBlock: new("0.0.0.0/0")})
		}
	}
	slices.SortStableFunc(a.Entries, func(x, y types.NetworkAclEntry) int { return int(*x.RuleNumber - *y.RuleNumber) })
	for _, sub := range r.subnets.rows {
		if *sub.VpcId == *v.VpcId {
			a.Associations = append(a.Associations, types.NetworkAclAssociation{NetworkAclId: a.NetworkAclId, SubnetId: sub.SubnetId,
				NetworkAclAssociationId: new("aclassoc-0" + hexOf(*sub.SubnetId, 16))})
		}
	}
	return a
}

var dhcpKind = &kind[types.DhcpOptions]{
	tags: func(d *types.DhcpOptions) []types.Tag { return d.Tags },
	filters: map[string]func(*region, *types.DhcpOptions) []string{
		"dhcp-options-id": func(_ *region, d *types.DhcpOptions) []string { return one(d.DhcpOptionsId) },
		"owner-id":        func(_ *region, d *types.DhcpOptions) []string { return one(d.OwnerId) },
	},
}

// DescribeDhcpOptions shows the region's default DHCP options; others cannot be made.
func (s *Service) DescribeDhcpOptions(ctx context.Context, in *ec2.DescribeDhcpOptionsInput) (*ec2.DescribeDhcpOptionsOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	match, err := compile(dhcpKind, in.Filters)
	if err != nil {
		return nil, err
	}
	out, err := none[ec2.DescribeDhcpOptionsOutput](ctx, s, in.DryRun)
	if err != nil {
		return nil, err
	}
	domain := r.name + ".compute.internal"
	if r.name == "us-east-1" {
		domain = "ec2.internal"
	}
	d := types.DhcpOptions{DhcpOptionsId: new(r.dhcpOptions()), OwnerId: new(s.account), Tags: []types.Tag{}, DhcpConfigurations: []types.DhcpConfiguration{
		{Key: new("domain-name"), Values: []types.AttributeValue{{Value: new(domain)}}},
		{Key: new("domain-name-servers"), Values: []types.AttributeValue{{Value: new("AmazonProvidedDNS")}}}}}
	for _, id := range in.DhcpOptionsIds {
		if id != *d.DhcpOptionsId {
			return nil, errorf("InvalidDhcpOptionsID.NotFound", "%s", notExist("dhcpOption", []string{id}))
		}
	}
	if match(r, &d) {
		out.DhcpOptions = append(out.DhcpOptions, d)
	}
	return out, nil
}

// dhcpOptions is the id of the region's default DHCP options.
func (r *region) dhcpOptions() string { return "dopt-0" + hexOf(r.name, 16) }

// GetEbsEncryptionByDefault tells that volumes are encrypted only where asked.
func (s *Service) GetEbsEncryptionByDefault(ctx context.Context, in *ec2.GetEbsEncryptionByDefaultInput) (*ec2.GetEbsEncryptionByDefaultOutput, error) {
	out, err := none[ec2.GetEbsEncryptionByDefaultOutput](ctx, s, in.DryRun)
	if err == nil {
		out.EbsEncryptionByDefault = new(false)
	}
	return out, err
}

// GetInstanceMetadataDefaults tells that the account has no defaults of its own.
func (s *Service) GetInstanceMetadataDefaults(ctx context.Context, in *ec2.GetInstanceMetadataDefaultsInput) (*ec2.GetInstanceMetadataDefaultsOutput, error) {
	out, err := none[ec2.GetInstanceMetadataDefaultsOutput](ctx, s, in.DryRun)
	if err == nil {
		out.AccountLevel = &types.InstanceMetadataDefaultsResponse{}
	}
	return out, err
}

// DescribeInstanceCreditSpecifications tells the CPU credit option of burstable instances.
func (s *Service) DescribeInstanceCreditSpecifications(ctx context.Context, in *ec2.DescribeInstanceCreditSpecificationsInput) (*ec2.DescribeInstanceCreditSpecificationsOutput, error) {
	_, rows, next, err := describe(ctx, s, instanceKind, query{ids: in.InstanceIds, filters: in.Filters,
		maxResults: in.MaxResults, nextToken: in.NextToken, dryRun: in.DryRun, min: 5, max: 1000})
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeInstanceCreditSpecificationsOutput{NextToken: next, InstanceCreditSpecifications: []types.InstanceCreditSpecification{}}
	for _, i := range rows {
		shape, _ := s.catalog.Type(string(i.InstanceType))
		if !shape.Burstable {
			continue
		}
		credits := "unlimited"
		if shape.Family() == "t2" {
			credits = "standard"
		}
		out.InstanceCreditSpecifications = append(out.InstanceCreditSpecifications, types.InstanceCreditSpecification{InstanceId: i.InstanceId, CpuCredits: new(credits)})
	}
	return out, nil
}

// DescribeAddressesAttribute tells the reverse DNS of addresses, which have none.
func (s *Service) DescribeAddressesAttribute(ctx context.Context, in *ec2.DescribeAddressesAttributeInput) (*ec2.DescribeAddressesAttributeOutput, error) {
	_, rows, next, err := describe(ctx, s, addressKind, query{ids: in.AllocationIds, nextToken: in.NextToken, dryRun: in.DryRun})
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeAddressesAttributeOutput{NextToken: next, Addresses: []types.AddressAttribute{}}
	for _, a := range rows {
		out.Addresses = append(out.Addresses, types.AddressAttribute{AllocationId: a.AllocationId, PublicIp: a.PublicIp})
	}
	return out, nil
}

// CancelSpotInstanceRequests cancels requests; their instances go on.
func (s *Service) CancelSpotInstanceRequests(ctx context.Context, in *ec2.CancelSpotInstanceRequestsInput) (*ec2.CancelSpotInstanceRequestsOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := authorizeOn(ctx, s, r, in.DryRun, spotKind, in.SpotInstanceRequestIds...); err != nil {
		return nil, err
	}
	out := &ec2.CancelSpotInstanceRequestsOutput{}
	err = r.update(func(tx *txn) error {
		for _, id := range in.SpotInstanceRequestIds {
			sir, err := spotKind.find(r, id)
			if err != nil {
				return err
			}
			r.spots.put(tx, id, with(sir, func(s *types.SpotInstanceRequest) {
				s.State = types.SpotInstanceStateCancelled
				s.Status = &types.SpotInstanceStatus{Code: new("request-canceled-and-instance-running"), UpdateTime: new(r.svc.now()),
					Message: new("Your Spot request is canceled and your instance is running.")}
			}))
			out.CancelledSpotInstanceRequests = append(out.CancelledSpotInstanceRequests,
				types.CancelledSpotInstanceRequest{SpotInstanceRequestId: new(id), State: types.CancelSpotInstanceRequestStateCancelled})
		}
		return nil
	})
	return out, err
}

// CreateKeyPair makes a key pair and gives its private half away; it is not kept.
func (s *Service) CreateKeyPair(ctx context.Context, in *ec2.CreateKeyPairInput) (*ec2.CreateKeyPairOutput, error) {
	if str(in.KeyName) == "" {
		return nil, missing("KeyName")
	}
	public, private, print, err := newKey(in.KeyType)
	if err != nil {
		return nil, err
	}
	made, err := s.addKey(ctx, &ec2.ImportKeyPairInput{KeyName: in.KeyName, PublicKeyMaterial: []byte(public), DryRun: in.DryRun, TagSpecifications: in.TagSpecifications}, print)
	if err != nil {
		return nil, err
	}
	return &ec2.CreateKeyPairOutput{KeyName: made.KeyName, KeyPairId: made.KeyPairId, KeyFingerprint: made.KeyFingerprint, Tags: made.Tags, KeyMaterial: new(private)}, nil
}

// newKey makes a key: the public half in OpenSSH's form, the private one as PEM, and the fingerprint where it is not
// that of the public half: for RSA keys of its own making EC2 shows the SHA-1 of the private key.
func newKey(kind types.KeyType) (public, private, print string, err error) {
	if kind == types.KeyTypeEd25519 {
		pub, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return "", "", "", err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		return openSSH("ssh-ed25519", pub), pemText("PRIVATE KEY", der), "", err
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", "", "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	sum := sha1.Sum(der)
	public = openSSH("ssh-rsa", big(uint64(key.E)), append([]byte{0}, key.N.Bytes()...))
	return public, pemText("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)), colons(sum[:]), err
}

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// big writes a small positive number as an SSH integer.
func big(n uint64) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	i := slices.IndexFunc(b[:], func(x byte) bool { return x != 0 })
	return b[i:]
}

// openSSH joins length-prefixed parts to a public key.
func openSSH(kind string, parts ...[]byte) string {
	var raw []byte
	for _, p := range append([][]byte{[]byte(kind)}, parts...) {
		raw = binary.BigEndian.AppendUint32(raw, uint32(len(p)))
		raw = append(raw, p...)
	}
	return kind + " " + base64.StdEncoding.EncodeToString(raw)
}

// prefix lists that AWS keeps per region: name and ranges.
func (r *region) prefixLists() map[string][]string {
	return map[string][]string{
		"com.amazonaws." + r.name + ".s3":       {"198.51.100.0/24"},
		"com.amazonaws." + r.name + ".dynamodb": {"203.0.113.0/24"},
	}
}

func prefixListID(name string) string { return "pl-" + hexOf(name, 8) }

// DescribePrefixLists lists the ranges of AWS services with gateway endpoints; here they are documentation ranges.
func (s *Service) DescribePrefixLists(ctx context.Context, in *ec2.DescribePrefixListsInput) (*ec2.DescribePrefixListsOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	match, err := compile(prefixListKind, in.Filters)
	if err != nil {
		return nil, err
	}
	out, err := none[ec2.DescribePrefixListsOutput](ctx, s, in.DryRun)
	if err != nil {
		return nil, err
	}
	for name, cidrs := range r.prefixLists() {
		l := types.PrefixList{PrefixListId: new(prefixListID(name)), PrefixListName: new(name), Cidrs: cidrs}
		if (len(in.PrefixListIds) == 0 || slices.Contains(in.PrefixListIds, *l.PrefixListId)) && match(r, &l) {
			out.PrefixLists = append(out.PrefixLists, l)
		}
	}
	return out, nil
}

var prefixListKind = &kind[types.PrefixList]{
	filters: map[string]func(*region, *types.PrefixList) []string{
		"prefix-list-id":   func(_ *region, l *types.PrefixList) []string { return one(l.PrefixListId) },
		"prefix-list-name": func(_ *region, l *types.PrefixList) []string { return one(l.PrefixListName) },
	},
}
