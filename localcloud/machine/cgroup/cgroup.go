// Package cgroup makes, limits, empties and removes the control group of one machine, the same under version 1 (every
// controller in a hierarchy of its own), version 2, and the hybrid of both. Processes live in the leaf "init" of the
// group, so that version 2 lets the group be divided further beside it.
//
// It never touches a group outside the one it was asked for, except for making and removing the empty parents.
package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// leaf is where the machine's own processes are.
const leaf = "init"

// patience bounds the wait for killed processes to leave and for emptied groups to be removable.
const patience = 10 * time.Second

// Group is a control group: the same path in every hierarchy of the host.
type Group struct {
	path        string // "/automode-1a2b3c/i-1"
	hierarchies []hierarchy
}

// hierarchy is one mounted control group file system.
type hierarchy struct {
	mount       string
	unified     bool
	controllers []string // of version 1
}

// Limits bound a group; zero means no limit.
type Limits struct {
	CPUs        int
	MemoryBytes int64
}

// Open finds the hierarchies of the host. The group need not exist.
func Open(path string) (*Group, error) {
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		return !strings.HasPrefix(m.FSType, "cgroup") || !strings.HasPrefix(m.Mountpoint, "/sys/fs/cgroup"), false
	})
	if err != nil {
		return nil, fmt.Errorf("finding control group hierarchies: %w", err)
	}
	g := &Group{path: filepath.Clean("/" + path)}
	for _, m := range mounts {
		g.hierarchies = append(g.hierarchies, hierarchy{
			mount: m.Mountpoint, unified: m.FSType == "cgroup2", controllers: strings.Split(m.VFSOptions, ","),
		})
	}
	if len(g.hierarchies) == 0 {
		return nil, errors.New("finding control group hierarchies: none is mounted on /sys/fs/cgroup")
	}
	return g, nil
}

// Path is the path of the group from the root of each hierarchy.
func (g *Group) Path() string { return g.path }

// Create makes the group and its leaf in every hierarchy and sets its limits. It may be called again.
func (g *Group) Create(l Limits) error {
	for _, h := range g.hierarchies {
		if err := h.create(filepath.Join(g.path, leaf)); err != nil {
			return fmt.Errorf("creating control group %s: %w", g.path, err)
		}
		if err := h.limit(g.path, l); err != nil {
			return fmt.Errorf("limiting control group %s: %w", g.path, err)
		}
	}
	return nil
}

// create makes every directory on the path, each ready to hold processes or further groups.
func (h hierarchy) create(path string) error {
	dir := h.mount
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, part := range parts {
		if h.unified && !h.hybrid() {
			if err := delegate(dir); err != nil {
				return err
			}
		}
		dir = filepath.Join(dir, part)
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			if errors.Is(err, os.ErrNotExist) && i > 0 { // the parent was removed with its last machine
				return h.create(path)
			}
			return err
		}
		if slices.Contains(h.controllers, "cpuset") {
			if err := fillCpuset(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// hybrid reports whether the unified hierarchy stands beside version 1 and has no controllers.
func (h hierarchy) hybrid() bool { return h.mount != "/sys/fs/cgroup" }

// delegate lets the children of a version 2 group use every controller that it has.
func delegate(dir string) error {
	have, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, c := range strings.Fields(string(have)) {
		err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+c), 0o644)
		if err != nil && slices.Contains([]string{"cpu", "cpuset", "memory", "pids"}, c) {
			return fmt.Errorf("enabling controller %s: %w", c, err)
		}
	}
	return nil
}

// fillCpuset copies the parent's processors and memory nodes: an empty version 1 cpuset takes no process.
func fillCpuset(dir string) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		own, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if strings.TrimSpace(string(own)) != "" {
			continue
		}
		parent, err := os.ReadFile(filepath.Join(filepath.Dir(dir), name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), parent, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// cpuPeriod is the period of processor quotas, in microseconds.
const cpuPeriod = 100_000

func (h hierarchy) limit(path string, l Limits) error {
	var files [][2]string
	v2 := h.unified && !h.hybrid()
	if l.MemoryBytes > 0 {
		bytes := strconv.FormatInt(l.MemoryBytes, 10)
		switch {
		case v2:
			files = append(files, [2]string{"memory.max", bytes})
		case slices.Contains(h.controllers, "memory"):
			files = append(files, [2]string{"memory.limit_in_bytes", bytes})
		}
	}
	if l.CPUs > 0 {
		switch {
		case v2:
			files = append(files, [2]string{"cpu.max", fmt.Sprintf("%d %d", l.CPUs*cpuPeriod, cpuPeriod)})
		case slices.Contains(h.controllers, "cpu"):
			files = append(files, [2]string{"cpu.cfs_period_us", strconv.Itoa(cpuPeriod)}, [2]string{"cpu.cfs_quota_us", strconv.Itoa(l.CPUs * cpuPeriod)})
		}
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(h.mount, path, f[0]), []byte(f[1]), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Enter moves a process (0 is the calling one) into the group.
func (g *Group) Enter(pid int) error {
	for _, h := range g.hierarchies {
		file := filepath.Join(h.mount, g.path, leaf, "cgroup.procs")
		if err := os.WriteFile(file, []byte(strconv.Itoa(pid)), 0o644); err != nil {
			return fmt.Errorf("entering control group: %w", err)
		}
	}
	return nil
}

// Pids lists the processes in the group and below it.
func (g *Group) Pids() ([]int, error) {
	var pids []int
	for _, h := range g.hierarchies {
		err := filepath.WalkDir(filepath.Join(h.mount, g.path), func(path string, d os.DirEntry, err error) error {
			if errors.Is(err, os.ErrNotExist) {
				return nil
			}
			if err != nil || !d.IsDir() {
				return err
			}
			here, err := readPids(path)
			pids = append(pids, here...)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("listing processes of control group %s: %w", g.path, err)
		}
	}
	slices.Sort(pids)
	return slices.Compact(pids), nil
}

func readPids(dir string) ([]int, error) {
	data, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil
	}
	var pids []int
	for _, f := range strings.Fields(string(data)) {
		pid, err := strconv.Atoi(f)
		if err != nil {
			return nil, err
		}
		if pid > 0 { // 0 is a process outside of our pid namespace
			pids = append(pids, pid)
		}
	}
	return pids, err
}

// Kill ends every process of the group and returns when none is left. A group that does not exist is empty.
func (g *Group) Kill() error {
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		for _, h := range g.hierarchies {
			if h.unified { // all at once, whatever they fork meanwhile
				_ = os.WriteFile(filepath.Join(h.mount, g.path, "cgroup.kill"), []byte("1"), 0o644)
			}
		}
		pids, err := g.Pids()
		if err != nil || len(pids) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("killing control group %s: processes %v do not end", g.path, pids)
		}
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL) // one that ended meanwhile is what we want
		}
	}
}

// Delete removes the emptied group everywhere, and its parents where nothing else is in them. A group that does not
// exist is fine.
func (g *Group) Delete() error {
	for _, h := range g.hierarchies {
		if err := removeTree(filepath.Join(h.mount, g.path)); err != nil {
			return fmt.Errorf("removing control group %s: %w", g.path, err)
		}
		for parent := filepath.Dir(g.path); parent != "/"; parent = filepath.Dir(parent) {
			if err := unix.Rmdir(filepath.Join(h.mount, parent)); err != nil {
				break // others live there, or it is gone already
			}
		}
	}
	return nil
}

// removeTree removes a directory of groups from the bottom up. The kernel says busy for a moment after the last process.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := unix.Rmdir(dir)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return fmt.Errorf("removing %s: %w", dir, err)
		}
	}
}
