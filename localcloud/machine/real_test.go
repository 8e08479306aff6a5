package machine

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/automode-dev/automode/internal/home"
	"github.com/automode-dev/automode/localcloud/machine/imds"
	"github.com/automode-dev/automode/localcloud/vpc"
)

// TestMain lets the test's own binary stand for the automode binary: it is the supervisor of the machines of the tests.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "machine" {
		set := flag.NewFlagSet("machine", flag.ExitOnError)
		var o Options
		set.StringVar(&o.Dir, "dir", "", "")
		set.BoolVar(&o.Enter, "enter", false, "")
		_ = set.Parse(os.Args[2:])
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		if err := Run(ctx, o); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// site is a home with a fabric, real machines, and a local cloud that answers for metadata.
type site struct {
	t      testing.TB
	home   home.Dir
	fabric *vpc.Fabric
	real   *Real
	init   []string
	net    vpc.Network
}

func newSite(t testing.TB, init string) *site {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes machines")
	}
	for _, program := range []string{"nft", "mkfs.ext4"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s", program)
		}
	}
	s := &site{t: t, home: home.Dir(t.TempDir()), init: []string{"/bin/sh", "-c", init}}
	s.fabric = vpc.NewFabric(s.home, nil)
	s.net = vpc.Network{
		ID: "vpc-1", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.77.0.0/16")},
		Subnets:        []vpc.Subnet{{ID: "subnet-1", CIDR: netip.MustParsePrefix("10.77.0.0/20")}},
		SecurityGroups: []vpc.SecurityGroup{{ID: "sg-1", Egress: []vpc.Rule{{Protocol: "-1", CIDR: netip.MustParsePrefix("0.0.0.0/0")}}}},
	}
	s.take()
	s.serveMetadata()
	t.Cleanup(func() {
		if _, err := s.real.RemoveAll(context.Background()); err != nil {
			t.Error(err)
		}
		s.real.Close()
		if err := s.fabric.Remove(context.Background(), s.net.ID); err != nil {
			t.Error(err)
		}
	})
	return s
}

// take makes this process the one that has the machines.
func (s *site) take() {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	s.real, err = NewReal(RealOptions{Home: s.home, Automode: self, Libexec: s.t.TempDir(), Endpoint: "http://127.0.0.1:4566", Init: s.init})
	if err != nil {
		s.t.Fatal(err)
	}
}

// serveMetadata answers on the local cloud's socket.
func (s *site) serveMetadata() {
	if err := os.MkdirAll(filepath.Dir(s.home.Socket()), 0o700); err != nil {
		s.t.Fatal(err)
	}
	l, err := net.Listen("unix", s.home.Socket())
	if err != nil {
		s.t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := strings.Split(r.URL.Path, "/")[3]
		_ = json.NewEncoder(w).Encode(imds.Document{InstanceID: id, Region: "us-east-1", UserData: []byte("hello " + id), Interfaces: []imds.Interface{{
			MAC: "02:00:00:00:00:01", Addresses: []netip.Addr{netip.MustParseAddr("10.77.0.10")},
		}}})
	})}
	go server.Serve(l)
	s.t.Cleanup(func() { server.Close() })
}

// spec is a small machine with one interface.
func (s *site) spec(n int) Spec {
	mac := fmt.Sprintf("02:00:00:00:00:%02x", n)
	return Spec{
		ID: fmt.Sprintf("i-%d", n), Type: "c6a.large", ImageID: "ami-1", Region: "us-east-1", VCPUs: 1, MemoryBytes: 512 << 20,
		Interfaces: []Interface{{ID: fmt.Sprintf("eni-%d", n), MAC: mac, Address: netip.AddrFrom4([4]byte{10, 77, 0, byte(9 + n)})}},
		Volumes:    []Volume{{ID: "vol-1", Device: "/dev/xvda", SizeBytes: 4 << 30}, {ID: "vol-2", Device: "/dev/xvdb", SizeBytes: 20 << 30}},
	}
}

// launch does what EC2 does: the machine, then its network.
func (s *site) launch(spec Spec) {
	s.t.Helper()
	if err := s.real.Ensure(s.t.Context(), spec); err != nil {
		s.t.Fatal(err)
	}
	i := spec.Interfaces[0]
	s.net.Interfaces = append(s.net.Interfaces, vpc.Interface{
		ID: i.ID, MAC: i.MAC, SubnetID: "subnet-1", Address: i.Address, Groups: []string{"sg-1"}, SourceDestCheck: true,
		NetNS: s.real.NetNS(spec.ID), Name: "eth0",
	})
	if err := s.fabric.Apply(s.t.Context(), s.net); err != nil {
		s.t.Fatal(err)
	}
}

// eventually waits for a condition, which returns what is still wrong.
func eventually(t testing.TB, within time.Duration, check func() error) {
	t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(5 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still after %v: %v", within, err)
		}
	}
}

