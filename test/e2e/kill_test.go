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

	"github.com/automode-dev/automode/test/testkit"
)

// unitVariable marks every supervised process with the unit it belongs to, a path below the home.
const unitVariable = "AUTOMODE_UNIT="

// units maps each supervised process of the home to its process ids: those whose parent is not of the same unit.
func units(t *testing.T, home string) map[string][]int {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]int{}
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if unit := unitOf(pid); strings.HasPrefix(unit, home+"/") && unitOf(parent(pid)) != unit {
			found[strings.TrimPrefix(unit, home+"/")] = append(found[strings.TrimPrefix(unit, home+"/")], pid)
		}
	}
	return found
}

func unitOf(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return ""
	}
	for _, entry := range strings.Split(string(data), "\x00") {
		if unit, ok := strings.CutPrefix(entry, unitVariable); ok {
			return unit
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
	c.Kubectl(t, "create", "deployment", "steady", "--image=nginx", "--replicas=2")
	t.Cleanup(func() {
		c.Try(t, "", "kubectl", "delete", "deployment", "steady", "--ignore-not-found")
		waitNoNodes(t, c)
	})
	waitRunning(t, c, "app=steady", 2)
	before := podFacts(t, c)
	c.Run(t, "automode", "status", "--wait", "60s")

	var names []string
	for name := range units(t, c.Home) {
		names = append(names, name)
	}
	sort.Strings(names)
	if len(names) < 10 {
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

// killOne kills the processes of a unit and waits until the cluster is whole again.
func killOne(t *testing.T, c *testkit.Cluster, name string) {
	for _, pid := range units(t, c.Home)[name] {
		if isShim(pid) {
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
			t.Fatal(err)
		}
	}
	testkit.Eventually(t, 60*time.Second, name+" runs again", func() error {
		for _, pid := range units(t, c.Home)[name] {
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
