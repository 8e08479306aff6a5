package supervise

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a unit's main process, started here or adopted. It is held by a
// pidfd, so that a signal can never reach another process of the same id.
type process struct {
	pid   int
	start uint64
	since time.Time
	fd    *os.File
	// done is closed when the process has ended and exit is set, or when it was
	// released.
	done chan struct{}
	exit string
}

// launch starts the unit. A failure to enter a namespace shows as an early end
// with nsenter's message in the log.
func launch(u Unit, mark string) (*process, error) {
	command := u.command()
	path, err := exec.LookPath(command[0])
	if err != nil {
		return nil, fmt.Errorf("finding executable: %w", err)
	}
	output, err := openLog(u.Log)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	cmd := &exec.Cmd{
		Path: path, Args: command, Env: environment(u, mark), Dir: u.dir(),
		Stdout: output, Stderr: output,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if u.MountNS != "" {
		cmd.Dir = "/"
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting process: %w", err)
	}
	p, err := hold(cmd.Process.Pid)
	if err != nil { // cannot be left running unwatched
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, err
	}
	_ = cmd.Process.Release() // reaped by watch
	return p, nil
}

// hold takes hold of a live process and starts watching it.
func hold(pid int) (*process, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("opening pidfd of process %d: %w", pid, err)
	}
	s, _ := readStat(pid)
	p := &process{
		pid: pid, start: s.start, since: time.Now(),
		fd: os.NewFile(uintptr(fd), "pidfd"), done: make(chan struct{}),
	}
	go p.watch()
	return p, nil
}

// watch waits for the end of the process. It is reaped if it is a child of
// ours; an adopted one is reaped by init, and how it ended stays unknown.
func (p *process) watch() {
	defer close(p.done)
	conn, err := p.fd.SyscallConn()
	if err != nil {
		p.exit = fmt.Sprintf("watching process: %v", err)
		return
	}
	err = conn.Read(func(fd uintptr) bool {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(poll, 0)
		return n > 0 || err != nil && err != unix.EINTR
	})
	if err != nil { // released
		return
	}
	var status unix.WaitStatus
	reaped, _ := unix.Wait4(p.pid, &status, unix.WNOHANG, nil)
	p.exit = describe(reaped == p.pid, status)
}

func describe(known bool, status unix.WaitStatus) string {
	switch {
	case !known:
		return "ended (status unknown: not a child of this process)"
	case status.Signaled():
		return "killed by " + unix.SignalName(status.Signal())
	default:
		return fmt.Sprintf("exited with code %d", status.ExitStatus())
	}
}

// alive says whether the process has not ended yet.
func (p *process) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// signal sends to this process or to none.
func (p *process) signal(signal syscall.Signal) error {
	conn, err := p.fd.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	if err := conn.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), signal, nil, 0) }); err != nil {
		return err
	}
	if errors.Is(sent, unix.ESRCH) {
		return nil
	}
	return sent
}

// release stops watching; the process runs on.
func (p *process) release() { _ = p.fd.Close() }

// environment is the unit's, with what every process needs and the mark.
func environment(u Unit, mark string) []string {
	env := append([]string{}, u.Env...)
	for _, key := range []string{"PATH", "HOME"} {
		given := false
		for _, entry := range u.Env {
			given = given || strings.HasPrefix(entry, key+"=")
		}
		if value := os.Getenv(key); !given && value != "" {
			env = append(env, key+"="+value)
		}
	}
	return append(env, unitVariable+"="+mark)
}

// openLog opens a log for appending, which keeps it right after a rotation.
func openLog(path string) (*os.File, error) {
	if path == "" {
		path = os.DevNull
	} else if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("making log directory: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening log: %w", err)
	}
	return f, nil
}
