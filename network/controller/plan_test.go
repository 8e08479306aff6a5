package controller

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the expected steps under testdata")

// TestScenarios replays testdata/*.txt. A line of a scenario changes what the decision depends on ("pods 20",
// "max 110", "limits 3x10", "singles", "use 10.0.0.17"); "step" decides, carries the step out as EC2 would, and is followed
// by what was decided. Blank lines and comments stay.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, string(text))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(text), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// world carries steps out: prefixes come from 10.0.0.0/16 in order, single addresses from 10.9.0.0/16.
type world struct {
	need            Need
	prefixes, plain netip.Addr
}

func replay(t *testing.T, text string) string {
	w := &world{prefixes: netip.MustParseAddr("10.0.0.16"), plain: netip.MustParseAddr("10.9.0.1")}
	w.need = Need{InUse: map[netip.Addr]bool{}, Interfaces: []Interface{{ID: "eni-0"}}}
	var out []string
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if strings.HasPrefix(line, "  ") {
			continue // what was decided before
		}
		out = append(out, line)
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		if fields[0] == "step" {
			out = append(out, "  "+w.step())
			continue
		}
		w.set(t, fields)
	}
	return strings.Join(out, "\n") + "\n"
}

func (w *world) set(t *testing.T, fields []string) {
	number := func(text string) int {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	switch fields[0] {
	case "pods":
		w.need.Pods = number(fields[1])
	case "max":
		w.need.MaxPods = number(fields[1])
	case "limits":
		interfaces, addresses, _ := strings.Cut(fields[1], "x")
		w.need.Limits = Limits{number(interfaces), number(addresses)}
	case "singles":
		w.need.SinglesOnly = true
	case "prefixes":
		w.need.SinglesOnly = false
	case "use":
		w.need.InUse[netip.MustParseAddr(fields[1])] = true
	case "free":
		delete(w.need.InUse, netip.MustParseAddr(fields[1]))
	default:
		t.Fatalf("unknown line %q", fields)
	}
}

// step decides, carries out and describes.
func (w *world) step() string {
	step := Next(w.need)
	id := step.Interface
	switch {
	case step == Step{}:
		return fmt.Sprintf("nothing: %d addresses", count(w.need.Interfaces))
	case step.Release.IsValid():
		for n := range w.need.Interfaces {
			if w.need.Interfaces[n].ID == id {
				w.need.Interfaces[n].remove(step.Release)
			}
		}
		return fmt.Sprintf("release %s of %s: %d addresses stay", step.Release, id, count(w.need.Interfaces))
	case step.NewInterface:
		id = fmt.Sprint("eni-", len(w.need.Interfaces))
		w.need.Interfaces = append(w.need.Interfaces, Interface{ID: id, DeviceIndex: len(w.need.Interfaces)})
		id = "new " + id
	}
	for n := range w.need.Interfaces {
		if i := &w.need.Interfaces[n]; strings.HasSuffix(id, i.ID) {
			w.assign(i, step)
		}
	}
	return fmt.Sprintf("assign to %s: %d prefixes, %d addresses: %d in all", id, step.Prefixes, step.Addresses, count(w.need.Interfaces))
}

func (w *world) assign(i *Interface, step Step) {
	for range step.Prefixes {
		i.add(netip.PrefixFrom(w.prefixes, 28))
		for range prefixSize {
			w.prefixes = w.prefixes.Next()
		}
	}
	for range step.Addresses {
		i.add(netip.PrefixFrom(w.plain, 32))
		w.plain = w.plain.Next()
	}
}
