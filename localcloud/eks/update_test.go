package eks

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/google/go-cmp/cmp"
)

// autoModeUpdate is an update of all three switches.
func autoModeUpdate(on bool, role string, pools ...string) *eks.UpdateClusterConfigInput {
	in := &eks.UpdateClusterConfigInput{
		Name:                    aws.String("one"),
		ComputeConfig:           &types.ComputeConfigRequest{Enabled: &on, NodePools: pools},
		StorageConfig:           &types.StorageConfigRequest{BlockStorage: &types.BlockStorage{Enabled: &on}},
		KubernetesNetworkConfig: &types.KubernetesNetworkConfigRequest{ElasticLoadBalancing: &types.ElasticLoadBalancing{Enabled: &on}},
	}
	if role != "" {
		in.ComputeConfig.NodeRoleArn = &role
	}
	return in
}

func (c *cloud) expectUpdated(in *eks.UpdateClusterConfigInput) *types.Update {
	c.t.Helper()
	in.Name = aws.String("one")
	out, err := c.UpdateClusterConfig(c.t.Context(), in)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.expectUpdate("one", out.Update, types.UpdateStatusSuccessful)
}

func TestAutoModeOffAndOn(t *testing.T) {
	c := newCloud(t)
	c.expectCreated(autoCluster("one"))

	u := c.expectUpdated(autoModeUpdate(true, testNodes, "system"))
	if u.Type != types.UpdateTypeAutoModeUpdate || len(u.Params) != 3 {
		t.Errorf("update %+v", u)
	}
	if diff := cmp.Diff([]string{"system"}, c.world.controllers["one"].NodePools); diff != "" {
		t.Error(diff)
	}

	c.world.mu.Lock()
	c.world.instances["one"] = 1
	c.world.mu.Unlock()
	c.expectUpdated(autoModeUpdate(false, ""))
	cluster := c.expectStatus("one", types.ClusterStatusActive)
	if aws.ToBool(cluster.ComputeConfig.Enabled) || cluster.ComputeConfig.NodeRoleArn != nil || len(cluster.ComputeConfig.NodePools) > 0 {
		t.Errorf("compute config after disabling: %+v", cluster.ComputeConfig)
	}
	if len(c.world.controllers) != 0 || c.world.instances["one"] != 0 || c.world.removedAuto != 1 {
		t.Errorf("left after disabling: %+v", c.world)
	}

	c.expectUpdated(autoModeUpdate(true, testNodes, "system", "general-purpose"))
	if len(c.world.controllers) != 1 {
		t.Error("no controllers after enabling again")
	}
	updates, err := c.ListUpdates(t.Context(), &eks.ListUpdatesInput{Name: aws.String("one")})
	if err != nil || len(updates.UpdateIds) != 3 {
		t.Errorf("updates: %v, %v", updates, err)
	}
}

func TestRefusedUpdates(t *testing.T) {
	c := newCloud(t)
	c.expectCreated(autoCluster("one"))
	var out strings.Builder
	try := func(name string, in *eks.UpdateClusterConfigInput) {
		in.Name = aws.String("one")
		_, err := c.UpdateClusterConfig(t.Context(), in)
		fmt.Fprintf(&out, "%s\n  %s\n", name, describeError(err))
	}
	half := autoModeUpdate(false, "")
	half.StorageConfig = nil
	half.ComputeConfig.Enabled = aws.Bool(true)
	try("half of Auto Mode", half)
	alone := autoModeUpdate(false, "")
	alone.StorageConfig, alone.KubernetesNetworkConfig = nil, nil
	try("one switch alone", alone)
	try("the same Auto Mode", autoModeUpdate(true, testNodes, "system", "general-purpose"))
	c.world.trusted[testNodes+"2"] = []string{"sts:AssumeRole"}
	try("another node role", autoModeUpdate(true, testNodes+"2", "system"))
	try("nothing", &eks.UpdateClusterConfigInput{})
	try("two at once", &eks.UpdateClusterConfigInput{
		DeletionProtection: aws.Bool(true), UpgradePolicy: &types.UpgradePolicyRequest{SupportType: types.SupportTypeStandard},
	})
	try("the same logging", &eks.UpdateClusterConfigInput{Logging: &types.Logging{ClusterLogging: []types.LogSetup{{Types: []types.LogType{types.LogTypeApi}, Enabled: aws.Bool(false)}}}})
	try("the same endpoint", &eks.UpdateClusterConfigInput{ResourcesVpcConfig: &types.VpcConfigRequest{EndpointPublicAccess: aws.Bool(true)}})
	try("no endpoint", &eks.UpdateClusterConfigInput{ResourcesVpcConfig: &types.VpcConfigRequest{EndpointPublicAccess: aws.Bool(false)}})
	try("mode backwards", &eks.UpdateClusterConfigInput{AccessConfig: &types.UpdateAccessConfigRequest{AuthenticationMode: types.AuthenticationModeConfigMap}})
	try("the same protection", &eks.UpdateClusterConfigInput{DeletionProtection: aws.Bool(false)})
	for _, v := range []string{"1.35", "1.37", "1.36", "x"} {
		_, err := c.UpdateClusterVersion(t.Context(), &eks.UpdateClusterVersionInput{Name: aws.String("one"), Version: &v})
		fmt.Fprintf(&out, "version %s\n  %s\n", v, describeError(err))
	}
	expectGolden(t, "testdata/refused-updates.txt", out.String())
}

