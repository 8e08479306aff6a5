package eks

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"k8s.io/client-go/rest"

	"github.com/automode-dev/automode/localcloud/wire"
)

// Waits between attempts: short while something is only not there yet, growing
// while something fails.
const (
	pollEvery    = 500 * time.Millisecond
	retryFirst   = time.Second
	retryLongest = 30 * time.Second
)

// notYet says that a step has to be repeated soon, and why. It is no failure.
type notYet struct{ reason string }

func (e notYet) Error() string { return e.reason }

// permanent is an error that no repetition will cure.
type permanent struct {
	code types.ErrorCode
	err  error
}

func (e permanent) Error() string { return e.err.Error() }
func (e permanent) Unwrap() error { return e.err }

// loop carries one cluster from what it is to what its record says.
type loop struct {
	s            *Service
	region, name string
	nudged       chan struct{}

	mu     sync.Mutex
	cancel context.CancelFunc // of the pass that is running
	at     Progress
	admin  *rest.Config // of the control plane that was ready last
	// following ends the watches in the cluster, by subject.
	following map[string]context.CancelFunc
	started   time.Time
	// lastApplied is a digest of the objects applied last, and when.
	lastApplied   [sha256.Size]byte
	lastAppliedAt time.Time
}

func newLoop(s *Service, region, name string) *loop {
	return &loop{s: s, region: region, name: name, nudged: make(chan struct{}, 1), following: map[string]context.CancelFunc{}, started: s.o.Clock.Now()}
}

// nudge asks for a pass; several before the next one are one.
func (l *loop) nudge() {
	select {
	case l.nudged <- struct{}{}:
	default:
	}
}

// interrupt wakes the loop and ends a pass that is under way, because it works
// for a goal that no longer holds.
func (s *Service) interrupt(region, name string) {
	s.mu.Lock()
	l := s.loops[recordKey(region, name)]
	s.mu.Unlock()
	if l != nil {
		l.mu.Lock()
		if l.cancel != nil {
			l.cancel()
		}
		l.mu.Unlock()
	}
	s.wake(region, name)
}

// run makes passes until the cluster is gone or ctx ends.
func (l *loop) run(ctx context.Context) {
	failures := 0
	for {
		wait := l.s.o.Clock.NewTimer(l.delay(failures))
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-l.nudged:
		case <-wait.C():
		}
		wait.Stop()
		gone, err := l.pass(ctx)
		switch {
		case gone:
			return
		case err == nil:
			failures = 0
		case isNotYet(err):
			failures = -1
		case errors.Is(err, context.Canceled):
			failures = 0 // interrupted; the reason has nudged the loop
		default:
			failures = max(failures, 0) + 1
			l.s.log.Warn("cluster is not as it shall be; trying again", "region", l.region, "cluster", l.name, "err", err)
		}
	}
}

// delay is how long to wait for the next pass: -1 failures stand for notYet.
func (l *loop) delay(failures int) time.Duration {
	switch {
	case failures < 0:
		return pollEvery
	case failures == 0:
		return l.s.o.Resync
	}
	return min(retryFirst<<min(failures-1, 10), retryLongest)
}

// pass runs the steps that the record's status asks for, once.
func (l *loop) pass(ctx context.Context) (gone bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.mu.Lock()
	l.cancel = cancel
	l.mu.Unlock()

	r, err := l.s.load(l.region, l.name)
	if wire.Code(err) == "ResourceNotFoundException" {
		return l.leave(), nil
	}
	if err != nil {
		return false, err
	}
	w := &work{s: l.s, loop: l, r: r, deadline: l.deadline(r)}
	switch r.Cluster.Status {
	case types.ClusterStatusFailed:
		return false, nil
	case types.ClusterStatusDeleting:
		l.unfollow()
		if err := w.do(ctx, dismantle); err != nil {
			return false, err
		}
		return l.leave(), nil
	}
	ctx, cancel = context.WithTimeout(ctx, max(0, w.deadline.Sub(l.s.o.Clock.Now())))
	defer cancel()
	return false, w.settle(w.do(ctx, converge))
}

// deadline is when what is unfinished becomes a failure, or what merely looks
// after a cluster has to start over. A new process gives an old creation or
// update the whole time once more.
func (l *loop) deadline(r *record) time.Time {
	from := l.started
	if r.Cluster.Status == types.ClusterStatusActive {
		from = l.s.o.Clock.Now()
	}
	if again := from.Add(l.s.o.Timeout); again.After(r.Deadline) {
		return again
	}
	return r.Deadline
}

// due says whether the files have to be applied again: they changed, or were
// applied long ago and may have been changed by others.
func (l *loop) due(files [][]byte) bool {
	sum := sha256.Sum256(slices.Concat(files...))
	return sum != l.lastApplied || l.s.o.Clock.Since(l.lastAppliedAt) >= l.s.o.Resync
}

// applied notes that the files were applied.
func (l *loop) applied(files [][]byte) {
	l.lastApplied = sha256.Sum256(slices.Concat(files...))
	l.lastAppliedAt = l.s.o.Clock.Now()
}

// ready notes how to reach the cluster with full rights.
func (l *loop) ready(admin *rest.Config) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.admin = admin
}

// leave takes the loop out of the service, unless the name was taken again.
func (l *loop) leave() bool {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if _, err := l.s.load(l.region, l.name); err == nil {
		l.nudge()
		return false
	}
	delete(l.s.loops, recordKey(l.region, l.name))
	return true
}

func isNotYet(err error) bool {
	_, ok := errors.AsType[notYet](err)
	return ok
}

// step is one of the things that make or unmake a cluster. Any step may run
// again at any time.
type step struct {
	name string
	do   func(*work, context.Context) error
}

// do runs the steps in order up to the first that fails.
func (w *work) do(ctx context.Context, steps []step) error {
	for _, st := range steps {
		w.loop.begin(st.name, w.s.o.Clock.Now())
		if err := st.do(w, ctx); err != nil {
			w.loop.failed(err)
			return fmt.Errorf("%s: %w", st.name, err)
		}
	}
	w.loop.done(w.s.o.Clock.Now())
	return nil
}
