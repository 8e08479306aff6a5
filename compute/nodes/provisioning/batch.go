package provisioning

import (
	"context"
	"time"

	"k8s.io/utils/clock"
)

// Windows in which pods are gathered: until none came for a second, at most ten seconds.
const (
	idleWindow = time.Second
	fullWindow = 10 * time.Second
)

// batch gathers wake-up calls.
type batch struct {
	clock clock.Clock
	calls chan struct{}
}

func newBatch(clock clock.Clock) *batch {
	return &batch{clock: clock, calls: make(chan struct{}, 1)}
}

// call wakes the waiting side up, or prolongs its window. It never blocks.
func (b *batch) call() {
	select {
	case b.calls <- struct{}{}:
	default:
	}
}

// wait returns when calls came and a window passed, or when nothing came for as long as patience. False when the
// context ended.
func (b *batch) wait(ctx context.Context, patience time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-b.clock.After(patience):
		return true
	case <-b.calls:
	}
	full, idle := b.clock.NewTimer(fullWindow), b.clock.NewTimer(idleWindow)
	defer full.Stop()
	defer func() { idle.Stop() }()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-b.calls:
			idle.Stop()
			idle = b.clock.NewTimer(idleWindow)
		case <-idle.C():
			return true
		case <-full.C():
			return true
		}
	}
}
