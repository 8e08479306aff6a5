package serve

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/automode-dev/automode/internal/home"
	"github.com/automode-dev/automode/localcloud/machine"
)

func TestRemoveAllCountsSimulatedMachines(t *testing.T) {
	dir := home.Dir(t.TempDir())
	if err := os.MkdirAll(machine.SimulatedDir(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"i-1", "i-2"} {
		if err := os.WriteFile(filepath.Join(machine.SimulatedDir(dir), id+".json"), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	removed, err := RemoveAll(t.Context(), dir, func(string) {})
	if err != nil || removed.String() != "2 machines, 0 networks" {
		t.Errorf("removed %s, %v; want 2 machines", removed, err)
	}
}
