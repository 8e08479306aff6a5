package vpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/automode-dev/automode/internal/home"
)

// world is a fabric of its own home, with the namespaces that a test puts interfaces into.
type world struct {
	t      *testing.T
	fabric *Fabric
	home   home.Dir
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes network namespaces")
	}
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("needs nft of the package nftables")
	}
	w := &world{t: t, home: home.Dir(t.TempDir())}
	w.fabric = NewFabric(w.home, nil)
	return w
}

// place gives every interface of the network a namespace named after it.
func (w *world) place(n *Network) {
	for i := range n.Interfaces {
		path := w.ns(n.Interfaces[i].ID)
		n.Interfaces[i].NetNS = path
		if err := CreateNetNS(path); err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { DeleteNetNS(path) })
	}
	w.t.Cleanup(func() { w.fabric.Remove(context.Background(), n.ID) })
}

func (w *world) ns(name string) string { return w.home.NetNS("m-" + name) }

func (w *world) apply(n Network) {
	w.t.Helper()
	if err := w.fabric.Apply(w.t.Context(), n); err != nil {
		w.t.Fatal(err)
	}
}

// serve answers on an address in a namespace with the address of whoever asks, until the test ends.
func (w *world) serve(ns string, addr string) {
	w.t.Helper()
	var l net.Listener
	if err := InNetNS(ns, func() (err error) { l, err = net.Listen("tcp4", addr); return err }); err != nil {
		w.t.Fatalf("listening on %s: %v", addr, err)
	}
	w.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, c.RemoteAddr().(*net.TCPAddr).IP)
			c.Close()
		}
	}()
}

// dial returns what the server at addr says to a client in a namespace ("" is the host).
func dial(ns, from, addr string) (string, error) {
	var said string
	connect := func() error {
		d := net.Dialer{Timeout: 400 * time.Millisecond}
		if from != "" {
			d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
		}
		c, err := d.Dial("tcp4", addr)
		if err != nil {
			return err
		}
		defer c.Close()
		b, err := io.ReadAll(c)
		said = string(b)
		return err
	}
	if ns == "" {
		return said, errors.Join(connect())
	}
	err := InNetNS(ns, connect)
	return said, err
}

func (w *world) reaches(ns, from, addr, asAddr string) {
	w.t.Helper()
	if said, err := dial(ns, from, addr); err != nil || said != asAddr {
		w.t.Errorf("%s -> %s: seen as %q, %v; want %q", filepath.Base(ns), addr, said, err, asAddr)
	}
}

func (w *world) refused(ns, from, addr string) {
	w.t.Helper()
	if said, err := dial(ns, from, addr); err == nil {
		w.t.Errorf("%s -> %s: passes (seen as %q), want it dropped", filepath.Base(ns), addr, said)
	}
}

// addressInside gives a namespace a further address, as a node does for its pods.
func addressInside(t *testing.T, ns, cidr string) {
	t.Helper()
	err := InNetNS(ns, func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr(cidr)
		if err != nil {
			return err
		}
		return netlink.AddrAdd(lo, a)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// traces lists what the home has on the host; others may be at work there at the same time.
func (w *world) traces() string {
	w.t.Helper()
	var found strings.Builder
	for _, c := range []string{"ip -br link", "ip route show table all", "ip rule", "nft list tables", "cat /proc/self/mountinfo"} {
		out, err := exec.Command("sh", "-c", c).CombinedOutput()
		if err != nil {
			w.t.Fatalf("%s: %v: %s", c, err, out)
		}
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, w.home.ID()) || strings.Contains(line, string(w.home)) {
				found.WriteString(c + ": " + line)
			}
		}
	}
	return found.String()
}

