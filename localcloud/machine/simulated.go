package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/automode-dev/automode/internal/home"
	"github.com/automode-dev/automode/internal/supervise"
)

// SimulatedRecord is how a simulated machine is told to the process `automode simulate`: one file each.
type SimulatedRecord struct {
	Spec   Spec      `json:"spec"`
	BootAt time.Time `json:"bootAt"`
	Off    bool      `json:"off,omitempty"`    // powered off
	Remove bool      `json:"remove,omitempty"` // to be shut down; the process then removes the file
}

// SimulatedDir is the directory of the files of a home's simulated machines, each named <id>.json.
func SimulatedDir(h home.Dir) string { return h.Path("simulated") }

// ReadSimulated reads the file of a simulated machine.
func ReadSimulated(path string) (SimulatedRecord, error) {
	var r SimulatedRecord
	return r, readJSON(path, &r)
}

// SimulatedOptions are where simulated machines find what they need.
type SimulatedOptions struct {
	Home     home.Dir
	Automode string // path of the automode binary
}

// Simulated runs instances as entries of one process that speaks for all their kubelets.
type Simulated struct {
	opts SimulatedOptions
	sup  *supervise.Supervisor

	mu sync.Mutex // one change of a file at a time
}

// NewSimulated takes up the simulated machines of the home and the process that plays them.
func NewSimulated(o SimulatedOptions) (*Simulated, error) {
	if err := os.MkdirAll(SimulatedDir(o.Home), 0o700); err != nil {
		return nil, fmt.Errorf("taking up simulated machines: %w", err)
	}
	sup, err := supervise.New(o.Home.Units("simulate"))
	if err != nil {
		return nil, fmt.Errorf("taking up simulated machines: %w", err)
	}
	err = sup.Ensure(supervise.Unit{
		Name: "simulate", Path: o.Automode, Args: []string{"simulate", "--home", string(o.Home)}, Log: o.Home.Path("cloud", "simulate.log"),
	})
	if err != nil {
		sup.Close()
		return nil, fmt.Errorf("starting the simulator: %w", err)
	}
	return &Simulated{opts: o, sup: sup}, nil
}

// Close gives the machines up for another process; they go on.
func (s *Simulated) Close() { s.sup.Close() }

// NetNS returns "": a simulated machine has no network.
func (s *Simulated) NetNS(string) string { return "" }

func (s *Simulated) path(id string) string {
	return filepath.Join(SimulatedDir(s.opts.Home), id+".json")
}

// Ensure tells the simulator of the machine. One that is known and on is left alone.
func (s *Simulated) Ensure(_ context.Context, spec Spec) error {
	if err := checkID(spec.ID); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old, err := ReadSimulated(s.path(spec.ID))
	if err == nil && !old.Off && !old.Remove {
		return nil
	}
	if err := writeJSON(s.path(spec.ID), SimulatedRecord{Spec: spec, BootAt: time.Now().Add(spec.BootDelay)}); err != nil {
		return fmt.Errorf("ensuring simulated machine %s: %w", spec.ID, err)
	}
	return nil
}

// Stop powers the machine off. An unknown one is fine.
func (s *Simulated) Stop(_ context.Context, id string) error {
	return s.change(id, func(r *SimulatedRecord) { r.Off = true })
}

// removePatience is how long the simulator has for an orderly shutdown before its machine is simply gone.
const removePatience = 3 * time.Second

// Remove returns when the simulator has shut the machine down. An unknown one is fine.
func (s *Simulated) Remove(ctx context.Context, id string) error {
	if err := s.change(id, func(r *SimulatedRecord) { r.Remove = true }); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, removePatience)
	defer cancel()
	for {
		if _, err := os.Stat(s.path(id)); errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if sleepUntil(ctx, time.Now().Add(20*time.Millisecond)) != nil {
			break
		}
	}
	if err := os.Remove(s.path(id)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing simulated machine %s: %w", id, err)
	}
	return nil
}

// change edits the file of a machine; one without a file is left alone.
func (s *Simulated) change(id string, edit func(*SimulatedRecord)) error {
	if err := checkID(id); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := ReadSimulated(s.path(id))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading simulated machine %s: %w", id, err)
	}
	edit(&r)
	if err := writeJSON(s.path(id), r); err != nil {
		return fmt.Errorf("changing simulated machine %s: %w", id, err)
	}
	return nil
}

// Console says what a simulated machine has to say.
func (s *Simulated) Console(_ context.Context, id string) ([]byte, error) {
	r, err := ReadSimulated(s.path(id))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading simulated machine %s: %w", id, err)
	}
	text := fmt.Sprintf("simulated machine %s (%s), no containers\n", id, r.Spec.Type)
	if time.Now().After(r.BootAt) {
		text += r.BootAt.UTC().Format(time.RFC3339) + " booted\n"
	}
	return []byte(text), nil
}

// State says how far a machine is.
func (s *Simulated) State(id string) State {
	r, err := ReadSimulated(s.path(id))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return State{Phase: Absent}
	case err != nil:
		return State{Phase: Failed, Problem: err.Error()}
	case r.Off:
		return State{Phase: Stopped}
	case time.Now().Before(r.BootAt):
		return State{Phase: Booting}
	}
	return State{Phase: Running, Since: r.BootAt}
}

// RemoveAll forgets every simulated machine and ends their process; it returns the ids of those that were there.
func (s *Simulated) RemoveAll(ctx context.Context) ([]string, error) {
	if err := s.sup.Stop(ctx, "simulate", time.Second); err != nil {
		return nil, fmt.Errorf("stopping the simulator: %w", err)
	}
	return RemoveSimulated(s.opts.Home)
}

// RemoveSimulated forgets every simulated machine of a home whose simulator does not run; it returns the ids of those that
// were there.
func RemoveSimulated(h home.Dir) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(SimulatedDir(h), "*.json"))
	if err != nil {
		return nil, fmt.Errorf("listing simulated machines: %w", err)
	}
	var ids []string
	for _, f := range files {
		ids = append(ids, strings.TrimSuffix(filepath.Base(f), ".json"))
	}
	if err := os.RemoveAll(SimulatedDir(h)); err != nil {
		return nil, fmt.Errorf("removing simulated machines: %w", err)
	}
	return ids, nil
}
