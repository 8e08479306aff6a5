package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/automode-dev/automode/api/eks/v1alpha1"
	"github.com/automode-dev/automode/network/agent"
)

var update = flag.Bool("update", false, "rewrite the expected files under testdata")

// metadata is an instance metadata service in a map.
type metadata map[string]string

func (m metadata) Get(_ context.Context, path string) (string, error) { return m[path], nil }
func (m metadata) UserData(context.Context) (string, error)           { return m["user-data"], nil }

func instance() metadata {
	base := "network/interfaces/macs/02:00:00:00:00:11/"
	return metadata{
		"instance-id": "i-0123456789abcdef0", "instance-type": "c6a.large", "mac": "02:00:00:00:00:11",
		"placement/region": "us-east-1", "placement/availability-zone": "us-east-1a",
		"network/interfaces/macs/":                                         "02:00:00:00:00:11/\n02:00:00:00:00:12/\n",
		base + "interface-id":                                              "eni-1",
		base + "device-number":                                             "0",
		base + "local-ipv4s":                                               "192.168.0.11\n192.168.0.44",
		base + "ipv4-prefix":                                               "192.168.2.16/28\n192.168.2.32/28",
		base + "subnet-ipv4-cidr-block":                                    "192.168.0.0/19",
		base + "vpc-ipv4-cidr-blocks":                                      "192.168.0.0/16\n100.64.0.0/16",
		"network/interfaces/macs/02:00:00:00:00:12/interface-id":           "eni-2",
		"network/interfaces/macs/02:00:00:00:00:12/device-number":          "1",
		"network/interfaces/macs/02:00:00:00:00:12/local-ipv4s":            "192.168.32.9",
		"network/interfaces/macs/02:00:00:00:00:12/subnet-ipv4-cidr-block": "192.168.32.0/19",
		"user-data": `apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  cluster:
    name: demo
    apiServerEndpoint: https://127.0.0.1:6443
    certificateAuthority: Y2EK
    cidr: 172.20.0.0/16
  containerd:
    config: |
      [plugins."io.containerd.cri.v1.runtime"]
        enable_cdi = false
  kubelet:
    config:
      maxPods: 27
      authentication: {webhook: {cacheTTL: 10s}}
      registerWithTaints: [{key: karpenter.sh/unregistered, effect: NoExecute}]
    flags: [--node-labels=a=b, " --v=4"]
`,
	}
}

