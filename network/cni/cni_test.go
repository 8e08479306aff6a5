package cni

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"

	"github.com/automode-dev/automode/network/agent"
	"github.com/automode-dev/automode/network/datapath"
)

// inside marks the test process that runs in namespaces of its own.
const inside = "AUTOMODE_CNI_TEST_INSIDE"

// TestMain lets the test's own binary be the plugin that CNI's library runs.
func TestMain(m *testing.M) {
	if Called() {
		Main()
		return
	}
	os.Exit(m.Run())
}

// TestSpecification drives the plugin with CNI's own library, as a runtime does, in a network made for it: a router, this
// node, and two pods.
func TestSpecification(t *testing.T) {
	if os.Getenv(inside) == "" {
		runInside(t)
		return
	}
	n := newNode(t)
	first, second := n.add("first", nil), n.add("second", map[string]any{
		"portMappings": []map[string]any{{"hostPort": 8080, "containerPort": 80, "protocol": "TCP"}}})

	n.listen("first", 80)
	n.listen("second", 80)
	n.listen("router", 80)
	for _, c := range []struct{ why, from, to, seen string }{
		{"pod to pod", "first", second + ":80", first},
		{"pod to itself", "first", first + ":80", first},
		{"router to pod", "router", first + ":80", "10.0.0.1"},
		{"node to pod", "", first + ":80", "10.0.0.5"},
		{"pod to VPC keeps its address", "first", "10.0.0.1:80", first},
		{"pod to internet becomes the node", "first", "203.0.113.1:80", "10.0.0.5"},
		{"host port from outside", "router", "10.0.0.5:8080", "10.0.0.1"},
		{"host port from another pod", "first", "10.0.0.5:8080", first},
		{"host port from the pod behind it", "second", "10.0.0.5:8080", "10.0.0.5"},
		{"host port from the node", "", "127.0.0.1:8080", "10.0.0.5"},
		{"host port by the node's address", "", "10.0.0.5:8080", "10.0.0.5"},
	} {
		if seen, err := n.dial(c.from, c.to); err != nil || seen != c.seen {
			t.Errorf("%s: seen as %q, %v, want %q", c.why, seen, err, c.seen)
		}
	}
	n.picture.SNAT = false
	n.must(n.agent.SetPicture(n.ctx, n.picture))
	if seen, err := n.dial("first", "203.0.113.1:80"); err != nil || seen != first {
		t.Errorf("with source translation off the pod is seen as %q, %v", seen, err)
	}

	n.checkAndRepair("first", first)
	n.collectAndDelete()
}

// TestSecondaryInterface gives a pod an address of the node's second interface. The router drops what comes in by another
// interface than its source address belongs to, as EC2 does.
func TestSecondaryInterface(t *testing.T) {
	if os.Getenv(inside) == "" {
		runInside(t)
		return
	}
	n := newNode(t)
	first := n.add("first", nil)
	for _, line := range []string{
		"ip link add eth1 type veth peer name node2 netns router", "ip link set eth1 address 02:00:00:00:00:21", "ip -n router link set node2 up",
		"ip -n router route add 10.0.32.7/32 dev node2 src 10.0.0.1",
		"ip -n router route add 10.0.32.16/28 via 10.0.32.7 dev node2 onlink src 10.0.0.1",
		"ip -n router addr add 10.0.32.1/32 dev lo",
		"ip netns exec router sysctl -qw net.ipv4.conf.node.rp_filter=1 net.ipv4.conf.node2.rp_filter=1",
	} {
		n.run(strings.Fields(line)...)
	}
	n.picture.Interfaces[0].Pods = nil
	n.picture.Interfaces = append(n.picture.Interfaces, agent.Interface{
		ID: "eni-1", MAC: "02:00:00:00:00:21", DeviceIndex: 1, Address: netip.MustParseAddr("10.0.32.7"), Gateway: netip.MustParseAddr("10.0.32.1"),
		Subnet: netip.MustParsePrefix("10.0.32.0/19"), Pods: []netip.Prefix{netip.MustParsePrefix("10.0.32.16/28")},
	})
	for range 2 { // a second time changes nothing
		n.must(n.agent.SetPicture(n.ctx, n.picture))
	}
	second := n.add("second", map[string]any{"portMappings": []map[string]any{{"hostPort": 8080, "containerPort": 80, "protocol": "TCP"}}})
	for _, where := range []string{"first", "second", "router"} {
		n.listen(where, 80)
	}
	for _, c := range []struct{ why, from, to, seen string }{
		{"to the VPC", "second", "10.0.0.1:80", second},
		{"to the internet as the node", "second", "203.0.113.1:80", "10.0.0.5"},
		{"from the VPC", "router", second + ":80", "10.0.0.1"},
		{"from a pod of the first interface", "first", second + ":80", first},
		{"to a pod of the first interface", "second", first + ":80", second},
		{"from the node", "", second + ":80", "10.0.0.5"},
		{"by a host port of the first interface", "router", "10.0.0.5:8080", "10.0.0.1"},
	} {
		if seen, err := n.dial(c.from, c.to); err != nil || seen != c.seen {
			t.Errorf("%s: seen as %q, %v, want %q", c.why, seen, err, c.seen)
		}
	}
	n.must(n.cni.DelNetworkList(n.ctx, n.list, n.runtime("second", nil)))
	if out, err := exec.Command("ip", "rule", "list", "from", second).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("rules stay behind: %s%v", out, err)
	}
}

