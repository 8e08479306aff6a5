package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"

	"github.com/automode-dev/automode/network/datapath"
	"github.com/automode-dev/automode/network/ipam"
)

// memoryKernel is a kernel that remembers.
type memoryKernel struct {
	rules     datapath.Rules
	connected map[string]datapath.Connected
	err       error
}

func (k *memoryKernel) LoadRules(_ context.Context, rules datapath.Rules) error {
	k.rules = rules
	return k.err
}
func (k *memoryKernel) RouteFrom(netip.Addr, int, []netip.Prefix) error { return nil }
func (k *memoryKernel) Secondary(string, datapath.Secondary) error      { return nil }
func (k *memoryKernel) ForgetUDP(int) error                             { return nil }
func (k *memoryKernel) Disconnect(veth string) error                    { delete(k.connected, veth); return nil }
func (k *memoryKernel) Pods() (all []datapath.Connected, err error) {
	for _, c := range k.connected {
		all = append(all, c)
	}
	return all, nil
}

func (k *memoryKernel) connect(r AttachRequest, address netip.Addr) {
	veth := datapath.VethName(r.ContainerID, r.IfName)
	k.connected[veth] = datapath.Connected{Veth: veth, Label: Label(r.Key, r.Owner), Address: address}
}

func newAgent(t *testing.T, kernel *memoryKernel, dir string) *Agent {
	t.Helper()
	a, err := New(Options{
		Socket: filepath.Join(dir, "ipamd.sock"), Checkpoint: filepath.Join(dir, "ipam.json"), CNICache: filepath.Join(dir, "cni"),
		Uplink: datapath.Uplink{Name: "eth0", MTU: 9001}, Kernel: kernel, Clock: clock.RealClock{},
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func picture(prefixes ...string) Picture {
	p := Picture{NodeAddress: netip.MustParseAddr("10.0.0.5"), VPC: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}, SNAT: true}
	i := Interface{ID: "eni-0", Address: p.NodeAddress}
	for _, text := range prefixes {
		i.Pods = append(i.Pods, netip.MustParsePrefix(text))
	}
	p.Interfaces = []Interface{i}
	return p
}

func request(id string) AttachRequest {
	return AttachRequest{Key: ipam.Key{ContainerID: id, IfName: "eth0"}, Owner: ipam.Owner{Namespace: "ns", Pod: "pod-" + id}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestStateSurvives(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, checkpoint string){
		"a killed process":  func(*testing.T, string) {},
		"a lost checkpoint": func(t *testing.T, checkpoint string) { must(t, os.Remove(checkpoint)) },
		"a torn checkpoint": func(t *testing.T, checkpoint string) { must(t, os.WriteFile(checkpoint, []byte("{"), 0o600)) },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, dir := context.Background(), t.TempDir()
			kernel := &memoryKernel{connected: map[string]datapath.Connected{}}
			a := newAgent(t, kernel, dir)
			must(t, a.SetPicture(ctx, picture("10.0.0.16/28")))
			r := request("a")
			r.HostPorts = []ipam.PortMapping{{HostPort: 80, ContainerPort: 8080, Protocol: "tcp"}}
			first, err := a.Attach(ctx, r)
			must(t, err)
			kernel.connect(r, first.Address)
			writeCache(t, dir)

			lose(t, filepath.Join(dir, "ipam.json"))
			again := newAgent(t, kernel, dir)
			must(t, again.SetPicture(ctx, picture("10.0.0.16/28")))
			if reply, err := again.Attach(ctx, request("a")); err != nil || reply.Address != first.Address {
				t.Errorf("the pod has %v, %v, want %s", reply.Address, err, first.Address)
			}
			if reply, err := again.Attach(ctx, request("b")); err != nil || reply.Address == first.Address {
				t.Errorf("another pod has %v, %v", reply.Address, err)
			}
			must(t, again.Detach(ctx, request("b").Key))
			if len(kernel.rules.Ports) != 1 || kernel.rules.Ports[0].Port.HostPort != 80 {
				t.Errorf("the host ports are %+v", kernel.rules.Ports)
			}
		})
	}
}

// writeCache writes what CNI's library keeps for the runtime.
func writeCache(t *testing.T, dir string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Join(dir, "cni", "results"), 0o755))
	entry := `{"kind":"cniCacheV1","containerId":"a","ifName":"eth0","networkName":"automode",
		"cniArgs":[["K8S_POD_NAMESPACE","ns"],["K8S_POD_NAME","pod-a"]],
		"capabilityArgs":{"portMappings":[{"hostPort":80,"containerPort":8080,"protocol":"TCP"},{"hostPort":0,"containerPort":9,"protocol":"tcp"}]}}`
	must(t, os.WriteFile(filepath.Join(dir, "cni", "results", "automode-a-eth0"), []byte(entry), 0o600))
}

