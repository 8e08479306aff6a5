package eks

import (
	"context"
	"encoding/base64"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/automode-dev/automode/controlplane"
	"github.com/automode-dev/automode/localcloud"
	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/cloudtest"
	"github.com/automode-dev/automode/localcloud/eks/objects"
)

// realPlanes runs control planes in host mode.
type realPlanes struct {
	manager *controlplane.Manager
	libexec string
	base    func() string
}

func (p realPlanes) Ensure(ctx context.Context, spec ControlPlaneSpec, progress func(string)) (ControlPlaneInfo, error) {
	info, err := p.manager.Ensure(ctx, controlplane.Spec{
		Name: spec.Name, Version: spec.Version, NetNS: spec.NetNS, Address: spec.Address, HostPort: spec.HostPort,
		ServiceCIDR: spec.ServiceCIDR, IssuerURL: spec.IssuerURL, AuthenticatorURL: p.base() + spec.AuthenticatePath, Libexec: p.libexec,
	}, progress)
	return ControlPlaneInfo{CertificateAuthority: info.CertificateAuthority, Admin: info.Admin}, err
}

func (p realPlanes) Remove(ctx context.Context, name string) error {
	return p.manager.Remove(ctx, name)
}

// newRealCloud is a cloud whose clusters have a real control plane. Its world
// stands in for the rest, as far as change does not put something else there.
func newRealCloud(t *testing.T, change ...func(*Options, *localcloud.Server)) *cloud {
	libexec, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(libexec, "kubernetes-1.35", "kubernetes")); err != nil {
		t.Skip("Kubernetes 1.35 is not built; run hack/build-kubernetes.sh")
	}
	if testing.Short() {
		t.Skip("starts a real control plane")
	}
	c := &cloud{t: t, world: newWorld()}
	server, err := localcloud.New(localcloud.Options{Home: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	server.Authenticate(localcloud.AllowAll(testAccount))
	root := t.TempDir()
	o := Options{
		DB: server.DB(), Region: "us-east-1", Versions: []Version{{"1.35", "1.35.4"}}, FirstPort: freePort(t),
		ControlPlane: realPlanes{controlplane.NewManager(root), libexec, func() string { return c.endpoint }},
		Controllers:  controllers{c.world}, Network: c.world, Roles: c.world, Tokens: c.world,
	}
	for _, f := range change {
		f(&o, server)
	}
	c.svc = New(o)
	server.Mount(c.svc.Wire())
	for pattern, h := range c.svc.Public() {
		server.HandlePublic(pattern, h)
	}
	config := cloudtest.Serve(t, server)
	c.endpoint = *config.BaseEndpoint
	c.Client = eks.NewFromConfig(config)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { c.svc.Run(ctx); close(done) }()
	t.Cleanup(func() {
		manager := controlplane.NewManager(root)
		cancel()
		<-done
		manager.Remove(context.Background(), "real")
	})
	return c
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// await polls until f is true.
func await(t *testing.T, what string, limit time.Duration, f func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("waited %s in vain for %s", limit, what)
}

// login is a client of the cluster with a token of the caller.
func (c *cloud) login(cluster *types.Cluster, caller *access.Caller) kubernetes.Interface {
	c.t.Helper()
	ca, err := base64.StdEncoding.DecodeString(aws.ToString(cluster.CertificateAuthority.Data))
	if err != nil {
		c.t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(&rest.Config{
		Host: aws.ToString(cluster.Endpoint), BearerToken: c.world.token(caller), TLSClientConfig: rest.TLSClientConfig{CAData: ca},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return client
}

// TestRealCluster creates a cluster with a real control plane and looks at it
// as users would.
func TestRealCluster(t *testing.T) {
	c := newRealCloud(t)
	ctx := t.Context()
	if _, err := c.CreateCluster(ctx, autoCluster("real")); err != nil {
		t.Fatal(err)
	}
	cluster := c.awaitReal()

	creator := c.login(cluster, access.Root(testAccount))
	pods, err := creator.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if err != nil || len(pods.Items) != 0 {
		t.Errorf("the creator lists pods: %v, %v", pods, err)
	}
	if _, err := creator.StorageV1().StorageClasses().Get(ctx, "gp2", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	services, err := creator.CoreV1().Services("kube-system").List(ctx, metav1.ListOptions{})
	if err != nil || len(services.Items) != 1 || services.Items[0].Name != "eks-extension-metrics-api" {
		t.Errorf("services of kube-system: %+v, %v", services, err)
	}
	_, err = c.login(cluster, user("nobody")).CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if !apierrors.IsUnauthorized(err) {
		t.Errorf("a user without an entry lists pods: %v", err)
	}

	dev := user("dev")
	c.expectEntry("real", dev.ARN, "AmazonEKSViewPolicy", &types.AccessScope{Type: types.AccessScopeTypeNamespace, Namespaces: []string{"dev-*"}})
	if _, err := creator.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "dev-1"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	client := c.login(cluster, dev)
	await(t, "the view policy in a new namespace", 20*time.Second, func() bool {
		_, err := client.CoreV1().Pods("dev-1").List(ctx, metav1.ListOptions{})
		return err == nil
	})
	_, err = client.CoreV1().Pods("default").List(ctx, metav1.ListOptions{})
	if !apierrors.IsForbidden(err) {
		t.Errorf("dev lists pods of another namespace: %v", err)
	}
	expectNode(t, c.login(cluster, session("NodeRole", "i-0123456789abcdef0")))

	c.deleteReal()
}

// awaitReal waits until the cluster "real" is ACTIVE.
func (c *cloud) awaitReal() *types.Cluster {
	c.t.Helper()
	var cluster *types.Cluster
	await(c.t, "an active cluster", 2*time.Minute, func() bool {
		out, err := c.DescribeCluster(c.t.Context(), &eks.DescribeClusterInput{Name: aws.String("real")})
		if err != nil || out.Cluster.Status == types.ClusterStatusFailed {
			c.t.Fatalf("cluster: %+v, %v", out, err)
		}
		cluster = out.Cluster
		return cluster.Status == types.ClusterStatusActive
	})
	for _, step := range c.progress("real").Done {
		c.t.Logf("%6.2fs %s", step.Seconds, step.Step)
	}
	return cluster
}

func (c *cloud) deleteReal() {
	c.t.Helper()
	if _, err := c.DeleteCluster(c.t.Context(), &eks.DeleteClusterInput{Name: aws.String("real")}); err != nil {
		c.t.Fatal(err)
	}
	await(c.t, "the end of the cluster", time.Minute, func() bool {
		_, err := c.DescribeCluster(c.t.Context(), &eks.DescribeClusterInput{Name: aws.String("real")})
		return err != nil
	})
}

// expectNode checks what the identity of a node may do.
func expectNode(t *testing.T, node kubernetes.Interface) {
	t.Helper()
	_, err := node.CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "i-0123456789abcdef0"}}, metav1.CreateOptions{})
	if err != nil {
		t.Errorf("a node registers: %v", err)
	}
	_, err = node.CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "i-0fedcba9876543210"}}, metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) {
		t.Errorf("a node registers under another name: %v", err)
	}
}