func TestFabricSecurityGroups(t *testing.T) {
	w := newWorld(t)
	n := twoTier()
	w.place(&n)
	w.apply(n)
	web, web2, db := w.ns("eni-web"), w.ns("eni-web2"), w.ns("eni-db")
	w.serve(web, ":80")
	w.serve(web, ":81")
	w.serve(web2, ":80")
	w.serve(db, ":5432")
	w.serve(db, ":5441")

	w.reaches(web2, "", "10.31.0.10:80", "10.31.0.20")    // same subnet
	w.reaches(web, "", "10.31.16.10:5432", "10.31.0.10")  // other subnet, by group reference
	w.reaches(web2, "", "10.31.16.10:5432", "10.31.0.20") // second member of the group
	w.refused(web, "", "10.31.16.10:5441")                // port not allowed
	w.refused(web2, "", "10.31.0.10:81")                  // port not allowed within the subnet
	w.refused(db, "", "10.31.0.10:80")                    // no egress rule
	w.refused(web, "", "10.31.0.99:80")                   // nobody there

	t.Run("prefixes and secondary addresses", func(t *testing.T) {
		addressInside(t, web, "10.31.0.65/32")
		addressInside(t, web, "10.31.0.11/32")
		w.reaches(web2, "", "10.31.0.65:80", "10.31.0.20")
		w.reaches(web2, "", "10.31.0.11:80", "10.31.0.20")
		w.reaches(web, "10.31.0.65", "10.31.16.10:5432", "10.31.0.65")
	})
	t.Run("source check", func(t *testing.T) {
		addressInside(t, web, "10.31.0.200/32")
		addressInside(t, web2, "10.31.0.201/32")
		w.refused(web, "10.31.0.200", "10.31.0.20:80")
	})
	t.Run("host", func(t *testing.T) {
		if r := w.fabric.HostRoutes(n.ID); !r[0].Installed {
			t.Skip(r[0].Reason)
		}
		if w.traces() == "" {
			t.Error("no trace on the host: the check at the end checks nothing")
		}
		if said, err := dial("", "", "10.31.16.10:5441"); err != nil || !strings.HasPrefix(said, "169.254.") {
			t.Errorf("host -> db: seen as %q, %v", said, err)
		}
		if said, err := dial("", "", "10.31.0.65:80"); err != nil {
			t.Errorf("host -> pod address: seen as %q, %v", said, err)
		}
	})
	t.Run("changes", func(t *testing.T) {
		n.SecurityGroups[1].Egress = []Rule{{Protocol: "tcp", FromPort: 80, ToPort: 80, Group: "sg-web"}}
		n.SecurityGroups[1].Ingress = nil
		w.apply(n)
		w.reaches(db, "", "10.31.0.10:80", "10.31.16.10")
		w.refused(web, "", "10.31.16.10:5432")
		n.Interfaces[0].Prefixes = nil
		w.apply(n)
		w.refused(web2, "", "10.31.0.65:80")
	})
	t.Run("machine made anew", func(t *testing.T) {
		if err := DeleteNetNS(web2); err != nil {
			t.Fatal(err)
		}
		w.apply(n)
		if err := CreateNetNS(web2); err != nil {
			t.Fatal(err)
		}
		w.apply(n)
		w.reaches(web2, "", "10.31.0.10:80", "10.31.0.20")
	})
	t.Run("a new process takes over", func(t *testing.T) {
		w.fabric = NewFabric(w.home, nil)
		w.apply(n)
		w.reaches(web2, "", "10.31.0.10:80", "10.31.0.20")
	})
	t.Run("interface removed", func(t *testing.T) {
		n.Interfaces = n.Interfaces[:2]
		w.apply(n)
		w.refused(web2, "", "10.31.0.10:80")
	})
	if err := w.fabric.Remove(t.Context(), n.ID); err != nil {
		t.Fatal(err)
	}
	if err := w.fabric.Remove(t.Context(), n.ID); err != nil {
		t.Errorf("removing again: %v", err)
	}
	for _, ns := range []string{web, web2, db} {
		if err := DeleteNetNS(ns); err != nil {
			t.Fatal(err)
		}
	}
	if left := w.traces(); left != "" {
		t.Errorf("left on the host:\n%s", left)
	}
}

