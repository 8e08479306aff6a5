package operator

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

// controllerFile names the configuration when this test program plays the controllers' process.
const controllerFile = "AUTOMODE_TEST_CONTROLLER"

func TestMain(m *testing.M) {
	if file := os.Getenv(controllerFile); file != "" {
		if err := Run(context.Background(), Options{ConfigFile: file}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// gate stands between the controllers and the cloud, and can stop a launch.
type gate struct {
	url string

	mu   sync.Mutex
	stop func(forward func()) // what becomes of the next launch; nil lets it through
}

func newGate(t testing.TB, endpoint string) *gate {
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // signatures cover it
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the process that asked is gone
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		if stop := g.taken(string(body)); stop != nil {
			stop(func() { proxy.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.Background())) })
			<-r.Context().Done() // whoever asked gets no answer, and is killed
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	g.url = server.URL
	return g
}

// onLaunch has the next launch met by stop, which gets a way to let the cloud have it. Nobody gets the answer.
func (g *gate) onLaunch(stop func(forward func())) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stop = stop
}

func (g *gate) taken(body string) func(func()) {
	form, _ := url.ParseQuery(body) // other protocols have no action in the body
	g.mu.Lock()
	defer g.mu.Unlock()
	if form.Get("Action") != "CreateFleet" || form.Get("DryRun") == "true" || g.stop == nil {
		return nil
	}
	stop := g.stop
	g.stop = nil
	return stop
}

// controllerProcess is the controllers as a process of their own, for kill -9.
type controllerProcess struct {
	*testCluster
	gate *gate
	cmd  *exec.Cmd
}

func (p *controllerProcess) start() {
	p.Helper()
	program, err := os.Executable()
	p.must(err)
	p.cmd = exec.Command(program)
	p.cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_ENDPOINT_URL=") }),
		controllerFile+"="+p.file, "AWS_ENDPOINT_URL="+p.gate.url)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.must(p.cmd.Start())
}

// kill ends the process as kill -9 does.
func (p *controllerProcess) kill() {
	if err := p.cmd.Process.Kill(); err != nil {
		p.Errorf("killing the controllers: %v", err)
	}
	_ = p.cmd.Wait() // says that it was killed
}

const steadyPod = `
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: default, annotations: {karpenter.sh/do-not-disrupt: "true"}}
spec:
  nodeSelector: {karpenter.sh/nodepool: general-purpose}
  containers: [{name: app, image: nginx, resources: {requests: {cpu: "3"}}}]
`

// The controllers are killed in the middle of a launch. Started again, they see to it that each claim has one instance, that no
// instance is left over, and that the pod runs.
func TestKilledWhileLaunching(t *testing.T) {
	c := newControlPlane(t)
	c.cloud = newTestCloud(t)
	c.cloud.identities(t, c.config.Cluster.Name)
	c.makeNetwork()
	c.nodes = startKubelets(c)
	c.file = filepath.Join(c.TempDir(), "controller.yaml")
	c.writeConfig()
	p := &controllerProcess{testCluster: c, gate: newGate(t, c.cloud.endpoint)}
	p.start()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the controllers' log ends with:\n%s", c.log.tail(6000))
		}
	})

	for i, moment := range []struct {
		name string
		// wait makes the pod and returns when the process is to be killed.
		wait func(name string)
	}{
		{"before the launch reaches the cloud", func(name string) { p.meet(name, func(func()) {}) }},
		{"before the answer", func(name string) { p.meet(name, func(forward func()) { forward() }) }},
		{"with the instance known and no node", func(name string) {
			c.nodes.holding(true)
			c.apply(fmt.Sprintf(steadyPod, name))
			c.eventually("a claim has its instance", func() error {
				if !slices.ContainsFunc(c.claims(), func(claim karpv1.NodeClaim) bool { return claim.Status.ProviderID != "" && claim.Status.NodeName == "" }) {
					return fmt.Errorf("claims: %v", c.summary())
				}
				return nil
			})
		}},
	} {
		t.Run(moment.name, c.in(func(c *testCluster) {
			name := fmt.Sprintf("killed-%d", i)
			moment.wait(name)
			p.kill()
			if claims := c.claims(); len(claims) != i+1 {
				c.Errorf("the claim is not written before the launch: %v", c.summary())
			}
			c.nodes.holding(false)
			p.start()
			c.eventually("the pod is bound and nothing is left over", func() error { return c.whole(name, i+1) })
		}))
	}
}

// meet makes a pod and returns when the launch for it has met the gate and stop has returned.
func (p *controllerProcess) meet(pod string, stop func(forward func())) {
	p.Helper()
	met := make(chan struct{})
	p.gate.onLaunch(func(forward func()) {
		stop(forward)
		close(met)
	})
	p.apply(fmt.Sprintf(steadyPod, pod))
	p.eventually("a launch", func() error {
		select {
		case <-met:
			return nil
		default:
			return fmt.Errorf("claims: %v", p.summary())
		}
	})
}

// whole checks that a pod runs and that there are so many claims, each with the one instance that it names.
func (c *testCluster) whole(name string, claims int) error {
	pod := &corev1.Pod{}
	if err := c.admin.Get(c.ctx, client.ObjectKey{Namespace: "default", Name: name}, pod); err != nil {
		return err
	}
	var named []string
	for _, claim := range c.claims() {
		named = append(named, claim.Status.ProviderID[strings.LastIndex(claim.Status.ProviderID, "/")+1:])
	}
	slices.Sort(named)
	if ids := c.instances(); pod.Spec.NodeName == "" || len(named) != claims || !slices.Equal(named, ids) || !slices.Contains(named, pod.Spec.NodeName) {
		return fmt.Errorf("pod on %q, instances %v, claims %v", pod.Spec.NodeName, ids, c.summary())
	}
	return nil
}
