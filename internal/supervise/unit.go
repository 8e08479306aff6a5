// Package supervise keeps long-lived processes running: it starts them in
// sessions of their own, restarts them when they die, keeps their logs small,
// and finds them again when the supervising process itself was killed. It never
// stops a process because the supervisor ends, and never knows what a process
// is for.
package supervise

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Unit defines one process. Two units with equal fields are the same
// definition; any difference restarts the process.
type Unit struct {
	// Name tells the unit from others of its supervisor and names its files. It
	// has no slash.
	Name string
	// Path is the absolute path of the executable, in the unit's mount namespace.
	Path string
	// Args are the arguments after the executable's name.
	Args []string
	// Env is the environment, "KEY=value" each. PATH and HOME are those of the
	// supervising process unless given; nothing else is inherited.
	Env []string
	// Dir is the working directory, "/" when empty.
	Dir string
	// Log is the file that standard output and error are appended to. It is
	// rotated to Log.1 when it grows beyond 8 MiB. Nothing is kept when empty.
	Log string
	// NetNS and MountNS are namespace files to run in, the supervisor's own when
	// empty.
	NetNS   string
	MountNS string
	// StopSignal asks the process to end, SIGTERM when 0.
	StopSignal syscall.Signal
}

// State is where a unit stands.
type State string

const (
	// Running means that the unit's process is alive.
	Running State = "running"
	// Waiting means that the process died or did not start and that it is
	// started again when the back-off is over.
	Waiting State = "waiting"
	// Unknown means that the supervisor has no such unit.
	Unknown State = "unknown"
)

// Status is what a supervisor knows about one unit.
type Status struct {
	Name  string
	State State
	// PID of the running process, 0 when there is none.
	PID int
	// Since is when the process was started or adopted, or when it died.
	Since time.Time
	// Restarts counts how often this supervisor started the process after a death.
	Restarts int
	// Failures counts the deaths and failed starts in a row, none of them after
	// ten seconds of running.
	Failures int
	// LastError says how the process last ended or why it did not start.
	LastError string
	// NextStart is when a waiting unit is started again.
	NextStart time.Time
	// Log is the unit's log file.
	Log string
}

// validate says what keeps the unit from being started at all.
func (u Unit) validate() error {
	switch {
	case u.Name == "" || strings.ContainsRune(u.Name, '/') || strings.HasPrefix(u.Name, "."):
		return fmt.Errorf("unit name %q is not a file name", u.Name)
	case !filepath.IsAbs(u.Path):
		return fmt.Errorf("unit %s: path %q is not absolute", u.Name, u.Path)
	case u.Log != "" && !filepath.IsAbs(u.Log):
		return fmt.Errorf("unit %s: log %q is not absolute", u.Name, u.Log)
	}
	for _, entry := range u.Env {
		if !strings.Contains(entry, "=") {
			return errors.New("unit " + u.Name + ": environment entry has no value")
		}
	}
	return nil
}

// hash identifies the definition.
func (u Unit) hash() string {
	data, err := json.Marshal(u)
	if err != nil { // strings and integers only
		panic(err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

func (u Unit) stopSignal() syscall.Signal {
	if u.StopSignal == 0 {
		return syscall.SIGTERM
	}
	return u.StopSignal
}

// command is what is executed: the unit's own command line, behind nsenter
// where it runs in other namespaces. nsenter replaces itself, so the process id
// is the unit's.
func (u Unit) command() []string {
	var enter []string
	if u.NetNS != "" {
		enter = append(enter, "--net="+u.NetNS)
	}
	if u.MountNS != "" {
		enter = append(enter, "--mount="+u.MountNS, "--wdns="+u.dir())
	}
	own := append([]string{u.Path}, u.Args...)
	if len(enter) == 0 {
		return own
	}
	return append(append(append([]string{"nsenter"}, enter...), "--"), own...)
}

func (u Unit) dir() string {
	if u.Dir == "" {
		return "/"
	}
	return u.Dir
}
