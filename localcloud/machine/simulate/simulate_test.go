package simulate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/ptr"

	"github.com/automode-dev/automode/controlplane"
	"github.com/automode-dev/automode/internal/forward"
	"github.com/automode-dev/automode/internal/home"
	"github.com/automode-dev/automode/localcloud/machine"
)

// TestMain lets the test binary stand in for the automode binary of the control plane.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "forward" {
		rules, err := forward.Parse(os.Args[2:])
		if err == nil {
			err = forward.Run(context.Background(), rules)
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if len(os.Args) > 1 && os.Args[1] == "simulate" {
		select {} // the simulator of a test runs in the test
	}
	os.Exit(m.Run())
}

// fixture is a real control plane and a home with simulated machines.
type fixture struct {
	testing.TB
	home     home.Dir
	machines *machine.Simulated
	client   kubernetes.Interface
	config   []byte
	end      func()
}

const clusterName = "test"

func newFixture(t testing.TB) *fixture {
	libexec, err := filepath.Abs("../../../bin")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(libexec, "kubernetes-1.35", "kubernetes")); err != nil {
		t.Skip("Kubernetes 1.35 is not built; run hack/build-kubernetes.sh")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{TB: t, home: home.Dir(t.TempDir())}
	webhook := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(webhook.Close)
	manager := controlplane.NewManager(f.home.Clusters())
	t.Cleanup(func() {
		if err := manager.Remove(context.Background(), clusterName); err != nil {
			t.Error(err)
		}
	})
	_, err = manager.Ensure(t.Context(), controlplane.Spec{
		Name: clusterName, Version: "1.35", HostPort: freePort(t), Libexec: libexec, Automode: self,
		ServiceCIDR: netip.MustParsePrefix("172.20.0.0/16"), IssuerURL: "https://oidc.example/id/TEST", AuthenticatorURL: webhook.URL + "/authenticate",
	}, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if f.config, err = manager.Kubeconfig(clusterName, "admin", []string{"system:masters"}, "", time.Hour); err != nil {
		t.Fatal(err)
	}
	rest, err := clientcmd.RESTConfigFromKubeConfig(f.config)
	if err != nil {
		t.Fatal(err)
	}
	rest.QPS = -1
	f.client = kubernetes.NewForConfigOrDie(rest)
	if f.machines, err = machine.NewSimulated(machine.SimulatedOptions{Home: f.home, Automode: self}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := f.machines.RemoveAll(context.Background()); err != nil {
			t.Error(err)
		}
		f.machines.Close()
	})
	f.begin()
	return f
}

func freePort(t testing.TB) int {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// begin runs a simulator until f.end.
func (f *fixture) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, Options{Home: f.home, Kubeconfig: func(context.Context, string) ([]byte, error) { return f.config, nil }})
	}()
	f.end = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			f.Error(err)
		}
	})
	f.Cleanup(f.end)
}

func (f *fixture) launch(n int, change func(*machine.Spec)) string {
	f.Helper()
	s := spec(fmt.Sprintf("i-%d", n), n)
	if change != nil {
		change(&s)
	}
	if err := f.machines.Ensure(f.Context(), s); err != nil {
		f.Fatal(err)
	}
	return s.ID
}

