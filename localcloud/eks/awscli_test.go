package eks

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/automode-dev/automode/localcloud/cloudtest"
)

// TestAWSCommandLine uses the cloud through the aws command as a person would.
func TestAWSCommandLine(t *testing.T) {
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("the aws command is not installed")
	}
	if testing.Short() {
		t.Skip("the aws command takes a second per call")
	}
	c := newCloud(t)
	endpoint := *cloudtest.Start(t, c.svc.Wire()).BaseEndpoint
	home := t.TempDir()
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("aws", append([]string{"eks"}, args...)...)
		cmd.Env = append(os.Environ(), "HOME="+home, "KUBECONFIG="+filepath.Join(home, "kubeconfig"), "AWS_ENDPOINT_URL="+endpoint,
			"AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=secret", "AWS_PAGER=", "AWS_DEFAULT_OUTPUT=json")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("aws eks %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}

	run("create-cluster", "--name", "one", "--role-arn", testRole, "--resources-vpc-config", "subnetIds=subnet-a,subnet-b,endpointPublicAccess=true,endpointPrivateAccess=true",
		"--compute-config", "enabled=true,nodeRoleArn="+testNodes+",nodePools=general-purpose,system",
		"--kubernetes-network-config", `{"elasticLoadBalancing":{"enabled":true}}`, "--storage-config", `{"blockStorage":{"enabled":true}}`,
		"--access-config", "authenticationMode=API")
	run("wait", "cluster-active", "--name", "one")
	for _, tt := range []struct{ args, want string }{
		{"describe-cluster --name one --query cluster.status --output text", "ACTIVE"},
		{"describe-cluster --name one --query cluster.computeConfig.nodePools --output text", "general-purpose\tsystem"},
		{"list-clusters --query clusters --output text", "one"},
		{"list-addons --cluster-name one --query addons --output text", ""},
		{"list-access-entries --cluster-name one --query length(accessEntries)", "3"},
		{"describe-cluster-versions --query clusterVersions[].clusterVersion --output text", "1.35\t1.34"},
	} {
		if got := run(strings.Fields(tt.args)...); got != tt.want {
			t.Errorf("aws eks %s: %q, want %q", tt.args, got, tt.want)
		}
	}
	run("update-kubeconfig", "--name", "one")
	kubeconfig, err := os.ReadFile(filepath.Join(home, "kubeconfig"))
	if err != nil || !strings.Contains(string(kubeconfig), "server: https://127.0.0.1:") {
		t.Errorf("kubeconfig: %v\n%s", err, kubeconfig)
	}
	var credential struct{ Status struct{ Token string } }
	if err := json.Unmarshal([]byte(run("get-token", "--cluster-name", "one")), &credential); err != nil {
		t.Fatal(err)
	}
	if _, err := tokenURL(credential.Status.Token, time.Now()); err != nil {
		t.Errorf("a token of the command line: %v", err)
	}
}
