package simulate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/automode-dev/automode/localcloud/machine"
)

// rescan is how often the whole directory is read, in case a notice was lost.
const rescan = 30 * time.Second

// followDirectory calls update for every machine's file: those that are there, those that come and change, and with nil
// those that go. Calls follow each other; it returns when ctx ends.
func followDirectory(ctx context.Context, dir string, log *slog.Logger, update func(id, path string, r *machine.SimulatedRecord)) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("following %s: %w", dir, err)
	}
	watcher, err := fsnotify.NewBufferedWatcher(4096)
	if err != nil {
		return fmt.Errorf("following %s: %w", dir, err)
	}
	defer watcher.Close()
	if err := watcher.Add(dir); err != nil {
		return fmt.Errorf("following %s: %w", dir, err)
	}
	d := &directory{dir: dir, log: log, update: update, known: map[string]time.Time{}}
	d.scan()
	ticker := time.NewTicker(rescan)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case event := <-watcher.Events:
			d.look(event.Name)
		case err := <-watcher.Errors:
			log.Warn("notices of the directory of machines were lost, reading it all", "error", err)
			d.scan()
		case <-ticker.C:
			d.scan()
		}
	}
}

type directory struct {
	dir    string
	log    *slog.Logger
	update func(id, path string, r *machine.SimulatedRecord)
	known  map[string]time.Time // path -> time of the last change seen
}

// scan looks at every file, and at those that are no longer there.
func (d *directory) scan() {
	files, err := filepath.Glob(filepath.Join(d.dir, "*.json"))
	if err != nil {
		d.log.Error("reading the directory of machines failed", "error", err)
		return
	}
	for _, path := range files {
		d.look(path)
	}
	for path := range d.known {
		d.look(path)
	}
}

// look reads one file if it changed.
func (d *directory) look(path string) {
	id, ok := strings.CutSuffix(filepath.Base(path), ".json")
	if !ok {
		return
	}
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		if _, known := d.known[path]; known {
			delete(d.known, path)
			d.update(id, path, nil)
		}
		return
	}
	if err != nil || info.ModTime().Equal(d.known[path]) {
		return
	}
	r, err := machine.ReadSimulated(path)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			d.log.Error("reading a machine failed", "machine", id, "error", err)
		}
		return
	}
	d.known[path] = info.ModTime()
	d.update(id, path, &r)
}

func removeFile(path string, log *slog.Logger) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		log.Error("removing a machine's file failed", "file", path, "error", err)
	}
}
