package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// smallestData is the least size of a data volume that a file system fits on, in bytes.
const smallestData = 64 << 20

// ensureData makes the sparse file of the data volume with an empty file system on it, once.
func ensureData(ctx context.Context, path string, size int64) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	fresh := path + ".new"
	if err := os.WriteFile(fresh, nil, 0o600); err != nil {
		return fmt.Errorf("making data volume: %w", err)
	}
	if err := os.Truncate(fresh, max(size, smallestData)); err != nil {
		return fmt.Errorf("making data volume: %w", err)
	}
	// Nothing is written that is not needed: the file takes a few megabytes however large the volume.
	out, err := exec.CommandContext(ctx, "mkfs.ext4", "-q", "-F", "-m", "0", "-J", "size=16",
		"-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1", fresh).CombinedOutput()
	if err != nil {
		return fmt.Errorf("making file system on data volume: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return os.Rename(fresh, path)
}

// mountData mounts the file of the data volume by a loop device that goes with the mount. Blocks that are freed inside
// are given back to the host.
func mountData(file, target string) error {
	backing, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("opening data volume: %w", err)
	}
	defer backing.Close()
	loop, err := attachLoop(backing)
	if err != nil {
		return fmt.Errorf("attaching data volume: %w", err)
	}
	defer loop.Close()
	if err := unix.Mount(loop.Name(), target, "ext4", unix.MS_NOATIME, "discard"); err != nil {
		return fmt.Errorf("mounting data volume: %w", err)
	}
	return nil
}

// attachLoop attaches a file to a free loop device. The caller closes the device after mounting it; without a mount
// that detaches it.
func attachLoop(backing *os.File) (*os.File, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	for range 100 {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("finding a free loop device: %w", err)
		}
		loop, err := openLoop(n)
		if err != nil {
			return nil, err
		}
		config := unix.LoopConfig{Fd: uint32(backing.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
		copy(config.Info.File_name[:], backing.Name())
		err = unix.IoctlLoopConfigure(int(loop.Fd()), &config)
		if err == nil {
			return loop, nil
		}
		loop.Close()
		if !errors.Is(err, unix.EBUSY) { // taken by somebody else meanwhile
			return nil, fmt.Errorf("configuring loop device %d: %w", n, err)
		}
	}
	return nil, errors.New("finding a free loop device: others were faster a hundred times")
}

// openLoop opens a loop device, making its node where no udev does.
func openLoop(n int) (*os.File, error) {
	path := fmt.Sprintf("/dev/loop%d", n)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		const loopMajor = 7
		err := unix.Mknod(path, unix.S_IFBLK|0o600, int(unix.Mkdev(loopMajor, uint32(n))))
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return nil, fmt.Errorf("making %s: %w", path, err)
		}
	}
	return os.OpenFile(path, os.O_RDWR, 0)
}

// dataVolume is the volume that becomes /var: the second of the machine, or its only one.
func (s Spec) dataVolume() Volume {
	switch len(s.Volumes) {
	case 0:
		return Volume{}
	case 1:
		return s.Volumes[0]
	}
	return s.Volumes[1]
}
