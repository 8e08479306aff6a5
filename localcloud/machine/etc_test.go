package machine

import (
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestEtcFiles(t *testing.T) {
	var b strings.Builder
	for _, s := range []Spec{
		{ID: "i-1", Region: "eu-west-2", ImageID: "ami-1", KubernetesVersion: "1.35", Interfaces: []Interface{{DeviceIndex: 1}, {Address: netip.MustParseAddr("10.0.0.5")}}},
		{ID: "i-2"},
	} {
		files := etcFiles(s)
		for _, name := range slices.Sorted(maps.Keys(files)) {
			fmt.Fprintf(&b, "%s: /etc/%s\n%s\n", s.ID, name, files[name])
		}
	}
	path := filepath.Join("testdata", "etc.txt")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s differs (-want +got), rewrite with -update:\n%s", path, diff)
	}
}

func TestHardwareOf(t *testing.T) {
	s := Spec{VCPUs: 2, MemoryBytes: 4 << 30, Volumes: []Volume{{SizeBytes: 4 << 30}, {SizeBytes: 80 << 30}}}
	want := Hardware{CPUs: 2, MemoryBytes: 3788 << 20, EphemeralStorageBytes: 80 << 30} // SPEC 4.2: c5a.large
	if got := HardwareOf(s); got != want {
		t.Errorf("HardwareOf = %+v, want %+v", got, want)
	}
	s.Volumes = s.Volumes[:1]
	if got := HardwareOf(s).EphemeralStorageBytes; got != 4<<30 {
		t.Errorf("a single volume gives %d bytes", got)
	}
}

func TestLimits(t *testing.T) {
	s := Spec{VCPUs: 4, MemoryBytes: 8 << 30}
	if got := limits(s, 8, 16<<30); got.CPUs != 4 || got.MemoryBytes != 8<<30 {
		t.Errorf("on a larger host: %+v", got)
	}
	if got := limits(s, 4, 8<<30); got.CPUs != 0 || got.MemoryBytes != 0 {
		t.Errorf("on a host no larger: %+v, want no limits", got)
	}
}

func TestKubernetesDir(t *testing.T) {
	libexec := t.TempDir()
	if got, err := kubernetesDir(libexec, ""); got != "" || err != nil {
		t.Errorf("nothing built: %q, %v", got, err)
	}
	for _, v := range []string{"1.9", "1.34", "1.35", "1.4"} {
		if err := os.Mkdir(filepath.Join(libexec, "kubernetes-"+v), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for minor, want := range map[string]string{"": "kubernetes-1.35", "1.34": "kubernetes-1.34"} {
		if got, err := kubernetesDir(libexec, minor); err != nil || filepath.Base(got) != want {
			t.Errorf("version %q: %q, %v; want %s", minor, got, err, want)
		}
	}
	if _, err := kubernetesDir(libexec, "1.99"); err == nil {
		t.Error("a version that is not built has a directory")
	}
}

func TestCheckID(t *testing.T) {
	for id, ok := range map[string]bool{"i-0123": true, "": false, "../x": false, "a/b": false, ".hidden": false} {
		if err := checkID(id); (err == nil) != ok {
			t.Errorf("checkID(%q) = %v", id, err)
		}
	}
}
