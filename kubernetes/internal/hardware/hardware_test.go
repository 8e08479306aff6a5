package hardware

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	cadvisorapi "github.com/google/cadvisor/info/v1"
	cadvisorapiv2 "github.com/google/cadvisor/info/v2"
	"k8s.io/kubernetes/pkg/kubelet/cadvisor"
)

const gib = 1 << 30

// host is a machine of 64 CPUs and 256 GiB with 100 GiB of its 500 GiB in use.
type host struct{ cadvisor.Interface }

func (host) MachineInfo() (*cadvisorapi.MachineInfo, error) {
	return &cadvisorapi.MachineInfo{NumCores: 64, MemoryCapacity: 256 * gib, SwapCapacity: gib, MachineID: "host", BootID: "boot"}, nil
}

func (host) RootFsInfo() (cadvisorapiv2.FsInfo, error) {
	return cadvisorapiv2.FsInfo{Capacity: 500 * gib, Usage: 100 * gib, Available: 400 * gib}, nil
}

func (h host) ImagesFsInfo(context.Context) (cadvisorapiv2.FsInfo, error)    { return h.RootFsInfo() }
func (h host) ContainerFsInfo(context.Context) (cadvisorapiv2.FsInfo, error) { return h.RootFsInfo() }
func (h host) GetDirFsInfo(string) (cadvisorapiv2.FsInfo, error)             { return h.RootFsInfo() }

func TestMachineHasTheHardware(t *testing.T) {
	wrapped := Hardware{CPUs: 2, MemoryBytes: 4 * gib, MachineID: "i-1"}.Wrap(host{})
	info, err := wrapped.MachineInfo()
	if err != nil {
		t.Fatal(err)
	}
	if info.NumCores != 2 || info.MemoryCapacity != 4*gib || info.SwapCapacity != 0 {
		t.Errorf("capacity is %d CPUs, %d bytes, %d swap", info.NumCores, info.MemoryCapacity, info.SwapCapacity)
	}
	if info.MachineID != "i-1" || info.BootID != "boot" {
		t.Errorf("machine %q, boot %q", info.MachineID, info.BootID)
	}
}

func TestFileSystemSize(t *testing.T) {
	for _, test := range []struct {
		name                        string
		size                        uint64
		wantCapacity, wantAvailable uint64
	}{
		{"unchanged", 0, 500 * gib, 400 * gib},
		{"smaller", 120 * gib, 120 * gib, 20 * gib},
		{"smaller than what is used", 80 * gib, 80 * gib, 0},
		{"larger than the host's", 1000 * gib, 1000 * gib, 400 * gib},
	} {
		wrapped := Hardware{CPUs: 1, MemoryBytes: 1, EphemeralStorageBytes: test.size}.Wrap(host{})
		for _, look := range []func() (cadvisorapiv2.FsInfo, error){
			wrapped.RootFsInfo,
			func() (cadvisorapiv2.FsInfo, error) { return wrapped.ImagesFsInfo(context.Background()) },
			func() (cadvisorapiv2.FsInfo, error) { return wrapped.ContainerFsInfo(context.Background()) },
			func() (cadvisorapiv2.FsInfo, error) { return wrapped.GetDirFsInfo("/var") },
		} {
			if got, err := look(); err != nil || got.Capacity != test.wantCapacity || got.Available != test.wantAvailable {
				t.Errorf("%s: %d bytes, %d available, error %v", test.name, got.Capacity, got.Available, err)
			}
		}
	}
}

func TestHardwareFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hardware.json")
	for content, valid := range map[string]bool{
		`{"cpus":2,"memoryBytes":4294967296,"ephemeralStorageBytes":85899345920}`: true,
		`{"cpus":0,"memoryBytes":1}`: false,
		`{"cpus":1}`:                 false,
		`2 CPUs`:                     false,
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); (err == nil) != valid {
			t.Errorf("%s: error %v", content, err)
		}
	}
}

// The order of precedence is the reason for a kubelet command of our own to be
// tested: flags over file over defaults, feature gates merged.
func TestFlagsWinOverTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kubelet.yaml")
	content := "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nmaxPods: 20\npodsPerCore: 3\nfailCgroupV1: false\n" +
		"featureGates: {KubeletPSI: false}\n"
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	server, err := configure(context.Background(), []string{"--config=" + path, "--max-pods=30", "--hostname-override=i-1"})
	if err != nil {
		t.Fatal(err)
	}
	if server.MaxPods != 30 || server.PodsPerCore != 3 || server.HostnameOverride != "i-1" {
		t.Errorf("max pods %d, pods per core %d, name %q", server.MaxPods, server.PodsPerCore, server.HostnameOverride)
	}
	if server.FeatureGates["KubeletPSI"] || len(server.EvictionHard) == 0 || server.HealthzPort != 10248 {
		t.Errorf("feature gates %v, eviction %v, health port %d", server.FeatureGates, server.EvictionHard, server.HealthzPort)
	}
	if _, err := configure(context.Background(), []string{"--config-dir=/etc/kubelet.d"}); err == nil {
		t.Error("--config-dir was accepted")
	}
}