// TestUDPHostPortMovesOn keeps one sender talking to a UDP host port while the pod behind it is replaced.
func TestUDPHostPortMovesOn(t *testing.T) {
	if os.Getenv(inside) == "" {
		runInside(t)
		return
	}
	n := newNode(t)
	port := map[string]any{"portMappings": []map[string]any{{"hostPort": 5353, "containerPort": 53, "protocol": "UDP"}}}
	var sender *net.UDPConn
	n.must(n.in("router", func() (err error) {
		sender, err = net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(10, 0, 0, 5), Port: 5353})
		return err
	}))
	defer sender.Close()
	for _, pod := range []string{"first", "second"} {
		n.add(pod, port)
		n.echoName(pod)
		n.must(sender.SetReadDeadline(time.Now().Add(3 * time.Second)))
		if _, err := sender.Write([]byte("who")); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 16)
		if size, err := sender.Read(answer); err != nil || string(answer[:size]) != pod {
			t.Errorf("answer %q, %v, want %q", answer, err, pod)
		}
		n.must(n.cni.DelNetworkList(n.ctx, n.list, n.runtime(pod, port)))
	}
}

// checkAndRepair breaks a pod's connection and expects CHECK to notice.
func (n *node) checkAndRepair(pod, address string) {
	n.must(n.cni.GetStatusNetworkList(n.ctx, n.list))
	n.must(n.cni.CheckNetworkList(n.ctx, n.list, n.runtime(pod, nil)))
	n.run("ip", "route", "del", address+"/32")
	if err := n.cni.CheckNetworkList(n.ctx, n.list, n.runtime(pod, nil)); err == nil || !strings.Contains(err.Error(), "no route to pod address") {
		n.t.Errorf("a pod without its route passes: %v", err)
	}
}

// collectAndDelete expects GC and DEL to leave nothing, however often and in whatever state they are called.
func (n *node) collectAndDelete() {
	keep := n.runtime("second", nil)
	n.must(n.cni.GCNetworkList(n.ctx, n.list, &libcni.GCArgs{ValidAttachments: []types.GCAttachment{{ContainerID: keep.ContainerID, IfName: keep.IfName}}}))
	if veths := n.veths(); len(veths) != 1 {
		n.t.Errorf("after the collection there are %v", veths)
	}
	if pods, err := datapath.List(); err != nil || len(pods) != 1 || !strings.HasSuffix(pods[0].Label, "default second") {
		n.t.Errorf("connected: %v, %v", pods, err)
	}
	n.run("ip", "netns", "del", "second")
	gone := n.runtime("second", nil)
	n.must(n.cni.DelNetworkList(n.ctx, n.list, gone))
	gone.NetNS = ""
	n.must(n.cni.DelNetworkList(n.ctx, n.list, gone))
	if veths := n.veths(); len(veths) != 0 {
		n.t.Errorf("after everything there are %v", veths)
	}
}
