package eks

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"k8s.io/utils/clock"

	"github.com/automode-dev/automode/localcloud"
	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/cloudtest"
	"github.com/automode-dev/automode/localcloud/iam"
	"github.com/automode-dev/automode/localcloud/sts"
)

// principals are the real IAM and STS behind the ports.
type principals struct {
	*world
	iam *iam.Service
	sts *sts.Service
}

func (p principals) VerifyToken(ctx context.Context, url, cluster string) (*access.Caller, error) {
	return p.sts.VerifyPresigned(ctx, url, http.Header{http.CanonicalHeaderKey(clusterHeader): {cluster}})
}

// TestLoginByCommandLine lets a person log in as on AWS: aws eks
// update-kubeconfig, then kubectl, which calls aws eks get-token, whose
// signature IAM and STS verify.
func TestLoginByCommandLine(t *testing.T) {
	for _, tool := range []string{"aws", "kubectl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the %s command is not installed", tool)
		}
	}
	var p principals
	c := newRealCloud(t, func(o *Options, server *localcloud.Server) {
		users := iam.New(server.DB(), testAccount, clock.RealClock{})
		tokens, err := sts.New(server.DB(), users, testAccount, clock.RealClock{})
		if err != nil {
			t.Fatal(err)
		}
		server.Mount(users.Wire())
		server.Mount(tokens.Wire())
		server.Authenticate(tokens.Authenticator())
		p = principals{o.Roles.(*world), users, tokens}
		o.Tokens = p
	})
	admin, err := p.iam.EnsureAdmin(filepath.Join(t.TempDir(), "admin.json"), "us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	config := cloudtest.Config(c.endpoint, admin.AccessKeyID, admin.SecretAccessKey, "")
	c.Client = eks.NewFromConfig(config)
	if _, err := c.CreateCluster(t.Context(), autoCluster("real")); err != nil {
		t.Fatal(err)
	}
	c.awaitReal()

	home := t.TempDir()
	run := func(key, secret string, args ...string) string {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "HOME="+home, "KUBECONFIG="+filepath.Join(home, "kubeconfig"), "AWS_ENDPOINT_URL="+c.endpoint,
			"AWS_DEFAULT_REGION=us-east-1", "AWS_ACCESS_KEY_ID="+key, "AWS_SECRET_ACCESS_KEY="+secret)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return "failed: " + strings.TrimSpace(string(out))
		}
		return strings.TrimSpace(string(out))
	}
	run(admin.AccessKeyID, admin.SecretAccessKey, "aws", "eks", "update-kubeconfig", "--name", "real")
	if got := run(admin.AccessKeyID, admin.SecretAccessKey, "kubectl", "get", "pods", "-A"); got != "No resources found" {
		t.Errorf("the creator: %s", got)
	}
	if got := run(admin.AccessKeyID, "wrong", "kubectl", "get", "pods", "-A"); !strings.Contains(got, "Unauthorized") && !strings.Contains(got, "must be logged in") {
		t.Errorf("with a wrong secret: %s", got)
	}
	key, secret := newUser(t, awsiam.NewFromConfig(config), "nobody")
	if got := run(key, secret, "kubectl", "get", "pods", "-A"); !strings.Contains(got, "Unauthorized") && !strings.Contains(got, "must be logged in") {
		t.Errorf("a user without an entry: %s", got)
	}
	c.deleteReal()
}

// newUser makes an IAM user without rights and returns its access key.
func newUser(t *testing.T, client *awsiam.Client, name string) (key, secret string) {
	t.Helper()
	if _, err := client.CreateUser(t.Context(), &awsiam.CreateUserInput{UserName: &name}); err != nil {
		t.Fatal(err)
	}
	out, err := client.CreateAccessKey(t.Context(), &awsiam.CreateAccessKeyInput{UserName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.AccessKey.AccessKeyId), aws.ToString(out.AccessKey.SecretAccessKey)
}
