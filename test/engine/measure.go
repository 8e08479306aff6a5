package engine

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

// Usage is what a piece of work takes.
type Usage struct {
	CPU  time.Duration // of all threads, the garbage collector included
	Wall time.Duration
	Peak int64 // bytes of memory at the peak, beyond what was in use before
}

// A short piece of work is measured several times, to tell it from the noise of
// a machine that others use as well.
const (
	mostRuns   = 5
	enoughTime = time.Second
)

// Measure runs a piece of work until it has taken a second of cpu time, at most so many
// times, and returns the least of each figure. What prepare does is not counted.
func Measure(runs int, prepare func() (func() error, error)) (Usage, error) {
	var least Usage
	total := time.Duration(0)
	for run := 0; run < runs && total < enoughTime; run++ {
		work, err := prepare()
		if err != nil {
			return Usage{}, err
		}
		u, err := once(work)
		if err != nil {
			return Usage{}, err
		}
		if run == 0 {
			least = u
		}
		least = Usage{min(least.CPU, u.CPU), min(least.Wall, u.Wall), min(least.Peak, u.Peak)}
		total += u.CPU
	}
	return least, nil
}

func once(work func() error) (Usage, error) {
	debug.FreeOSMemory()
	before, err := resetPeak()
	if err != nil {
		return Usage{}, err
	}
	start, cpu := time.Now(), cpuTime()
	if err := work(); err != nil {
		return Usage{}, err
	}
	u := Usage{CPU: cpuTime() - cpu, Wall: time.Since(start)}
	peak, err := memoryStatus("VmHWM")
	u.Peak = peak - before
	return u, err
}

// resetPeak makes the kernel forget the process's peak of resident memory, and
// returns what is resident now.
func resetPeak() (int64, error) {
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		return 0, fmt.Errorf("resetting the peak of resident memory: %w", err)
	}
	return memoryStatus("VmRSS")
}

// memoryStatus reads a line of /proc/self/status, in bytes.
func memoryStatus(name string) (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("reading resident memory: %w", err)
	}
	for _, line := range bytes.Split(status, []byte("\n")) {
		if rest, ok := bytes.CutPrefix(line, []byte(name+":")); ok {
			var kilobytes int64
			if _, err := fmt.Sscan(string(rest), &kilobytes); err != nil {
				return 0, fmt.Errorf("reading resident memory from %q: %w", line, err)
			}
			return kilobytes << 10, nil
		}
	}
	return 0, fmt.Errorf("reading resident memory: /proc/self/status has no %s", name)
}

// liveHeap is how many bytes of the heap are in use after a collection.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC() // what finalizers held goes in the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
