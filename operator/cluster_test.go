package operator

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/automode-dev/automode/controlplane"
	"github.com/automode-dev/automode/localcloud/ec2/images"
)

const testVersion = "1.35"

// testCluster is a real control plane without nodes, an AWS to launch them in, and the controllers in between.
type testCluster struct {
	testing.TB
	ctx     context.Context
	admin   client.Client
	rest    *rest.Config // of the administrator
	cloud   *testCloud
	ec2     *ec2.Client // as an administrator
	config  Config
	file    string
	log     *lockedBuffer
	stop    context.CancelFunc
	stopped chan error
	nodes   *kubelets
}

// newControlPlane starts a control plane with our definitions and nothing else. It skips where Kubernetes is not built.
func newControlPlane(t testing.TB) *testCluster {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a control plane; left out by -short")
	}
	libexec, _ := filepath.Abs("../bin")
	if _, err := os.Stat(filepath.Join(libexec, "kubernetes-"+testVersion, "kubernetes")); err != nil {
		t.Skipf("Kubernetes %s is not built: run hack/build-kubernetes.sh", testVersion)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	c := &testCluster{TB: t, ctx: ctx, log: &lockedBuffer{}}
	c.startControlPlane(libexec)
	c.apply(manifests(t)...)
	return c
}

// newTestCluster adds a cloud, nodes and the controllers. It skips where Kubernetes is not built.
func newTestCluster(t testing.TB) *testCluster {
	t.Helper()
	c := newControlPlane(t)
	c.cloud = newTestCloud(t)
	c.cloud.identities(t, c.config.Cluster.Name)
	c.makeNetwork()
	c.nodes = startKubelets(c)
	c.startControllers()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the controllers' log ends with:\n%s", c.log.tail(6000))
		}
	})
	return c
}

