package ec2_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
	testclock "k8s.io/utils/clock/testing"

	"github.com/automode-dev/automode/localcloud/ec2"
	"github.com/automode-dev/automode/localcloud/machine/imds"
	"github.com/automode-dev/automode/localcloud/store"
)

// run starts one instance in the subnet.
func (c *cloud) run(subnetID string) string {
	c.t.Helper()
	out := must[*sdk.RunInstancesOutput](c.t)(c.RunInstances(c.t.Context(), &sdk.RunInstancesInput{MinCount: new(int32(1)), MaxCount: new(int32(1)),
		ImageId: new(image(c.t, "x86_64")), InstanceType: "c6a.large", SubnetId: &subnetID,
		IamInstanceProfile: &types.IamInstanceProfileSpecification{Name: new("node")}}))
	return *out.Instances[0].InstanceId
}

func (c *cloud) terminate(id string) {
	c.t.Helper()
	must[*sdk.TerminateInstancesOutput](c.t)(c.TerminateInstances(c.t.Context(), &sdk.TerminateInstancesInput{InstanceIds: []string{id}}))
}

func openStore(t testing.TB, path string) *store.DB {
	t.Helper()
	db, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// afterCrash opens what is on disk at this moment, as a process started after kill -9 would find it.
func afterCrash(t testing.TB, path string) *store.DB {
	t.Helper()
	data := must[[]byte](t)(os.ReadFile(path))
	file := filepath.Join(t.TempDir(), "crashed.db")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return openStore(t, file)
}

func TestMachinesAndNetworksFollow(t *testing.T) {
	w := newWorld()
	c := start(t, w.use)
	vpcID, subnetID := c.network("10.0.0.0/16", "10.0.0.0/24")
	id := c.run(subnetID)
	c.waitState(id, types.InstanceStateNameRunning)
	spec, ok := w.machine(id)
	if !ok || spec.Type != "c6a.large" || spec.VCPUs != 2 || spec.MemoryBytes != 4<<30 || spec.KubernetesVersion != "1.35" || len(spec.Volumes) != 2 {
		t.Errorf("got machine %+v", spec)
	}
	if i := spec.Interfaces[0]; i.Gateway != netip.MustParseAddr("10.0.0.1") || i.Address != netip.MustParseAddr("10.0.0.4") {
		t.Errorf("got interface %+v", i)
	}
	n := w.network(vpcID)
	if len(n.Interfaces) != 1 || n.Interfaces[0].NetNS != "/run/netns/"+id || n.Interfaces[0].Name != "eth0" || len(n.SecurityGroups) != 1 {
		t.Errorf("got network %+v", n)
	}
	c.terminate(id)
	c.waitState(id, types.InstanceStateNameTerminated)
	if _, ok := w.machine(id); ok {
		t.Error("the machine is left")
	}
	eventually(t, "the interface to leave the network", func() bool { return len(w.network(vpcID).Interfaces) == 0 })
}

func TestCrashWhilePending(t *testing.T) {
	w := newWorld()
	w.setBroken(true)
	path := filepath.Join(t.TempDir(), "ec2.db")
	c := startOn(t, openStore(t, path), w.use)
	_, subnetID := c.network("10.0.0.0/16", "10.0.0.0/24")
	id := c.run(subnetID)

	again := newWorld()
	c2 := startOn(t, afterCrash(t, path), again.use)
	c2.waitState(id, types.InstanceStateNameRunning)
	if _, ok := again.machine(id); !ok {
		t.Error("the machine was not started again")
	}
	// The one that only had trouble goes on by itself.
	w.setBroken(false)
	c.waitState(id, types.InstanceStateNameRunning)
}

func TestCrashWhileShuttingDown(t *testing.T) {
	w := newWorld()
	w.gate = make(chan struct{})
	path := filepath.Join(t.TempDir(), "ec2.db")
	c := startOn(t, openStore(t, path), w.use)
	_, subnetID := c.network("10.0.0.0/16", "10.0.0.0/24")
	id := c.run(subnetID)
	c.waitState(id, types.InstanceStateNameRunning)
	c.terminate(id)
	if state := c.instance(id).State.Name; state != types.InstanceStateNameShuttingDown {
		t.Fatalf("the instance is %s", state)
	}
	c2 := startOn(t, afterCrash(t, path), newWorld().use)
	c2.waitState(id, types.InstanceStateNameTerminated)
	nics := must[*sdk.DescribeNetworkInterfacesOutput](t)(c2.DescribeNetworkInterfaces(t.Context(), &sdk.DescribeNetworkInterfacesInput{
		Filters: []types.Filter{{Name: new("subnet-id"), Values: []string{subnetID}}}}))
	volumes := must[*sdk.DescribeVolumesOutput](t)(c2.DescribeVolumes(t.Context(), &sdk.DescribeVolumesInput{}))
	if len(nics.NetworkInterfaces)+len(volumes.Volumes) != 0 {
		t.Errorf("left: %d interfaces, %d volumes", len(nics.NetworkInterfaces), len(volumes.Volumes))
	}
}

func TestEverythingSurvivesARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ec2.db")
	c := startOn(t, openStore(t, path))
	vpcID, subnetID := c.network("10.0.0.0/16", "10.0.0.0/24")
	id := c.run(subnetID)
	c.template("nodes", map[string]string{"k": "v"})
	c.waitState(id, types.InstanceStateNameRunning)
	look := func(c *cloud) (all []any) {
		ctx := t.Context()
		i := c.instance(id)
		groups := must[*sdk.DescribeSecurityGroupsOutput](t)(c.DescribeSecurityGroups(ctx, &sdk.DescribeSecurityGroupsInput{Filters: []types.Filter{{Name: new("vpc-id"), Values: []string{vpcID}}}}))
		subnets := must[*sdk.DescribeSubnetsOutput](t)(c.DescribeSubnets(ctx, &sdk.DescribeSubnetsInput{}))
		templates := must[*sdk.DescribeLaunchTemplateVersionsOutput](t)(c.DescribeLaunchTemplateVersions(ctx, &sdk.DescribeLaunchTemplateVersionsInput{LaunchTemplateName: new("nodes")}))
		return []any{i, groups.SecurityGroups, subnets.Subnets, templates.LaunchTemplateVersions}
	}
	before, after := look(c), look(startOn(t, afterCrash(t, path)))
	if d := cmp.Diff(before, after, cmp.Exporter(func(reflect.Type) bool { return true })); d != "" {
		t.Errorf("after the restart (-before +after):\n%s", d)
	}
}

