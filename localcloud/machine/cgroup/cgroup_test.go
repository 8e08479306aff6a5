package cgroup

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestGroup(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes control groups")
	}
	g, err := Open(fmt.Sprintf("/automode-test-%d/i-1", os.Getpid()))
	if err != nil {
		t.Skip(err)
	}
	for range 2 { // the second time changes nothing
		if err := g.Create(Limits{CPUs: 1, MemoryBytes: 64 << 20}); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { g.Delete() })

	// A process, and one that it forks into a group below.
	child := exec.Command("sleep", "600")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	go child.Wait()
	if err := g.Enter(child.Process.Pid); err != nil {
		t.Fatal(err)
	}
	inner, _ := Open(g.Path() + "/kubepods")
	if err := inner.Create(Limits{}); err != nil {
		t.Fatal(err)
	}
	second := exec.Command("sleep", "600")
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	go second.Wait()
	if err := inner.Enter(second.Process.Pid); err != nil {
		t.Fatal(err)
	}
	pids, err := g.Pids()
	want := []int{child.Process.Pid, second.Process.Pid}
	if slices.Sort(want); err != nil || !slices.Equal(pids, want) {
		t.Errorf("processes %v, %v; want %v", pids, err, want)
	}
	membership, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", child.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(membership)) {
		if !strings.HasSuffix(strings.TrimSpace(line), ":"+g.Path()+"/init") {
			t.Errorf("not in the group: %s", line)
		}
	}

	start := time.Now()
	if err := g.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := g.Delete(); err != nil {
		t.Fatal(err)
	}
	t.Logf("killed and removed in %v", time.Since(start))
	for _, h := range g.hierarchies {
		if _, err := os.Stat(filepath.Join(h.mount, filepath.Dir(g.Path()))); err == nil {
			t.Errorf("%s still has %s", h.mount, filepath.Dir(g.Path()))
		}
	}
	if err := g.Kill(); err != nil {
		t.Errorf("killing again: %v", err)
	}
	if err := g.Delete(); err != nil {
		t.Errorf("removing again: %v", err)
	}
}
