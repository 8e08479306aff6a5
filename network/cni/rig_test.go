package cni

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"k8s.io/utils/clock"

	"github.com/automode-dev/automode/network/agent"
	"github.com/automode-dev/automode/network/datapath"
)

// echoName answers every datagram to port 53 of a pod with the pod's name.
func (n *node) echoName(pod string) {
	n.must(n.in(pod, func() error {
		connection, err := net.ListenPacket("udp4", ":53")
		if err != nil {
			return err
		}
		n.t.Cleanup(func() { connection.Close() })
		go func() {
			buffer := make([]byte, 16)
			for {
				_, from, err := connection.ReadFrom(buffer)
				if err != nil {
					return
				}
				_, _ = connection.WriteTo([]byte(pod), from)
			}
		}()
		return nil
	}))
}

func runInside(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	for _, tool := range []string{"unshare", "ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	cmd := exec.Command("unshare", "--net", "--mount", os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inside+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// node is the machine that the test process is.
type node struct {
	t       *testing.T
	ctx     context.Context
	agent   *agent.Agent
	picture agent.Picture
	cni     *libcni.CNIConfig
	list    *libcni.NetworkConfigList
}

func newNode(t *testing.T) *node {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	n := &node{t: t, ctx: ctx}
	dir := t.TempDir()
	n.run("mount", "-t", "tmpfs", "tmpfs", "/run")
	for _, line := range []string{
		"ip link set lo up",
		"ip netns add router", "ip netns add first", "ip netns add second",
		"ip -n router link set lo up",
		"ip -n router addr add 10.0.0.1/32 dev lo", "ip -n router addr add 203.0.113.1/32 dev lo",
		"ip link add eth0 type veth peer name node netns router",
		"ip -n router link set node up", "ip link set eth0 up",
		"ip addr add 10.0.0.5/19 dev eth0",
		"ip -n router route add 10.0.0.5/32 dev node src 10.0.0.1",
		"ip -n router route add 10.0.0.16/28 via 10.0.0.5 dev node onlink src 10.0.0.1",
		"ip route add default via 10.0.0.1 dev eth0 onlink",
	} {
		n.run(strings.Fields(line)...)
	}
	n.startAgent(dir)
	list, err := libcni.ConfListFromBytes(ConfigList(n.agent.Socket))
	n.must(err)
	n.list = list
	plugins := filepath.Join(dir, "bin")
	n.must(os.Mkdir(plugins, 0o755))
	n.must(os.Symlink(os.Args[0], filepath.Join(plugins, PluginType)))
	n.cni = libcni.NewCNIConfigWithCacheDir([]string{plugins}, filepath.Join(dir, "cache"), nil)
	return n
}

func (n *node) startAgent(dir string) {
	n.must(datapath.EnableForwarding("eth0"))
	var err error
	n.agent, err = agent.New(agent.Options{
		Socket: filepath.Join(dir, "s"), Checkpoint: filepath.Join(dir, "ipam.json"), CNICache: filepath.Join(dir, "cache"),
		Uplink: datapath.Uplink{Name: "eth0", MTU: 1400}, Kernel: agent.Node{}, Clock: clock.RealClock{},
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	n.must(err)
	n.picture = agent.Picture{
		NodeAddress: netip.MustParseAddr("10.0.0.5"), VPC: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}, SNAT: true,
		Interfaces: []agent.Interface{{ID: "eni-0", Pods: []netip.Prefix{netip.MustParsePrefix("10.0.0.16/28")}}},
	}
	n.must(n.agent.SetPicture(n.ctx, n.picture))
	go func() {
		if err := n.agent.Serve(n.ctx); err != nil {
			n.t.Error(err)
		}
	}()
}

func (n *node) runtime(pod string, capabilities map[string]any) *libcni.RuntimeConf {
	return &libcni.RuntimeConf{
		ContainerID: "c-" + pod, NetNS: "/run/netns/" + pod, IfName: "eth0", CapabilityArgs: capabilities,
		Args: [][2]string{{"IgnoreUnknown", "1"}, {"K8S_POD_NAMESPACE", "default"}, {"K8S_POD_NAME", pod}},
	}
}

// add connects a pod and returns its address.
func (n *node) add(pod string, capabilities map[string]any) string {
	n.t.Helper()
	raw, err := n.cni.AddNetworkList(n.ctx, n.list, n.runtime(pod, capabilities))
	n.must(err)
	result, err := current.GetResult(raw)
	n.must(err)
	if len(result.IPs) != 1 || len(result.Interfaces) != 2 || result.Interfaces[1].Sandbox == "" || *result.IPs[0].Interface != 1 {
		n.t.Fatalf("unexpected result %s", raw)
	}
	return result.IPs[0].Address.IP.String()
}

// in runs a function in a namespace made above, or in the node's own.
func (n *node) in(name string, do func() error) error {
	if name == "" {
		return do()
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with its namespace
		ns, err := netns.GetFromName(name)
		if err == nil {
			err = netns.Set(ns)
		}
		if err == nil {
			err = do()
		}
		done <- err
	}()
	return <-done
}

// listen answers every connection with the address it comes from.
func (n *node) listen(where string, port int) {
	n.must(n.in(where, func() error {
		listener, err := net.Listen("tcp4", fmt.Sprint(":", port))
		if err != nil {
			return err
		}
		n.t.Cleanup(func() { listener.Close() })
		go func() {
			for {
				connection, err := listener.Accept()
				if err != nil {
					return
				}
				host, _, _ := net.SplitHostPort(connection.RemoteAddr().String())
				fmt.Fprint(connection, host)
				connection.Close()
			}
		}()
		return nil
	}))
}

func (n *node) dial(from, to string) (seen string, err error) {
	err = n.in(from, func() error {
		connection, err := net.DialTimeout("tcp4", to, 2*time.Second)
		if err != nil {
			return err
		}
		defer connection.Close()
		text, err := io.ReadAll(connection)
		seen = string(text)
		return err
	})
	return seen, err
}

func (n *node) veths() (names []string) {
	links, err := netlink.LinkList()
	n.must(err)
	for _, link := range links {
		if strings.HasPrefix(link.Attrs().Name, "eni") {
			names = append(names, link.Attrs().Name)
		}
	}
	return names
}

func (n *node) run(args ...string) {
	n.t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		n.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (n *node) must(err error) {
	n.t.Helper()
	var cni *types.Error
	if errors.As(err, &cni) {
		n.t.Fatalf("%s: %s", cni.Msg, cni.Details)
	}
	if err != nil {
		n.t.Fatal(err)
	}
}