func TestStopStartAndReboot(t *testing.T) {
	w := newWorld()
	c, ctx := start(t, w.use), t.Context()
	_, subnetID := c.network("10.0.0.0/16", "10.0.0.0/24")
	id := c.run(subnetID)
	c.waitState(id, types.InstanceStateNameRunning)
	must[*sdk.RebootInstancesOutput](t)(c.RebootInstances(ctx, &sdk.RebootInstancesInput{InstanceIds: []string{id}}))
	eventually(t, "the machine to be rebooted", func() bool { return w.wasStopped(id) })
	must[*sdk.StopInstancesOutput](t)(c.StopInstances(ctx, &sdk.StopInstancesInput{InstanceIds: []string{id}}))
	c.waitState(id, types.InstanceStateNameStopped)
	_, err := c.RebootInstances(ctx, &sdk.RebootInstancesInput{InstanceIds: []string{id}})
	wantCode(t, err, "IncorrectInstanceState")
	must[*sdk.ModifyInstanceAttributeOutput](t)(c.ModifyInstanceAttribute(ctx, &sdk.ModifyInstanceAttributeInput{InstanceId: &id, InstanceType: &types.AttributeValue{Value: new("c6a.xlarge")}}))
	must[*sdk.StartInstancesOutput](t)(c.StartInstances(ctx, &sdk.StartInstancesInput{InstanceIds: []string{id}}))
	c.waitState(id, types.InstanceStateNameRunning)
	if spec, _ := w.machine(id); spec.VCPUs != 4 {
		t.Errorf("the machine has %d CPUs after the change of type", spec.VCPUs)
	}
}

func TestTerminatedInstancesVanish(t *testing.T) {
	clock := testclock.NewFakeClock(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
	c := start(t, func(o *ec2.Options) { o.Clock = clock; o.Timing = ec2.Timing{Pending: 5 * time.Second} })
	_, subnetID := c.network("10.0.0.0/16", "10.0.0.0/24")
	id := c.run(subnetID)
	if state := c.instance(id).State.Name; state != types.InstanceStateNamePending {
		t.Errorf("the instance is %s at once", state)
	}
	eventually(t, "a timer", clock.HasWaiters)
	eventually(t, "the instance to run after 5 s", func() bool {
		clock.Step(time.Second)
		return c.instance(id).State.Name == types.InstanceStateNameRunning
	})
	c.terminate(id)
	c.waitState(id, types.InstanceStateNameTerminated)
	eventually(t, "the instance to be forgotten", func() bool {
		clock.Step(10 * time.Minute)
		_, err := c.DescribeInstances(t.Context(), &sdk.DescribeInstancesInput{InstanceIds: []string{id}})
		return err != nil
	})
}

func TestFailedWritesChangeNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ec2.db")
	db := openStore(t, path)
	c := startOn(t, db)
	c.network("10.0.0.0/16", "10.0.0.0/24")
	db.Close()
	if _, err := c.CreateVpc(t.Context(), &sdk.CreateVpcInput{CidrBlock: new("10.9.0.0/16")}); err == nil {
		t.Fatal("a call was acknowledged without a store")
	}
}

