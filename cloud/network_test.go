package cloud

import (
	"fmt"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"k8s.io/utils/clock"

	"github.com/automode-dev/automode/compute"
	"github.com/automode-dev/automode/localcloud"
	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/cloudtest"
	localec2 "github.com/automode-dev/automode/localcloud/ec2"
	"github.com/automode-dev/automode/localcloud/ec2/images"
	"github.com/automode-dev/automode/localcloud/iam"
	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
	"github.com/automode-dev/automode/network/controller"
)

// networkFixture is an instance in a small subnet of the local cloud's EC2.
type networkFixture struct {
	*Network
	t        *testing.T
	ec2      *ec2.Client
	subnet   string
	instance string
}

func newNetworkFixture(t *testing.T, subnetCIDR string) *networkFixture {
	t.Helper()
	db, err := store.Open(filepath.Join(t.TempDir(), "ec2.db"))
	check(t, err)
	t.Cleanup(func() { db.Close() })
	service, err := localec2.New(localec2.Options{Store: db, Account: "111122223333"})
	check(t, err)
	service.Start(t.Context())
	t.Cleanup(service.Close)
	server, err := localcloud.New(localcloud.Options{Home: t.TempDir()})
	check(t, err)
	server.Authenticate(principals{t, iam.New(db, "111122223333", clock.RealClock{})})
	server.Mount(service.Wire())
	config := cloudtest.Serve(t, server)
	as := func(key string) aws.Config { return cloudtest.Config(*config.BaseEndpoint, key, "secret", "") }
	f := &networkFixture{t: t, ec2: ec2.NewFromConfig(as("root")), Network: NewNetwork(Identities{Cluster: as("cluster"), Service: as("service")}, "demo")}

	ctx := t.Context()
	vpc, err := f.ec2.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	check(t, err)
	subnet, err := f.ec2.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: vpc.Vpc.VpcId, CidrBlock: &subnetCIDR, AvailabilityZone: aws.String("us-east-1a")})
	check(t, err)
	f.subnet = *subnet.Subnet.SubnetId
	image, _ := images.Find(images.Bottlerocket, "1.35", "x86_64", "")
	run, err := f.ec2.RunInstances(ctx, &ec2.RunInstancesInput{
		ImageId: aws.String(image.ID("us-east-1")), InstanceType: "c6a.large", MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeInstance, Tags: clusterTags()}, {ResourceType: types.ResourceTypeNetworkInterface, Tags: clusterTags()}},
		NetworkInterfaces: []types.InstanceNetworkInterfaceSpecification{{DeviceIndex: aws.Int32(0), SubnetId: &f.subnet, Ipv4PrefixCount: aws.Int32(1)}},
	})
	check(t, err)
	f.instance = *run.Instances[0].InstanceId
	waiter := ec2.NewInstanceRunningWaiter(f.ec2, func(o *ec2.InstanceRunningWaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, 50*time.Millisecond
	})
	check(t, waiter.Wait(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{f.instance}}, 10*time.Second))
	return f
}

// principals are the two identities of the controllers, with AWS's own policies, and the account's root user.
type principals struct {
	t   *testing.T
	iam *iam.Service
}

// Authenticate implements wire.Authenticator; the access key's name says who calls.
func (p principals) Authenticate(r *http.Request, _ []byte, _ wire.Scope) (*access.Caller, error) {
	caller := access.Root("111122223333")
	switch authorization := r.Header.Get("Authorization"); {
	case strings.Contains(authorization, "Credential=cluster/"):
		caller.PrincipalARN = "arn:aws:iam::111122223333:role/AmazonEKSAutoClusterRole"
		caller.PrincipalTags = map[string]string{"eks:eks-cluster-name": "demo"}
		caller.Identity = []*access.Policy{p.policy("AmazonEKSNetworkingPolicy")}
	case strings.Contains(authorization, "Credential=service/"):
		caller.PrincipalARN = "arn:aws:iam::111122223333:role/aws-service-role/eks.amazonaws.com/AWSServiceRoleForAmazonEKS"
		caller.Identity = []*access.Policy{p.policy("aws-service-role/AmazonEKSServiceRolePolicy")}
	default:
		return caller, nil
	}
	caller.Type, caller.ARN = access.TypeAssumedRole, caller.PrincipalARN
	return caller, nil
}

