package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/automode-dev/automode/internal/home"
	"github.com/automode-dev/automode/test/testkit"
)

// unitVariable marks every supervised process with the unit it belongs to: a path below the home, or one inside a machine.
const unitVariable = "AUTOMODE_UNIT="

// units maps each supervised process of the home to its process ids: those whose parent is not of the same unit.
func units(t *testing.T, dir home.Dir) map[string][]int {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]int{}
	for _, entry := range dirs {
		pid, err := strconv.Atoi(filepath.Base(entry))
		if err != nil {
			continue
		}
		if unit := unitOf(pid, dir); unit != "" && unitOf(parent(pid), dir) != unit {
			found[unit] = append(found[unit], pid)
		}
	}
	return found
}

// unitOf names the unit of a process: by its path in the home, or by its machine and its path in there; "" for processes of
// others.
func unitOf(pid int, dir home.Dir) string {
	unit := variable(pid, unitVariable)
	if own, ok := strings.CutPrefix(unit, string(dir)+"/"); ok {
		return own
	}
	group, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil || unit == "" {
		return ""
	}
	_, below, ours := strings.Cut(string(group), "/automode-"+dir.ID()+"/")
	if !ours {
		return ""
	}
	machine, _, _ := strings.Cut(below, "\n")
	machine, _, _ = strings.Cut(machine, "/")
	return machine + unit
}

// variable is a variable of the environment that a process was started with.
func variable(pid int, prefix string) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return ""
	}
	for _, entry := range strings.Split(string(data), "\x00") {
		if value, ok := strings.CutPrefix(entry, prefix); ok {
			return value
		}
	}
	return ""
}

func parent(pid int) int {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		return 0
	}
	ppid, _ := strconv.Atoi(fields[1]) // the kernel writes a number
	return ppid
}

// isShim tells a containerd shim from the unit it was started by: it belongs to a pod and is not restarted.
func isShim(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.Contains(string(data), "containerd-shim")
}

// TestKill kills each process in turn under load: it comes back, pods on real nodes go on, nothing is lost or orphaned.
func TestKill(t *testing.T) {
	c := shared(t)
	loadNginx(t, c, "nginx")
	c.Apply(t, steady)
	t.Cleanup(func() {
		c.Try(t, "", "kubectl", "delete", "deployment", "steady", "--ignore-not-found")
		waitNoNodes(t, c)
	})
	waitRunning(t, c, "app=steady", 2)
	before := podFacts(t, c)
	c.Run(t, "automode", "status", "--wait", "60s")

	var names []string
	for name := range units(t, home.Dir(c.Home)) {
		names = append(names, name)
	}
	sort.Strings(names)
	if len(names) < 13 {
		t.Fatalf("only these processes were found: %v", names)
	}
	for _, name := range names {
		t.Run(strings.ReplaceAll(name, "/", "_"), func(t *testing.T) { killOne(t, c, name) })
	}

	if after := podFacts(t, c); after != before {
		t.Errorf("pods were\n%s\nand are\n%s", before, after)
	}
	scaled := c.Try(t, "", "kubectl", "scale", "deployment", "steady", "--replicas=3")
	if scaled.Code != 0 {
		t.Fatal(scaled.Err)
	}
	waitRunning(t, c, "app=steady", 3)
}

// steady are pods that nothing moves for money: only what the test does could.
const steady = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: steady}
spec:
  replicas: 2
  selector: {matchLabels: {app: steady}}
  template:
    metadata: {labels: {app: steady}, annotations: {karpenter.sh/do-not-disrupt: "true"}}
    spec:
      containers: [{name: nginx, image: nginx}]
`

// killOne kills the processes of a unit and waits until the cluster is whole again.
func killOne(t *testing.T, c *testkit.Cluster, name string) {
	for _, pid := range units(t, home.Dir(c.Home))[name] {
		if !isShim(pid) {
			kill(t, pid)
		}
	}
	testkit.Eventually(t, 60*time.Second, name+" runs again", func() error {
		for _, pid := range units(t, home.Dir(c.Home))[name] {
			if !isShim(pid) {
				return nil
			}
		}
		return fmt.Errorf("no process")
	})
	testkit.Eventually(t, 90*time.Second, "all is healthy", func() error {
		if r := c.Try(t, "", "automode", "status"); r.Code != 0 {
			return fmt.Errorf("%s%s", r.Out, r.Err)
		}
		if r := c.Try(t, "", "kubectl", "exec", "deployment/steady", "--", "true"); r.Code != 0 { // by way of API server, kubelet and containerd
			return fmt.Errorf("exec: %s", r.Err)
		}
		return testkit.Expect("ready pods", strconv.Itoa(strings.Count(
			c.Get(t, `{.items[*].status.conditions[?(@.type=="Ready")].status}`, "pods", "-l", "app=steady"), "True")), "2")
	})
}

// podFacts is what must not change: which pods there are, on which nodes, how often their containers were restarted.
func podFacts(t *testing.T, c *testkit.Cluster) string {
	t.Helper()
	return c.Kubectl(t, "get", "pods", "-l", "app=steady", "--sort-by=.metadata.name", "-o",
		`jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.spec.nodeName} {.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}{"\n"}{end}`)
}

// kill kills processes that may have ended by themselves.
func kill(t *testing.T, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
			t.Fatal(err)
		}
	}
}
