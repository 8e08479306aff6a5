package eks

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// rewatch is the pause after a namespace watch has ended.
const rewatch = 5 * time.Second

// watchNamespaces makes new namespaces wake the loop for as long as access
// policies are limited to namespaces.
func (l *loop) watchNamespaces(config *rest.Config, on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !on && l.unwatch != nil:
		l.unwatch()
		l.unwatch = nil
	case on && l.unwatch == nil:
		var ctx context.Context
		ctx, l.unwatch = context.WithCancel(l.s.ctx)
		l.s.running.Go(func() { l.followNamespaces(ctx, config) })
	}
}

func (l *loop) followNamespaces(ctx context.Context, config *rest.Config) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		l.s.log.Warn("cannot watch namespaces", "cluster", l.name, "err", err)
		return
	}
	for ctx.Err() == nil {
		l.watchOnce(ctx, client)
		select {
		case <-ctx.Done():
		case <-l.s.o.Clock.After(rewatch):
			l.nudge() // something may have been missed
		}
	}
}

// watchOnce follows one watch, which begins with the namespaces there are, to
// its end.
func (l *loop) watchOnce(ctx context.Context, client kubernetes.Interface) {
	events, err := client.CoreV1().Namespaces().Watch(ctx, metav1.ListOptions{})
	if err != nil {
		return // the API server is away; the caller tries again
	}
	defer events.Stop()
	for e := range events.ResultChan() {
		if e.Type == watch.Added {
			l.nudge()
		}
	}
}
