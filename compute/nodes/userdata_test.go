package nodes

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	nodev1alpha1 "github.com/automode-dev/automode/api/node/v1alpha1"
	"github.com/automode-dev/automode/compute/catalog"
)

var update = flag.Bool("update", false, "rewrite the files under testdata")

var testCluster = Cluster{
	Name: "test", Region: "us-east-1", Version: "1.35", Endpoint: "https://127.0.0.1:6443", CertificateAuthority: []byte("CA"), ServiceCIDR: "172.20.0.0/16",
}

func testClaim() *karpv1.NodeClaim {
	claim := &karpv1.NodeClaim{}
	claim.Labels = map[string]string{
		karpv1.NodePoolLabelKey: "system", eksv1.LabelNodeClass: "default", "team": "a", "app.kubernetes.io/part-of": "the kubelet may not set this",
	}
	claim.Spec.Taints = []corev1.Taint{{Key: "CriticalAddonsOnly", Effect: corev1.TaintEffectNoSchedule}}
	return claim
}

func typeNamedInCatalog(t *testing.T, name string) *catalog.Type {
	t.Helper()
	found, ok := catalog.Default().Type(name)
	if !ok {
		t.Fatalf("type %s is not in the catalog", name)
	}
	return found
}

func TestUserData(t *testing.T) {
	proxied := &eksv1.NodeClass{Spec: eksv1.NodeClassSpec{AdvancedNetworking: &eksv1.AdvancedNetworking{
		HTTPSProxy: "http://192.0.2.4:3128", NoProxy: []string{"localhost", ".internal"},
	}}}
	for name, example := range map[string]struct {
		class        *eksv1.NodeClass
		instanceType string
	}{
		"plain":      {&eksv1.NodeClass{}, "c5a.large"},
		"proxy":      {proxied, "m7g.xlarge"},
		"local-disk": {&eksv1.NodeClass{}, "m5d.2xlarge"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := UserData(testCluster, example.class, testClaim(), "on-demand", typeNamedInCatalog(t, example.instanceType))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := nodev1alpha1.ParseUserData(got); err != nil {
				t.Errorf("the user data cannot be read again: %v", err)
			}
			golden(t, name+".yaml", got)
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", file, diff)
	}
}

func TestTypesOfEqualShapeShareATemplate(t *testing.T) {
	name := func(instanceType string) string {
		template, err := Template(testCluster, &eksv1.NodeClass{}, testClaim(), "spot", "ami-1", typeNamedInCatalog(t, instanceType))
		if err != nil {
			t.Fatal(err)
		}
		return template.Name
	}
	if name("m5.large") != name("r5.large") {
		t.Error("m5.large and r5.large have the same pods and reserves, and different templates")
	}
	if name("m5.large") == name("m5.xlarge") {
		t.Error("m5.large and m5.xlarge share a template, and their pods differ")
	}
}

func TestTagsOfAutoModeWin(t *testing.T) {
	class := &eksv1.NodeClass{Spec: eksv1.NodeClassSpec{Tags: map[string]string{"team": "a", "eks:eks-cluster-name": "other"}}}
	class.Name = "c"
	want := map[string]string{
		"team": "a", "eks:eks-cluster-name": "test", "eks:kubernetes-node-class-name": "c", "eks:kubernetes-node-pool-name": "p", "kubernetes.io/cluster/test": "owned",
	}
	if diff := cmp.Diff(want, Tags("test", class, "p")); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
}

func TestDNSAddress(t *testing.T) {
	for cidr, want := range map[string]string{"172.20.0.0/16": "172.20.0.10", "10.100.0.0/16": "10.100.0.10"} {
		if got, err := (Cluster{ServiceCIDR: cidr}).DNSAddress(); err != nil || got != want {
			t.Errorf("DNSAddress of %s = %q, %v, want %s", cidr, got, err, want)
		}
	}
	if _, err := (Cluster{ServiceCIDR: "nonsense"}).DNSAddress(); err == nil {
		t.Error("nonsense passes for a service network")
	}
}
