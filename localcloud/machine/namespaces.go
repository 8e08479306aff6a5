package machine

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/automode-dev/automode/localcloud/vpc"
)

// kinds are the machine's namespaces beside the network's, which lies where the VPC's fabric finds it.
var kinds = []struct {
	name string
	flag int
}{{"ipc", unix.CLONE_NEWIPC}, {"uts", unix.CLONE_NEWUTS}, {"mnt", unix.CLONE_NEWNS}}

// ensureNamespaces makes the machine's namespaces with everything mounted, unless they are there. The mount namespace is
// bound last: where its file is a namespace, the machine is complete.
func ensureNamespaces(l layout, r record) error {
	if vpc.NetNSExists(l.namespace("mnt")) {
		return nil
	}
	if err := releaseNamespaces(l); err != nil { // of an attempt that was cut short
		return err
	}
	if err := prepareBinding(l); err != nil {
		return fmt.Errorf("preparing namespaces: %w", err)
	}
	built, bound := make(chan error), make(chan struct{})
	var tid int
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		tid = unix.Gettid()
		built <- enterFresh(l, r)
		<-bound // the namespaces live as long as this thread, until they are bound
	}()
	defer close(bound)
	if err := <-built; err != nil {
		return err
	}
	for _, k := range kinds {
		from := fmt.Sprintf("/proc/self/task/%d/ns/%s", tid, k.name)
		if err := mount(from, l.namespace(k.name), "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	return nil
}

// prepareBinding makes the files that the namespaces are bound to. The kernel binds a mount namespace only where mounts
// are not shared with it, hence the directory is a private mount of its own.
func prepareBinding(l layout) error {
	if err := os.MkdirAll(l.namespaces(), 0o700); err != nil {
		return err
	}
	if err := mount(l.namespaces(), l.namespaces(), "", unix.MS_BIND, ""); err != nil {
		return err
	}
	if err := mount("", l.namespaces(), "", unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	for _, k := range kinds {
		if err := os.WriteFile(l.namespace(k.name), nil, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// enterFresh moves the calling thread into new namespaces and furnishes them.
func enterFresh(l layout, r record) error {
	if err := setns(l.netNS(), unix.CLONE_NEWNET); err != nil { // /sys shows the devices of whoever mounts it
		return err
	}
	flags := 0
	for _, k := range kinds {
		flags |= k.flag
	}
	if err := unix.Unshare(flags); err != nil {
		return fmt.Errorf("making namespaces: %w", err)
	}
	if err := unix.Sethostname([]byte(hostname(r.Spec))); err != nil {
		return fmt.Errorf("setting host name: %w", err)
	}
	if err := mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	at := l.path("root")
	if err := os.MkdirAll(at, 0o700); err != nil {
		return err
	}
	if err := (root{at: at, layout: l, record: r}).build(); err != nil {
		return err
	}
	return becomeRoot(at)
}

// becomeRoot makes the directory the root of the mount namespace and lets go of the host's file systems. Mounts are
// shared from here on between the machine and its containers, as pods with mount propagation expect.
func becomeRoot(at string) error {
	if err := os.Chdir(at); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("changing root to %s: %w", at, err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("letting go of the host's root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	return mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "")
}

// setns moves the calling thread into the namespace bound to a file.
func setns(path string, kind int) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("entering namespace: %w", err)
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), kind); err != nil {
		return fmt.Errorf("entering namespace %s: %w", path, err)
	}
	return nil
}

// enter turns the calling process into the machine's init: inside its control group and namespaces, with the pipe that
// stands for the kernel's log held open, so that readers find it so whether the supervisor lives or not.
func enter(l layout, r record) error {
	group, err := l.group()
	if err != nil {
		return err
	}
	if err := group.Enter(0); err != nil {
		return err
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("entering namespaces: %w", err)
	}
	if err := errors.Join(
		setns(l.netNS(), unix.CLONE_NEWNET),
		setns(l.namespace("ipc"), unix.CLONE_NEWIPC),
		setns(l.namespace("uts"), unix.CLONE_NEWUTS),
		setns(l.namespace("mnt"), unix.CLONE_NEWNS),
	); err != nil {
		return err
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("entering namespaces: %w", err)
	}
	if _, err := unix.Open("/dev/kmsg", unix.O_RDWR|unix.O_NONBLOCK, 0); err != nil {
		return fmt.Errorf("holding /dev/kmsg: %w", err)
	}
	if err := unix.Exec(r.Init[0], r.Init, os.Environ()); err != nil {
		return fmt.Errorf("running init %s: %w", r.Init[0], err)
	}
	return nil
}
