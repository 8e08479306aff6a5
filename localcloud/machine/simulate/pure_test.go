package simulate

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/automode-dev/automode/api/node/v1alpha1"
	"github.com/automode-dev/automode/localcloud/machine"
)

var update = flag.Bool("update", false, "rewrite golden files")

func golden(t *testing.T, name string, object any) {
	t.Helper()
	got, err := yaml.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got), rewrite with -update:\n%s", path, diff)
	}
}

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// userData is that of a c5a.large with the reserves that SPEC 4.2 derives from a real node.
const userData = `apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  cluster: {name: test, apiServerEndpoint: "https://127.0.0.1:1", cidr: 172.20.0.0/16}
  kubelet:
    config:
      maxPods: 27
      kubeReserved: {cpu: 70m, memory: 552Mi, ephemeral-storage: 1Gi}
      systemReserved: {cpu: 450m, memory: 437Mi}
      evictionHard: {memory.available: 100Mi, nodefs.available: 10%}
      registerWithTaints: [{key: karpenter.sh/unregistered, effect: NoExecute}]
    flags: ["--node-labels=eks.amazonaws.com/compute-type=auto,karpenter.sh/nodepool=default", "--register-with-taints=a=b:NoSchedule"]
`

func spec(id string, n int) machine.Spec {
	return machine.Spec{
		ID: id, Type: "c5a.large", Zone: "us-east-1a", Region: "us-east-1", VCPUs: 2, MemoryBytes: 4 << 30, UserData: []byte(userData),
		Volumes: []machine.Volume{{Device: "/dev/xvda", SizeBytes: 4 << 30}, {Device: "/dev/xvdb", SizeBytes: 80 << 30}},
		Interfaces: []machine.Interface{{
			Address:   netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)}),
			Delegated: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 2 + byte(n>>12), byte(n >> 4), byte(n << 4)}), 28)},
		}},
	}
}

func TestNodeObject(t *testing.T) {
	config, err := v1alpha1.ParseUserData([]byte(userData))
	if err != nil {
		t.Fatal(err)
	}
	node, err := nodeObject(spec("i-1", 5), config, "v1.35.4", epoch)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "node.yaml", node)
	for name, want := range map[corev1.ResourceName]string{corev1.ResourceCPU: "1480m", corev1.ResourceMemory: "2699Mi", corev1.ResourceEphemeralStorage: "71Gi", corev1.ResourcePods: "27"} {
		q := node.Status.Allocatable[name]
		if q.String() != want {
			t.Errorf("allocatable %s is %s, want %s", name, q.String(), want)
		}
	}
}

func TestKubeletVersion(t *testing.T) {
	for minor, want := range map[string]string{"": "v1.35.4", "1.35": "v1.35.4", "1.34": "v1.34.0", "1.3": "v1.3.0"} {
		if got := kubeletVersion(machine.Spec{KubernetesVersion: minor}, "v1.35.4"); got != want {
			t.Errorf("image of %q: %s, want %s", minor, got, want)
		}
	}
}

func testPod() *corev1.Pod {
	always := corev1.ContainerRestartPolicyAlways
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web", UID: "uid-1", Generation: 1},
		Spec: corev1.PodSpec{
			NodeName:       "i-1",
			InitContainers: []corev1.Container{{Name: "setup", Image: "a"}, {Name: "sidecar", Image: "b", RestartPolicy: &always}},
			Containers:     []corev1.Container{{Name: "main", Image: "nginx"}},
			ReadinessGates: []corev1.PodReadinessGate{{ConditionType: "target-health"}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}}},
	}
}

func TestPodStatus(t *testing.T) {
	p := testPod()
	address, host := netip.MustParseAddr("10.2.0.1"), netip.MustParseAddr("10.1.0.1")
	p.Status = runningStatus(p, address, host, epoch, epoch, false)
	golden(t, "started.yaml", p.Status)
	p.Status = runningStatus(p, address, host, epoch, epoch.Add(time.Second), true)
	golden(t, "gated.yaml", p.Status)
	p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: "target-health", Status: corev1.ConditionTrue})
	p.Status = runningStatus(p, address, host, epoch, epoch.Add(2*time.Second), true)
	golden(t, "ready.yaml", p.Status)
	golden(t, "ended.yaml", endedStatus(p, 3, epoch.Add(3*time.Second)))
}

