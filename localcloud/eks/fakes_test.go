package eks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/cloudtest"
	"github.com/automode-dev/automode/localcloud/eks/objects"
	"github.com/automode-dev/automode/localcloud/store"
)

const (
	testAccount = "111122223333"
	testRole    = "arn:aws:iam::111122223333:role/ClusterRole"
	testNodes   = "arn:aws:iam::111122223333:role/NodeRole"
)

// world stands in for everything behind the ports and keeps what was asked.
type world struct {
	mu sync.Mutex

	trusted     map[string][]string // role -> actions its trust policy allows
	planes      map[string]ControlPlaneSpec
	controllers map[string]ControllersSpec
	groups      map[string]SecurityGroupSpec // by cluster
	interfaces  map[string]InterfaceSpec
	ports       map[int]bool
	instances   map[string]int // cluster -> instances left
	kinds       map[string]int // applied objects by kind
	bindings    []objects.Binding
	namespaces  []string
	nodeRoles   []string
	callers     map[string]*access.Caller // by presigned URL
	failPlane   error                     // what ControlPlane.Ensure answers
	removedAuto int
	broken      string // the call that fails, once
	brokeAt     chan struct{}
}

// fails says whether the named call fails this time.
func (w *world) fails(call string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != call {
		return nil
	}
	w.broken = ""
	close(w.brokeAt)
	return errors.New(call + " is broken")
}

func newWorld() *world {
	return &world{
		trusted: map[string][]string{testRole: {"sts:AssumeRole", "sts:TagSession"}, testNodes: {"sts:AssumeRole"}},
		planes:  map[string]ControlPlaneSpec{}, controllers: map[string]ControllersSpec{},
		groups: map[string]SecurityGroupSpec{}, interfaces: map[string]InterfaceSpec{}, ports: map[int]bool{},
		instances: map[string]int{}, kinds: map[string]int{}, callers: map[string]*access.Caller{},
		namespaces: []string{"default", "kube-system"},
	}
}

type planes struct{ *world }

func (p planes) Ensure(_ context.Context, spec ControlPlaneSpec, progress func(string)) (ControlPlaneInfo, error) {
	if err := p.fails("starting the control plane"); err != nil {
		return ControlPlaneInfo{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	progress("waiting for the API server")
	if p.failPlane != nil {
		return ControlPlaneInfo{}, p.failPlane
	}
	p.planes[spec.Name] = spec
	return ControlPlaneInfo{CertificateAuthority: []byte("CA of " + spec.Name), Admin: &rest.Config{}}, nil
}

func (p planes) Remove(_ context.Context, name string) error {
	if err := p.fails("stopping the control plane"); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.planes, name)
	return nil
}

type controllers struct{ *world }

func (c controllers) Ensure(_ context.Context, spec ControllersSpec) error {
	if err := c.fails("starting the controllers"); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.controllers[spec.Name] = spec
	return nil
}

func (c controllers) Remove(_ context.Context, name string) error {
	if err := c.fails("stopping the controllers"); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.controllers, name)
	return nil
}

var testSubnets = []Subnet{
	{ID: "subnet-a", VPCID: "vpc-1", Zone: "us-east-1a", ZoneID: "use1-az1"},
	{ID: "subnet-a2", VPCID: "vpc-1", Zone: "us-east-1a", ZoneID: "use1-az1"},
	{ID: "subnet-b", VPCID: "vpc-1", Zone: "us-east-1b", ZoneID: "use1-az2"},
	{ID: "subnet-x", VPCID: "vpc-2", Zone: "us-east-1c", ZoneID: "use1-az3"},
}

func (w *world) Subnets(_ context.Context, _ string, ids []string) ([]Subnet, error) {
	var out []Subnet
	for _, id := range ids {
		i := slices.IndexFunc(testSubnets, func(s Subnet) bool { return s.ID == id })
		if i < 0 {
			return nil, fmt.Errorf("the subnet ID '%s' does not exist: %w", id, ErrNotFound)
		}
		out = append(out, testSubnets[i])
	}
	return out, nil
}

func (w *world) CheckSecurityGroups(_ context.Context, _, _ string, ids []string) error {
	if slices.Contains(ids, "sg-missing") {
		return fmt.Errorf("the security group 'sg-missing' does not exist: %w", ErrNotFound)
	}
	return nil
}