func (c *testCluster) startControlPlane(libexec string) {
	manager := controlplane.NewManager(c.TempDir())
	c.Cleanup(func() {
		if err := manager.Remove(context.Background(), "test"); err != nil {
			c.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(c.ctx, 2*time.Minute)
	defer cancel()
	automode, err := os.Executable()
	c.must(err)
	info, err := manager.Ensure(ctx, controlplane.Spec{
		Name: "test", Version: testVersion, HostPort: freePort(c), Libexec: libexec, Automode: automode,
		ServiceCIDR: netip.MustParsePrefix("172.20.0.0/16"), IssuerURL: "https://oidc.example/id/TEST",
		AuthenticatorURL: "http://127.0.0.1:1/authenticate",
	}, func(string) {})
	c.must(err)
	c.rest = info.Admin
	c.admin, err = client.New(info.Admin, client.Options{Scheme: newScheme()})
	c.must(err)

	kubeconfig, err := manager.Kubeconfig("test", KubernetesUser, []string{KubernetesGroup}, "", time.Hour)
	c.must(err)
	file := filepath.Join(c.TempDir(), "kubeconfig")
	c.must(os.WriteFile(file, kubeconfig, 0o600))
	c.config = Config{
		APIVersion: APIVersion, Kind: Kind, Kubeconfig: file,
		Cluster: ClusterConfig{
			Name: "test-cluster", Region: "us-east-1", Version: testVersion,
			Endpoint: info.Endpoint, CertificateAuthority: info.CertificateAuthority, ServiceCIDR: "172.20.0.0/16",
			Images: images.Parameters("us-east-1"),
		},
		Compute: ComputeConfig{NodePools: []string{"general-purpose", "system"}},
	}
}

// makeNetwork makes a VPC with three subnets, a security group and a node role.
func (c *testCluster) makeNetwork() {
	c.ec2 = ec2.NewFromConfig(c.cloud.admin)
	vpc, err := c.ec2.CreateVpc(c.ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.44.0.0/16")})
	c.must(err)
	zones, err := c.ec2.DescribeAvailabilityZones(c.ctx, &ec2.DescribeAvailabilityZonesInput{})
	c.must(err)
	for i, zone := range zones.AvailabilityZones[:3] {
		subnet, err := c.ec2.CreateSubnet(c.ctx, &ec2.CreateSubnetInput{
			VpcId: vpc.Vpc.VpcId, CidrBlock: aws.String(fmt.Sprintf("10.44.%d.0/19", 32*i)), AvailabilityZone: zone.ZoneName,
		})
		c.must(err)
		c.config.Cluster.Subnets = append(c.config.Cluster.Subnets, *subnet.Subnet.SubnetId)
	}
	group, err := c.ec2.CreateSecurityGroup(c.ctx, &ec2.CreateSecurityGroupInput{
		GroupName: aws.String("eks-cluster-sg-" + c.config.Cluster.Name), Description: aws.String("test"), VpcId: vpc.Vpc.VpcId,
	})
	c.must(err)
	c.config.Cluster.SecurityGroup = *group.GroupId
	c.config.Compute.NodeRole = "role-" + c.config.Cluster.Name
	_, err = iam.NewFromConfig(c.cloud.admin).CreateRole(c.ctx, &iam.CreateRoleInput{
		RoleName:                 &c.config.Compute.NodeRole,
		AssumeRolePolicyDocument: aws.String(nodeRoleTrust),
	})
	c.must(err)
}

func (c *testCluster) startControllers() {
	c.file = filepath.Join(c.TempDir(), "controller.yaml")
	c.writeConfig()
	ctx, stop := context.WithCancel(c.ctx)
	c.stop, c.stopped = stop, make(chan error, 1)
	go func() { c.stopped <- Run(ctx, Options{ConfigFile: c.file, Log: c.log}) }()
	c.Cleanup(func() {
		stop()
		select {
		case err := <-c.stopped:
			if err != nil {
				c.Errorf("running the controllers: %v", err)
			}
		case <-time.After(40 * time.Second):
			c.Error("the controllers do not stop")
		}
	})
}

func (c *testCluster) writeConfig() {
	document, err := c.config.Marshal()
	c.must(err)
	c.must(os.WriteFile(c.file, document, 0o600))
}

func manifests(t testing.TB) []string {
	documents, err := Manifests()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, document := range documents {
		all = append(all, string(document))
	}
	return all
}

// apply creates the objects of YAML documents; those that are there already stay.
func (c *testCluster) apply(documents ...string) {
	c.Helper()
	for _, text := range documents {
		if err := c.tryApply(text); err != nil && !apierrors.IsAlreadyExists(err) {
			c.Fatalf("creating object: %v\n%s", err, text)
		}
	}
}

// tryApply creates one object, waiting a little for its kind to be served.
func (c *testCluster) tryApply(text string) error {
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), object); err != nil {
		return err
	}
	if object.GetNamespace() == "" && (object.GetKind() == "Deployment" || object.GetKind() == "Pod") {
		object.SetNamespace("default")
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := c.admin.Create(c.ctx, object.DeepCopy())
		if err == nil || !strings.Contains(err.Error(), "no matches for kind") || time.Now().After(deadline) {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// eventually waits until check returns nil.
func (c *testCluster) eventually(what string, check func() error) {
	c.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			c.Fatalf("waiting until %s: %v", what, err)
		}
		time.Sleep(250 * time.Millisecond)
	}
}

func (c *testCluster) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

func (c *testCluster) claims() []karpv1.NodeClaim {
	list := &karpv1.NodeClaimList{}
	c.must(c.admin.List(c.ctx, list))
	return list.Items
}

func (c *testCluster) liveNodes() []corev1.Node {
	list := &corev1.NodeList{}
	c.must(c.admin.List(c.ctx, list))
	return list.Items
}

// instances are the ids of the cluster's instances that are pending or running.
func (c *testCluster) instances() []string {
	out, err := c.ec2.DescribeInstances(c.ctx, &ec2.DescribeInstancesInput{Filters: []ec2types.Filter{
		{Name: aws.String("tag:eks:eks-cluster-name"), Values: []string{c.config.Cluster.Name}},
		{Name: aws.String("instance-state-name"), Values: []string{"pending", "running"}},
	}})
	c.must(err)
	var ids []string
	for _, reservation := range out.Reservations {
		for _, instance := range reservation.Instances {
			ids = append(ids, *instance.InstanceId)
		}
	}
	slices.Sort(ids)
	return ids
}

func freePort(t testing.TB) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }

func (c *testCluster) claimsOf(pool string) []karpv1.NodeClaim {
	return slices.DeleteFunc(c.claims(), func(claim karpv1.NodeClaim) bool { return claim.Labels[karpv1.NodePoolLabelKey] != pool })
}

// readyClaim waits for exactly one claim of the pool with an initialized node.
func (c *testCluster) readyClaim(pool string) karpv1.NodeClaim {
	c.Helper()
	var found karpv1.NodeClaim
	c.eventually("a node of pool "+pool+" is initialized", func() error {
		claims := slices.DeleteFunc(c.claimsOf(pool), func(claim karpv1.NodeClaim) bool { return !claim.DeletionTimestamp.IsZero() })
		if len(claims) != 1 || !claims[0].StatusConditions().Root().IsTrue() {
			return fmt.Errorf("claims: %v", c.summary())
		}
		found = claims[0]
		return nil
	})
	return found
}

// summary is a line per claim: its name, its node and its conditions.
func (c *testCluster) summary() []string {
	var lines []string
	for _, claim := range c.claims() {
		line := claim.Name + " " + claim.Status.NodeName
		if !claim.DeletionTimestamp.IsZero() {
			line += " (deleted)"
		}
		for _, condition := range claim.Status.Conditions {
			line += fmt.Sprintf(" %s=%s(%s)", condition.Type, condition.Status, condition.Reason)
		}
		lines = append(lines, line)
	}
	return lines
}

func requirement(claim karpv1.NodeClaim, key string) []string {
	for _, requirement := range claim.Spec.Requirements {
		if requirement.Key == key {
			return requirement.Values
		}
	}
	return nil
}

func (c *testCluster) scale(deployment string, replicas int32) {
	c.Helper()
	object := &appsv1.Deployment{}
	c.must(c.admin.Get(c.ctx, client.ObjectKey{Namespace: "default", Name: deployment}, object))
	object.Spec.Replicas = &replicas
	c.must(c.admin.Update(c.ctx, object))
}

// checkEvents looks for condition events of a claim, from the source that Auto Mode's compute events have.
func (c *testCluster) checkEvents(claim string, kinds ...string) {
	c.Helper()
	for _, kind := range kinds {
		want := fmt.Sprintf("Status condition transitioned, Type: %s, Status: Unknown -> True, Reason: %[1]s", kind)
		c.eventually("event "+kind, func() error {
			list := &corev1.EventList{}
			c.must(c.admin.List(c.ctx, list))
			for _, e := range list.Items {
				if e.InvolvedObject.Name == claim && e.Reason == kind && e.Message == want && e.Source.Component == "eks-auto-mode/compute" {
					return nil
				}
			}
			return fmt.Errorf("not among %d events", len(list.Items))
		})
	}
}
