package ec2_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"github.com/automode-dev/automode/localcloud"
	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/cloudtest"
	"github.com/automode-dev/automode/localcloud/ec2"
	"github.com/automode-dev/automode/localcloud/ec2/images"
	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

// cloud is a running EC2 service and a client of it.
type cloud struct {
	*sdk.Client
	t       testing.TB
	service *ec2.Service
	config  aws.Config
	callers callers
}

const account = "111122223333"

// start serves EC2 with a state of its own until the test ends.
func start(t testing.TB, change ...func(*ec2.Options)) *cloud {
	t.Helper()
	db, err := store.Open(filepath.Join(t.TempDir(), "ec2.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return startOn(t, db, change...)
}

func startOn(t testing.TB, db *store.DB, change ...func(*ec2.Options)) *cloud {
	t.Helper()
	o := ec2.Options{Store: db, Account: account}
	for _, c := range change {
		c(&o)
	}
	s, err := ec2.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start(t.Context())
	t.Cleanup(s.Close)
	server, err := localcloud.New(localcloud.Options{Home: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	callers := callers{root: access.Root(account)}
	server.Authenticate(callers)
	server.Mount(s.Wire())
	config := cloudtest.Serve(t, server)
	config.Credentials = credentials(root)
	return &cloud{Client: sdk.NewFromConfig(config), t: t, service: s, config: config, callers: callers}
}

// root is the access key of the account's root user.
const root = "AKIAROOT"

// callers are the principals of a test by their access keys.
type callers map[string]*access.Caller

func (c callers) Authenticate(_ *http.Request, _ []byte, scope wire.Scope) (*access.Caller, error) {
	return c[scope.AccessKeyID], nil
}

func credentials(key string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: key, SecretAccessKey: "secret"}, nil
	})
}

// as returns a client whose calls are made by another principal.
func (c *cloud) as(caller *access.Caller) *sdk.Client {
	key := fmt.Sprintf("AKIA%d", len(c.callers))
	c.callers[key] = caller
	config := c.config
	config.Credentials = credentials(key)
	return sdk.NewFromConfig(config)
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// wantCode fails unless err is an API error with the code.
func wantCode(t testing.TB, err error, code string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code {
		t.Fatalf("got error %v, want code %s", err, code)
	}
}

func image(t testing.TB, arch string) string {
	t.Helper()
	i, ok := images.Find(images.Bottlerocket, "1.35", arch, "")
	if !ok {
		t.Fatal("no image")
	}
	return i.ID("us-east-1")
}

// network makes a VPC with one subnet in us-east-1a.
func (c *cloud) network(vpcCIDR, subnetCIDR string) (vpcID, subnetID string) {
	c.t.Helper()
	ctx := c.t.Context()
	v := must[*sdk.CreateVpcOutput](c.t)(c.CreateVpc(ctx, &sdk.CreateVpcInput{CidrBlock: &vpcCIDR}))
	s := must[*sdk.CreateSubnetOutput](c.t)(c.CreateSubnet(ctx, &sdk.CreateSubnetInput{VpcId: v.Vpc.VpcId, CidrBlock: &subnetCIDR,
		AvailabilityZone: new("us-east-1a")}))
	return *v.Vpc.VpcId, *s.Subnet.SubnetId
}

func (c *cloud) instance(id string) types.Instance {
	c.t.Helper()
	out := must[*sdk.DescribeInstancesOutput](c.t)(c.DescribeInstances(c.t.Context(), &sdk.DescribeInstancesInput{InstanceIds: []string{id}}))
	return out.Reservations[0].Instances[0]
}

// eventually waits up to ten seconds.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("waiting for %s: it did not happen", what)
}

func (c *cloud) waitState(id string, state types.InstanceStateName) {
	c.t.Helper()
	eventually(c.t, id+" to be "+string(state), func() bool { return c.instance(id).State.Name == state })
}

func (c *cloud) template(name string, tags map[string]string) string {
	c.t.Helper()
	var list []types.Tag
	for k, v := range tags {
		list = append(list, types.Tag{Key: new(k), Value: new(v)})
	}
	in := &sdk.CreateLaunchTemplateInput{LaunchTemplateName: &name, LaunchTemplateData: &types.RequestLaunchTemplateData{
		ImageId:  new(image(c.t, "x86_64")),
		UserData: new(base64.StdEncoding.EncodeToString([]byte("hello"))),
		NetworkInterfaces: []types.LaunchTemplateInstanceNetworkInterfaceSpecificationRequest{{DeviceIndex: new(int32(0)), Ipv4PrefixCount: new(int32(1)),
			AssociatePublicIpAddress: new(false)}},
		BlockDeviceMappings: []types.LaunchTemplateBlockDeviceMappingRequest{{DeviceName: new("/dev/xvdb"),
			Ebs: &types.LaunchTemplateEbsBlockDeviceRequest{VolumeSize: new(int32(80)), VolumeType: types.VolumeTypeGp3, Encrypted: new(true)}}},
		MetadataOptions: &types.LaunchTemplateInstanceMetadataOptionsRequest{HttpTokens: types.LaunchTemplateHttpTokensStateRequired, HttpPutResponseHopLimit: new(int32(1))},
	}}
	if len(list) > 0 {
		in.TagSpecifications = []types.TagSpecification{{ResourceType: types.ResourceTypeLaunchTemplate, Tags: list}}
	}
	out := must[*sdk.CreateLaunchTemplateOutput](c.t)(c.CreateLaunchTemplate(c.t.Context(), in))
	return *out.LaunchTemplate.LaunchTemplateId
}
