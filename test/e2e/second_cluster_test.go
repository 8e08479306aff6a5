package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/automode-dev/automode/test/testkit"
)

// TestSecondCluster: aws eks create-cluster with Auto Mode gives a cluster of its own; deleting it removes its instances.
func TestSecondCluster(t *testing.T) {
	c := shared(t)
	subnets := strings.Fields(c.AWS(t, "eks", "describe-cluster", "--name", c.Name, "--query", "cluster.resourcesVpcConfig.subnetIds", "--output", "text"))
	roles := strings.Fields(c.AWS(t, "eks", "describe-cluster", "--name", c.Name, "--query", "cluster.[roleArn,computeConfig.nodeRoleArn]", "--output", "text"))
	create := []string{"eks", "create-cluster", "--name", "second", "--role-arn", roles[0], "--resources-vpc-config", "subnetIds=" + strings.Join(subnets, ","),
		"--access-config", "authenticationMode=API", "--no-bootstrap-self-managed-addons"}

	r := c.Try(t, "", append(append([]string{"aws"}, create...), "--compute-config", "enabled=true,nodePools=general-purpose,nodeRoleArn="+roles[1])...)
	if want := "An error occurred (InvalidParameterException) when calling the CreateCluster operation: For EKS Auto Mode, please ensure that all required configs, " +
		"including computeConfig, kubernetesNetworkConfig, and blockStorage are all either fully enabled or fully disabled."; !strings.Contains(r.Err, want) {
		t.Errorf("a cluster with half of Auto Mode: exit code %d\n%s", r.Code, r.Err)
	}

	c.AWS(t, append(create, "--compute-config", "enabled=true,nodePools=general-purpose,system,nodeRoleArn="+roles[1],
		"--kubernetes-network-config", "elasticLoadBalancing={enabled=true}", "--storage-config", "blockStorage={enabled=true}")...)
	deleted := false
	t.Cleanup(func() {
		if !deleted {
			c.Try(t, "", "automode", "delete", "cluster", "second")
		}
	})
	c.AWS(t, "eks", "wait", "cluster-active", "--name", "second")
	kubeconfig := t.TempDir() + "/kubeconfig"
	c.AWS(t, "eks", "update-kubeconfig", "--name", "second", "--kubeconfig", kubeconfig)
	kubectl := func(args ...string) testkit.Result {
		return c.Try(t, "", append([]string{"kubectl", "--kubeconfig", kubeconfig}, args...)...)
	}
	testkit.Eventually(t, 60*time.Second, "the second cluster's pools are ready", func() error {
		return testkit.Expect("pools", kubectl("get", "nodepools", "-o", `jsonpath={.items[*].metadata.name} {.items[*].status.conditions[?(@.type=="Ready")].status}`).Out,
			"general-purpose system True True")
	})
	loadNginx(t, c, "nginx")
	if r := kubectl("create", "deployment", "nginx", "--image=nginx"); r.Code != 0 {
		t.Fatal(r.Err)
	}
	testkit.Eventually(t, nodeTimeout, "a pod runs in the second cluster", func() error {
		return testkit.Expect("phase", kubectl("get", "pods", "-l", "app=nginx", "-o", `jsonpath={.items[0].status.phase}`).Out, "Running")
	})

	c.AWS(t, "eks", "delete-cluster", "--name", "second")
	deleted = true
	testkit.Eventually(t, goneTimeout, "the cluster is gone", func() error {
		return testkit.Expect("describe-cluster", strings.TrimSpace(c.Try(t, "", "aws", "eks", "describe-cluster", "--name", "second").Err),
			"An error occurred (ResourceNotFoundException) when calling the DescribeCluster operation: No cluster found for name: second.")
	})
	left := c.AWS(t, "ec2", "describe-instances", "--filters", "Name=tag:eks:eks-cluster-name,Values=second", "Name=instance-state-name,Values=pending,running",
		"--query", "Reservations[].Instances[].InstanceId", "--output", "text")
	if left != "" {
		t.Errorf("instances left: %s", left)
	}
}