// TestObjectsParse checks that every access policy has its role.
func TestObjectsParse(t *testing.T) {
	all, err := objects.Parse(objects.Manifests()...)
	if err != nil {
		t.Fatal(err)
	}
	roles := map[string]bool{"cluster-admin": true, "admin": true, "edit": true, "view": true}
	for _, o := range all {
		if o.GetKind() == "ClusterRole" {
			roles[o.GetName()] = true
		}
	}
	var missing []string
	for policy, role := range policyRoles {
		if !roles[role] {
			missing = append(missing, policy+" -> "+role)
		}
	}
	if diff := cmp.Diff([]string(nil), missing); diff != "" {
		t.Error("access policies without a role:", strings.TrimSpace(diff))
	}
}

// TestRealUpgrade upgrades a control plane by one minor version; what is in
// the cluster stays.
func TestRealUpgrade(t *testing.T) {
	if _, err := os.Stat("../../bin/kubernetes-1.34/kubernetes"); err != nil {
		t.Skip("Kubernetes 1.34 is not built; run hack/build-kubernetes.sh 1.34")
	}
	c := newRealCloud(t, func(o *Options, _ *localcloud.Server) { o.Versions = append(o.Versions, Version{"1.34", "1.34.4"}) })
	ctx := t.Context()
	if _, err := c.CreateCluster(ctx, autoCluster("real", func(in *eks.CreateClusterInput) { in.Version = aws.String("1.34") })); err != nil {
		t.Fatal(err)
	}
	creator := c.login(c.awaitReal(), access.Root(testAccount))
	if _, err := creator.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UpdateClusterVersion(ctx, &eks.UpdateClusterVersionInput{Name: aws.String("real"), Version: aws.String("1.35")}); err != nil {
		t.Fatal(err)
	}
	if got := *c.awaitReal().Version; got != "1.35" {
		t.Errorf("version %s", got)
	}
	version, err := creator.Discovery().ServerVersion()
	if err != nil || version.Minor != "35" {
		t.Errorf("the API server says %v, %v", version, err)
	}
	if _, err := creator.CoreV1().Namespaces().Get(ctx, "kept", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	c.deleteReal()
}
