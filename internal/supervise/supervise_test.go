package supervise

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// helperVariable turns the test binary into a supervising process of its own:
// its value is the state directory, its arguments are a shell script to keep
// running.
const helperVariable = "SUPERVISE_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperVariable); dir != "" {
		superviseAndWait(dir, os.Args[1])
	}
	os.Exit(m.Run())
}

func superviseAndWait(dir, script string) {
	s, err := New(dir)
	if err == nil {
		err = s.Ensure(Unit{Name: "job", Path: "/bin/sh", Args: []string{"-c", script}})
	}
	fmt.Println(s.Status("job").PID, err)
	select {}
}

// startHelper returns a supervising process and the id of the process it keeps.
func startHelper(t *testing.T, dir, script string) (helper *exec.Cmd, pid int) {
	t.Helper()
	helper = exec.Command(os.Args[0], script)
	helper.Env = append(os.Environ(), helperVariable+"="+dir)
	out, err := helper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = helper.Process.Kill(); _ = helper.Wait() })
	line, _ := bufio.NewReader(out).ReadString('\n')
	if _, err := fmt.Sscanf(line, "%d <nil>", &pid); err != nil || pid == 0 {
		t.Fatalf("helper says %q", line)
	}
	return helper, pid
}

func newSupervisor(t *testing.T, dir string) *Supervisor {
	t.Helper()
	s, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, status := range s.List() {
			if err := s.Stop(context.Background(), status.Name, 0); err != nil {
				t.Error(err)
			}
		}
		s.Close()
	})
	return s
}

func script(name, text string) Unit {
	return Unit{Name: name, Path: "/bin/sh", Args: []string{"-c", text}}
}

func ensure(t *testing.T, s *Supervisor, u Unit) Status {
	t.Helper()
	if err := s.Ensure(u); err != nil {
		t.Fatal(err)
	}
	return s.Status(u.Name)
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

func exists(pid int) bool {
	_, alive := readStat(pid)
	return alive
}

func TestProcessOfKilledSupervisorIsAdopted(t *testing.T) {
	dir := t.TempDir()
	helper, pid := startHelper(t, dir, "exec sleep 1000")
	_ = helper.Process.Kill()
	_ = helper.Wait()

	s := newSupervisor(t, dir)
	if got := s.Status("job"); got.PID != pid || got.State != Running || got.Restarts != 0 {
		t.Fatalf("status is %+v, want process %d adopted", got, pid)
	}
	if got := ensure(t, s, script("job", "exec sleep 1000")); got.PID != pid {
		t.Errorf("Ensure of the same definition replaced process %d by %d", pid, got.PID)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a new process after the adopted one died", func() bool {
		got := s.Status("job")
		return got.State == Running && got.PID != pid && got.Restarts == 1
	})
}

func TestProcessWithoutRecordIsAdopted(t *testing.T) {
	dir := t.TempDir()
	helper, pid := startHelper(t, dir, "exec sleep 1000")
	_ = helper.Process.Kill()
	_ = helper.Wait()
	if err := os.Remove(filepath.Join(dir, "job"+recordSuffix)); err != nil {
		t.Fatal(err)
	}
	if got := newSupervisor(t, dir).Status("job"); got.PID != pid {
		t.Errorf("status is %+v, want process %d adopted", got, pid)
	}
}

func TestReusedProcessIDIsNotAdopted(t *testing.T) {
	dir := t.TempDir()
	helper, pid := startHelper(t, dir, "exec sleep 1000")
	_ = helper.Process.Kill()
	_ = helper.Wait()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the death", func() bool { return !exists(pid) })
	// The record now names a process that is alive but was started later.
	other := exec.Command("sleep", "1000")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	stale := record{PID: other.Process.Pid, Start: 1, Boot: bootID(), Definition: script("job", "exec sleep 1000").hash()}
	if err := writeFile(filepath.Join(dir, "job"+recordSuffix), stale); err != nil {
		t.Fatal(err)
	}

	s := newSupervisor(t, dir)
	if got := s.Status("job"); got.PID == other.Process.Pid || got.State != Running {
		t.Errorf("status is %+v, want a new process", got)
	}
	if err := s.Stop(context.Background(), "job", time.Second); err != nil {
		t.Fatal(err)
	}
	if !exists(other.Process.Pid) {
		t.Error("the unrelated process was killed")
	}
}

