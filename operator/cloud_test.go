package operator

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"k8s.io/utils/clock"

	"github.com/automode-dev/automode/compute/catalog"
	"github.com/automode-dev/automode/localcloud"
	"github.com/automode-dev/automode/localcloud/ec2"
	"github.com/automode-dev/automode/localcloud/ec2/images"
	"github.com/automode-dev/automode/localcloud/iam"
	"github.com/automode-dev/automode/localcloud/pricing"
	"github.com/automode-dev/automode/localcloud/ssm"
	"github.com/automode-dev/automode/localcloud/sts"
	"github.com/automode-dev/automode/localcloud/wire"
)

const (
	clusterRole      = "AmazonEKSAutoClusterRole"
	clusterRoleTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`
	nodeRoleTrust    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
)

// testCloud is a local cloud with real identities and without machines.
type testCloud struct {
	endpoint string
	server   *localcloud.Server
	iam      *iam.Service
	sts      *sts.Service
	ec2      *ec2.Service
	admin    aws.Config
}

func newTestCloud(t testing.TB) *testCloud {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	home := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	c := &testCloud{endpoint: "http://" + l.Addr().String()}
	c.server, err = localcloud.New(localcloud.Options{Home: home, Address: l.Addr().String(), Log: slog.New(slog.DiscardHandler)})
	must(err)
	account := c.server.Options().Account
	c.iam = iam.New(c.server.DB(), account, clock.RealClock{})
	c.sts, err = sts.New(c.server.DB(), c.iam, account, clock.RealClock{})
	must(err)
	c.server.Authenticate(c.sts.Authenticator())
	c.ec2, err = ec2.New(ec2.Options{Store: c.server.DB(), Account: account, Profiles: profiles{c.iam}, Timing: ec2.Timing{Boot: 100 * time.Millisecond}})
	must(err)
	c.server.Mount(c.iam.Wire())
	c.server.Mount(c.sts.Wire())
	c.server.Mount(c.ec2.Wire())
	c.server.Mount(ssm.New(c.server.DB(), account, clock.RealClock{}, images.Parameters).Wire())
	c.server.Mount(pricing.New(catalog.Default()).Wire())
	admin, err := c.iam.EnsureAdmin(filepath.Join(home, "admin.json"), "us-east-1")
	must(err)
	c.admin = aws.Config{
		Region: "us-east-1", BaseEndpoint: &c.endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(admin.AccessKeyID, admin.SecretAccessKey, ""),
	}
	c.ec2.Start(context.Background())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.server.Serve(ctx, l, nil) }()
	t.Cleanup(func() { cancel(); <-done; c.ec2.Close() })
	return c
}

// identities lets the test's process act for a cluster: the cluster role in the usual variables, the service-linked role
// behind an address of its own.
func (c *testCloud) identities(t testing.TB, cluster string) {
	t.Helper()
	api := awsiam.NewFromConfig(c.admin)
	out, err := api.CreateRole(context.Background(), &awsiam.CreateRoleInput{RoleName: aws.String(clusterRole), AssumeRolePolicyDocument: aws.String(clusterRoleTrust)})
	if err != nil {
		t.Fatal(err)
	}
	for _, policy := range []string{"AmazonEKSClusterPolicy", "AmazonEKSComputePolicy", "AmazonEKSNetworkingPolicy"} {
		_, err := api.AttachRolePolicy(context.Background(), &awsiam.AttachRolePolicyInput{RoleName: aws.String(clusterRole), PolicyArn: aws.String("arn:aws:iam::aws:policy/" + policy)})
		if err != nil {
			t.Fatal(err)
		}
	}
	linked, err := c.iam.EnsureServiceLinkedRole("eks.amazonaws.com")
	if err != nil {
		t.Fatal(err)
	}
	serve := func(role string, tags map[string]string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			session, err := c.sts.AssumeServiceRole(r.Context(), role, "eks-auto-mode", "eks.amazonaws.com", tags)
			if err != nil {
				http.Error(w, err.Error(), http.StatusForbidden)
				return
			}
			_ = json.NewEncoder(w).Encode(map[string]string{
				"AccessKeyId": session.AccessKeyID, "SecretAccessKey": session.SecretAccessKey, "Token": session.SessionToken,
				"Expiration": session.Expiration.UTC().Format(time.RFC3339),
			})
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_ENDPOINT_URL", c.endpoint)
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", serve(*out.Role.Arn, map[string]string{"eks:eks-cluster-name": cluster}))
	t.Setenv("AUTOMODE_SERVICE_ROLE_CREDENTIALS_URI", serve(linked, nil))
}

// profiles gives EC2 the instance profiles of IAM; nobody asks for the credentials of instances without machines.
type profiles struct{ iam *iam.Service }

func (p profiles) InstanceProfile(_ context.Context, nameOrARN string) (ec2.Profile, error) {
	found, role, err := p.iam.FindInstanceProfile(nameOrARN)
	if wire.Code(err) == "NoSuchEntity" {
		return ec2.Profile{}, ec2.ErrNoSuchProfile
	}
	if err != nil {
		return ec2.Profile{}, err
	}
	profile := ec2.Profile{ARN: found.ARN, ID: found.ID, Name: found.Name}
	if role != nil {
		profile.RoleARN, profile.RoleName = role.ARN, role.Name
	}
	return profile, nil
}

func (p profiles) RoleCredentials(context.Context, string, string) (ec2.Credentials, error) {
	return ec2.Credentials{}, nil
}