func (w *world) EnsureClusterSecurityGroup(_ context.Context, spec SecurityGroupSpec) (string, error) {
	if err := w.fails("making the group"); err != nil {
		return "", err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.groups[spec.Cluster] = spec
	return "sg-" + spec.Cluster, nil
}

func (w *world) EnsureInterface(_ context.Context, spec InterfaceSpec) (Interface, error) {
	if err := w.fails("making the interface"); err != nil {
		return Interface{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.interfaces[spec.Cluster] = spec
	return Interface{ID: "eni-" + spec.Cluster}, nil
}

func (w *world) PublishPort(_ context.Context, _, _ string, port int) error {
	if err := w.fails("publishing the port"); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ports[port] = true
	return nil
}

func (w *world) WithdrawPort(_ context.Context, _, _ string, port int) error {
	if err := w.fails("withdrawing the port"); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.ports, port)
	return nil
}

// RemoveCompute loses one instance at each call.
func (w *world) RemoveCompute(_ context.Context, _, cluster string) ([]string, error) {
	if err := w.fails("removing compute"); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.instances[cluster] == 0 {
		delete(w.instances, cluster)
		return nil, nil
	}
	w.instances[cluster]--
	return []string{"i-" + cluster}, nil
}

func (w *world) RemoveInterface(_ context.Context, _, cluster string) error {
	if err := w.fails("removing the interface"); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.interfaces, cluster)
	return nil
}

func (w *world) RemoveClusterSecurityGroup(_ context.Context, _, _, cluster string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.interfaces[cluster].Cluster != "" {
		return errors.New("DependencyViolation")
	}
	delete(w.groups, cluster)
	return nil
}

func (w *world) PrivateDNSName(_ context.Context, _, id string) (string, error) {
	return "ip-10-0-0-1.ec2.internal", nil
}

func (w *world) Trusts(_ context.Context, role, _ string, actions ...string) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range actions {
		if !slices.Contains(w.trusted[role], a) {
			return false, nil
		}
	}
	return true, nil
}

func (w *world) PrincipalExists(_ context.Context, arn string) (bool, error) {
	return arn != "arn:aws:iam::111122223333:role/Missing", nil
}

func (w *world) EnsureServiceLinkedRole(context.Context) error {
	return w.fails("making the service-linked role")
}

func (w *world) RemoveInstanceProfiles(context.Context, string, string) error {
	return w.fails("removing instance profiles")
}

func (w *world) VerifyToken(_ context.Context, url, cluster string) (*access.Caller, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.callers[url]; c != nil {
		return c, nil
	}
	return nil, errors.New("the signature does not match")
}

// Apply, Values, Watch, Sync and RemoveAutoMode make the world a cluster.
func (w *world) Apply(_ context.Context, all []*unstructured.Unstructured) error {
	if err := w.fails("applying objects"); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range all {
		w.kinds[o.GetKind()]++
	}
	return nil
}

func (w *world) Values(_ context.Context, s objects.Subject) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.Name() == objects.NodeRoles.Name() {
		return slices.Clone(w.nodeRoles), nil
	}
	return slices.Clone(w.namespaces), nil
}

func (w *world) Watch(ctx context.Context, _ objects.Subject, _ map[string]bool, _ func()) error {
	<-ctx.Done()
	return nil
}

func (w *world) Sync(_ context.Context, want []objects.Binding) error {
	if err := w.fails("syncing bindings"); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bindings = slices.Clone(want)
	return nil
}

func (w *world) RemoveAutoMode(context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.removedAuto++
	return nil
}

// cloud is the service behind a real HTTP server, with a client.
type cloud struct {
	*eks.Client
	t     *testing.T
	world *world
	svc   *Service
	path  string
	stop  func()

	endpoint string // of the cloud
}

func newCloud(t *testing.T, change ...func(*Options)) *cloud {
	t.Helper()
	c := &cloud{t: t, world: newWorld(), path: t.TempDir() + "/state.db"}
	c.start(change...)
	t.Cleanup(func() { c.stop() })
	return c
}

