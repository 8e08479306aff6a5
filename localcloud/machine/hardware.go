package machine

import (
	"os"
	"path/filepath"
)

// Hardware is what a kubelet reports instead of the host's own figures: the file /run/automode/hardware.json.
type Hardware struct {
	CPUs                  int   `json:"cpus"`
	MemoryBytes           int64 `json:"memoryBytes"`
	EphemeralStorageBytes int64 `json:"ephemeralStorageBytes"`
}

// vmOverheadPerMille is the share of an instance's memory that its kernel does not see, in tenths of a percent.
const vmOverheadPerMille = 75

// HardwareOf returns what a kernel on the instance's type sees: all processors, and the memory less 7.5 percent, in whole
// mebibytes (SPEC 4.2: 4096 MiB become 3788).
func HardwareOf(s Spec) Hardware {
	mib := s.MemoryBytes >> 20
	return Hardware{
		CPUs: s.VCPUs, MemoryBytes: (mib * (1000 - vmOverheadPerMille) / 1000) << 20, EphemeralStorageBytes: s.dataVolume().SizeBytes,
	}
}

func writeHardware(root string, s Spec) error {
	path := filepath.Join(root, hardwareFile)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := writeJSON(path, HardwareOf(s)); err != nil {
		return err
	}
	return os.Chmod(path, 0o644)
}
