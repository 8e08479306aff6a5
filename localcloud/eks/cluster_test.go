package eks

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/google/go-cmp/cmp"
)

func TestCreateDescribeDelete(t *testing.T) {
	c := newCloud(t)
	cluster := c.expectCreated(autoCluster("one", func(in *eks.CreateClusterInput) { in.Tags = map[string]string{"team": "a"} }))

	if got, want := aws.ToString(cluster.Endpoint), "https://127.0.0.1:36443"; !strings.HasPrefix(got, "https://127.0.0.1:3") {
		t.Errorf("endpoint %s, want something like %s", got, want)
	}
	if got := aws.ToString(cluster.CertificateAuthority.Data); got != encode64([]byte("CA of one")) {
		t.Errorf("certificate authority %q", got)
	}
	if got := aws.ToString(cluster.ResourcesVpcConfig.ClusterSecurityGroupId); got != "sg-one" {
		t.Errorf("security group %q", got)
	}
	if diff := cmp.Diff([]string{"general-purpose", "system"}, cluster.ComputeConfig.NodePools); diff != "" {
		t.Error(diff)
	}
	group := c.world.groups["one"]
	if !strings.HasPrefix(group.Name, "eks-cluster-sg-one-") || group.Tags["aws:eks:cluster-name"] != "one" || group.Tags["kubernetes.io/cluster/one"] != "owned" {
		t.Errorf("security group %+v", group)
	}
	if got := c.world.interfaces["one"].Description; got != "Amazon EKS one" {
		t.Errorf("interface description %q", got)
	}
	if got := c.world.controllers["one"].NodeRoleARN; got != testNodes {
		t.Errorf("controllers' node role %q", got)
	}

	c.world.mu.Lock()
	c.world.instances["one"] = 2
	c.world.mu.Unlock()
	if _, err := c.DeleteCluster(t.Context(), &eks.DeleteClusterInput{Name: aws.String("one")}); err != nil {
		t.Fatal(err)
	}
	c.expectGone("one")
	c.expectNothingLeft()
}

func (c *cloud) expectNothingLeft() {
	c.t.Helper()
	w := c.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.planes)+len(w.controllers)+len(w.groups)+len(w.interfaces)+len(w.ports)+len(w.instances) != 0 {
		c.t.Errorf("left after deletion: %v %v %v %v %v %v", w.planes, w.controllers, w.groups, w.interfaces, w.ports, w.instances)
	}
}

// A process that dies in the middle of any step is followed by one that ends
// what was begun, on the way up and on the way down.
func TestResumesAtEveryStep(t *testing.T) {
	up := []string{
		"making the service-linked role", "making the group", "making the interface", "publishing the port", "starting the control plane",
		"applying objects", "syncing bindings", "starting the controllers",
	}
	down := []string{
		"stopping the controllers", "removing compute", "removing instance profiles", "stopping the control plane",
		"withdrawing the port", "removing the interface",
	}
	for _, step := range append(up, down...) {
		t.Run(step, func(t *testing.T) {
			c := newCloud(t)
			c.world.broken, c.world.brokeAt = step, make(chan struct{})
			restart := func() {
				<-c.world.brokeAt
				c.stop()
				c.start()
			}
			if _, err := c.CreateCluster(t.Context(), autoCluster("one")); err != nil {
				t.Fatal(err)
			}
			if slices.Contains(up, step) {
				restart()
			}
			c.expectStatus("one", types.ClusterStatusActive)
			if _, err := c.DeleteCluster(t.Context(), &eks.DeleteClusterInput{Name: aws.String("one")}); err != nil {
				t.Fatal(err)
			}
			if slices.Contains(down, step) {
				restart()
			}
			c.expectGone("one")
			c.expectNothingLeft()
		})
	}
}