func TestNext(t *testing.T) {
	for name, c := range map[string]struct {
		change   func(*corev1.Pod)
		nodeDown bool
		want     action
		again    time.Duration
	}{
		"pending starts":     {func(p *corev1.Pod) {}, false, start, 0},
		"node down":          {func(p *corev1.Pod) {}, true, nothing, 0},
		"ended stays":        {func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }, false, nothing, 0},
		"running gets ready": {running(0), false, status, 0},
		"ready later":        {func(p *corev1.Pod) { running(0)(p); annotate(p, readyAfter, "5s") }, false, nothing, 5 * time.Second},
		"job runs":           {func(p *corev1.Pod) { ready(p); annotate(p, runFor, "8s") }, false, nothing, 8 * time.Second},
		"job ends":           {func(p *corev1.Pod) { running(9 * time.Second)(p); ready2(p); annotate(p, runFor, "8s") }, false, end, 0},
		"deleted":            {func(p *corev1.Pod) { ready(p); deleted(p) }, false, remove, 0},
		"deleted, slow":      {func(p *corev1.Pod) { ready(p); deleted(p); annotate(p, stopAfter, "10s") }, false, nothing, 10 * time.Second},
		"deleted, too slow":  {func(p *corev1.Pod) { ready(p); deleted(p); annotate(p, stopAfter, "1h") }, false, nothing, 30 * time.Second},
		"deleted, node down": {func(p *corev1.Pod) { ready(p); deleted(p); annotate(p, stopAfter, "10s") }, true, remove, 0},
	} {
		t.Run(name, func(t *testing.T) {
			o := testPod()
			o.Spec.ReadinessGates = nil
			c.change(o)
			p := &pod{script: scriptOf(o)}
			p.observe(o)
			do, again := p.next(time.Now(), c.nodeDown)
			if do != c.want || (again-c.again).Abs() > time.Second {
				t.Errorf("next is %q in %v, want %q in %v", do, again, c.want, c.again)
			}
			p.removed = do == remove
			if do, _ := p.next(time.Now(), c.nodeDown); p.removed && do != nothing {
				t.Errorf("a pod that is removed is due for %q", do)
			}
		})
	}
}

func running(since time.Duration) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		at := metav1.NewTime(time.Now().Add(-since))
		p.Status.Phase, p.Status.StartTime = corev1.PodRunning, &at
	}
}

func ready(p *corev1.Pod) { running(0)(p); ready2(p) }

func ready2(p *corev1.Pod) { setCondition(&p.Status, corev1.PodReady, true, "", "", epoch) }

func deleted(p *corev1.Pod) {
	grace, at := int64(30), metav1.Now()
	p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &at, &grace
}

func annotate(p *corev1.Pod, name, value string) {
	if p.Annotations == nil {
		p.Annotations = map[string]string{}
	}
	p.Annotations[name] = value
}

func TestAddresses(t *testing.T) {
	var a addresses
	if got, ok := a.take("none"); ok {
		t.Errorf("got %s of nothing", got)
	}
	a.provide([]netip.Prefix{netip.MustParsePrefix("10.0.0.16/28")})
	a.hold("old", netip.MustParseAddr("10.0.0.17"))
	seen := map[netip.Addr]bool{}
	for range 15 {
		got, ok := a.take("p")
		if !ok || seen[got] || got == netip.MustParseAddr("10.0.0.17") {
			t.Fatalf("took %s, %v after %v", got, ok, seen)
		}
		seen[got] = true
	}
	if got, ok := a.take("one too many"); ok {
		t.Errorf("got %s of a full node", got)
	}
	a.release("somebody else", netip.MustParseAddr("10.0.0.17"))
	if _, ok := a.take("thief"); ok {
		t.Error("an address was released by a pod that had not got it")
	}
	a.release("old", netip.MustParseAddr("10.0.0.17"))
	if got, ok := a.take("new"); !ok || got != netip.MustParseAddr("10.0.0.17") {
		t.Errorf("took %s, %v; want the one that was given back", got, ok)
	}
	a.provide([]netip.Prefix{netip.MustParsePrefix("10.0.0.16/28"), netip.MustParsePrefix("10.0.0.48/28")})
	if got, ok := a.take("more"); !ok || !netip.MustParsePrefix("10.0.0.48/28").Contains(got) {
		t.Errorf("took %s, %v; want one of the new prefix", got, ok)
	}
}