func TestOtherUpdates(t *testing.T) {
	c := newCloud(t)
	c.expectCreated(autoCluster("one", func(in *eks.CreateClusterInput) { in.Version = aws.String("1.34") }))
	c.expectUpdated(&eks.UpdateClusterConfigInput{DeletionProtection: aws.Bool(true)})
	_, err := c.DeleteCluster(t.Context(), &eks.DeleteClusterInput{Name: aws.String("one")})
	expectError(t, err, "InvalidRequestException", "Cluster one cannot be deleted because deletion protection is enabled. Disable deletion protection with UpdateClusterConfig and try again.")
	c.expectUpdated(&eks.UpdateClusterConfigInput{Logging: &types.Logging{ClusterLogging: []types.LogSetup{{Types: []types.LogType{types.LogTypeApi}, Enabled: aws.Bool(true)}}}})
	c.expectUpdated(&eks.UpdateClusterConfigInput{ResourcesVpcConfig: &types.VpcConfigRequest{EndpointPrivateAccess: aws.Bool(true)}})
	c.expectUpdated(&eks.UpdateClusterConfigInput{UpgradePolicy: &types.UpgradePolicyRequest{SupportType: types.SupportTypeStandard}})
	c.expectUpdated(&eks.UpdateClusterConfigInput{ControlPlaneScalingConfig: &types.ControlPlaneScalingConfig{Tier: "tier-xl"}})

	out, err := c.UpdateClusterVersion(t.Context(), &eks.UpdateClusterVersionInput{Name: aws.String("one"), Version: aws.String("1.35")})
	if err != nil {
		t.Fatal(err)
	}
	c.expectUpdate("one", out.Update, types.UpdateStatusSuccessful)
	cluster := c.expectStatus("one", types.ClusterStatusActive)
	got := []any{*cluster.Version, c.world.planes["one"].Version, c.world.controllers["one"].Version, cluster.ResourcesVpcConfig.EndpointPrivateAccess, cluster.UpgradePolicy.SupportType}
	if diff := cmp.Diff([]any{"1.35", "1.35", "1.35", true, types.SupportTypeStandard}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]types.LogType{"api"}, cluster.Logging.ClusterLogging[0].Types); diff != "" {
		t.Error(diff)
	}
}

// An update that cannot be carried out leaves the cluster as it was.
func TestFailedUpdate(t *testing.T) {
	c := newCloud(t)
	c.expectCreated(autoCluster("one", func(in *eks.CreateClusterInput) { in.Version = aws.String("1.34") }))
	c.svc.o.Timeout = 1
	c.world.mu.Lock()
	c.world.failPlane = fmt.Errorf("kube-apiserver 1.35 does not start")
	c.world.mu.Unlock()
	out, err := c.UpdateClusterVersion(t.Context(), &eks.UpdateClusterVersionInput{Name: aws.String("one"), Version: aws.String("1.35")})
	if err != nil {
		t.Fatal(err)
	}
	u := c.expectUpdate("one", out.Update, types.UpdateStatusFailed)
	if got := aws.ToString(u.Errors[0].ErrorMessage); got != "starting the control plane: kube-apiserver 1.35 does not start" {
		t.Errorf("update error %q", got)
	}
	if got := *c.expectStatus("one", types.ClusterStatusActive).Version; got != "1.34" {
		t.Errorf("version %s", got)
	}
}