// start runs the service on the state file, as a new process would.
func (c *cloud) start(change ...func(*Options)) {
	c.t.Helper()
	db, err := store.Open(c.path)
	if err != nil {
		c.t.Fatal(err)
	}
	o := Options{
		DB: db, Region: "us-east-1", Versions: []Version{{"1.35", "1.35.4"}, {"1.34", "1.34.4"}},
		ControlPlane: planes{c.world}, Controllers: controllers{c.world},
		Network: c.world, Roles: c.world, Tokens: c.world, FirstPort: 36443,
	}
	for _, f := range change {
		f(&o)
	}
	c.svc = New(o)
	c.svc.connect = func(*rest.Config) (kubernetesAPI, error) { return c.world, nil }
	c.Client = eks.NewFromConfig(cloudtest.Start(c.t, c.svc.Wire()))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { c.svc.Run(ctx); close(done) }()
	c.stop = sync.OnceFunc(func() {
		cancel()
		<-done
		db.Close()
	})
}

// autoCluster is a request for an Auto Mode cluster.
func autoCluster(name string, change ...func(*eks.CreateClusterInput)) *eks.CreateClusterInput {
	in := &eks.CreateClusterInput{
		Name: aws.String(name), RoleArn: aws.String(testRole),
		ResourcesVpcConfig:      &types.VpcConfigRequest{SubnetIds: []string{"subnet-a", "subnet-b"}},
		ComputeConfig:           &types.ComputeConfigRequest{Enabled: aws.Bool(true), NodePools: []string{"system", "general-purpose"}, NodeRoleArn: aws.String(testNodes)},
		StorageConfig:           &types.StorageConfigRequest{BlockStorage: &types.BlockStorage{Enabled: aws.Bool(true)}},
		KubernetesNetworkConfig: &types.KubernetesNetworkConfigRequest{ElasticLoadBalancing: &types.ElasticLoadBalancing{Enabled: aws.Bool(true)}},
		AccessConfig:            &types.CreateAccessConfigRequest{AuthenticationMode: types.AuthenticationModeApi},
	}
	for _, f := range change {
		f(in)
	}
	return in
}

// expectCreated creates a cluster and waits until it is ACTIVE.
func (c *cloud) expectCreated(in *eks.CreateClusterInput) *types.Cluster {
	c.t.Helper()
	if _, err := c.CreateCluster(c.t.Context(), in); err != nil {
		c.t.Fatal(err)
	}
	return c.expectStatus(*in.Name, types.ClusterStatusActive)
}

func (c *cloud) expectStatus(name string, want types.ClusterStatus) *types.Cluster {
	c.t.Helper()
	var last any
	for range 200 {
		out, err := c.DescribeCluster(c.t.Context(), &eks.DescribeClusterInput{Name: &name})
		if err != nil {
			c.t.Fatal(err)
		}
		if out.Cluster.Status == want {
			return out.Cluster
		}
		last = out.Cluster.Status
		time.Sleep(10 * time.Millisecond)
	}
	c.t.Fatalf("cluster %s is %v, want %v; progress: %+v", name, last, want, c.progress(name))
	return nil
}

func (c *cloud) progress(name string) Progress {
	r, err := c.svc.load("us-east-1", name)
	if err != nil {
		return Progress{}
	}
	return c.svc.progress(r)
}

// expectUpdate waits for the end of an update.
func (c *cloud) expectUpdate(name string, u *types.Update, want types.UpdateStatus) *types.Update {
	c.t.Helper()
	for range 200 {
		out, err := c.DescribeUpdate(c.t.Context(), &eks.DescribeUpdateInput{Name: &name, UpdateId: u.Id})
		if err != nil {
			c.t.Fatal(err)
		}
		if out.Update.Status != types.UpdateStatusInProgress {
			if out.Update.Status != want {
				c.t.Fatalf("update ended %s, want %s: %+v", out.Update.Status, want, out.Update.Errors)
			}
			return out.Update
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.t.Fatalf("update does not end; progress: %+v", c.progress(name))
	return nil
}

// expectError checks the code and the text of an API error.
func expectError(t *testing.T, err error, code, text string) {
	t.Helper()
	var api interface{ ErrorCode() string }
	var message interface{ ErrorMessage() string }
	if !errors.As(err, &api) || !errors.As(err, &message) {
		t.Fatalf("got error %v, want %s", err, code)
	}
	if api.ErrorCode() != code || message.ErrorMessage() != text {
		t.Errorf("got %s: %s\nwant %s: %s", api.ErrorCode(), message.ErrorMessage(), code, text)
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
