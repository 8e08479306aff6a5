package supervise

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	// A dead process is started again after firstDelay, doubled with every
	// further death up to maxDelay, until one has run for stableAfter.
	firstDelay  = 100 * time.Millisecond
	maxDelay    = 10 * time.Second
	stableAfter = 10 * time.Second
	// changeGrace is how long a process may take to end for a new definition.
	changeGrace = 10 * time.Second
)

var errStopped = errors.New("unit is being stopped")

// runner keeps one unit running.
type runner struct {
	name string
	mark string
	file string // path of the unit's files without suffix

	// op is held while the unit is started, changed or stopped.
	op       sync.Mutex
	unit     Unit
	running  string // hash of the definition that process runs by
	process  *process
	failures int
	retry    *time.Timer
	over     bool // stopped or closed

	mu     sync.Mutex // guards status only, so that it is read without waiting for op
	status Status
}

func newRunner(dir, name string) *runner {
	path := filepath.Join(dir, name)
	return &runner{name: name, mark: path, file: path, status: Status{Name: name, State: Waiting}}
}

// resume takes up a unit of an earlier supervisor: its process if it lives and,
// where start says so, a new one if not.
func (r *runner) resume(unit Unit, start bool) {
	r.op.Lock()
	defer r.op.Unlock()
	r.unit = unit
	r.update(func(s *Status) { s.Log = unit.Log })
	if p, hash := adopt(r.file, r.mark, unit.hash()); p != nil {
		r.attach(p, hash)
	}
	if start {
		_ = r.converge() // kept in the status and retried
	}
}

// ensure changes the definition and has it run.
func (r *runner) ensure(unit Unit) error {
	r.op.Lock()
	defer r.op.Unlock()
	if r.over {
		return errStopped
	}
	if r.unit.hash() != unit.hash() {
		if err := writeFile(r.file+unitSuffix, unit); err != nil {
			return err
		}
		r.unit, r.failures = unit, 0
		r.update(func(s *Status) { s.Log, s.Failures = unit.Log, 0 })
	}
	return r.converge()
}

// runs says whether the process is alive and was started by the definition.
func (r *runner) runs(unit Unit) bool {
	r.op.Lock()
	defer r.op.Unlock()
	return !r.over && r.process != nil && r.process.alive() && r.running == unit.hash()
}

// converge makes the process run by the current definition.
func (r *runner) converge() error {
	if r.process != nil && r.process.alive() {
		if r.running == r.unit.hash() {
			return nil
		}
		if err := r.end(context.Background(), changeGrace); err != nil {
			return err
		}
	}
	if r.process != nil { // died a moment ago; follow finds itself overtaken
		r.detach()
	}
	return r.start()
}

// start launches the process, or schedules another try.
func (r *runner) start() error {
	r.stopRetry()
	p, err := launch(r.unit, r.mark)
	if err != nil {
		r.schedule(err.Error())
		return err
	}
	r.attach(p, r.unit.hash())
	record := record{PID: p.pid, Start: p.start, Boot: bootID(), Definition: r.running}
	return writeFile(r.file+recordSuffix, record)
}

// attach makes p the unit's process and follows it.
func (r *runner) attach(p *process, hash string) {
	r.process, r.running = p, hash
	r.update(func(s *Status) {
		s.State, s.PID, s.Since, s.NextStart = Running, p.pid, p.since, time.Time{}
	})
	go r.follow(p)
}

// follow waits for the end of p and has it started again.
func (r *runner) follow(p *process) {
	<-p.done
	r.op.Lock()
	defer r.op.Unlock()
	if r.over || r.process != p {
		return
	}
	if time.Since(p.since) >= stableAfter {
		r.failures = 0
	}
	r.detach()
	r.schedule(p.exit)
}

// detach forgets the dead process and kills what is left of its process group,
// which may hold its ports and files.
func (r *runner) detach() {
	pid := r.process.pid
	r.process.release()
	r.process = nil
	removeFile(r.file + recordSuffix)
	killAll(func(other int, s stat) bool { return s.group == pid && marked(other, r.mark) })
}

// schedule starts the unit again after the back-off.
func (r *runner) schedule(problem string) {
	delay := min(firstDelay<<min(r.failures, 20), maxDelay)
	r.failures++
	now := time.Now()
	r.update(func(s *Status) {
		s.State, s.PID, s.Since, s.NextStart = Waiting, 0, now, now.Add(delay)
		s.Failures, s.LastError = r.failures, problem
	})
	r.stopRetry()
	r.retry = time.AfterFunc(delay, func() {
		r.op.Lock()
		defer r.op.Unlock()
		if r.over || r.process != nil {
			return
		}
		r.update(func(s *Status) { s.Restarts++ })
		_ = r.start() // kept in the status and retried
	})
}

func (r *runner) stopRetry() {
	if r.retry != nil {
		r.retry.Stop()
		r.retry = nil
	}
}

// stop ends the unit for good.
func (r *runner) stop(ctx context.Context, grace time.Duration) error {
	r.op.Lock()
	defer r.op.Unlock()
	if r.over {
		return nil
	}
	r.over = true
	r.stopRetry()
	session := 0
	if r.process != nil {
		session = r.process.pid
		if err := r.end(ctx, grace); err != nil {
			r.over = false
			return err
		}
	}
	if err := killAll(func(pid int, s stat) bool {
		return marked(pid, r.mark) || orphanOf(session, pid, s)
	}); err != nil {
		r.over = false
		return err
	}
	removeFile(r.file + recordSuffix)
	removeFile(r.file + unitSuffix)
	r.update(func(s *Status) { s.State, s.PID = Unknown, 0 })
	return nil
}

// orphanOf says whether a process belongs to a session whose leader is dead. The
// kernel gives the leader's id to no other process while the session has members.
func orphanOf(session, pid int, s stat) bool {
	if session == 0 || s.session != session || pid == session {
		return false
	}
	_, reused := readStat(session)
	return !reused
}

// end asks the process to end and kills it after grace or the end of ctx.
func (r *runner) end(ctx context.Context, grace time.Duration) error {
	p := r.process
	if err := p.signal(r.unit.stopSignal()); err != nil {
		return err
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
	case <-ctx.Done():
	}
	if err := p.signal(syscall.SIGKILL); err != nil && p.alive() {
		return err
	}
	select {
	case <-p.done:
	case <-time.After(killPatience):
		return errUnkillable
	}
	r.detach()
	return nil
}

// close leaves the process running, unwatched.
func (r *runner) close() {
	r.op.Lock()
	defer r.op.Unlock()
	r.over = true
	r.stopRetry()
	if r.process != nil {
		r.process.release()
	}
}

func (r *runner) update(change func(*Status)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.status)
}

func (r *runner) snapshot() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}
