package machine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/automode-dev/automode/internal/home"
	"github.com/automode-dev/automode/internal/host"
	"github.com/automode-dev/automode/internal/supervise"
	"github.com/automode-dev/automode/localcloud/machine/cgroup"
	"github.com/automode-dev/automode/localcloud/vpc"
)

// Options of the process `automode machine`.
type Options struct {
	Dir   string // the machine's directory, <home>/machines/<id>
	Enter bool   // become the machine's init instead of supervising it
	Log   *slog.Logger
}

// initUnit is the machine's init under its supervisor.
const initUnit = "init"

// Run supervises one machine until ctx ends, and leaves it running then: the next supervisor takes it up. With Enter it
// replaces the process by the machine's init and returns only if that fails.
func Run(ctx context.Context, o Options) error {
	// Both namespaces and control groups are found by the home and the id, which the record must agree with.
	var r record
	if err := readJSON(filepath.Join(o.Dir, "machine.json"), &r); err != nil {
		return fmt.Errorf("reading machine: %w", err)
	}
	l := layout{home: home.Dir(r.Home), id: r.Spec.ID}
	if o.Enter {
		return enter(l, r)
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	log := o.Log.With("machine", l.id)
	s := &supervisor{layout: l, log: log, ports: hostPorts{netNS: l.netNS(), log: log}}
	return s.run(ctx)
}

// supervisor is what one machine needs from outside: it boots it, keeps its init running, and serves what an instance
// finds on its link-local addresses and loopback.
type supervisor struct {
	layout layout
	log    *slog.Logger
	ports  hostPorts
	sup    *supervise.Supervisor
	kmsg   *os.File // held open
}

func (s *supervisor) run(ctx context.Context) error {
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	sup, err := supervise.New(s.layout.units())
	if err != nil {
		return fmt.Errorf("supervising machine %s: %w", s.layout.id, err)
	}
	defer sup.Close()
	s.sup = sup
	if err := s.bootUntilRunning(ctx); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-reload:
			if err := s.forwardPorts(ctx); err != nil {
				s.log.Error("bringing host ports up to date failed", "error", err)
			}
		}
	}
}

// Bounds of the wait between two attempts to boot.
const (
	firstRetry = 500 * time.Millisecond
	lastRetry  = 15 * time.Second
)

// bootUntilRunning boots, again and again where that fails, as what is missing may come.
func (s *supervisor) bootUntilRunning(ctx context.Context) error {
	served := false
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		err := s.boot(ctx, &served)
		if err == nil {
			return s.setState(State{Phase: Running})
		}
		if ctx.Err() != nil {
			return nil
		}
		s.log.Error("booting failed, trying again", "error", err, "wait", wait)
		if err := s.setState(State{Phase: Failed, Problem: err.Error()}); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// boot takes every step from a record to a running init. Each step finds what an earlier attempt did.
func (s *supervisor) boot(ctx context.Context, served *bool) error {
	r, err := s.layout.readRecord()
	if err != nil {
		return fmt.Errorf("reading machine: %w", err)
	}
	if err := vpc.CreateNetNS(s.layout.netNS()); err != nil {
		return err
	}
	if !*served {
		if err := s.serve(ctx, r); err != nil {
			return err
		}
		*served = true
	}
	if err := s.forwardPorts(ctx); err != nil {
		return err
	}
	if s.sup.Status(initUnit).State == supervise.Running {
		return s.holdKernelLog()
	}
	if err := sleepUntil(ctx, r.BootAt); err != nil {
		return err
	}
	if err := s.furnish(ctx, r); err != nil {
		return err
	}
	return s.sup.Ensure(initOf(s.layout, r))
}

// furnish makes the machine's control group, data volume and namespaces, and waits for its network.
func (s *supervisor) furnish(ctx context.Context, r record) error {
	group, err := s.layout.group()
	if err != nil {
		return err
	}
	if err := group.Create(limits(r.Spec, runtime.NumCPU(), host.Memory())); err != nil {
		return err
	}
	if err := ensureData(ctx, s.layout.data(), r.Spec.dataVolume().SizeBytes); err != nil {
		return err
	}
	if err := s.holdKernelLog(); err != nil {
		return err
	}
	if err := waitForInterfaces(ctx, s.layout.netNS(), r.Spec); err != nil {
		return err
	}
	return ensureNamespaces(s.layout, r)
}

// initOf is the unit of the machine's init. Its output is the console.
func initOf(l layout, r record) supervise.Unit {
	group := "/automode-" + l.home.ID() + "/" + l.id
	return supervise.Unit{
		Name: initUnit, Path: r.Automode, Args: []string{"machine", "--dir", l.dir(), "--enter"}, Log: l.console(),
		Env: []string{
			"PATH=" + binDir + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			"HOME=/root",
			"AUTOMODE_INSTANCE_ID=" + r.Spec.ID,
			"AUTOMODE_CGROUP=" + group,
			"AUTOMODE_HARDWARE=" + hardwareFile,
			"AWS_ENDPOINT_URL=" + r.Endpoint,
			"AWS_REGION=" + r.Spec.Region,
		},
	}
}

// limits are those of the instance type, where they are tighter than the host's.
func limits(s Spec, hostCPUs int, hostMemory int64) cgroup.Limits {
	var l cgroup.Limits
	if s.VCPUs < hostCPUs {
		l.CPUs = s.VCPUs
	}
	if s.MemoryBytes < hostMemory {
		l.MemoryBytes = s.MemoryBytes
	}
	return l
}

// holdKernelLog makes the pipe that stands for the kernel's log and holds it open, so that readers block instead of
// finding its end.
func (s *supervisor) holdKernelLog() error {
	if s.kmsg != nil {
		return nil
	}
	path := s.layout.kmsg()
	if err := unix.Mkfifo(path, 0o600); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("making kernel log: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("holding kernel log: %w", err)
	}
	s.kmsg = f
	return nil
}

func sleepUntil(ctx context.Context, t time.Time) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(t)):
		return nil
	}
}

// setState publishes how far the machine is.
func (s *supervisor) setState(st State) error {
	st.Since = time.Now()
	if err := writeJSON(s.layout.state(), st); err != nil {
		return fmt.Errorf("writing state of machine %s: %w", s.layout.id, err)
	}
	return nil
}
