package supervise

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Kill kills every process of every supervisor whose directory lies in tree, the
// supervising processes included where they are units themselves. It needs no
// lock, so it ends supervisors that are running, hang, or restart each other.
// What such a process started outside its unit (containers, for one) is left.
func Kill(tree string) error {
	dir, err := realPath(tree)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("resolving %s: %w", tree, err)
	}
	prefix := unitVariable + "=" + dir + string(filepath.Separator)
	return killAll(func(pid int, _ stat) bool { return hasVariable(pid, prefix) })
}

// hasVariable says whether the environment the process was started with has an
// entry with the prefix.
func hasVariable(pid int, prefix string) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false
	}
	for _, entry := range strings.Split(string(data), "\x00") {
		if strings.HasPrefix(entry, prefix) {
			return true
		}
	}
	return false
}
