package forward

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// freeAddr returns a loopback address that nothing listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// serveEnds answers each connection, once the client has finished sending, with
// what it sent.
func serveEnds(t *testing.T, e Endpoint) Endpoint {
	t.Helper()
	l, err := Listen(e)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				data, _ := io.ReadAll(conn)
				_, _ = conn.Write(data)
			}()
		}
	}()
	return Endpoint{Addr: l.Addr().String(), NetNS: e.NetNS}
}

func run(t *testing.T, rules ...Rule) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, rules) }()
	stop = func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
			ended <- nil
		case <-time.After(5 * time.Second):
			t.Error("Run does not end with its context")
		}
	}
	t.Cleanup(stop)
	return stop
}

func dial(t *testing.T, e Endpoint) *net.TCPConn {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		conn, err := Dial(context.Background(), e)
		if err == nil {
			t.Cleanup(func() { conn.Close() })
			_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
			return conn.(*net.TCPConn)
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func expectEcho(t *testing.T, e Endpoint, data []byte) {
	t.Helper()
	conn := dial(t, e)
	go func() {
		_, _ = conn.Write(data)
		_ = conn.CloseWrite()
	}()
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("got %d bytes and error %v, want the %d sent", len(got), err, len(data))
	}
}

func TestHalfCloseIsPassedOn(t *testing.T) {
	listen := Endpoint{Addr: freeAddr(t)}
	run(t, Rule{Listen: listen, Dial: serveEnds(t, Endpoint{Addr: "127.0.0.1:0"})})
	expectEcho(t, listen, bytes.Repeat([]byte("automode"), 1<<17))
}

func TestUnreachableTargetResetsTheClient(t *testing.T) {
	listen := Endpoint{Addr: freeAddr(t)}
	run(t, Rule{Listen: listen, Dial: Endpoint{Addr: freeAddr(t)}})
	if _, err := dial(t, listen).Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("client sees %v, want a reset", err)
	}
}

func TestBrokenPeerBreaksTheOther(t *testing.T) {
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	listen := Endpoint{Addr: freeAddr(t)}
	run(t, Rule{Listen: listen, Dial: Endpoint{Addr: target.Addr().String()}})
	client := dial(t, listen)
	server, err := target.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = server.(*net.TCPConn).SetLinger(0)
	server.Close()
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("client still reads")
	}
}

func TestEndOfRunEndsConnections(t *testing.T) {
	listen := Endpoint{Addr: freeAddr(t)}
	stop := run(t, Rule{Listen: listen, Dial: serveEnds(t, Endpoint{Addr: "127.0.0.1:0"})})
	client := dial(t, listen)
	_, _ = client.Write([]byte("x"))
	time.Sleep(50 * time.Millisecond) // let the connection be joined
	stop()
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("connection outlives Run")
	}
}

func TestAddressInUse(t *testing.T) {
	used := serveEnds(t, Endpoint{Addr: "127.0.0.1:0"})
	if err := Run(context.Background(), []Rule{{Listen: used, Dial: used}}); err == nil {
		t.Error("Run does not say that the address is in use")
	}
}

func TestAcrossNamespaces(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to make network namespaces")
	}
	here, there := Endpoint{Addr: freeAddr(t)}, Endpoint{Addr: "127.0.0.1:7001", NetNS: makeNetNS(t)}
	run(t,
		Rule{Listen: here, Dial: serveEnds(t, Endpoint{Addr: "127.0.0.1:7000", NetNS: there.NetNS})},
		Rule{Listen: there, Dial: serveEnds(t, Endpoint{Addr: "127.0.0.1:0"})})
	expectEcho(t, here, []byte("from the host into the namespace"))
	expectEcho(t, there, []byte("from the namespace to the host"))
}

// makeNetNS returns a namespace with its loopback interface up.
func makeNetNS(t *testing.T) string {
	t.Helper()
	holder := exec.Command("unshare", "--net", "sh", "-c", "ip link set lo up && echo && exec sleep 1000")
	out, err := holder.StdoutPipe()
	if err == nil {
		err = holder.Start()
	}
	if err != nil {
		t.Skipf("cannot make a network namespace: %v", err)
	}
	t.Cleanup(func() { _ = holder.Process.Kill(); _ = holder.Wait() })
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Skipf("cannot make a network namespace: %v", err)
	}
	return fmt.Sprintf("/proc/%d/ns/net", holder.Process.Pid)
}

func TestThreadsStayInTheirNamespace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to make network namespaces")
	}
	netns := makeNetNS(t)
	own, _ := os.Readlink("/proc/self/ns/net")
	for range 50 {
		_, _ = Dial(context.Background(), Endpoint{Addr: "127.0.0.1:1", NetNS: netns})
		if got, _ := os.Readlink(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid())); got != own {
			t.Fatalf("a goroutine runs in %s, want %s", got, own)
		}
	}
}

func TestParse(t *testing.T) {
	rules := []Rule{
		{Listen: Endpoint{Addr: "127.0.0.1:30001"}, Dial: Endpoint{Addr: "192.168.0.9:443", NetNS: "/run/a=b"}},
		{Listen: Endpoint{Addr: "[::1]:4566", NetNS: "/run/x"}, Dial: Endpoint{Addr: "127.0.0.1:4566"}},
	}
	got, err := Parse(Args(rules...))
	if diff := cmp.Diff(rules, got); err != nil || diff != "" {
		t.Errorf("error %v, difference (-want +got):\n%s", err, diff)
	}
	for _, args := range [][]string{nil, {"127.0.0.1:1"}, {"127.0.0.1", "127.0.0.1:1"}, {"localhost:1", "127.0.0.1:1"}} {
		if _, err := Parse(args); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
}
