package vpc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// forwarding is whether the host forwards packets: one setting for all homes. What it was before the first of them is kept
// in a record that all share, where it ends with the machine's uptime as the setting itself does.
type forwarding struct {
	setting string               // file of the setting
	record  string               // file with the value it had
	inUse   func() (bool, error) // whether any home has a network
}

var hostForwarding = forwarding{setting: "/proc/sys/net/ipv4/ip_forward", record: "/run/automode/ip_forward", inUse: anyUplink}

// enable switches forwarding on. The value it finds first is on record before it changes.
func (f forwarding) enable() error {
	unlock, err := f.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(f.record); errors.Is(err, fs.ErrNotExist) {
		before, err := os.ReadFile(f.setting)
		if err != nil {
			return err
		}
		next := f.record + ".next"
		if err := os.WriteFile(next, before, 0o600); err != nil {
			return err
		}
		if err := os.Rename(next, f.record); err != nil {
			return err
		}
	}
	return os.WriteFile(f.setting, []byte("1"), 0o644)
}

// restore brings back what was before, once no home has a network any more. Without a record there is nothing to do.
func (f forwarding) restore() error {
	if _, err := os.Stat(f.record); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	unlock, err := f.lock()
	if err != nil {
		return err
	}
	defer unlock()
	before, err := os.ReadFile(f.record)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // another home's last network went meanwhile
	}
	if err != nil {
		return err
	}
	if used, err := f.inUse(); err != nil || used {
		return err
	}
	if err := os.WriteFile(f.setting, []byte(strings.TrimSpace(string(before))), 0o644); err != nil {
		return err
	}
	return os.Remove(f.record)
}

// lock keeps the processes of other homes from changing the setting meanwhile. It ends with the process at the latest.
func (f forwarding) lock() (unlock func(), err error) {
	dir := filepath.Dir(f.record)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	held, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(held.Fd()), unix.LOCK_EX); err != nil {
		held.Close()
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
	return func() { held.Close() }, nil
}

// uplinkOfAnyHome matches the names of hostDevice.
var uplinkOfAnyHome = regexp.MustCompile(`^am[0-9a-f]{6}-`)

// anyUplink says whether the host has an uplink of any home.
func anyUplink() (bool, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return false, fmt.Errorf("listing the host's devices: %w", err)
	}
	for _, l := range links {
		if uplinkOfAnyHome.MatchString(l.Attrs().Name) {
			return true, nil
		}
	}
	return false, nil
}
