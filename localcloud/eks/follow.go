package eks

import (
	"context"
	"time"

	"github.com/automode-dev/automode/localcloud/eks/objects"
)

// rewatch is the pause after a watch has ended.
const rewatch = 5 * time.Second

// follow makes changes of a subject in the cluster wake the loop, or no longer.
func (l *loop) follow(client kubernetesAPI, subject objects.Subject, on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	stop := l.following[subject.Name()]
	switch {
	case !on && stop != nil:
		stop()
		delete(l.following, subject.Name())
	case on && stop == nil:
		ctx, stop := context.WithCancel(l.s.ctx)
		l.following[subject.Name()] = stop
		l.s.running.Go(func() { l.watch(ctx, client, subject) })
	}
}

// unfollow ends all watches.
func (l *loop) unfollow() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, stop := range l.following {
		stop()
	}
	clear(l.following)
}

func (l *loop) watch(ctx context.Context, client kubernetesAPI, subject objects.Subject) {
	seen := map[string]bool{}
	for ctx.Err() == nil {
		if err := client.Watch(ctx, subject, seen, l.nudge); err != nil && ctx.Err() == nil {
			l.s.log.Debug("watch ended", "cluster", l.name, "err", err)
		}
		select {
		case <-ctx.Done():
		case <-l.s.o.Clock.After(rewatch):
		}
	}
}
