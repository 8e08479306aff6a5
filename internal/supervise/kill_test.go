package supervise

import (
	"testing"
	"time"
)

func TestKillEndsAllOfATree(t *testing.T) {
	tree := t.TempDir()
	var pids []int
	for _, dir := range []string{"a", "b/c"} {
		s, err := New(tree + "/" + dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Ensure(Unit{Name: "sleeper", Path: "/bin/sh", Args: []string{"-c", "sleep 100 & sleep 100"}}); err != nil {
			t.Fatal(err)
		}
		pids = append(pids, s.Status("sleeper").PID)
		s.Close() // as if the supervising process had gone
	}
	if err := Kill(tree); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		for deadline := time.Now().Add(5 * time.Second); ; {
			if _, alive := readStat(pid); !alive {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("process %d is alive", pid)
			}
		}
	}
	if err := Kill(tree + "/missing"); err != nil {
		t.Errorf("killing in a directory that is not there: %v", err)
	}
}
