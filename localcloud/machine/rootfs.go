package machine

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Places inside a machine.
const (
	binDir       = "/opt/automode/bin"
	hardwareFile = "/run/automode/hardware.json"
)

// root assembles the file systems of a machine below a directory. All of its steps run in the machine's own mount
// namespace, before it becomes the root.
type root struct {
	at     string // where the machine's root is mounted for now
	layout layout
	record record
}

// build mounts everything: a small read-only root with the host's programs, files of its own in /etc, /dev, /proc and
// /sys of its own, memory for /run and /tmp, and the data volume on /var.
func (r root) build() error {
	if err := mount("tmpfs", r.at, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755,size=64m"); err != nil {
		return err
	}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"directories", r.directories},
		{"programs", r.programs},
		{"binaries", r.binaries},
		{"data volume", r.data},
		{"/dev", r.dev},
		{"/proc", r.proc},
		{"/sys", r.sys},
		{"/run and /tmp", r.memory},
		{"/etc", r.etc},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("assembling %s: %w", step.what, err)
		}
	}
	return mount("", r.at, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "")
}

func (r root) in(path string) string { return filepath.Join(r.at, path) }

func (r root) directories() error {
	for _, d := range []string{"dev", "etc", "home", "media", "opt/automode/bin", "proc", "run", "srv", "sys", "tmp", "usr", "var"} {
		if err := os.MkdirAll(r.in(d), 0o755); err != nil {
			return err
		}
	}
	// As on other immutable hosts, what people expect to be writable lies on the data volume.
	for link, target := range map[string]string{"mnt": "var/mnt", "root": "var/roothome"} {
		if err := os.Symlink(target, r.in(link)); err != nil {
			return err
		}
	}
	return nil
}

// programs binds the host's /usr, and repeats its links or binds its directories beside it.
func (r root) programs() error {
	if err := bindReadOnly("/usr", r.in("usr")); err != nil {
		return err
	}
	for _, name := range []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"} {
		target, err := os.Readlink("/" + name)
		if err == nil {
			if err := os.Symlink(target, r.in(name)); err != nil {
				return err
			}
			continue
		}
		if info, err := os.Stat("/" + name); err != nil || !info.IsDir() {
			continue
		}
		if err := os.Mkdir(r.in(name), 0o755); err != nil {
			return err
		}
		if err := bindReadOnly("/"+name, r.in(name)); err != nil {
			return err
		}
	}
	return nil
}

// binaries binds the project's own binaries, file by file: a rebuild replaces the files and leaves machines alone.
func (r root) binaries() error {
	if err := r.bindFile(r.record.Automode, binDir+"/automode"); err != nil {
		return err
	}
	dir, err := kubernetesDir(r.record.Libexec, r.record.Spec.KubernetesVersion)
	if err != nil || dir == "" {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		inside := filepath.Join(binDir, e.Name())
		if target, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil {
			if err := os.Symlink(filepath.Base(target), r.in(inside)); err != nil {
				return err
			}
			continue
		}
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := r.bindFile(filepath.Join(dir, e.Name()), inside); err != nil {
			return err
		}
	}
	return nil
}

// kubernetesDir is the directory of the binaries of a minor version, or of the newest; "" where none is built.
func kubernetesDir(libexec, minor string) (string, error) {
	if minor != "" {
		dir := filepath.Join(libexec, "kubernetes-"+minor)
		if _, err := os.Stat(dir); err != nil {
			return "", fmt.Errorf("finding binaries of Kubernetes %s: %w", minor, err)
		}
		return dir, nil
	}
	dirs, err := filepath.Glob(filepath.Join(libexec, "kubernetes-1.*"))
	if err != nil || len(dirs) == 0 {
		return "", err
	}
	slices.SortFunc(dirs, func(a, b string) int { // 1.9 before 1.10
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return dirs[len(dirs)-1], nil
}

// data mounts the data volume and makes the directories that programs expect in /var.
func (r root) data() error {
	if err := mountData(r.layout.data(), r.in("var")); err != nil {
		return err
	}
	for _, d := range []string{"var/lib", "var/log", "var/log/pods", "var/cache", "var/mnt", "var/roothome", "var/spool"} {
		if err := os.MkdirAll(r.in(d), 0o755); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(r.in("var/tmp"), 0o777); err != nil {
		return err
	}
	if err := os.Chmod(r.in("var/tmp"), 0o1777); err != nil {
		return err
	}
	if err := os.Symlink("/run", r.in("var/run")); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

// memory mounts what is lost when the machine goes.
func (r root) memory() error {
	if err := mount("tmpfs", r.in("run"), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return err
	}
	if err := mount("tmpfs", r.in("tmp"), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777"); err != nil {
		return err
	}
	if err := os.MkdirAll(r.in("run/lock"), 0o755); err != nil {
		return err
	}
	return writeHardware(r.at, r.record.Spec)
}

// bindFile binds a file of the host read-only to a path inside.
func (r root) bindFile(from, inside string) error {
	if err := os.WriteFile(r.in(inside), nil, 0o755); err != nil {
		return err
	}
	return bindReadOnly(from, r.in(inside))
}

// bindReadOnly binds a file or a directory with all that is mounted below it, and makes the copy read-only.
func bindReadOnly(from, to string) error {
	if err := mount(from, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NODEV}
	if err := unix.MountSetattr(unix.AT_FDCWD, to, unix.AT_RECURSIVE, &attr); err != nil {
		return fmt.Errorf("making %s read-only: %w", to, err)
	}
	return nil
}

func mount(source, target, fstype string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, fstype, flags, data); err != nil {
		return fmt.Errorf("mounting %s on %s: %w", cmp.Or(source, fstype, "options"), target, err)
	}
	return nil
}
