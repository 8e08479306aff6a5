package machine

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/automode-dev/automode/localcloud/vpc"
)

// pid returns the process of a unit's pid file, by the machine's console or supervisor.
func (s *site) supervisorPID(id string) int {
	s.t.Helper()
	pid := s.real.sup.Status(id).PID
	if pid == 0 {
		s.t.Fatalf("machine %s has no supervisor", id)
	}
	return pid
}

// inside runs a command in a machine's network and returns its output.
func (s *site) inside(id string, args ...string) (string, error) {
	var out []byte
	err := vpc.InNetNS(s.real.NetNS(id), func() (err error) {
		out, err = exec.Command(args[0], args[1:]...).CombinedOutput()
		return err
	})
	return string(out), err
}

func TestSupervisorKilled(t *testing.T) {
	s := newSite(t, "echo started $$; sh -c 'sleep 100000' & while read line </dev/kmsg; do echo kernel says $line; done")
	s.launch(s.spec(1))
	s.says("i-1", "started")
	if err := os.WriteFile(s.home.Machine("i-1")+"/kmsg", []byte("one\n"), 0); err != nil {
		t.Fatal(err)
	}
	s.says("i-1", "kernel says one")

	first := s.supervisorPID("i-1")
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, func() error {
		if pid := s.real.sup.Status("i-1").PID; pid == 0 || pid == first {
			return fmt.Errorf("supervisor is %d", pid)
		}
		return s.askMetadata("i-1")
	})
	console := s.says("i-1", "started")
	if strings.Count(console, "started") != 1 {
		t.Errorf("init was restarted with its supervisor:\n%s", console)
	}

	// The process that has the machines goes; the next one finds them.
	second := s.supervisorPID("i-1")
	s.real.Close()
	s.take()
	if pid := s.supervisorPID("i-1"); pid != second {
		t.Errorf("supervisor %d became %d with a new owner", second, pid)
	}
	if err := s.real.Ensure(t.Context(), s.spec(1)); err != nil {
		t.Fatal(err)
	}
	if pid := s.supervisorPID("i-1"); pid != second {
		t.Errorf("supervisor %d became %d by Ensure", second, pid)
	}
	s.nothingLeft()
}

func (s *site) askMetadata(id string) error {
	out, err := s.inside(id, "curl", "-sS", "-m", "2", "-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60", "http://169.254.169.254/latest/api/token")
	if err != nil {
		return fmt.Errorf("asking for a token: %w: %s", err, out)
	}
	out, err = s.inside(id, "curl", "-sS", "-m", "2", "-H", "X-aws-ec2-metadata-token: "+out, "http://169.254.169.254/latest/user-data")
	if err != nil || out != "hello "+id {
		return fmt.Errorf("user data %q: %w", out, errors.Join(err))
	}
	return nil
}

func TestInitRestarts(t *testing.T) {
	s := newSite(t, "echo started $$; exec sleep 100000")
	s.launch(s.spec(1))
	console := s.says("i-1", "started")
	pid, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(console, "started ")))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, func() error {
		console, _ := s.real.Console(t.Context(), "i-1")
		if strings.Count(string(console), "started") != 2 {
			return fmt.Errorf("console: %s", console)
		}
		return nil
	})
	s.nothingLeft()
}

func TestMachineServices(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("needs curl")
	}
	s := newSite(t, "echo started; exec sleep 100000")
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "from the host") })}
	go server.Serve(l)
	defer server.Close()

	spec := s.spec(1)
	s.launch(spec)
	s.says("i-1", "started")
	if err := s.askMetadata("i-1"); err != nil {
		t.Error(err)
	}
	if out, err := s.inside("i-1", "curl", "-s", "-m", "2", "http://169.254.169.254/latest/meta-data/"); err != nil || !strings.Contains(out, "401") {
		t.Errorf("metadata without a token: %q, %v; want 401", out, err)
	}
	url := "http://" + l.Addr().String()
	if out, err := s.inside("i-1", "curl", "-s", "-m", "2", url); err == nil {
		t.Errorf("a port that is not forwarded answers %q", out)
	}
	spec.HostPorts = []int{l.Addr().(*net.TCPAddr).Port}
	if err := s.real.Ensure(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, func() error {
		out, err := s.inside("i-1", "curl", "-sS", "-m", "2", url)
		if err != nil || out != "from the host" {
			return fmt.Errorf("forwarded port: %q, %w", out, errors.Join(err))
		}
		return nil
	})
	s.nothingLeft()
}

// TestPodsDoNotReachMetadata asks from an address of the machine that is not its own, as a pod's is.
func TestPodsDoNotReachMetadata(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("needs curl")
	}
	s := newSite(t, "echo started; exec sleep 100000")
	s.launch(s.spec(1))
	s.says("i-1", "started")
	if out, err := s.inside("i-1", "ip", "addr", "add", "10.77.0.65/32", "dev", "lo"); err != nil {
		t.Fatal(out, err)
	}
	out, err := s.inside("i-1", "curl", "-sS", "-m", "0.5", "--interface", "10.77.0.65", "-X", "PUT",
		"-H", "X-aws-ec2-metadata-token-ttl-seconds: 60", "http://169.254.169.254/latest/api/token")
	if err == nil || !strings.Contains(out, "timed out") {
		t.Errorf("token for a pod: %q, %v; want a time-out", out, err)
	}
}