func (c *cloud) expectGone(name string) {
	c.t.Helper()
	for range 400 {
		_, err := c.DescribeCluster(c.t.Context(), &eks.DescribeClusterInput{Name: &name})
		if err != nil {
			expectError(c.t, err, "ResourceNotFoundException", "No cluster found for name: "+name+".")
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.t.Fatalf("cluster %s is not gone; progress: %+v", name, c.progress(name))
}

// A process that dies at any moment is followed by one that goes on.
func TestResumesAfterRestart(t *testing.T) {
	c := newCloud(t)
	c.world.failPlane = errors.New("no API server yet")
	if _, err := c.CreateCluster(t.Context(), autoCluster("one")); err != nil {
		t.Fatal(err)
	}
	c.expectStatus("one", types.ClusterStatusCreating)
	c.stop()
	c.world.failPlane = nil
	c.start()
	first := c.expectStatus("one", types.ClusterStatusActive)
	c.stop()
	clear(c.world.planes)
	c.start()
	for range 100 {
		if c.world.mu.Lock(); len(c.world.planes) == 1 {
			c.world.mu.Unlock()
			break
		}
		c.world.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	again := c.expectStatus("one", types.ClusterStatusActive)
	if *first.Endpoint != *again.Endpoint {
		t.Errorf("endpoint moved from %s to %s", *first.Endpoint, *again.Endpoint)
	}
}

func TestCreationThatNeverWorksFails(t *testing.T) {
	c := newCloud(t, func(o *Options) { o.Timeout = time.Millisecond })
	c.world.failPlane = errors.New("kube-apiserver: address in use")
	if _, err := c.CreateCluster(t.Context(), autoCluster("one")); err != nil {
		t.Fatal(err)
	}
	cluster := c.expectStatus("one", types.ClusterStatusFailed)
	if got := aws.ToString(cluster.Health.Issues[0].Message); got != "starting the control plane: kube-apiserver: address in use" {
		t.Errorf("issue %q", got)
	}
	if _, err := c.DeleteCluster(t.Context(), &eks.DeleteClusterInput{Name: aws.String("one")}); err != nil {
		t.Fatal(err)
	}
	c.expectGone("one")
}

func TestCreateIsIdempotentByToken(t *testing.T) {
	c := newCloud(t)
	in := autoCluster("one", func(in *eks.CreateClusterInput) { in.ClientRequestToken = aws.String("t1") })
	c.expectCreated(in)
	if _, err := c.CreateCluster(t.Context(), in); err != nil {
		t.Errorf("the same request again: %v", err)
	}
	in.ClientRequestToken = aws.String("t2")
	_, err := c.CreateCluster(t.Context(), in)
	expectError(t, err, "ResourceInUseException", "Cluster already exists with name: one")
}

func TestListClustersPages(t *testing.T) {
	c := newCloud(t)
	for _, name := range []string{"a", "b", "c"} {
		c.expectCreated(autoCluster(name))
	}
	var got []string
	pages := eks.NewListClustersPaginator(c.Client, &eks.ListClustersInput{MaxResults: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, page.Clusters...)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, got); diff != "" {
		t.Error(diff)
	}
}

// What is wrong with an active cluster shows in its health and goes away.
func TestHealth(t *testing.T) {
	c := newCloud(t)
	c.expectCreated(autoCluster("one"))
	health := func() string {
		cluster := c.expectStatus("one", types.ClusterStatusActive)
		if len(cluster.Health.Issues) == 0 {
			return "well"
		}
		return aws.ToString(cluster.Health.Issues[0].Message)
	}
	setFailure := func(err error) {
		c.world.mu.Lock()
		c.world.failPlane = err
		c.world.mu.Unlock()
		c.svc.wake("us-east-1", "one")
	}
	setFailure(errors.New("etcd: disk full"))
	await(t, "an issue", 5*time.Second, func() bool { return health() == "starting the control plane: etcd: disk full" })
	setFailure(nil)
	await(t, "a well cluster", 5*time.Second, func() bool { return health() == "well" })
}
