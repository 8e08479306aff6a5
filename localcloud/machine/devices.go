package machine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// devices are the nodes of a machine's /dev. Those that are optional are there when the host has them.
var devices = []struct {
	name         string
	major, minor uint32
	optional     bool
}{
	{"null", 1, 3, false},
	{"zero", 1, 5, false},
	{"full", 1, 7, false},
	{"random", 1, 8, false},
	{"urandom", 1, 9, false},
	{"tty", 5, 0, false},
	{"fuse", 10, 229, true},
	{"net/tun", 10, 200, true},
	{"loop-control", 10, 237, true},
}

// dev mounts a /dev of the machine's own: the usual nodes, its own terminals and shared memory, and a pipe in place of
// the kernel's log, which belongs to the host.
func (r root) dev() error {
	if err := mount("tmpfs", r.in("dev"), "tmpfs", unix.MS_NOSUID, "mode=755,size=4m"); err != nil {
		return err
	}
	for _, d := range devices {
		if _, err := os.Stat("/dev/" + d.name); d.optional && err != nil {
			continue
		}
		if err := makeNode(r.in("dev/"+d.name), d.major, d.minor); err != nil {
			return err
		}
	}
	for _, m := range []struct {
		dir, fstype, options string
		flags                uintptr
		optional             bool
	}{
		{"dev/pts", "devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5", unix.MS_NOSUID | unix.MS_NOEXEC, false},
		{"dev/shm", "tmpfs", "mode=1777", unix.MS_NOSUID | unix.MS_NODEV, false},
		{"dev/mqueue", "mqueue", "", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, true},
	} {
		if err := os.MkdirAll(r.in(m.dir), 0o755); err != nil {
			return err
		}
		err := mount(m.fstype, r.in(m.dir), m.fstype, m.flags, m.options)
		if err != nil && !(m.optional && errors.Is(err, unix.ENODEV)) {
			return err
		}
	}
	for link, target := range map[string]string{
		"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
	} {
		if err := os.Symlink(target, r.in("dev/"+link)); err != nil {
			return err
		}
	}
	if err := os.WriteFile(r.in("dev/kmsg"), nil, 0o600); err != nil {
		return err
	}
	return mount(r.layout.kmsg(), r.in("dev/kmsg"), "", unix.MS_BIND, "")
}

func makeNode(path string, major, minor uint32) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(major, minor))); err != nil {
		return fmt.Errorf("making device %s: %w", path, err)
	}
	return os.Chmod(path, 0o666) // whatever the umask
}

// standIns are kernel settings that a kubelet insists on and that are the whole host's: inside a machine they are plain
// files with the wanted value.
var standIns = map[string]string{
	"vm/overcommit_memory":           "1",
	"vm/panic_on_oom":                "0",
	"kernel/panic":                   "10",
	"kernel/panic_on_oops":           "1",
	"kernel/keys/root_maxkeys":       "1000000",
	"kernel/keys/root_maxbytes":      "25000000",
	"net/netfilter/nf_conntrack_max": "", // only the first network namespace may set it
}

// proc mounts /proc with stand-ins for the settings that must not reach the host.
func (r root) proc() error {
	if err := mount("proc", r.in("proc"), "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	dir := r.in("dev/.settings")
	for name, value := range standIns {
		path := r.in("proc/sys/" + name)
		have, err := os.ReadFile(path)
		if err != nil {
			continue // this kernel has no such setting
		}
		if value != "" {
			have = []byte(value + "\n")
		}
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, have, 0o644); err != nil {
			return err
		}
		if err := mount(file, path, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	return nil
}

// sys mounts a read-only /sys that shows the machine's network devices, with the host's control groups in their place.
func (r root) sys() error {
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := mount("sysfs", r.in("sys"), "sysfs", flags, ""); err != nil {
		return err
	}
	if err := mount("/sys/fs/cgroup", r.in("sys/fs/cgroup"), "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if _, err := os.Stat(r.in("sys/fs/bpf")); err == nil {
		if err := mount("bpf", r.in("sys/fs/bpf"), "bpf", flags, "mode=700"); err != nil {
			return err
		}
	}
	return mount("", r.in("sys"), "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|flags, "")
}
