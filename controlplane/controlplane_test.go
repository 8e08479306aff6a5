package controlplane

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/automode-dev/automode/internal/forward"
)

const version = "1.35"

// TestMain lets the test binary stand in for the automode binary.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "forward" {
		rules, err := forward.Parse(os.Args[2:])
		if err == nil {
			err = forward.Run(context.Background(), rules)
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// fixture is a control plane and what is around it.
type fixture struct {
	testing.TB
	root    string
	manager *Manager
	spec    Spec
}

func newFixture(t testing.TB) *fixture {
	libexec, _ := filepath.Abs("../bin")
	spec := Spec{
		Name: "test", Version: version, HostPort: freePort(t), Libexec: libexec, Automode: executable(t),
		ServiceCIDR: netip.MustParsePrefix("172.20.0.0/16"), IssuerURL: "https://oidc.example/id/TEST",
		AuthenticatorURL: authenticator(t) + "/_automode/clusters/test/authenticate",
	}
	if _, err := os.Stat(spec.binary("kubernetes")); err != nil {
		t.Skipf("Kubernetes %s is not built; run hack/build-kubernetes.sh", version)
	}
	f := &fixture{TB: t, root: t.TempDir(), spec: spec}
	f.manager = NewManager(f.root)
	t.Cleanup(func() {
		if t.Failed() {
			f.showLogs()
		}
		if err := f.manager.Remove(context.Background(), spec.Name); err != nil {
			t.Error(err)
		}
	})
	return f
}

func executable(t testing.TB) string {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func freePort(t testing.TB) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// authenticator knows one token, "good", which belongs to a user in
// system:masters.
func authenticator(t testing.TB) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		status := `{"authenticated":false}`
		if bytes.Contains(body, []byte(`"token":"good"`)) {
			status = `{"authenticated":true,"user":{"username":"alice","groups":["system:masters"]}}`
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","status":%s}`, status)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func (f *fixture) showLogs() {
	logs, _ := filepath.Glob(filepath.Join(f.root, "*/logs/*.log"))
	for _, log := range logs {
		data, _ := os.ReadFile(log)
		f.Logf("%s ends with\n%s", log, data[max(0, len(data)-3000):])
	}
}

func (f *fixture) ensure() Info {
	f.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	begin := time.Now()
	info, err := f.manager.Ensure(ctx, f.spec, func(step string) {
		f.Logf("%6.2f s %s", time.Since(begin).Seconds(), step)
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Logf("%6.2f s ready", time.Since(begin).Seconds())
	return info
}

// pids returns the process of each component and fails if one is not healthy.
func (f *fixture) pids() map[string]int {
	f.Helper()
	pids := map[string]int{}
	for _, c := range f.manager.Status(context.Background(), f.spec.Name) {
		if !c.Healthy {
			f.Errorf("%s: %s: %s", c.Component, c.Reason, c.Message)
		}
		pids[c.Component] = c.PID
	}
	return pids
}

// call sends a request to the API server and returns status and body.
func (f *fixture) call(config *rest.Config, method, path, body string) (int, string) {
	f.Helper()
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		f.Fatal(err)
	}
	request, err := http.NewRequest(method, config.Host+path, strings.NewReader(body))
	if err != nil {
		f.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	data, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(data)
}

func (f *fixture) expect(what string, want int, config *rest.Config, method, path, body string) string {
	f.Helper()
	got, answer := f.call(config, method, path, body)
	if got != want {
		f.Errorf("%s: %s %s answers %d, want %d: %.300s", what, method, path, got, want, answer)
	}
	return answer
}

func (f *fixture) eventually(what string, condition func() bool) {
	f.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			f.Fatalf("not within a minute: %s", what)
		}
	}
}

const (
	secrets   = "/api/v1/namespaces/default/secrets"
	plaintext = "correct horse battery staple"
	secret    = `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"top"},"stringData":{"password":"` + plaintext + `"}}`
)

func TestControlPlane(t *testing.T) {
	f := newFixture(t)
	info := f.ensure()
	t.Run("access", func(t *testing.T) { f.with(t).testAccess(info) })
	t.Run("encryption", func(t *testing.T) { f.with(t).testEncryption(info) })
	t.Run("another manager", func(t *testing.T) { f.with(t).testTakeover() })
	t.Run("another name", func(t *testing.T) { f.with(t).testAnotherName() })
	t.Run("kill", func(t *testing.T) { f.with(t).testKill(info) })
	f.testRemove()
}

// with is the fixture for a subtest.
func (f *fixture) with(t *testing.T) *fixture {
	return &fixture{TB: t, root: f.root, manager: f.manager, spec: f.spec}
}

func (f *fixture) testAccess(info Info) {
	f.expect("administrator", 200, info.Admin, "GET", "/api/v1/nodes", "")
	anonymous := &rest.Config{Host: info.Endpoint, TLSClientConfig: rest.TLSClientConfig{CAData: info.CertificateAuthority}}
	for _, path := range []string{"/api/v1/nodes", "/healthz", "/version", "/openid/v1/jwks"} {
		f.expect("anonymous", 401, anonymous, "GET", path, "")
	}
	withToken := func(token string) *rest.Config {
		config := rest.CopyConfig(anonymous)
		config.BearerToken = token
		return config
	}
	f.expect("token known to the authenticator", 200, withToken("good"), "GET", "/api/v1/nodes", "")
	f.expect("unknown token", 401, withToken("bad"), "GET", "/api/v1/nodes", "")

	user := f.kubeconfig("bob", nil)
	f.expect("user without rights", 403, user, "GET", "/api/v1/nodes", "")
	node := f.kubeconfig("system:node:i-1", []string{"system:nodes"})
	f.expect("node creates itself", 201, node, "POST", "/api/v1/nodes", `{"metadata":{"name":"i-1"}}`)
	f.expect("node creates another", 403, node, "POST", "/api/v1/nodes", `{"metadata":{"name":"i-2"}}`)

	if version := f.expect("version", 200, user, "GET", "/version", ""); !strings.Contains(version, `"gitVersion": "v1.35.`) {
		f.Errorf("version is %s", version)
	}
	issuer := f.expect("issuer", 200, info.Admin, "GET", "/.well-known/openid-configuration", "")
	if !strings.Contains(issuer, f.spec.IssuerURL) {
		f.Errorf("OpenID configuration is %s", issuer)
	}
	f.expect("keys", 200, info.Admin, "GET", "/openid/v1/jwks", "")
}

func (f *fixture) kubeconfig(user string, groups []string) *rest.Config {
	f.Helper()
	data, err := f.manager.Kubeconfig(f.spec.Name, user, groups, "", time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(data)
	if err != nil {
		f.Fatal(err)
	}
	return config
}

func (f *fixture) testEncryption(info Info) {
	f.expect("secret", 201, info.Admin, "POST", secrets, secret)
	data := ""
	f.eventually("the secret in etcd's files", func() bool {
		data = f.etcdFiles()
		return strings.Contains(data, "/registry/secrets/default/top")
	})
	if strings.Contains(data, plaintext) {
		f.Error("the secret is in etcd's files as plain text")
	}
	if !strings.Contains(data, "k8s:enc:secretbox:v1:") {
		f.Error("etcd's files hold nothing encrypted")
	}
}

func (f *fixture) etcdFiles() string {
	var all strings.Builder
	_ = filepath.Walk(filepath.Join(f.root, f.spec.Name, "etcd"), func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			data, _ := os.ReadFile(path)
			all.Write(data)
		}
		return nil
	})
	return all.String()
}

// testAnotherName changes the serving certificate of the running API server.
func (f *fixture) testAnotherName() {
	before := f.pids()
	f.spec.ExtraNames = []string{"api.example", "198.51.100.7"}
	info := f.ensure()
	for _, name := range f.spec.ExtraNames {
		f.eventually("a certificate for "+name, func() bool {
			return f.serves(forward.Endpoint{Addr: loopback(f.spec.HostPort)}, name, info) == nil
		})
	}
	if after := f.pids(); after[apiServer] != before[apiServer] {
		f.Error("the API server was restarted for a new certificate")
	}
}

// testTakeover ends one manager and starts another: no process may notice.
func (f *fixture) testTakeover() {
	before := f.pids()
	f.manager.Close()
	*f.manager = *NewManager(f.root)
	f.ensure()
	for component, pid := range f.pids() {
		if before[component] != pid {
			f.Errorf("%s was process %d and is now %d", component, before[component], pid)
		}
	}
}

// kill kills a component's process. One that ended by itself has another soon: a controller manager ends when it loses its
// lease with an API server.
func (f *fixture) kill(component string) (pid int) {
	f.eventually("a process of "+component, func() bool {
		for _, c := range f.manager.Status(context.Background(), f.spec.Name) {
			if c.Component == component {
				pid = c.PID
			}
		}
		return pid > 0 && syscall.Kill(pid, syscall.SIGKILL) == nil
	})
	return pid
}

func (f *fixture) testKill(info Info) {
	for component := range f.pids() {
		pid := f.kill(component)
		begin := time.Now()
		f.eventually(component+" to come back", func() bool {
			for _, c := range f.manager.Status(context.Background(), f.spec.Name) {
				if !c.Healthy || c.Component == component && c.PID == pid {
					return false
				}
			}
			return true
		})
		f.Logf("%s killed, everything healthy after %.2f s", component, time.Since(begin).Seconds())
		// The API server's connections to etcd come back one by one.
		f.eventually("the secret after "+component+" was killed", func() bool {
			status, got := f.call(info.Admin, "GET", secrets+"/top", "")
			return status == 200 && strings.Contains(got, "password")
		})
	}
}

func (f *fixture) testRemove() {
	pids := f.pids()
	if err := f.manager.Remove(context.Background(), f.spec.Name); err != nil {
		f.Fatal(err)
	}
	for component, pid := range pids {
		if err := syscall.Kill(pid, 0); err == nil {
			f.Errorf("%s is still there as process %d", component, pid)
		}
	}
	if left, _ := os.ReadDir(f.root); len(left) > 0 {
		f.Errorf("left in the directory: %v", left)
	}
	if conditions := f.manager.Status(context.Background(), f.spec.Name); len(conditions) > 0 {
		f.Errorf("status after Remove is %+v", conditions)
	}
	if err := f.manager.Remove(context.Background(), f.spec.Name); err != nil {
		f.Errorf("removing again: %v", err)
	}
}

func TestControlPlaneInNamespace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to make a network namespace")
	}
	f := newFixture(t)
	f.spec.Address = netip.MustParseAddr("192.0.2.10")
	netns, stop := makeNetNS(t, f.spec.Address)
	f.spec.NetNS = netns
	info := f.ensure()

	f.expect("through the forward", 200, info.Admin, "GET", "/api/v1/nodes", "")
	withToken := &rest.Config{Host: info.Endpoint, BearerToken: "good", TLSClientConfig: rest.TLSClientConfig{CAData: info.CertificateAuthority}}
	f.expect("token known to the authenticator on the host", 200, withToken, "GET", "/api/v1/nodes", "")
	at := forward.Endpoint{Addr: netip.AddrPortFrom(f.spec.Address, 443).String(), NetNS: netns}
	if err := f.serves(at, f.spec.Address.String(), info); err != nil {
		f.Errorf("the API server at %s: %v", at, err)
	}
	endpoints := f.expect("endpoints", 200, info.Admin, "GET", "/api/v1/namespaces/default/endpoints/kubernetes", "")
	if !strings.Contains(endpoints, f.spec.Address.String()) {
		f.Errorf("the Service kubernetes leads to %s", endpoints)
	}
	f.testKill(info.withSecret(f))
	f.testRemove()

	// Nothing may hold the namespace: it ends with its holder.
	inode, _ := os.Readlink(netns)
	stop()
	f.eventually("the namespace to be unused", func() bool {
		uses, _ := exec.Command("sh", "-c", "readlink /proc/[0-9]*/ns/net /proc/[0-9]*/task/*/ns/net").Output()
		return !strings.Contains(string(uses), inode)
	})
}

