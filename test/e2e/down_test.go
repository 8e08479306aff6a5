package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/automode-dev/automode/internal/home"
	"github.com/automode-dev/automode/test/testkit"
)

// TestDown: whatever state a home is in, `automode down` leaves no process, namespace, mount, control group, loop device,
// interface, firewall rule, kubectl context or file of it.
func TestDown(t *testing.T) {
	shared(t) // for the same conditions
	base := t.TempDir()
	c, down, err := testkit.Up(base)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = down() }) // when the test fails half-way; else there is nothing to do
	loadNginx(t, c, "nginx")
	c.Kubectl(t, "create", "deployment", "nginx", "--image=nginx")
	waitRunning(t, c, "app=nginx", 1)
	if left := traces(t, home.Dir(c.Home)); len(left) < 8 {
		t.Fatalf("a running home shows only these traces: %v", left)
	}

	for unit, pids := range units(t, home.Dir(c.Home)) {
		if unit == "run/units/cloud/serve" || unit == "run/units/root/supervise" {
			kill(t, pids...) // at once: nobody is left to restart the other
		}
	}
	out := c.Try(t, "", "automode", "down")
	if out.Code != 0 {
		t.Fatalf("automode down: %d\n%s", out.Code, out.Err)
	}
	for _, want := range []string{"1 machine", "1 network", `context "automode" removed`, c.Home} {
		if !strings.Contains(out.Err, want) {
			t.Errorf("automode down does not say %q:\n%s", want, out.Err)
		}
	}
	if left := traces(t, home.Dir(c.Home)); len(left) > 0 {
		t.Errorf("left behind:\n%s", strings.Join(left, "\n"))
	}
	if contexts := c.Try(t, "", "kubectl", "config", "get-contexts", "-o", "name").Out; strings.TrimSpace(contexts) != "" {
		t.Errorf("kubectl contexts left: %s", contexts)
	}
	if again := c.Try(t, "", "automode", "down"); again.Code != 0 || !strings.Contains(again.Err, "Nothing to remove") {
		t.Errorf("a second automode down: %d\n%s", again.Code, again.Err)
	}
}

// traces lists what a home has on this machine. Names that the machine shows carry the home's id.
func traces(t *testing.T, dir home.Dir) []string {
	t.Helper()
	var found []string
	for unit, pids := range units(t, dir) {
		found = append(found, fmt.Sprintf("process %s %v", unit, pids))
	}
	for what, text := range map[string]string{
		"mount": read(t, "/proc/mounts"), "interface": list(t, "/sys/class/net"), "loop device": loopFiles(t),
		"rules": testkit.Shell{}.Run(t, "nft", "list", "tables"), "route": testkit.Shell{}.Run(t, "ip", "route"),
	} {
		for _, line := range strings.Split(text, "\n") {
			if strings.Contains(line, string(dir)) || strings.Contains(line, dir.ID()) {
				found = append(found, what+" "+line)
			}
		}
	}
	err := filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.Contains(d.Name(), dir.ID()) {
			found = append(found, "control group "+path)
			return filepath.SkipDir
		}
		return nil // groups come and go while they are walked
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(string(dir)); err == nil {
		found = append(found, "directory "+string(dir))
	}
	return found
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func list(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, "\n")
}

// loopFiles lists the files behind loop devices.
func loopFiles(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range files {
		if data, err := os.ReadFile(f); err == nil { // a device may be freed meanwhile
			all = append(all, strings.TrimSpace(string(data)))
		}
	}
	return strings.Join(all, "\n")
}
