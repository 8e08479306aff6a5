package supervise

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// unitVariable marks every process of a unit, whatever session it moves to. A
// nested supervisor sets its own, so its units are not the outer one's.
const unitVariable = "AUTOMODE_UNIT"

// stat is the part of /proc/<pid>/stat that tells processes apart.
type stat struct {
	state   byte
	group   int
	session int
	// start is the time the process started, in clock ticks since boot. With
	// the process id it names a process uniquely within one boot.
	start uint64
}

// readStat returns the stat of the process and whether it exists and is not a
// zombie.
func readStat(pid int) (stat, bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, false
	}
	// The second field is a command name in parentheses that may hold anything.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 20 {
		return stat{}, false
	}
	s := stat{state: fields[0][0]}
	s.group, _ = strconv.Atoi(fields[2])
	s.session, _ = strconv.Atoi(fields[3])
	s.start, _ = strconv.ParseUint(fields[19], 10, 64)
	return s, s.state != 'Z' && s.state != 'X'
}

// bootID changes with every boot, when clock ticks start anew.
var bootID = sync.OnceValue(func() string {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
})

// processes returns the ids of the live processes that match.
func processes(match func(pid int, s stat) bool) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if s, alive := readStat(pid); alive && match(pid, s) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// marked says whether the process was started with this unit mark.
func marked(pid int, mark string) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false
	}
	return slices.Contains(strings.Split(string(data), "\x00"), unitVariable+"="+mark)
}

// leaders returns the session leaders that carry the mark: the main processes
// of a unit whose record was lost between the start and the write.
func leaders(mark string) []int {
	return processes(func(pid int, s stat) bool { return s.session == pid && marked(pid, mark) })
}