// TestFabricInternet puts an "internet" behind the host: a namespace with an address that the host routes to.
func TestFabricInternet(t *testing.T) {
	w := newWorld(t)
	forwarding, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.WriteFile("/proc/sys/net/ipv4/ip_forward", forwarding, 0o644) })
	internet := w.internet("203.0.113.1/30", "203.0.113.2/30")
	w.serve(internet, ":80")

	n := twoTier()
	n.SecurityGroups[1].Egress = []Rule{all}
	w.place(&n)
	w.apply(n)
	w.reaches(w.ns("eni-web"), "", "203.0.113.2:80", "203.0.113.1")
	w.refused(w.ns("eni-db"), "", "203.0.113.2:80") // its route table has no gateway
	w.refused(w.ns("eni-web"), "", "203.0.113.1:22222")

	// A second VPC with the same addresses reaches the internet too; only the first has the host's route.
	other := twoTier()
	other.ID = "vpc-twin"
	for i := range other.Interfaces {
		other.Interfaces[i].ID += "-twin"
	}
	w.place(&other)
	w.apply(other)
	w.reaches(w.ns("eni-web-twin"), "", "203.0.113.2:80", "203.0.113.1")
	if r := w.fabric.HostRoutes(n.ID); !r[0].Installed {
		t.Skip(r[0].Reason)
	}
	w.serve(w.ns("eni-web"), ":80")
	if _, err := dial("", "", "10.31.0.10:80"); err != nil {
		t.Errorf("host -> first VPC: %v", err)
	}
	if r := w.fabric.HostRoutes(other.ID); len(r) != 1 || r[0].Installed || !strings.Contains(r[0].Reason, "overlaps") {
		t.Errorf("host routes of the twin: %+v", r)
	}
	if err := w.fabric.Remove(t.Context(), n.ID); err != nil {
		t.Fatal(err)
	}
	if r := w.fabric.HostRoutes(other.ID); len(r) != 1 || !r[0].Installed {
		t.Errorf("host routes of the twin after the first VPC went: %+v", r)
	}
	if err := w.fabric.Remove(t.Context(), other.ID); err != nil {
		t.Fatal(err)
	}
}

// TestFabricBehindFirewall is TestFabricInternet on a host of its own, a network namespace, that drops what it forwards, as
// Docker makes hosts do.
func TestFabricBehindFirewall(t *testing.T) {
	const inside = "AUTOMODE_TEST_BEHIND_FIREWALL"
	if os.Getenv(inside) == "" {
		newWorld(t)
		cmd := exec.Command(os.Args[0], "-test.run=^TestFabricBehindFirewall$", "-test.v")
		cmd.Env = append(os.Environ(), inside+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "SKIP") {
			t.Errorf("%v:\n%s", err, out)
		}
		return
	}
	const firewall = "table ip filter {\n\tchain FORWARD {\n\t\ttype filter hook forward priority filter; policy drop;\n\t\tip daddr 192.0.2.1 accept\n\t}\n}\n"
	if err := errors.Join(loopbackUp(), loadRules(t.Context(), "", firewall)); err != nil {
		t.Fatal(err)
	}
	TestFabricInternet(t)
	if left, err := nft(t.Context(), "list", "ruleset"); err != nil || string(left) != firewall {
		t.Errorf("left of the firewall, %v:\n%s", err, left)
	}
}

// internet makes a namespace that the host reaches over a pair of devices.
func (w *world) internet(hostCIDR, cidr string) string {
	w.t.Helper()
	ns := w.ns("internet")
	if err := CreateNetNS(ns); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { DeleteNetNS(ns) })
	dev := "amt" + w.home.ID()
	h, err := handleAt("")
	if err != nil {
		w.t.Fatal(err)
	}
	defer h.Close()
	inside, err := handleAt(ns)
	if err != nil {
		w.t.Fatal(err)
	}
	defer inside.Close()
	if err := addVeth(h, dev, 1500, ns, "eth0", nil); err != nil {
		w.t.Fatal(err)
	}
	for _, end := range []struct {
		h         *netlink.Handle
		dev, cidr string
	}{{h, dev, hostCIDR}, {inside, "eth0", cidr}} {
		l, err := end.h.LinkByName(end.dev)
		if err != nil {
			w.t.Fatal(err)
		}
		if err := errors.Join(ensureAddress(end.h, l, netip.MustParsePrefix(end.cidr)), end.h.LinkSetUp(l)); err != nil {
			w.t.Fatal(err)
		}
	}
	return ns
}