func TestAttachWaitsForAddresses(t *testing.T) {
	ctx := context.Background()
	a := newAgent(t, &memoryKernel{}, t.TempDir())
	must(t, a.SetPicture(ctx, picture("10.0.0.16/32")))
	_, err := a.Attach(ctx, request("a"))
	must(t, err)

	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if _, err := a.Attach(short, request("b")); !errors.As(err, new(*ipam.NoAddressError)) {
		t.Errorf("got %v", err)
	}
	time.AfterFunc(20*time.Millisecond, func() { _ = a.SetPicture(ctx, picture("10.0.0.16/32", "10.0.0.32/28")) })
	if reply, err := a.Attach(ctx, request("b")); err != nil || reply.Address.String() != "10.0.0.32" {
		t.Errorf("got %v, %v", reply, err)
	}
}

func TestAbandonedAddressesComeBack(t *testing.T) {
	ctx := context.Background()
	kernel := &memoryKernel{connected: map[string]datapath.Connected{}}
	a := newAgent(t, kernel, t.TempDir())
	must(t, a.SetPicture(ctx, picture("10.0.0.16/28")))
	for _, id := range []string{"young", "old", "alive"} {
		reply, err := a.Attach(ctx, request(id))
		must(t, err)
		if id != "young" {
			attachment, _ := a.pool.Get(request(id).Key)
			attachment.Since = attachment.Since.Add(-time.Hour)
			a.pool.Adopt(attachment)
		}
		if id == "alive" {
			kernel.connect(request(id), reply.Address)
		}
	}
	must(t, a.reconcile(ctx))
	var left []string
	for _, attachment := range a.pool.Attachments() {
		left = append(left, attachment.ContainerID)
	}
	if diff := cmp.Diff([]string{"young", "alive"}, left); diff != "" {
		t.Error(diff)
	}
}

func TestFailedAttachKeepsNothing(t *testing.T) {
	ctx := context.Background()
	kernel := &memoryKernel{}
	a := newAgent(t, kernel, t.TempDir())
	must(t, a.SetPicture(ctx, picture("10.0.0.16/28")))
	kernel.err = errors.New("no nft")
	r := request("a")
	r.HostPorts = []ipam.PortMapping{{HostPort: 80, ContainerPort: 80, Protocol: "tcp"}}
	if _, err := a.Attach(ctx, r); err == nil {
		t.Fatal("no error")
	}
	if left := a.pool.Attachments(); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

func TestLabelSurvivesTheKernelsLimit(t *testing.T) {
	key := ipam.Key{ContainerID: strings.Repeat("c", 64), IfName: "eth0"}
	owner := ipam.Owner{Namespace: strings.Repeat("n", 63), Pod: strings.Repeat("p", 253)}
	gotKey, gotOwner, ok := parseLabel(Label(key, owner))
	if !ok || gotKey != key || gotOwner.Namespace != owner.Namespace {
		t.Errorf("got %v %v %v", gotKey, gotOwner, ok)
	}
}

func TestClientAndServer(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dir := t.TempDir()
	kernel := &memoryKernel{connected: map[string]datapath.Connected{}}
	a := newAgent(t, kernel, dir)
	client := NewClient(a.Socket)
	served := make(chan error, 1)
	time.AfterFunc(50*time.Millisecond, func() { served <- a.Serve(ctx) }) // the client waits for it

	if err := client.Ready(ctx); err == nil || !strings.Contains(err.Error(), "no addresses for pods yet") {
		t.Errorf("got %v", err)
	}
	must(t, a.SetPicture(ctx, picture("10.0.0.16/28")))
	must(t, client.Ready(ctx))
	reply, err := client.Attach(ctx, request("a"))
	must(t, err)
	if diff := cmp.Diff(AttachReply{Address: netip.MustParseAddr("10.0.0.16"), MTU: 9001}, reply, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	_, err = client.Attach(ctx, request("b"))
	must(t, err)
	must(t, client.Keep(ctx, []ipam.Key{request("b").Key}))
	if _, err := client.Get(ctx, request("a").Key); err == nil {
		t.Error("an attachment survived the collection")
	}
	must(t, client.Detach(ctx, request("b").Key))
	must(t, client.Detach(ctx, request("b").Key))
	cancel()
	must(t, <-served)
}