// TestUpgrade moves a cluster with data to the next minor version.
func TestUpgrade(t *testing.T) {
	f := newFixture(t)
	f.spec.Version = "1.34"
	if _, err := os.Stat(f.spec.binary("kubernetes")); err != nil {
		t.Skip("Kubernetes 1.34 is not built; run hack/build-kubernetes.sh 1.34")
	}
	info := f.ensure()
	f.expect("secret", 201, info.Admin, "POST", secrets, secret)
	f.expectVersion("v1.34.", info)
	f.spec.Version = version
	info = f.ensure()
	f.expectVersion("v1.35.", info)
	f.expect("secret after the upgrade", 200, info.Admin, "GET", secrets+"/top", "")
	f.pids()

	// A manager that never saw the cluster removes it.
	f.manager.Close()
	f.manager = NewManager(f.root)
	f.testRemove()
}

func (f *fixture) expectVersion(prefix string, info Info) {
	f.Helper()
	if got := f.expect("version", 200, info.Admin, "GET", "/version", ""); !strings.Contains(got, `"gitVersion": "`+prefix) {
		f.Errorf("version is %s, want %s", got, prefix)
	}
}

func TestTakenPortIsNamed(t *testing.T) {
	f := newFixture(t)
	l, err := net.Listen("tcp", loopback(f.spec.HostPort))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = f.manager.Ensure(context.Background(), f.spec, func(string) {})
	if err == nil || !strings.Contains(err.Error(), strconv.Itoa(f.spec.HostPort)) {
		t.Errorf("error is %v, want one that names port %d", err, f.spec.HostPort)
	}
}