func (p principals) policy(name string) *access.Policy {
	policy, err := p.iam.ManagedPolicy("arn:aws:iam::aws:policy/" + name)
	if err != nil {
		p.t.Error(err)
	}
	return policy
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func clusterTags() []types.Tag {
	return []types.Tag{{Key: aws.String("eks:eks-cluster-name"), Value: aws.String("demo")}}
}

func (f *networkFixture) interfaces() []controller.Interface {
	f.t.Helper()
	found, err := f.Interfaces(f.t.Context(), f.instance)
	check(f.t, err)
	return found
}

func TestNetworkAssignsAndUnassigns(t *testing.T) {
	f, ctx := newNetworkFixture(t, "10.0.0.0/24"), t.Context()
	primary := f.interfaces()[0]
	if len(primary.Prefixes) != 1 || len(primary.Groups) != 1 || primary.SubnetID != f.subnet || !primary.Address.IsValid() || primary.MAC == "" {
		t.Fatalf("primary interface %+v", primary)
	}
	prefixes, err := f.Assign(ctx, primary.ID, 2, 0)
	check(t, err)
	addresses, err := f.Assign(ctx, primary.ID, 0, 1)
	check(t, err)
	now := f.interfaces()[0]
	if len(prefixes) != 2 || prefixes[0].Bits() != 28 || len(addresses) != 1 || !addresses[0].IsSingleIP() || len(now.Prefixes) != 3 || len(now.Addresses) != 1 {
		t.Errorf("assigned %v and %v: %+v", prefixes, addresses, now)
	}
	for _, r := range append(prefixes, addresses...) {
		check(t, f.Unassign(ctx, primary.ID, r))
		check(t, f.Unassign(ctx, primary.ID, r)) // gone already
	}
	if now := f.interfaces()[0]; len(now.Prefixes) != 1 || len(now.Addresses) != 0 {
		t.Errorf("left %+v", now)
	}
}

func TestNetworkFacts(t *testing.T) {
	f, ctx := newNetworkFixture(t, "10.0.0.0/24"), t.Context()
	subnet, err := f.Subnet(ctx, f.subnet)
	check(t, err)
	if subnet.CIDR != netip.MustParsePrefix("10.0.0.0/24") || fmt.Sprint(subnet.VPC) != "[10.0.0.0/16]" {
		t.Errorf("subnet %+v", subnet)
	}
	limits, err := f.Limits(ctx, "c6a.large")
	check(t, err)
	if limits != (controller.Limits{Interfaces: 3, AddressesPerInterface: 10}) {
		t.Errorf("limits %+v", limits)
	}
	if found, err := f.Interfaces(ctx, "i-0123456789abcdef0"); err != nil || len(found) != 0 {
		t.Errorf("an instance that does not exist has %v, %v", found, err)
	}
}

func TestNetworkNamesAFragmentedSubnet(t *testing.T) {
	f := newNetworkFixture(t, "10.0.0.0/26") // four ranges of 16; EC2 keeps addresses of the first and the last
	_, err := f.Assign(t.Context(), f.interfaces()[0].ID, 3, 0)
	if compute.CodeOf(err) != "InsufficientCidrBlocks" {
		t.Errorf("got %v", err)
	}
}

func TestNetworkAddsAnInterface(t *testing.T) {
	f, ctx := newNetworkFixture(t, "10.0.0.0/24"), t.Context()
	primary := f.interfaces()[0]
	added, err := f.AddInterface(ctx, controller.NewInterface{
		InstanceID: f.instance, NodeName: f.instance, DeviceIndex: 1, SubnetID: f.subnet, Groups: primary.Groups, Prefixes: 1,
	})
	check(t, err)
	all := f.interfaces()
	if len(all) != 2 || all[1].ID != added.ID || all[1].DeviceIndex != 1 || len(all[1].Prefixes) != 1 || added.DeviceIndex != 1 || len(added.Prefixes) != 1 {
		t.Fatalf("added %+v: %+v", added, all)
	}
	raw, err := f.ec2.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{added.ID}})
	check(t, err)
	if !aws.ToBool(raw.NetworkInterfaces[0].Attachment.DeleteOnTermination) {
		t.Error("the interface outlives its instance")
	}
}

func TestNetworkCollectsAbandonedInterfaces(t *testing.T) {
	f, ctx := newNetworkFixture(t, "10.0.0.0/24"), t.Context()
	// The instance does not exist: the interface is created but never attached.
	_, err := f.AddInterface(ctx, controller.NewInterface{InstanceID: "i-0123456789abcdef0", NodeName: "gone", DeviceIndex: 1, SubnetID: f.subnet, Prefixes: 1})
	if err == nil {
		t.Fatal("attached to nothing")
	}
	abandoned, err := f.Abandoned(ctx)
	check(t, err)
	if len(abandoned) != 1 {
		t.Fatalf("abandoned %v", abandoned)
	}
	for range 2 {
		check(t, f.DeleteInterface(ctx, abandoned[0]))
	}
}
