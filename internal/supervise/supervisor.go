package supervise

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	unitSuffix   = ".unit"
	recordSuffix = ".pid"
	lockFile     = "lock"
	// lockPatience is how long New waits for a supervisor that is just ending.
	lockPatience = 5 * time.Second
	// rotateEvery is how often logs are looked at.
	rotateEvery = 5 * time.Second
)

// Supervisor keeps the units of one directory running. Its methods may be
// called from several goroutines.
type Supervisor struct {
	dir  string
	lock *os.File
	quit chan struct{}

	mu      sync.Mutex
	runners map[string]*runner
}

// New returns the supervisor of dir, which it makes if need be. Units known from
// an earlier supervisor are adopted where their process lives and started where
// it does not. A directory has one supervisor at a time.
func New(dir string) (*Supervisor, error) { return open(dir, true) }

// Adopt is New for an owner that goes on to call Ensure for every unit: living
// processes are adopted, dead units wait for their Ensure, which may change them.
func Adopt(dir string) (*Supervisor, error) { return open(dir, false) }

// Clear stops every unit of dir and what their processes started, as Stop does,
// and starts none. It is for a directory that is to be deleted; one that does
// not exist is clear.
func Clear(ctx context.Context, dir string, grace time.Duration) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	s, err := open(dir, false)
	if err != nil {
		return err
	}
	defer s.Close()
	var failed []error
	for _, status := range s.List() {
		failed = append(failed, s.Stop(ctx, status.Name, grace))
	}
	return errors.Join(failed...)
}

// open takes up the units of dir, starting dead ones only if start says so.
func open(dir string, start bool) (*Supervisor, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making supervisor directory: %w", err)
	}
	dir, err := realPath(dir)
	if err != nil {
		return nil, fmt.Errorf("resolving supervisor directory: %w", err)
	}
	lock, err := acquire(filepath.Join(dir, lockFile))
	if err != nil {
		return nil, err
	}
	s := &Supervisor{dir: dir, lock: lock, quit: make(chan struct{}), runners: map[string]*runner{}}
	if err := s.resume(start); err != nil {
		lock.Close()
		return nil, err
	}
	go s.rotateLogs()
	return s, nil
}

// realPath makes the unit marks of one directory the same however it is named.
func realPath(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}

// acquire locks the file until it is closed or the process ends.
func acquire(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening supervisor lock: %w", err)
	}
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(20 * time.Millisecond) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) || time.Now().After(deadline) {
			f.Close()
			return nil, fmt.Errorf("locking %s, which another supervisor may hold: %w", path, err)
		}
	}
}

// resume takes up the units of an earlier supervisor.
func (s *Supervisor) resume(start bool) error {
	files, err := filepath.Glob(filepath.Join(s.dir, "*"+unitSuffix))
	if err != nil {
		return fmt.Errorf("listing units: %w", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("reading unit: %w", err)
		}
		var unit Unit
		if err := json.Unmarshal(data, &unit); err != nil {
			return fmt.Errorf("parsing unit %s: %w", file, err)
		}
		if unit.Name != strings.TrimSuffix(filepath.Base(file), unitSuffix) {
			return fmt.Errorf("parsing unit %s: it defines %q", file, unit.Name)
		}
		s.runners[unit.Name] = newRunner(s.dir, unit.Name)
		s.runners[unit.Name].resume(unit, start)
	}
	return nil
}

// Ensure makes the unit run by this definition from now on. A process that runs
// by an equal one is left alone, one that runs by another is stopped first (with
// ten seconds of grace) and started anew; what it put into process groups of its
// own is left running, as shims must survive their daemon. An error means that
// the process did not start this time; the unit is retried all the same unless
// its definition is invalid.
func (s *Supervisor) Ensure(unit Unit) error {
	if err := unit.validate(); err != nil {
		return fmt.Errorf("checking unit definition: %w", err)
	}
	s.mu.Lock()
	r := s.runners[unit.Name]
	if r == nil {
		r = newRunner(s.dir, unit.Name)
		s.runners[unit.Name] = r
	}
	s.mu.Unlock()
	return r.ensure(unit)
}

// Stop ends the unit and forgets it. Its process gets the stop signal, and after
// grace or the end of ctx it is killed together with every process it started,
// but for those of a supervisor nested in it. A unit that does not exist is
// stopped already.
func (s *Supervisor) Stop(ctx context.Context, name string, grace time.Duration) error {
	s.mu.Lock()
	r := s.runners[name]
	s.mu.Unlock()
	if r == nil {
		return nil
	}
	if err := r.stop(ctx, grace); err != nil {
		return fmt.Errorf("stopping unit %s: %w", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runners[name] == r {
		delete(s.runners, name)
	}
	return nil
}

// Runs says whether the unit's process is alive and was started by this very
// definition, so that Ensure would change nothing.
func (s *Supervisor) Runs(unit Unit) bool {
	s.mu.Lock()
	r := s.runners[unit.Name]
	s.mu.Unlock()
	return r != nil && r.runs(unit)
}

// Status returns how the named unit stands.
func (s *Supervisor) Status(name string) Status {
	s.mu.Lock()
	r := s.runners[name]
	s.mu.Unlock()
	if r == nil {
		return Status{Name: name, State: Unknown}
	}
	return r.snapshot()
}

// List returns how all units stand, ordered by name.
func (s *Supervisor) List() []Status {
	s.mu.Lock()
	runners := maps.Clone(s.runners)
	s.mu.Unlock()
	list := make([]Status, 0, len(runners))
	for _, name := range slices.Sorted(maps.Keys(runners)) {
		list = append(list, runners[name].snapshot())
	}
	return list
}

// Close stops watching and gives the directory up for another supervisor. The
// processes go on.
func (s *Supervisor) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.quit:
		return
	default:
		close(s.quit)
	}
	for _, r := range s.runners {
		r.close()
	}
	s.lock.Close()
}

// rotateLogs keeps the units' logs small until Close.
func (s *Supervisor) rotateLogs() {
	ticker := time.NewTicker(rotateEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.quit:
			return
		case <-ticker.C:
			for _, status := range s.List() {
				if status.Log != "" {
					_ = rotate(status.Log, logLimit) // tried again at the next tick
				}
			}
		}
	}
}
