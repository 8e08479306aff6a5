package operator

import (
	"context"
	"errors"
	"os"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

// configPoll is how often the configuration file is looked at.
const configPoll = time.Second

// errRestart ends the process, so that whoever started it starts it with the changed configuration.
var errRestart = errors.New("the configuration changed in what is read at the start only")

// watchedConfig is a configuration that follows its files.
type watchedConfig struct {
	path, settings string

	current atomic.Pointer[Config]
	changed chan event.GenericEvent
}

func newWatchedConfig(path, settings string) (*watchedConfig, error) {
	config, err := LoadConfig(path, settings)
	if err != nil {
		return nil, err
	}
	w := &watchedConfig{path: path, settings: settings, changed: make(chan event.GenericEvent, 1)}
	w.current.Store(&config)
	return w, nil
}

func (w *watchedConfig) get() Config { return *w.current.Load() }

// Start follows the files until the context ends. Files that cannot be read leave the configuration as it was.
func (w *watchedConfig) Start(ctx context.Context) error {
	var last [2]time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(configPoll):
		}
		written := [2]time.Time{writtenAt(w.path), writtenAt(w.settings)}
		if written == last || written[0].IsZero() {
			continue
		}
		last = written
		if err := w.reload(log.FromContext(ctx).WithName("config")); err != nil {
			return err
		}
	}
}

// reload takes over what the files say now. An error ends the process.
func (w *watchedConfig) reload(logger logr.Logger) error {
	next, err := LoadConfig(w.path, w.settings)
	if err != nil {
		logger.Error(err, "keeping the configuration of before")
		return nil
	}
	before := w.get()
	if reflect.DeepEqual(next, before) {
		return nil
	}
	if before.restarts(next) {
		return errRestart
	}
	w.current.Store(&next)
	logger.Info("configuration changed", "nodePools", next.Compute.NodePools, "version", next.Cluster.Version, "disruption", next.Compute.Disruption)
	select {
	case w.changed <- event.GenericEvent{Object: &karpv1.NodePool{}}:
	default: // one is waiting already
	}
	return nil
}

// writtenAt is when a file was last written; zero where there is none.
func writtenAt(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// NeedLeaderElection is false: every replica follows its file.
func (w *watchedConfig) NeedLeaderElection() bool { return false }