func facts(t *testing.T, m metadata) Facts {
	t.Helper()
	f, err := readFacts(context.Background(), m)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFacts(t *testing.T) {
	f := facts(t, instance())
	prefix, address := netip.MustParsePrefix, netip.MustParseAddr
	want := agent.Picture{
		NodeAddress: address("192.168.0.11"), SNAT: true, VPC: []netip.Prefix{prefix("192.168.0.0/16"), prefix("100.64.0.0/16")},
		Interfaces: []agent.Interface{
			{ID: "eni-1", MAC: "02:00:00:00:00:11", Address: address("192.168.0.11"), Gateway: address("192.168.0.1"), Subnet: prefix("192.168.0.0/19"),
				Pods: []netip.Prefix{prefix("192.168.2.16/28"), prefix("192.168.2.32/28"), prefix("192.168.0.44/32")}},
			{ID: "eni-2", MAC: "02:00:00:00:00:12", DeviceIndex: 1, Address: address("192.168.32.9"), Gateway: address("192.168.32.1"), Subnet: prefix("192.168.32.0/19")},
		},
	}
	if diff := cmp.Diff(want, f.Network, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if got := f.ProviderID(); got != "aws:///us-east-1a/i-0123456789abcdef0" {
		t.Error(got)
	}
}

func TestFactsNameWhatIsMissing(t *testing.T) {
	for path, want := range map[string]string{
		"instance-id": `"instance-id" is empty`, "user-data": "no NodeConfig",
		"network/interfaces/macs/02:00:00:00:00:11/subnet-ipv4-cidr-block": "subnet-ipv4-cidr-block",
	} {
		m := instance()
		delete(m, path)
		if _, err := readFacts(context.Background(), m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("without %s: %v", path, err)
		}
	}
	m := instance()
	m["network/interfaces/macs/02:00:00:00:00:11/ipv4-prefix"] = "rubbish"
	if _, err := readFacts(context.Background(), m); err == nil || !strings.Contains(err.Error(), "rubbish") {
		t.Error(err)
	}
}

func TestFactsOfBeforeServeARestart(t *testing.T) {
	o := Options{Metadata: instance(), Root: t.TempDir(), Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	first, err := ReadFacts(context.Background(), o)
	must(t, err)
	if again, ok := loadFacts(o.path(factsFile)); !ok || again.Network.NodeAddress != first.Network.NodeAddress || again.Config.Spec.Cluster.Name != "demo" ||
		string(again.Config.Spec.Cluster.CertificateAuthority) != string(first.Config.Spec.Cluster.CertificateAuthority) || len(again.Config.Spec.Kubelet.Config) != 3 {
		t.Errorf("saved %+v, %v", again, ok)
	}
	if _, ok := loadFacts(filepath.Join(o.Root, "nothing")); ok {
		t.Error("facts out of nothing")
	}
}

// TestConfigs compares every file and command line of a machine of the local cloud, and of an EC2 instance, with testdata.
func TestConfigs(t *testing.T) {
	for name, o := range map[string]Options{
		"local": {Binaries: "/opt/automode/bin", Root: "/", Cgroup: "/automode-1/i-0123456789abcdef0", Mirror: "http://127.0.0.1:4566"},
		"ec2":   {Binaries: "/usr/bin", Root: "/"},
	} {
		restrict := name == "local"
		f := facts(t, instance())
		kubelet, err := kubeletConfig(o, f, restrict)
		must(t, err)
		proxy, err := proxyConfig(o, f, restrict)
		must(t, err)
		kubeconfig, err := kubeconfig(o, f, proxyUser)
		must(t, err)
		golden(t, name+"-kubelet.yaml", kubelet)
		golden(t, name+"-kubelet.args", []byte(strings.Join(kubeletArgs(o, f), "\n")+"\n"))
		golden(t, name+"-kube-proxy.yaml", proxy)
		golden(t, name+"-kube-proxy.kubeconfig", kubeconfig)
		golden(t, name+"-containerd.toml", []byte(containerdConfig(o, f, restrict)))
	}
	golden(t, "hosts.toml", []byte(mirrorConfig("http://127.0.0.1:4566")))
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		must(t, os.WriteFile(file, got, 0o644))
	}
	want, err := os.ReadFile(file)
	must(t, err)
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s: %s", name, diff)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestPictureOfCNINode(t *testing.T) {
	node := &v1alpha1.CNINode{Spec: v1alpha1.CNINodeSpec{SNATPolicy: "Disabled"}}
	node.Status = v1alpha1.CNINodeStatus{VPCCIDRs: []string{"10.0.0.0/16"}, Interfaces: []v1alpha1.Interface{
		{ID: "eni-1", Address: "10.0.0.5", Gateway: "10.0.0.1", SubnetCIDR: "10.0.0.0/19", Prefixes: []string{"10.0.0.16/28"}, Addresses: []string{"10.0.0.7"}},
	}}
	picture, err := pictureOf(node)
	must(t, err)
	if picture.SNAT || picture.NodeAddress.String() != "10.0.0.5" || len(picture.Interfaces[0].Pods) != 2 {
		t.Errorf("got %+v", picture)
	}
	node.Status.Interfaces[0].Gateway = "nowhere"
	if _, err := pictureOf(node); err == nil {
		t.Error("a broken gateway passes")
	}
}

func TestTokenIsSignedAnewBeforeItEnds(t *testing.T) {
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = append(seen, r.Header.Get("Authorization")) }))
	defer server.Close()
	signed := 0
	tokens := &tokenCache{source: func(context.Context) (string, time.Time, error) {
		signed++
		return string(rune('a' - 1 + signed)), time.Now().Add(time.Duration(signed) * 50 * time.Second), nil
	}}
	client := http.Client{Transport: &bearer{next: http.DefaultTransport, tokens: tokens}}
	for range 4 {
		response, err := client.Get(server.URL)
		must(t, err)
		response.Body.Close()
	}
	if diff := cmp.Diff([]string{"Bearer a", "Bearer b", "Bearer b", "Bearer b"}, seen); diff != "" {
		t.Error(diff)
	}
	tokens = &tokenCache{source: func(context.Context) (string, time.Time, error) { return "", time.Time{}, errors.New("no role") }}
	client.Transport = &bearer{next: http.DefaultTransport, tokens: tokens}
	if _, err := client.Get(server.URL); err == nil || !strings.Contains(err.Error(), "authenticating the node: no role") {
		t.Error(err)
	}
}

func TestPrintToken(t *testing.T) {
	var out bytes.Buffer
	source := func(_ context.Context, region, cluster string) (string, time.Time, error) {
		return region + "/" + cluster, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), nil
	}
	must(t, PrintToken(context.Background(), &out, source, "us-east-1", "demo"))
	var got struct {
		APIVersion, Kind string
		Status           struct{ Token, ExpirationTimestamp string }
	}
	must(t, json.Unmarshal(out.Bytes(), &got))
	if got.APIVersion != "client.authentication.k8s.io/v1" || got.Kind != "ExecCredential" || got.Status.Token != "us-east-1/demo" || got.Status.ExpirationTimestamp != "2026-01-01T00:00:00Z" {
		t.Errorf("got %s", out.String())
	}
}

func TestClientActsAsThePart(t *testing.T) {
	o := Options{Token: func(context.Context, string, string) (string, time.Time, error) {
		return "t", time.Now().Add(time.Hour), nil
	},
		Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	var header http.Header
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"kind":"CNINodeList","apiVersion":"eks.amazonaws.com/v1alpha1","items":[{"metadata":{"name":"i-1"}}]}`)
	}))
	defer server.Close()
	f := facts(t, instance())
	config := restConfig(o, f, ipamdUser)
	config.Host = server.URL
	config.TLSClientConfig = rest.TLSClientConfig{Insecure: true}
	client, err := cniNodeClient(config)
	must(t, err)
	var list v1alpha1.CNINodeList
	must(t, client.Get().Resource("cninodes").Do(context.Background()).Into(&list))
	if len(list.Items) != 1 || header.Get("Impersonate-User") != "ipamd" || header.Get("Authorization") != "Bearer t" {
		t.Errorf("items %v, header %v", list.Items, header)
	}
}