func TestStopAndStart(t *testing.T) {
	s := newSite(t, "echo boot $(cat /var/kept 2>/dev/null); echo again >/var/kept; sync; echo ready; exec sleep 100000")
	s.launch(s.spec(1))
	s.says("i-1", "ready")
	if err := s.real.Stop(t.Context(), "i-1"); err != nil {
		t.Fatal(err)
	}
	if err := s.real.Stop(t.Context(), "i-1"); err != nil {
		t.Errorf("stopping again: %v", err)
	}
	if st := s.real.State("i-1"); st.Phase != Stopped {
		t.Errorf("state %+v, want stopped", st)
	}
	if err := s.real.Ensure(t.Context(), s.spec(1)); err != nil {
		t.Fatal(err)
	}
	if err := s.fabric.Apply(t.Context(), s.net); err != nil {
		t.Fatal(err)
	}
	s.says("i-1", "boot again")
	s.nothingLeft()
}

func TestBootDelay(t *testing.T) {
	s := newSite(t, "echo started; exec sleep 100000")
	spec := s.spec(1)
	spec.BootDelay = 700 * time.Millisecond
	start := time.Now()
	s.launch(spec)
	if st := s.real.State("i-1"); st.Phase != Booting {
		t.Errorf("state %+v, want booting", st)
	}
	s.says("i-1", "started")
	if took := time.Since(start); took < spec.BootDelay {
		t.Errorf("booted after %v, want at least %v", took, spec.BootDelay)
	}
}

// TestRemoveHalfMade removes machines in states that no orderly sequence leaves.
func TestRemoveHalfMade(t *testing.T) {
	s := newSite(t, "echo started; sleep 100000 & mkdir /run/m; mount -t tmpfs none /run/m; cd /run/m; exec sleep 100000")
	for name, damage := range map[string]func(l layout){
		"record lost": func(l layout) { os.Remove(l.record()) },
		"supervisor and units lost": func(l layout) {
			syscall.Kill(s.supervisorPID(l.id), syscall.SIGKILL)
			os.RemoveAll(l.units())
		},
		"mount namespace unbound": func(l layout) { unix.Unmount(l.namespace("mnt"), unix.MNT_DETACH) },
		"network namespace unbound": func(l layout) {
			unix.Unmount(l.netNS(), unix.MNT_DETACH)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s.launch(s.spec(1))
			s.says("i-1", "started")
			damage(s.real.layout("i-1"))
			if err := s.real.Remove(t.Context(), "i-1"); err != nil {
				t.Fatal(err)
			}
			s.net.Interfaces = nil
			s.nothingLeft()
		})
	}
	t.Run("attached but never mounted", func(t *testing.T) {
		l := s.real.layout("i-2")
		if err := os.MkdirAll(l.dir(), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := ensureData(t.Context(), l.data(), 1<<30); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("losetup", "-f", l.data()).CombinedOutput(); err != nil {
			t.Fatal(string(out), err)
		}
		if err := prepareBinding(l); err != nil {
			t.Fatal(err)
		}
		s.nothingLeft()
	})
}

// TestBootRetries boots a machine whose network comes late and whose version has no binaries at first.
func TestBootRetries(t *testing.T) {
	s := newSite(t, "echo started; ls /opt/automode/bin; exec sleep 100000")
	spec := s.spec(1)
	spec.KubernetesVersion = "1.35"
	s.launch(spec)
	eventually(t, 10*time.Second, func() error {
		if st := s.real.State("i-1"); st.Phase != Failed || !strings.Contains(st.Problem, "Kubernetes 1.35") {
			return fmt.Errorf("state %+v", st)
		}
		return nil
	})
	dir := filepath.Join(s.real.opts.Libexec, "kubernetes-1.35")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(dir, "kubernetes"), nil, 0o755), os.Symlink("kubernetes", filepath.Join(dir, "kubelet"))); err != nil {
		t.Fatal(err)
	}
	console := s.says("i-1", "kubernetes")
	for _, name := range []string{"automode", "kubelet", "kubernetes"} {
		if !strings.Contains(console, name) {
			t.Errorf("/opt/automode/bin lacks %s:\n%s", name, console)
		}
	}
}

// BenchmarkBoot is the time from Ensure to a running init and BenchmarkRemove that until nothing is left.
func BenchmarkBoot(b *testing.B) {
	s := newSite(b, "echo started; exec sleep 100000")
	n := 0
	for b.Loop() {
		n++
		spec := s.spec(n)
		s.launch(spec)
		s.says(spec.ID, "started")
		b.StopTimer()
		if err := s.real.Remove(b.Context(), spec.ID); err != nil {
			b.Fatal(err)
		}
		s.net.Interfaces = nil
		b.StartTimer()
	}
}

func BenchmarkRemove(b *testing.B) {
	s := newSite(b, "echo started; exec sleep 100000")
	n := 0
	for b.Loop() {
		b.StopTimer()
		n++
		spec := s.spec(n)
		s.launch(spec)
		s.says(spec.ID, "started")
		s.net.Interfaces = nil
		b.StartTimer()
		if err := s.real.Remove(b.Context(), spec.ID); err != nil {
			b.Fatal(err)
		}
	}
}
