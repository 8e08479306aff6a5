package operator

import (
	"context"
	"os"
	"reflect"
	"sync/atomic"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

// configPoll is how often the configuration file is looked at.
const configPoll = time.Second

// watchedConfig is a configuration that follows its file.
type watchedConfig struct {
	path    string
	current atomic.Pointer[Config]
	changed chan event.GenericEvent
}

func newWatchedConfig(path string) (*watchedConfig, error) {
	config, err := LoadConfig(path)
	if err != nil {
		return nil, err
	}
	w := &watchedConfig{path: path, changed: make(chan event.GenericEvent, 1)}
	w.current.Store(&config)
	return w, nil
}

func (w *watchedConfig) get() Config { return *w.current.Load() }

// Start follows the file until the context ends. A file that cannot be read leaves the configuration as it was.
func (w *watchedConfig) Start(ctx context.Context) error {
	logger := log.FromContext(ctx).WithName("config")
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(configPoll):
		}
		info, err := os.Stat(w.path)
		if err != nil || info.ModTime().Equal(last) {
			continue
		}
		last = info.ModTime()
		next, err := LoadConfig(w.path)
		if err != nil {
			logger.Error(err, "keeping the configuration of before")
			continue
		}
		if reflect.DeepEqual(next, w.get()) {
			continue
		}
		w.current.Store(&next)
		logger.Info("configuration changed", "nodePools", next.Compute.NodePools, "version", next.Cluster.Version)
		select {
		case w.changed <- event.GenericEvent{Object: &karpv1.NodePool{}}:
		default: // one is waiting already
		}
	}
}

// NeedLeaderElection is false: every replica follows its file.
func (w *watchedConfig) NeedLeaderElection() bool { return false }