func (f *fixture) eventually(what string, within time.Duration, check func() error) time.Duration {
	f.Helper()
	start := time.Now()
	for {
		err := check()
		if err == nil {
			return time.Since(start)
		}
		if time.Since(start) > within {
			f.Fatalf("%s: still after %v: %v", what, within, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (f *fixture) nodeReady(name string, want corev1.ConditionStatus) {
	f.Helper()
	f.eventually("node "+name+" Ready="+string(want), 20*time.Second, func() error {
		node, err := f.client.CoreV1().Nodes().Get(f.Context(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, c := range node.Status.Conditions {
			if c.Type == corev1.NodeReady && c.Status == want {
				return nil
			}
		}
		return fmt.Errorf("conditions %+v", node.Status.Conditions)
	})
}

// admit takes the taints off a node, as the controllers do.
func (f *fixture) admit(name string) {
	f.Helper()
	patch := []byte(`{"spec":{"taints":null}}`)
	if _, err := f.client.CoreV1().Nodes().Patch(f.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) createPod(name string, annotations map[string]string, node string) {
	f.Helper()
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations},
		Spec: corev1.PodSpec{
			NodeName: node, Containers: []corev1.Container{{Name: "c", Image: "x"}}, AutomountServiceAccountToken: ptr.To(false),
			Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
		},
	}
	f.eventually("creating pod "+name, 10*time.Second, func() error { // its service account comes with the namespace
		_, err := f.client.CoreV1().Pods("default").Create(f.Context(), p, metav1.CreateOptions{})
		return err
	})
}

func (f *fixture) podPhase(name string, phase corev1.PodPhase) *corev1.Pod {
	f.Helper()
	var p *corev1.Pod
	f.eventually(fmt.Sprintf("pod %s %s", name, phase), 15*time.Second, func() (err error) {
		if p, err = f.client.CoreV1().Pods("default").Get(f.Context(), name, metav1.GetOptions{}); err == nil && p.Status.Phase != phase {
			err = errors.New("phase " + string(p.Status.Phase))
		}
		return err
	})
	return p
}

func TestSimulate(t *testing.T) {
	f := newFixture(t)
	one := f.launch(1, nil)
	f.launch(2, func(s *machine.Spec) { s.UserData = []byte("#!/bin/sh\n") })
	f.nodeReady(one, corev1.ConditionTrue)
	f.createPod("early", nil, one) // bound by name, before the taints go
	f.podPhase("early", corev1.PodRunning)
	f.admit(one)

	t.Run("a node that was given up comes back", func(t *testing.T) {
		patch := []byte(`{"status":{"conditions":[{"type":"Ready","status":"Unknown","reason":"NodeStatusUnknown"}]}}`)
		if _, err := f.client.CoreV1().Nodes().Patch(t.Context(), one, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status"); err != nil {
			t.Fatal(err)
		}
		f.nodeReady(one, corev1.ConditionTrue)
	})
	t.Run("pods run and end", func(t *testing.T) {
		f.createPod("job", map[string]string{runFor: "300ms", exitCode: "2"}, "")
		p := f.podPhase("job", corev1.PodFailed)
		if got := p.Status.ContainerStatuses[0].State.Terminated; got == nil || got.ExitCode != 2 {
			t.Errorf("terminated %+v", got)
		}
		f.createPod("web", map[string]string{readyAfter: "200ms"}, "")
		f.eventually("web ready", 10*time.Second, func() error {
			p, err := f.client.CoreV1().Pods("default").Get(t.Context(), "web", metav1.GetOptions{})
			if err != nil {
				return err
			}
			if c := findCondition(&p.Status, corev1.PodReady); c == nil || c.Status != corev1.ConditionTrue {
				return fmt.Errorf("%+v", p.Status.Conditions)
			}
			if a := netip.MustParseAddr(p.Status.PodIP); !spec(one, 1).Interfaces[0].Delegated[0].Contains(a) {
				return fmt.Errorf("address %s", a)
			}
			return nil
		})
	})
	t.Run("a new process goes on", func(t *testing.T) {
		f.end()
		f.createPod("meanwhile", nil, one)
		f.begin()
		p, early := f.podPhase("meanwhile", corev1.PodRunning), f.podPhase("early", corev1.PodRunning)
		if p.Status.PodIP == early.Status.PodIP {
			t.Errorf("two pods have the address %s", p.Status.PodIP)
		}
	})
	t.Run("deletion", func(t *testing.T) {
		for _, name := range []string{"web", "early", "meanwhile", "job"} {
			if err := f.client.CoreV1().Pods("default").Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		f.eventually("pods gone", 10*time.Second, func() error {
			list, err := f.client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
			if err == nil && len(list.Items) > 0 {
				err = fmt.Errorf("%d pods", len(list.Items))
			}
			return err
		})
	})
	t.Run("lease", func(t *testing.T) {
		f.eventually("lease", 10*time.Second, func() error {
			l, err := f.client.CoordinationV1().Leases("kube-node-lease").Get(t.Context(), one, metav1.GetOptions{})
			if err == nil && time.Since(l.Spec.RenewTime.Time) > leaseDuration {
				err = fmt.Errorf("renewed %v", l.Spec.RenewTime)
			}
			return err
		})
	})
	t.Run("stop and start", func(t *testing.T) {
		f.createPod("kept", nil, one)
		f.podPhase("kept", corev1.PodRunning)
		if err := f.machines.Stop(t.Context(), one); err != nil {
			t.Fatal(err)
		}
		f.nodeReady(one, corev1.ConditionFalse)
		f.launch(1, nil)
		f.nodeReady(one, corev1.ConditionTrue)
		if err := f.client.CoreV1().Pods("default").Delete(t.Context(), "kept", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		f.eventually("pod of before gone", 10*time.Second, func() error {
			if _, err := f.client.CoreV1().Pods("default").Get(t.Context(), "kept", metav1.GetOptions{}); err == nil {
				return errors.New("still there")
			}
			return nil
		})
	})
	t.Run("removal", func(t *testing.T) {
		for _, id := range []string{one, "i-2", "i-unknown"} {
			if err := f.machines.Remove(t.Context(), id); err != nil {
				t.Errorf("removing %s: %v", id, err)
			}
		}
		f.nodeReady(one, corev1.ConditionFalse)
		if st := f.machines.State(one); st.Phase != machine.Absent {
			t.Errorf("state %+v", st)
		}
	})
}

// TestManyNodes is the size that AUTOMODE_SIMULATE_NODES asks for, ten pods on each.
func TestManyNodes(t *testing.T) {
	nodes := 30
	if text := os.Getenv("AUTOMODE_SIMULATE_NODES"); text != "" {
		if _, err := fmt.Sscan(text, &nodes); err != nil {
			t.Fatal(err)
		}
	}
	f := newFixture(t)
	start := time.Now()
	for n := 1; n <= nodes; n++ {
		f.launch(n, func(s *machine.Spec) { s.UserData = []byte(untainted) })
	}
	t.Logf("%d machines ensured in %v", nodes, time.Since(start))
	f.eventually("nodes", 5*time.Minute, func() error {
		list, err := f.client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{ResourceVersion: "0"})
		if err == nil && len(list.Items) < nodes {
			err = fmt.Errorf("%d of %d nodes", len(list.Items), nodes)
		}
		return err
	})
	t.Logf("registered after %v", time.Since(start))
	start = time.Now()
	labels := map[string]string{"app": "many"}
	_, err := f.client.AppsV1().Deployments("default").Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "many"},
		Spec: appsv1.DeploymentSpec{Replicas: ptr.To(int32(10 * nodes)), Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "x"}}, AutomountServiceAccountToken: ptr.To(false)},
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f.eventually("pods", 10*time.Minute, func() error {
		d, err := f.client.AppsV1().Deployments("default").Get(t.Context(), "many", metav1.GetOptions{})
		if err == nil && int(d.Status.ReadyReplicas) < 10*nodes {
			err = fmt.Errorf("%d of %d pods ready", d.Status.ReadyReplicas, 10*nodes)
			time.Sleep(200 * time.Millisecond)
		}
		return err
	})
	t.Logf("%d pods ready after %v", 10*nodes, time.Since(start))
}

const untainted = `apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec: {cluster: {name: test}, kubelet: {config: {maxPods: 27}}}
`

// TestClusterGone removes a machine whose cluster never answers.
func TestClusterGone(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, Options{Home: home.Dir(dir), Kubeconfig: func(context.Context, string) ([]byte, error) { return nil, errors.New("gone") }})
	}()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	machines, err := machine.NewSimulated(machine.SimulatedOptions{Home: home.Dir(dir), Automode: self})
	if err != nil {
		t.Fatal(err)
	}
	if err := machines.Ensure(t.Context(), spec("i-1", 1)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	start := time.Now()
	if err := machines.Remove(t.Context(), "i-1"); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("removed after %v", took)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := machines.RemoveAll(context.Background()); err != nil {
		t.Error(err)
	}
	machines.Close()
}
