package builtin

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "rewrite the files under testdata")

func TestHashesOfBuiltInPools(t *testing.T) {
	for name, want := range map[string]string{GeneralPurpose: "4012513481623584108", System: "4982684901400657622"} {
		if got := NodePool(name).Hash(); got != want {
			t.Errorf("hash of %s = %s, want %s", name, got, want)
		}
	}
}

func TestObjects(t *testing.T) {
	settings := Settings{
		NodePools: []string{GeneralPurpose, System}, NodeRole: "AmazonEKSAutoNodeRole", SecurityGroup: "sg-1", Subnets: []string{"subnet-1", "subnet-2"},
	}
	for name, object := range map[string]any{
		"nodeclass": NodeClass(settings), GeneralPurpose: NodePool(GeneralPurpose), System: NodePool(System),
	} {
		got, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		file := "testdata/" + name + ".yaml"
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
}

func TestSameTakesAbsentAndEmptyForOne(t *testing.T) {
	a, b := NodePool(System), NodePool(System)
	b.Spec.Template.Labels = map[string]string{}
	if !same(a.Spec, b.Spec) {
		t.Error("an empty map makes a difference")
	}
	b.Spec.Template.Labels["a"] = "b"
	if same(a.Spec, b.Spec) {
		t.Error("a label makes no difference")
	}
}