func TestCrashingComponentIsExplained(t *testing.T) {
	f := newFixture(t)
	// The data directory of etcd is a file.
	if err := os.MkdirAll(filepath.Join(f.root, f.spec.Name, "etcd/member"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.root, f.spec.Name, "etcd/member/snap"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := f.manager.Ensure(context.Background(), f.spec, func(string) {})
	if err == nil || !strings.Contains(err.Error(), "etcd") || !strings.Contains(err.Error(), "member/snap") {
		t.Errorf("error is %v, want one that names etcd and the file", err)
	}
	for _, c := range f.manager.Status(context.Background(), f.spec.Name) {
		if c.Healthy {
			t.Errorf("%s is healthy without etcd", c.Component)
		}
		if c.Component == etcd && !strings.Contains(c.Message, "member/snap") {
			t.Errorf("etcd: %s: %s", c.Reason, c.Message)
		}
	}
}

// withSecret creates the secret that testKill looks for.
func (i Info) withSecret(f *fixture) Info {
	f.expect("secret", 201, i.Admin, "POST", secrets, secret)
	return i
}

// serves checks the certificate of the API server at the endpoint for a name.
func (f *fixture) serves(e forward.Endpoint, name string, info Info) error {
	raw, err := forward.Dial(context.Background(), e)
	if err != nil {
		return err
	}
	defer raw.Close()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(info.CertificateAuthority)
	return tls.Client(raw, &tls.Config{RootCAs: pool, ServerName: name}).Handshake()
}

// makeNetNS returns a namespace that has the address on its loopback interface,
// and a function that lets go of it.
func makeNetNS(t *testing.T, addr netip.Addr) (file string, stop func()) {
	t.Helper()
	script := fmt.Sprintf("ip link set lo up && ip addr add %s/32 dev lo && ip route add default dev lo && echo && exec sleep 1000", addr)
	holder := exec.Command("unshare", "--net", "sh", "-c", script)
	out, err := holder.StdoutPipe()
	if err == nil {
		err = holder.Start()
	}
	if err != nil {
		t.Skipf("cannot make a network namespace: %v", err)
	}
	stop = func() { _ = holder.Process.Kill(); _ = holder.Wait() }
	t.Cleanup(stop)
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Skipf("cannot make a network namespace: %v", err)
	}
	return "/proc/" + strconv.Itoa(holder.Process.Pid) + "/ns/net", stop
}
