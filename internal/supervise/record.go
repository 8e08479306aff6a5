package supervise

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// killPatience is how long a killed process may take to be gone.
const killPatience = 5 * time.Second

var errUnkillable = errors.New("process does not end even when killed; it may be stuck in the kernel")

// record says which process is a unit's, for the next supervisor.
type record struct {
	PID int `json:"pid"`
	// Start and Boot tell the process from a later one of the same id.
	Start uint64 `json:"start"`
	Boot  string `json:"boot"`
	// Definition is the hash of the unit that the process was started by.
	Definition string `json:"definition"`
}

// adopt finds the live process of a unit and the hash of its definition. Where
// the supervisor was killed before it could write the record, the process is
// found by its mark; it then runs by the definition that was written before it.
func adopt(file, mark, definition string) (*process, string) {
	var r record
	if data, err := os.ReadFile(file + recordSuffix); err == nil && json.Unmarshal(data, &r) == nil && r.Boot == bootID() {
		if p := holdIf(r.PID, func(s stat) bool { return s.start == r.Start }); p != nil {
			return p, r.Definition
		}
	}
	for _, pid := range leaders(mark) {
		if p := holdIf(pid, func(s stat) bool { return s.session == pid && marked(pid, mark) }); p != nil {
			_ = writeFile(file+recordSuffix, record{PID: p.pid, Start: p.start, Boot: bootID(), Definition: definition})
			return p, definition
		}
	}
	return nil, ""
}

// holdIf takes hold of the process if it is alive and the right one. It looks
// after it got hold, so that the answer cannot be about another process.
func holdIf(pid int, right func(stat) bool) *process {
	p, err := hold(pid)
	if err != nil {
		return nil
	}
	if s, alive := readStat(pid); alive && right(s) {
		return p
	}
	p.release()
	return nil
}

// killAll kills the processes that match until there are none.
func killAll(match func(pid int, s stat) bool) error {
	for deadline := time.Now().Add(killPatience); ; time.Sleep(5 * time.Millisecond) {
		pids := processes(match)
		if len(pids) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("killing processes %v: %w", pids, errUnkillable)
		}
		for _, pid := range pids {
			kill(pid, match)
		}
	}
}

// kill kills one process, provided that it still matches once it is held.
func kill(pid int, match func(int, stat) bool) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if s, alive := readStat(pid); alive && match(pid, s) {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
}

// writeFile replaces a file as a whole: after a crash it is the old or the new.
func writeFile(path string, value any) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding %s: %w", path, err)
	}
	temporary := path + ".tmp"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("writing unit file: %w", err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// removeFile removes a file that may be missing. One that stays is harmless: a
// record is checked against the process, a unit is stopped again.
func removeFile(path string) { _ = os.Remove(path) }
