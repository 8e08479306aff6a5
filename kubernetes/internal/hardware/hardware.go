// Package hardware makes a kubelet report the capacity of an instance type
// instead of that of the host it happens to run on. It changes only what the
// kubelet is told about the machine: it never limits anything, that is for the
// machine's cgroup and data volume to do.
package hardware

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	cadvisorapi "github.com/google/cadvisor/info/v1"
	cadvisorapiv2 "github.com/google/cadvisor/info/v2"
	"k8s.io/kubernetes/pkg/kubelet/cadvisor"
)

// FileVariable is the environment variable that names the hardware file.
const FileVariable = "AUTOMODE_HARDWARE"

// Hardware is the content of the hardware file, in JSON.
type Hardware struct {
	// CPUs is the number of logical CPUs, at least 1.
	CPUs int `json:"cpus"`
	// MemoryBytes is the size of the main memory, more than 0.
	MemoryBytes uint64 `json:"memoryBytes"`
	// EphemeralStorageBytes is the size of the file system that holds images,
	// logs and writable layers. 0 leaves the host's figure.
	EphemeralStorageBytes uint64 `json:"ephemeralStorageBytes,omitempty"`
	// MachineID, SystemUUID and BootID tell the node from others on one host.
	// An empty one leaves the host's.
	MachineID  string `json:"machineID,omitempty"`
	SystemUUID string `json:"systemUUID,omitempty"`
	BootID     string `json:"bootID,omitempty"`
}

// Read returns the hardware described by the file at path.
func Read(path string) (Hardware, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Hardware{}, fmt.Errorf("reading hardware file: %w", err)
	}
	var h Hardware
	if err := json.Unmarshal(data, &h); err != nil {
		return Hardware{}, fmt.Errorf("parsing hardware file %s: %w", path, err)
	}
	if h.CPUs < 1 || h.MemoryBytes == 0 {
		return Hardware{}, fmt.Errorf("parsing hardware file %s: cpus is %d and memoryBytes is %d, both must be positive", path, h.CPUs, h.MemoryBytes)
	}
	return h, nil
}

// Wrap returns real with its figures replaced by those of the hardware.
func (h Hardware) Wrap(real cadvisor.Interface) cadvisor.Interface {
	return &machine{Interface: real, hardware: h}
}

// machine is a cAdvisor that sees the instance type's hardware.
type machine struct {
	cadvisor.Interface
	hardware Hardware
}

// MachineInfo is what the node's capacity and system info come from.
func (m *machine) MachineInfo() (*cadvisorapi.MachineInfo, error) {
	real, err := m.Interface.MachineInfo()
	if err != nil {
		return nil, err
	}
	info := *real
	info.NumCores = m.hardware.CPUs
	info.MemoryCapacity = m.hardware.MemoryBytes
	info.SwapCapacity = 0 // EC2 instances come without swap
	replace(&info.MachineID, m.hardware.MachineID)
	replace(&info.SystemUUID, m.hardware.SystemUUID)
	replace(&info.BootID, m.hardware.BootID)
	return &info, nil
}

func replace(field *string, value string) {
	if value != "" {
		*field = value
	}
}

func (m *machine) RootFsInfo() (cadvisorapiv2.FsInfo, error) {
	return m.resized(m.Interface.RootFsInfo())
}

func (m *machine) ImagesFsInfo(ctx context.Context) (cadvisorapiv2.FsInfo, error) {
	return m.resized(m.Interface.ImagesFsInfo(ctx))
}

func (m *machine) ContainerFsInfo(ctx context.Context) (cadvisorapiv2.FsInfo, error) {
	return m.resized(m.Interface.ContainerFsInfo(ctx))
}

func (m *machine) GetDirFsInfo(path string) (cadvisorapiv2.FsInfo, error) {
	return m.resized(m.Interface.GetDirFsInfo(path))
}

// resized gives a file system the hardware's size. Its free space stays within
// what is really free, so that a full host still evicts.
func (m *machine) resized(info cadvisorapiv2.FsInfo, err error) (cadvisorapiv2.FsInfo, error) {
	size := m.hardware.EphemeralStorageBytes
	if err != nil || size == 0 {
		return info, err
	}
	info.Capacity = size
	info.Available = min(info.Available, size-min(size, info.Usage))
	return info, nil
}
