package vpc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// nsfsMagic is the file system type of a bound namespace file.
const nsfsMagic = 0x6e736673

// CreateNetNS makes a network namespace with its loopback up and binds it to the file path. It does nothing where the
// file is a namespace already.
func CreateNetNS(path string) error {
	if NetNSExists(path) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("creating network namespace %s: %w", path, err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return fmt.Errorf("creating network namespace %s: %w", path, err)
	}
	err := onOwnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		if err := unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, ""); err != nil {
			return err
		}
		return loopbackUp()
	})
	if err != nil {
		return fmt.Errorf("creating network namespace %s: %w", path, errors.Join(err, DeleteNetNS(path)))
	}
	return nil
}

// NetNSExists reports whether the file path is a bound namespace.
func NetNSExists(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Type == nsfsMagic
}

// DeleteNetNS removes the namespace's devices, so that their other ends are gone when it returns, and the file. A
// missing file is fine. Processes inside keep the emptied namespace until they end.
func DeleteNetNS(path string) error {
	for NetNSExists(path) {
		if err := deleteLinks(path, func(l netlink.Link) bool { return l.Type() == "veth" }); err != nil {
			return fmt.Errorf("deleting network namespace %s: %w", path, err)
		}
		if err := unmount(path); err != nil {
			return fmt.Errorf("deleting network namespace %s: %w", path, err)
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("deleting network namespace %s: %w", path, err)
	}
	return nil
}

// unmount detaches a bound namespace. A file that is busy in a mount namespace being copied is tried again.
func unmount(path string) error {
	for try := 0; ; try++ {
		err := unix.Unmount(path, unix.MNT_DETACH)
		if err == nil || errors.Is(err, unix.EINVAL) || try == 20 {
			return err
		}
		time.Sleep(25 * time.Millisecond)
	}
}

// InNetNS runs fn on a thread of its own inside the namespace bound to path. Sockets and processes that fn makes belong
// to that namespace; goroutines that it starts do not.
func InNetNS(path string, fn func() error) error {
	return onOwnThread(func() error {
		ns, err := netns.GetFromPath(path)
		if err != nil {
			return fmt.Errorf("opening network namespace %s: %w", path, err)
		}
		defer ns.Close()
		if err := netns.Set(ns); err != nil {
			return fmt.Errorf("entering network namespace %s: %w", path, err)
		}
		return fn()
	})
}

// onOwnThread runs fn on a thread that is thrown away afterwards, whatever fn does to its namespaces.
func onOwnThread(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- fn()
	}()
	return <-done
}

func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}

// handleAt opens rtnetlink inside the namespace bound to path ("" is the current one).
func handleAt(path string) (*netlink.Handle, error) {
	if path == "" {
		return netlink.NewHandle(unix.NETLINK_ROUTE)
	}
	ns, err := netns.GetFromPath(path)
	if err != nil {
		return nil, fmt.Errorf("opening network namespace %s: %w", path, err)
	}
	defer ns.Close()
	return netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
}

// deleteLinks removes the devices that match from a namespace.
func deleteLinks(path string, match func(netlink.Link) bool) error {
	h, err := handleAt(path)
	if err != nil {
		return err
	}
	defer h.Close()
	links, err := h.LinkList()
	if err != nil {
		return err
	}
	for _, l := range links {
		if !match(l) {
			continue
		}
		if err := h.LinkDel(l); err != nil && !gone(err) {
			return fmt.Errorf("deleting device %s: %w", l.Attrs().Name, err)
		}
	}
	return nil
}

// gone reports whether an error says that the thing to delete is not there.
func gone(err error) bool {
	var notFound netlink.LinkNotFoundError
	return errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENOENT) ||
		errors.Is(err, unix.EADDRNOTAVAIL) || errors.As(err, &notFound)
}
