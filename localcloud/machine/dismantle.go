package machine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/automode-dev/automode/localcloud/vpc"
)

// dismantle undoes whatever a supervisor made of a machine outside of its directory, in the order in which things hold
// each other: processes, mount namespace, network, loop device, control group. Every step takes what is there, so that it
// works on a machine that was half made or half removed.
func dismantle(l layout) error {
	group, err := l.group()
	if err != nil {
		return err
	}
	if err := group.Kill(); err != nil {
		return err
	}
	if err := releaseNamespaces(l); err != nil {
		return err
	}
	if err := vpc.DeleteNetNS(l.netNS()); err != nil {
		return err
	}
	if err := detachLoops(l.data()); err != nil {
		return err
	}
	if err := os.RemoveAll(l.units()); err != nil {
		return err
	}
	return group.Delete()
}

// releaseNamespaces unbinds the machine's namespaces; with the last process gone the kernel unmounts all they hold.
func releaseNamespaces(l layout) error {
	for _, path := range []string{l.namespace("mnt"), l.namespace("uts"), l.namespace("ipc"), l.namespaces()} {
		for {
			err := unix.Unmount(path, unix.MNT_DETACH)
			if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) { // not, or no longer, a mount
				break
			}
			if err != nil {
				return fmt.Errorf("releasing %s: %w", path, err)
			}
		}
	}
	return nil
}

// loopPatience is how long the kernel may take to detach loop devices by itself.
const loopPatience = 5 * time.Second

// detachLoops waits until no loop device holds the file. They detach themselves with their last mount; one that was
// attached but never mounted is detached here.
func detachLoops(file string) error {
	for deadline := time.Now().Add(loopPatience); ; time.Sleep(20 * time.Millisecond) {
		devices, err := loopsOf(file)
		if err != nil || len(devices) == 0 {
			return err
		}
		for _, dev := range devices {
			if err := clearLoop(dev); err != nil && !errors.Is(err, unix.ENXIO) && !errors.Is(err, unix.EBUSY) {
				return fmt.Errorf("detaching %s: %w", dev, err)
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("detaching %s: still attached to %s", strings.Join(devices, ", "), file)
		}
	}
}

// loopsOf lists the loop devices that are backed by a file.
func loopsOf(file string) ([]string, error) {
	backing, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		return nil, err
	}
	var devices []string
	for _, b := range backing {
		data, err := os.ReadFile(b)
		if err != nil {
			continue // detached meanwhile
		}
		if strings.TrimSuffix(strings.TrimSpace(string(data)), " (deleted)") == file {
			devices = append(devices, filepath.Join("/dev", filepath.Base(filepath.Dir(filepath.Dir(b)))))
		}
	}
	return devices, nil
}

func clearLoop(device string) error {
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.IoctlSetInt(int(f.Fd()), unix.LOOP_CLR_FD, 0)
}