// says waits until the console has the text and returns the whole console.
func (s *site) says(id, text string) string {
	s.t.Helper()
	var console []byte
	eventually(s.t, 15*time.Second, func() error {
		console, _ = s.real.Console(s.t.Context(), id)
		if !strings.Contains(string(console), text) {
			log, _ := os.ReadFile(filepath.Join(s.home.Machine(id), "supervisor.log"))
			return fmt.Errorf("no %q on the console; state %+v; console:\n%s\nsupervisor:\n%s", text, s.real.State(id), console, log)
		}
		return nil
	})
	return string(console)
}

// traces lists what the home has on the host; others may be at work there at the same time.
func (s *site) traces() string {
	s.t.Helper()
	var found strings.Builder
	for _, c := range []string{
		"ip -br link", "nft list tables", "losetup -a", "cat /proc/self/mountinfo", "find /sys/fs/cgroup -maxdepth 3 -type d -name 'automode-*'",
		"ps axo pid,args",
	} {
		out, err := exec.Command("sh", "-c", c).CombinedOutput()
		if err != nil {
			s.t.Fatalf("%s: %v: %s", c, err, out)
		}
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, s.home.ID()) || strings.Contains(line, string(s.home)) {
				found.WriteString(c + ": " + line)
			}
		}
	}
	return found.String()
}

// nothingLeft removes all machines and the network and looks for what is left of them.
func (s *site) nothingLeft() {
	s.t.Helper()
	if s.traces() == "" {
		s.t.Error("no trace on the host: the check checks nothing")
	}
	if _, err := s.real.RemoveAll(context.Background()); err != nil {
		s.t.Fatal(err)
	}
	if err := s.fabric.Remove(context.Background(), s.net.ID); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, 5*time.Second, func() error {
		if left := s.traces(); left != "" {
			return fmt.Errorf("left on the host:\n%s", left)
		}
		return nil
	})
	if entries, _ := os.ReadDir(s.home.Machines()); len(entries) > 0 {
		s.t.Errorf("left in %s: %v", s.home.Machines(), entries)
	}
	if entries, _ := os.ReadDir(s.home.Path("run", "netns")); len(entries) > 0 {
		s.t.Errorf("left in run/netns: %v", entries)
	}
}

const inspect = `
echo host $(hostname) $(cat /etc/hostname)
echo id $AUTOMODE_INSTANCE_ID
grep PRETTY /etc/os-release
cat /run/automode/hardware.json
touch /usr/x 2>/dev/null && echo usr-writable
touch /x 2>/dev/null && echo root-writable
touch /var/x /run/x /tmp/x /dev/shm/x /etc/x /root/x /mnt/x && echo writable-ok
echo disk $(df -B1G --output=size,target /var | tail -1)
echo overcommit $(cat /proc/sys/vm/overcommit_memory)
for c in /sys/fs/cgroup/*/automode-* /sys/fs/cgroup/automode-*; do [ -d $c ] && echo cgroup $c; done | head -1
cat /proc/self/cgroup | grep -c -F "$AUTOMODE_CGROUP/init"
ls -d /work /home/* 2>/dev/null && echo sees-host
ip -br addr show dev eth0
ls /sys/class/net
mount | grep -q ' on / type tmpfs (ro' && echo root-ro
echo ready
exec sleep 100000
`

func TestRealMachine(t *testing.T) {
	s := newSite(t, inspect)
	s.launch(s.spec(1))
	console := s.says("i-1", "ready\n")
	t.Log(console)
	for _, want := range []string{
		"host ip-10-77-0-10.ec2.internal ip-10-77-0-10.ec2.internal\n", "id i-1\n", `PRETTY_NAME="Automode`, `"memoryBytes": 495976448`,
		`"ephemeralStorageBytes": 21474836480`, "writable-ok\n", "disk 20 /var\n", "overcommit 1\n", "root-ro\n", "10.77.0.10/20",
	} {
		if !strings.Contains(console, want) {
			t.Errorf("console lacks %q", want)
		}
	}
	for _, unwanted := range []string{"usr-writable", "root-writable", "sees-host", "ifb0"} {
		if strings.Contains(console, unwanted) {
			t.Errorf("console has %q", unwanted)
		}
	}
	if st := s.real.State("i-1"); st.Phase != Running {
		t.Errorf("state %+v, want running", st)
	}
	start := time.Now()
	if err := s.real.Remove(t.Context(), "i-1"); err != nil {
		t.Fatal(err)
	}
	t.Logf("removed in %v", time.Since(start))
	if err := s.real.Remove(t.Context(), "i-1"); err != nil {
		t.Errorf("removing again: %v", err)
	}
	if st := s.real.State("i-1"); st.Phase != Absent {
		t.Errorf("state %+v, want absent", st)
	}
	s.nothingLeft()
}