func TestDirectoryHasOneSupervisor(t *testing.T) {
	dir := t.TempDir()
	startHelper(t, dir, "exec sleep 1000")
	if _, err := acquire(filepath.Join(dir, lockFile)); err == nil {
		t.Error("a second supervisor got the lock")
	}
}

func TestRestartBacksOff(t *testing.T) {
	s := newSupervisor(t, t.TempDir())
	log := filepath.Join(t.TempDir(), "job.log")
	u := script("job", "date +%s%N; exit 3")
	u.Log = log
	ensure(t, s, u)
	eventually(t, "four starts", func() bool { return len(LastLines(log, 10)) >= 4 })

	var starts []int64
	for _, line := range LastLines(log, 10)[:4] {
		n, err := strconv.ParseInt(line, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		starts = append(starts, n)
	}
	for i, want := range []time.Duration{firstDelay, 2 * firstDelay, 4 * firstDelay} {
		if got := time.Duration(starts[i+1] - starts[i]); got < want {
			t.Errorf("restart %d came after %v, want at least %v", i+1, got, want)
		}
	}
	eventually(t, "the exit code in the status", func() bool {
		got := s.Status("job")
		return got.State == Waiting && got.LastError == "exited with code 3" && !got.NextStart.IsZero()
	})
}

func TestMissingExecutable(t *testing.T) {
	s := newSupervisor(t, t.TempDir())
	path := filepath.Join(t.TempDir(), "late")
	if err := s.Ensure(Unit{Name: "job", Path: path}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error is %v, want one that names %s", err, path)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the unit to start once its executable is there", func() bool { return s.Status("job").State == Running })
}

func TestChangedUnitIsRestarted(t *testing.T) {
	s := newSupervisor(t, t.TempDir())
	before := ensure(t, s, script("job", "exec sleep 1000"))
	if same := ensure(t, s, script("job", "exec sleep 1000")); same.PID != before.PID {
		t.Errorf("equal definition replaced process %d by %d", before.PID, same.PID)
	}
	if !s.Runs(script("job", "exec sleep 1000")) || s.Runs(script("job", "exec sleep 2000")) {
		t.Error("Runs does not tell the definitions apart")
	}
	after := ensure(t, s, script("job", "exec sleep 2000"))
	if after.PID == before.PID || exists(before.PID) {
		t.Errorf("process %d still runs by the old definition, status is %+v", before.PID, after)
	}
}

func TestStopKillsEverythingWithinGrace(t *testing.T) {
	s := newSupervisor(t, t.TempDir())
	children := filepath.Join(t.TempDir(), "children")
	// A parent deaf to SIGTERM, a child in its group, and one in a session of
	// its own whose parent is gone.
	u := script("job", fmt.Sprintf(`trap "" TERM
sleep 1000 & echo $! >>%[1]s
setsid sh -c 'echo $$ >>%[1]s; exec sleep 1000' &
while :; do sleep 1; done`, children))
	status := ensure(t, s, u)
	eventually(t, "both children", func() bool { return len(LastLines(children, 3)) == 2 })

	begin := time.Now()
	if err := s.Stop(context.Background(), "job", 300*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < 300*time.Millisecond || took > 3*time.Second {
		t.Errorf("Stop took %v with a grace of 300 ms", took)
	}
	pids := append(LastLines(children, 3), strconv.Itoa(status.PID))
	for _, line := range pids {
		if pid, _ := strconv.Atoi(line); pid == 0 || exists(pid) {
			t.Errorf("process %s is still there", line)
		}
	}
	// The unit's own process must be reaped, not left as a zombie.
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", status.PID)); !os.IsNotExist(err) {
		t.Errorf("process %d is a zombie", status.PID)
	}
	if got := s.Status("job").State; got != Unknown {
		t.Errorf("state is %q after Stop", got)
	}
	left, _ := filepath.Glob(filepath.Join(s.dir, "job.*"))
	if len(left) > 0 {
		t.Errorf("files left: %v", left)
	}
}

func TestStopAsksFirst(t *testing.T) {
	s := newSupervisor(t, t.TempDir())
	u := script("job", `trap 'echo asked; exit 0' INT; echo ready; while :; do sleep 0.05; done`)
	u.StopSignal, u.Log = syscall.SIGINT, filepath.Join(t.TempDir(), "job.log")
	ensure(t, s, u)
	eventually(t, "the trap to be set", func() bool { return len(LastLines(u.Log, 1)) == 1 })
	if err := s.Stop(context.Background(), "job", 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if lines := LastLines(u.Log, 1); len(lines) != 1 || lines[0] != "asked" {
		t.Errorf("log ends with %q", lines)
	}
}

func TestCrashKeepsDetachedProcesses(t *testing.T) {
	s := newSupervisor(t, t.TempDir())
	file := filepath.Join(t.TempDir(), "detached")
	u := script("job", fmt.Sprintf(`[ -s %[1]s ] || setsid sh -c 'echo $$ >%[1]s; exec sleep 1000' & exec sleep 1000`, file))
	status := ensure(t, s, u)
	eventually(t, "the detached process", func() bool { return len(LastLines(file, 1)) == 1 })
	detached, _ := strconv.Atoi(LastLines(file, 1)[0])
	_ = syscall.Kill(status.PID, syscall.SIGKILL)
	eventually(t, "a restart", func() bool {
		now := s.Status("job")
		return now.State == Running && now.PID != status.PID
	})
	if !exists(detached) {
		t.Error("the detached process died with the unit's")
	}
	if err := s.Stop(context.Background(), "job", time.Second); err != nil {
		t.Fatal(err)
	}
	if exists(detached) {
		t.Error("the detached process outlived Stop")
	}
}

func TestCloseLeavesProcessesRunning(t *testing.T) {
	dir := t.TempDir()
	first, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	pid := ensure(t, first, script("job", "exec sleep 1000")).PID
	first.Close()
	if got := newSupervisor(t, dir).Status("job"); got.PID != pid {
		t.Errorf("status is %+v, want process %d", got, pid)
	}
}

func TestAdoptLeavesDeadUnitsToEnsure(t *testing.T) {
	dir := t.TempDir()
	first, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	living := ensure(t, first, script("living", "exec sleep 1000"))
	dead := ensure(t, first, script("dead", "exec sleep 1000"))
	first.Close()
	_ = syscall.Kill(dead.PID, syscall.SIGKILL)
	eventually(t, "the death", func() bool { return !exists(dead.PID) })
	second, err := Adopt(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { second.Close(); _ = Clear(context.Background(), dir, 0) })
	if got := second.Status("living"); got.PID != living.PID {
		t.Errorf("living unit is %+v, want process %d", got, living.PID)
	}
	if got := second.Status("dead"); got.State != Waiting || got.PID != 0 {
		t.Errorf("dead unit is %+v", got)
	}
	if got := ensure(t, second, script("dead", "exec sleep 2000")); got.State != Running {
		t.Errorf("dead unit is %+v after Ensure", got)
	}
}

func TestClearStopsAndStartsNothing(t *testing.T) {
	dir := t.TempDir()
	first, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	started := filepath.Join(t.TempDir(), "started")
	living := ensure(t, first, script("living", "exec sleep 1000")).PID
	dead := ensure(t, first, script("dead", "echo x >>"+started+"; exec sleep 1000")).PID
	eventually(t, "the start", func() bool { return len(LastLines(started, 9)) == 1 })
	first.Close()
	_ = syscall.Kill(dead, syscall.SIGKILL)
	eventually(t, "the death", func() bool { return !exists(dead) })
	if err := Clear(context.Background(), dir, time.Second); err != nil {
		t.Fatal(err)
	}
	if exists(living) || len(LastLines(started, 9)) != 1 {
		t.Errorf("living unit still there: %v; the dead one was started %d times", exists(living), len(LastLines(started, 9)))
	}
	if got := newSupervisor(t, dir).List(); len(got) != 0 {
		t.Errorf("units left: %+v", got)
	}
	if err := Clear(context.Background(), filepath.Join(dir, "missing"), 0); err != nil {
		t.Errorf("clearing a missing directory: %v", err)
	}
}

func TestEnvironmentIsTheUnitsOwn(t *testing.T) {
	t.Setenv("LEAKED", "yes")
	s := newSupervisor(t, t.TempDir())
	u := script("job", "env; exec sleep 1000")
	u.Env, u.Log = []string{"GIVEN=1"}, filepath.Join(t.TempDir(), "job.log")
	ensure(t, s, u)
	eventually(t, "the environment", func() bool { return len(LastLines(u.Log, 20)) >= 4 })
	got := strings.Join(LastLines(u.Log, 20), "\n")
	if strings.Contains(got, "LEAKED") || !strings.Contains(got, "GIVEN=1") || !strings.Contains(got, "PATH=") {
		t.Errorf("environment is\n%s", got)
	}
}

func TestUnitEntersNetworkNamespace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to make a network namespace")
	}
	holder := exec.Command("unshare", "--net", "sleep", "1000")
	if err := holder.Start(); err != nil {
		t.Skipf("cannot make a network namespace: %v", err)
	}
	defer func() { _ = holder.Process.Kill(); _ = holder.Wait() }()
	file := fmt.Sprintf("/proc/%d/ns/net", holder.Process.Pid)
	own, _ := os.Readlink("/proc/self/ns/net")
	eventually(t, "the namespace", func() bool { ns, _ := os.Readlink(file); return ns != "" && ns != own })

	s := newSupervisor(t, t.TempDir())
	u := script("job", "exec sleep 1000")
	u.NetNS = file
	status := ensure(t, s, u)
	want, _ := os.Readlink(file)
	eventually(t, "the unit in the namespace under its own process id", func() bool {
		got, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", status.PID))
		return got == want
	})
}