func TestMetadata(t *testing.T) {
	w := newWorld()
	c := start(t, w.use, func(o *ec2.Options) { o.Profiles = oneProfile{} })
	vpcID, subnetID := c.network("10.0.0.0/16", "10.0.0.0/24")
	id := c.run(subnetID)
	doc, err := c.service.Metadata(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if doc.InstanceID != id || doc.VPCID != vpcID || doc.RoleName != "node" || doc.Credentials == nil || doc.Credentials.AccessKeyID != "ASIANODE" ||
		len(doc.Interfaces) != 1 || doc.Interfaces[0].SubnetCIDR != netip.MustParsePrefix("10.0.0.0/24") || doc.Volumes["root"] != "/dev/xvda" {
		t.Errorf("got %+v", doc)
	}
	if _, err := c.service.Metadata(t.Context(), "i-0123456789abcdef0"); err == nil {
		t.Error("metadata of an unknown instance")
	}
}

func TestSpotInterruption(t *testing.T) {
	clock := testclock.NewFakeClock(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
	c, ctx := start(t, func(o *ec2.Options) { o.Clock = clock }), t.Context()
	_, subnetID := c.network("10.0.0.0/16", "10.0.0.0/24")
	out := must[*sdk.CreateFleetOutput](t)(c.CreateFleet(ctx, c.fleet(c.template("nodes", nil), subnetID, 1, types.DefaultTargetCapacityTypeSpot, "c6a.large")))
	id := out.Instances[0].InstanceIds[0]
	c.waitState(id, types.InstanceStateNameRunning)
	if err := c.service.Interrupt("us-east-1", id); err != nil {
		t.Fatal(err)
	}
	if doc := must[imds.Document](t)(c.service.Metadata(ctx, id)); doc.SpotAction == nil || doc.SpotAction.Action != "terminate" {
		t.Errorf("got spot action %+v", doc.SpotAction)
	}
	eventually(t, "the instance to be taken", func() bool {
		clock.Step(30 * time.Second)
		return c.instance(id).State.Name == types.InstanceStateNameTerminated
	})
	if reason := c.instance(id).StateReason; *reason.Code != "Server.SpotInstanceTermination" {
		t.Errorf("got reason %s", *reason.Code)
	}
}

func TestClusterParts(t *testing.T) {
	w := newWorld()
	c, ctx := start(t, w.use), t.Context()
	vpcID, subnetID := c.network("10.0.0.0/16", "10.0.0.0/24")
	spec := ec2.ClusterGroup{Region: "us-east-1", VPCID: vpcID, Cluster: "automode", Name: "eks-cluster-sg-automode-1", Description: "d", Tags: map[string]string{"Name": "eks-cluster-sg-automode-1"}}
	sg := must[string](t)(c.service.EnsureClusterGroup(spec))
	if again := must[string](t)(c.service.EnsureClusterGroup(spec)); again != sg {
		t.Errorf("made twice: %s, %s", sg, again)
	}
	want := ec2.ClusterInterface{Region: "us-east-1", VPCID: vpcID, SubnetID: subnetID, Cluster: "automode", Description: "Amazon EKS automode", SecurityGroupIDs: []string{sg}}
	placed := must[ec2.PlacedInterface](t)(c.service.EnsureClusterInterface(ctx, want))
	if again := must[ec2.PlacedInterface](t)(c.service.EnsureClusterInterface(ctx, want)); again != placed || placed.NetNS == "" {
		t.Errorf("got %+v, then %+v", placed, again)
	}
	if n := w.network(vpcID); len(n.Interfaces) != 1 || n.Interfaces[0].Name != "eth0" {
		t.Errorf("got network %+v", n.Interfaces)
	}
	_, err := c.DeleteNetworkInterface(ctx, &sdk.DeleteNetworkInterfaceInput{NetworkInterfaceId: &placed.ID})
	wantCode(t, err, "InvalidParameterValue")

	id := c.managedInstance("automode", subnetID)
	c.waitState(id, types.InstanceStateNameRunning)
	if err := c.service.PublishPort("us-east-1", vpcID, 6443); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the machine to get the port", func() bool { spec, _ := w.machine(id); return len(spec.HostPorts) == 1 && spec.HostPorts[0] == 6443 })
	eventually(t, "the cluster's compute to go", func() bool {
		left, err := c.service.RemoveCompute("us-east-1", "automode")
		return err == nil && len(left) == 0
	})
	for _, err := range []error{c.service.WithdrawPort("us-east-1", vpcID, 6443), c.service.RemoveClusterInterface("us-east-1", "automode"),
		c.service.RemoveClusterGroup("us-east-1", vpcID, "automode"), c.service.RemoveClusterGroup("us-east-1", vpcID, "automode")} {
		if err != nil {
			t.Error(err)
		}
	}
	templates := must[*sdk.DescribeLaunchTemplatesOutput](t)(c.DescribeLaunchTemplates(ctx, &sdk.DescribeLaunchTemplatesInput{}))
	if len(templates.LaunchTemplates) != 0 {
		t.Errorf("%d launch templates left", len(templates.LaunchTemplates))
	}
}
