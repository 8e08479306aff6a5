package testkit

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Cluster is one that `automode up` brought up for a test run, with a home, ports and a kubeconfig of its own.
type Cluster struct {
	Shell
	Name string
	Home string
	Port int
	Bin  string // directory of the built binaries
}

// Root is the top of the source tree.
func Root() string {
	dir, err := os.Getwd()
	for err == nil && dir != "/" {
		if _, statErr := os.Stat(filepath.Join(dir, "SCOPE.md")); statErr == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return "."
}

// Missing says what end-to-end tests need and this machine lacks, "" when nothing.
func Missing(realMachines bool) string {
	bin := filepath.Join(Root(), "bin")
	for _, file := range []string{"automode", "kubernetes-1.35/kube-apiserver"} {
		if _, err := os.Stat(filepath.Join(bin, file)); err != nil {
			return "needs built binaries: run `make build`"
		}
	}
	if realMachines && os.Geteuid() != 0 {
		return "real machines need root"
	}
	return ""
}

// wholeTimeout is how long bringing a whole cluster up may take on a machine that has much else to do.
const wholeTimeout = 10 * time.Minute

// Up brings a cluster up with the extra flags and returns it with the function that removes everything again.
func Up(home string, flags ...string) (*Cluster, func() error, error) {
	port, err := freePort()
	if err != nil {
		return nil, nil, err
	}
	bin := filepath.Join(Root(), "bin")
	kubeconfig := filepath.Join(home, "kubeconfig")
	c := &Cluster{Name: "automode", Home: filepath.Join(home, "home"), Port: port, Bin: bin, Shell: Shell{Env: []string{
		"AUTOMODE_HOME=" + filepath.Join(home, "home"), "KUBECONFIG=" + kubeconfig,
		"PATH=" + bin + ":" + filepath.Join(bin, "kubernetes-1.35") + ":" + os.Getenv("PATH"),
	}}}
	patient := c.Shell
	patient.Timeout = wholeTimeout + time.Minute
	down := func() error {
		r, err := patient.try("", filepath.Join(bin, "automode"), "down")
		if err == nil && r.Code != 0 {
			err = fmt.Errorf("automode down: exit code %d\n%s%s", r.Code, r.Out, r.Err)
		}
		return err
	}
	args := append([]string{filepath.Join(bin, "automode"), "up", "--port", fmt.Sprint(port), "--timeout", wholeTimeout.String()}, flags...)
	r, err := patient.try("", args...)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("automode up: exit code %d\n%s%s", r.Code, r.Out, r.Err)
	}
	if err != nil {
		return nil, down, err
	}
	return c, down, c.useCloud()
}

// useCloud adds the variables of `automode env` to the shell.
func (c *Cluster) useCloud() error {
	r, err := c.try("", filepath.Join(c.Bin, "automode"), "env")
	if err != nil || r.Code != 0 {
		return fmt.Errorf("automode env: %v\n%s", err, r.Err)
	}
	for _, line := range strings.Split(r.Out, "\n") {
		if pair, ok := strings.CutPrefix(line, "export "); ok {
			c.Env = append(c.Env, strings.ReplaceAll(pair, "'", ""))
		}
	}
	c.Env = append(c.Env, "AWS_PAGER=", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")
	return nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Kubectl runs kubectl and returns its output.
func (c *Cluster) Kubectl(t testing.TB, args ...string) string {
	t.Helper()
	return c.Run(t, append([]string{"kubectl"}, args...)...)
}

// Apply applies a manifest.
func (c *Cluster) Apply(t testing.TB, manifest string) {
	t.Helper()
	c.RunWith(t, manifest, "kubectl", "apply", "-f", "-")
}

// Get returns a JSONPath of an object, "" when the object or the path does not exist.
func (c *Cluster) Get(t testing.TB, path string, args ...string) string {
	t.Helper()
	r := c.Try(t, "", append(append([]string{"kubectl", "get"}, args...), "-o", "jsonpath="+path)...)
	if r.Code != 0 {
		return ""
	}
	return strings.TrimSpace(r.Out)
}

// AWS runs the aws command line, or skips the test where there is none.
func (c *Cluster) AWS(t testing.TB, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("the aws command line is not installed")
	}
	return c.Run(t, append([]string{"aws"}, args...)...)
}
