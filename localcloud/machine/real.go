package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/automode-dev/automode/internal/home"
	"github.com/automode-dev/automode/internal/supervise"
	"github.com/automode-dev/automode/localcloud/vpc"
)

// consoleBytes is how much of a console EC2 returns.
const consoleBytes = 64 << 10

// RealOptions are where real machines find what they need.
type RealOptions struct {
	Home     home.Dir
	Automode string // path of the automode binary: supervises each machine and is its init
	Libexec  string // directory with kubernetes-<minor> directories; the binary's own where empty
	Endpoint string // the local cloud's URL

	// Init is what runs in a machine, by default its `automode node`.
	Init []string
	Log  *slog.Logger
}

// Real runs instances as real machines of this host. It needs root. One process at a time has the machines of a home;
// the next one finds them running.
type Real struct {
	opts RealOptions
	sup  *supervise.Supervisor

	mu    sync.Mutex
	locks map[string]*sync.Mutex
}

// NewReal takes up the machines of the home.
func NewReal(o RealOptions) (*Real, error) {
	if o.Libexec == "" {
		o.Libexec = filepath.Dir(o.Automode)
	}
	if len(o.Init) == 0 {
		o.Init = []string{binDir + "/automode", "node"}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	sup, err := supervise.New(o.Home.Units("machines"))
	if err != nil {
		return nil, fmt.Errorf("taking up machines: %w", err)
	}
	return &Real{opts: o, sup: sup, locks: map[string]*sync.Mutex{}}, nil
}

// Close gives the machines up for another process; they go on.
func (r *Real) Close() { r.sup.Close() }

// NetNS returns the file of the network namespace of a machine, existing or not.
func (r *Real) NetNS(id string) string { return r.layout(id).netNS() }

// Ensure makes the machine's network namespace and starts its supervisor, which boots it in its own time. A machine
// that runs is left alone; only its HostPorts are brought up to date.
func (r *Real) Ensure(_ context.Context, s Spec) error {
	defer r.lock(s.ID)()
	l := r.layout(s.ID)
	if err := checkID(s.ID); err != nil {
		return err
	}
	if err := os.MkdirAll(l.dir(), 0o700); err != nil {
		return fmt.Errorf("ensuring machine %s: %w", s.ID, err)
	}
	changed, err := r.writeRecord(l, s)
	if err != nil {
		return fmt.Errorf("ensuring machine %s: %w", s.ID, err)
	}
	if err := vpc.CreateNetNS(l.netNS()); err != nil {
		return fmt.Errorf("ensuring machine %s: %w", s.ID, err)
	}
	before := r.sup.Status(s.ID).PID
	err = r.sup.Ensure(supervise.Unit{
		Name: s.ID, Path: r.opts.Automode, Args: []string{"machine", "--dir", l.dir()}, Log: l.path("supervisor.log"),
	})
	if err != nil {
		return fmt.Errorf("ensuring machine %s: %w", s.ID, err)
	}
	if changed && before != 0 && before == r.sup.Status(s.ID).PID {
		_ = syscall.Kill(before, syscall.SIGHUP) // one that just died reads the record when it comes back
	}
	return nil
}

// writeRecord writes what the supervisor reads and says whether it differs from before. When the machine boots is
// decided once, so that Ensure after a crash does not delay it again.
func (r *Real) writeRecord(l layout, s Spec) (changed bool, err error) {
	now := record{
		Spec: s, Home: r.opts.Home, Automode: r.opts.Automode, Libexec: r.opts.Libexec, Endpoint: r.opts.Endpoint, Init: r.opts.Init,
		BootAt: time.Now().Add(s.BootDelay),
	}
	old, err := l.readRecord()
	switch {
	case errors.Is(err, os.ErrNotExist):
		if err := writeJSON(l.state(), State{Phase: Booting, Since: time.Now()}); err != nil {
			return false, err
		}
		return true, writeJSON(l.record(), now)
	case err != nil:
		return false, err
	}
	now.BootAt = old.BootAt
	if r.State(l.id).Phase == Stopped {
		now.BootAt = time.Now().Add(s.BootDelay)
		if err := writeJSON(l.state(), State{Phase: Booting, Since: time.Now()}); err != nil {
			return false, err
		}
	}
	return !slices.Equal(old.Spec.HostPorts, s.HostPorts), writeJSON(l.record(), now)
}

// Stop powers the machine off and keeps its data. Stopping what does not run is fine.
func (r *Real) Stop(ctx context.Context, id string) error {
	defer r.lock(id)()
	l := r.layout(id)
	if _, err := os.Stat(l.dir()); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := r.powerOff(ctx, l); err != nil {
		return fmt.Errorf("stopping machine %s: %w", id, err)
	}
	return writeJSON(l.state(), State{Phase: Stopped, Since: time.Now()})
}

// Remove powers the machine off and returns when nothing of it is left. Removing an unknown machine is fine.
func (r *Real) Remove(ctx context.Context, id string) error {
	defer r.lock(id)()
	if err := checkID(id); err != nil {
		return err
	}
	l := r.layout(id)
	if err := r.powerOff(ctx, l); err != nil {
		return fmt.Errorf("removing machine %s: %w", id, err)
	}
	if err := os.RemoveAll(l.dir()); err != nil {
		return fmt.Errorf("removing machine %s: %w", id, err)
	}
	return nil
}

// powerOff ends the supervisor, then everything that it made.
func (r *Real) powerOff(ctx context.Context, l layout) error {
	if err := r.sup.Stop(ctx, l.id, 0); err != nil {
		return err
	}
	return dismantle(l)
}

// List returns the ids of all machines of the home, also of half-made ones.
func (r *Real) List() ([]string, error) {
	entries, err := os.ReadDir(r.opts.Home.Machines())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() {
			ids = append(ids, e.Name())
		}
	}
	return ids, err
}

// RemoveAll removes every machine of the home and returns the ids of those that were there.
func (r *Real) RemoveAll(ctx context.Context) ([]string, error) {
	ids, err := r.List()
	if err != nil {
		return nil, fmt.Errorf("listing machines: %w", err)
	}
	errs := make([]error, len(ids))
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() { errs[i] = r.Remove(ctx, id) })
	}
	wg.Wait()
	return ids, errors.Join(errs...)
}

// Console returns the end of what the machine wrote to its console, nothing for an unknown machine.
func (r *Real) Console(_ context.Context, id string) ([]byte, error) {
	f, err := os.Open(r.layout(id).console())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading console of machine %s: %w", id, err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > consoleBytes {
		if _, err := f.Seek(-consoleBytes, io.SeekEnd); err != nil {
			return nil, fmt.Errorf("reading console of machine %s: %w", id, err)
		}
	}
	return io.ReadAll(io.LimitReader(f, consoleBytes))
}

// State says how far a machine is.
func (r *Real) State(id string) State {
	s := State{Phase: Absent}
	_ = readJSON(r.layout(id).state(), &s) // a machine without a state is absent
	return s
}

func (r *Real) layout(id string) layout { return layout{home: r.opts.Home, id: id} }

// lock serialises the calls for one machine.
func (r *Real) lock(id string) (unlock func()) {
	r.mu.Lock()
	m := r.locks[id]
	if m == nil {
		m = &sync.Mutex{}
		r.locks[id] = m
	}
	r.mu.Unlock()
	m.Lock()
	return m.Unlock
}

// checkID keeps ids from leading out of the directory of machines.
func checkID(id string) error {
	if id == "" || strings.ContainsAny(id, "/\x00") || strings.HasPrefix(id, ".") {
		return fmt.Errorf("machine id %q is not a file name", id)
	}
	return nil
}