func TestRotate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	writer, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	fmt.Fprintln(writer, "first")
	if err := rotate(path, 100); err != nil || len(LastLines(path, 1)) != 1 {
		t.Fatalf("a small log was rotated, error %v", err)
	}
	if err := rotate(path, 6); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(writer, "second")
	if got, old := LastLines(path, 9), LastLines(path+".1", 9); len(got) != 1 || got[0] != "second" || old[0] != "first" {
		t.Errorf("log is %q, rotated log is %q", got, old)
	}
	if err := rotate(filepath.Join(t.TempDir(), "missing"), 0); err != nil {
		t.Errorf("rotating a missing log: %v", err)
	}
}

func TestInvalidUnits(t *testing.T) {
	s := newSupervisor(t, t.TempDir())
	for _, u := range []Unit{
		{Path: "/bin/true"}, {Name: "a/b", Path: "/bin/true"}, {Name: "a", Path: "true"},
		{Name: "a", Path: "/bin/true", Env: []string{"NOVALUE"}}, {Name: "a", Path: "/bin/true", Log: "log"},
	} {
		if err := s.Ensure(u); err == nil {
			t.Errorf("%+v was accepted", u)
		}
	}
	if got := s.List(); len(got) != 0 {
		t.Errorf("units are %+v", got)
	}
}
