package machine

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/automode-dev/automode/internal/home"
	"github.com/automode-dev/automode/localcloud/machine/cgroup"
)

// record is what a machine's directory says about it: all that its supervisor needs, whoever started it.
type record struct {
	Spec     Spec      `json:"spec"`
	Home     home.Dir  `json:"home"`
	Automode string    `json:"automode"` // the automode binary
	Libexec  string    `json:"libexec"`  // directory with the kubernetes-<minor> directories
	Endpoint string    `json:"endpoint"` // the local cloud's URL, the same on the host and in a machine
	Init     []string  `json:"init"`
	BootAt   time.Time `json:"bootAt"`
}

// layout names the files of one machine.
type layout struct {
	home home.Dir
	id   string
}

func (l layout) dir() string               { return l.home.Machine(l.id) }
func (l layout) path(elem string) string   { return filepath.Join(l.dir(), elem) }
func (l layout) record() string            { return l.path("machine.json") }
func (l layout) state() string             { return l.path("state.json") }
func (l layout) console() string           { return l.path("console.log") }
func (l layout) data() string              { return l.path("data.img") }
func (l layout) kmsg() string              { return l.path("kmsg") }
func (l layout) units() string             { return l.path("units") }
func (l layout) netNS() string             { return l.home.NetNS(l.id) }
func (l layout) namespaces() string        { return l.path("ns") }
func (l layout) namespace(k string) string { return filepath.Join(l.namespaces(), k) }

// group is the machine's control group.
func (l layout) group() (*cgroup.Group, error) {
	return cgroup.Open("/automode-" + l.home.ID() + "/" + l.id)
}

func (l layout) readRecord() (record, error) {
	var r record
	return r, readJSON(l.record(), &r)
}

func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("parsing %s: %w", path, err)
	}
	return nil
}

// writeJSON replaces a file in one step.
func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
