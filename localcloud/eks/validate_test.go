package eks

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the files under testdata")

// expectGolden compares text with a file, or rewrites the file.
func expectGolden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// describeError is an API error as the command line prints it.
func describeError(err error) string {
	var code interface{ ErrorCode() string }
	var text interface{ ErrorMessage() string }
	if errors.As(err, &code) && errors.As(err, &text) {
		return code.ErrorCode() + ": " + text.ErrorMessage()
	}
	return fmt.Sprint(err)
}

// TestRefusedCreations holds the text of every reason to refuse a cluster.
func TestRefusedCreations(t *testing.T) {
	c := newCloud(t)
	c.world.trusted["arn:aws:iam::111122223333:role/NoTagSession"] = []string{"sts:AssumeRole"}
	off := aws.Bool(false)
	var out strings.Builder
	for _, tt := range []struct {
		name   string
		change func(*eks.CreateClusterInput)
	}{
		{"block storage left out", func(in *eks.CreateClusterInput) { in.StorageConfig = nil }},
		{"load balancing off", func(in *eks.CreateClusterInput) { in.KubernetesNetworkConfig.ElasticLoadBalancing.Enabled = off }},
		{"compute off alone", func(in *eks.CreateClusterInput) { in.ComputeConfig = &types.ComputeConfigRequest{Enabled: off} }},
		{"compute alone", func(in *eks.CreateClusterInput) { in.StorageConfig, in.KubernetesNetworkConfig = nil, nil }},
		{"unknown pool", func(in *eks.CreateClusterInput) { in.ComputeConfig.NodePools = []string{"System"} }},
		{"pool twice", func(in *eks.CreateClusterInput) { in.ComputeConfig.NodePools = []string{"system", "system"} }},
		{"pools without role", func(in *eks.CreateClusterInput) { in.ComputeConfig.NodeRoleArn = nil }},
		{"role without pools", func(in *eks.CreateClusterInput) { in.ComputeConfig.NodePools = nil }},
		{"self-managed add-ons", func(in *eks.CreateClusterInput) { in.BootstrapSelfManagedAddons = aws.Bool(true) }},
		{"config map mode", func(in *eks.CreateClusterInput) { in.AccessConfig = nil }},
		{"unknown mode", func(in *eks.CreateClusterInput) { in.AccessConfig.AuthenticationMode = "IAM" }},
		{"bad name", func(in *eks.CreateClusterInput) { in.Name = aws.String("-x") }},
		{"long name", func(in *eks.CreateClusterInput) { in.Name = aws.String(strings.Repeat("x", 101)) }},
		{"bad role", func(in *eks.CreateClusterInput) { in.RoleArn = aws.String("ClusterRole") }},
		{"missing role", func(in *eks.CreateClusterInput) { in.RoleArn = aws.String(testRole + "X") }},
		{"role without sts:TagSession", func(in *eks.CreateClusterInput) {
			in.RoleArn = aws.String("arn:aws:iam::111122223333:role/NoTagSession")
		}},
		{"missing node role", func(in *eks.CreateClusterInput) { in.ComputeConfig.NodeRoleArn = aws.String(testNodes + "X") }},
		{"old version", func(in *eks.CreateClusterInput) { in.Version = aws.String("1.20") }},
		{"one subnet", func(in *eks.CreateClusterInput) { in.ResourcesVpcConfig.SubnetIds = []string{"subnet-a"} }},
		{"one zone", func(in *eks.CreateClusterInput) { in.ResourcesVpcConfig.SubnetIds = []string{"subnet-a", "subnet-a2"} }},
		{"two VPCs", func(in *eks.CreateClusterInput) { in.ResourcesVpcConfig.SubnetIds = []string{"subnet-a", "subnet-x"} }},
		{"missing subnet", func(in *eks.CreateClusterInput) { in.ResourcesVpcConfig.SubnetIds = []string{"subnet-a", "subnet-0"} }},
		{"missing security group", func(in *eks.CreateClusterInput) { in.ResourcesVpcConfig.SecurityGroupIds = []string{"sg-missing"} }},
		{"no endpoint", func(in *eks.CreateClusterInput) { in.ResourcesVpcConfig.EndpointPublicAccess = off }},
		{"bad access range", func(in *eks.CreateClusterInput) { in.ResourcesVpcConfig.PublicAccessCidrs = []string{"10.0.0.0"} }},
		{"service range not masked", func(in *eks.CreateClusterInput) {
			in.KubernetesNetworkConfig.ServiceIpv4Cidr = aws.String("10.1.2.3/16")
		}},
		{"public service range", func(in *eks.CreateClusterInput) {
			in.KubernetesNetworkConfig.ServiceIpv4Cidr = aws.String("8.8.0.0/16")
		}},
		{"ipv6", func(in *eks.CreateClusterInput) { in.KubernetesNetworkConfig.IpFamily = types.IpFamilyIpv6 }},
		{"reserved tag", func(in *eks.CreateClusterInput) { in.Tags = map[string]string{"aws:x": "y"} }},
	} {
		_, err := c.CreateCluster(t.Context(), autoCluster("x", tt.change))
		fmt.Fprintf(&out, "%s\n  %s\n", tt.name, describeError(err))
	}
	expectGolden(t, "testdata/refused-creations.txt", out.String())
}
