package controlplane

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkIdle starts a control plane and reports how long that took, and what
// each process of it takes once it has nothing to do: resident memory, and the
// share of one core over twenty seconds.
//
//	go test ./controlplane -run '^$' -bench Idle -benchtime 1x
func BenchmarkIdle(b *testing.B) {
	for b.Loop() {
		f := newFixture(b)
		begin := time.Now()
		f.ensure()
		b.ReportMetric(time.Since(begin).Seconds(), "s/ready")

		time.Sleep(30 * time.Second) // until caches are filled and start-up garbage is gone
		pids := f.pids()
		before := map[string]float64{}
		for component, pid := range pids {
			before[component] = cpuSeconds(f, pid)
		}
		const window = 20 * time.Second
		time.Sleep(window)
		memory, cpu := 0.0, 0.0
		for component, pid := range pids {
			m, c := memoryMB(f, pid), (cpuSeconds(f, pid)-before[component])/window.Seconds()*100
			memory, cpu = memory+m, cpu+c
			b.Logf("%-24s %6.1f MB %5.2f %% of a core", component, m, c)
		}
		b.ReportMetric(memory, "MB/idle")
		b.ReportMetric(cpu, "%core/idle")
		if err := f.manager.Remove(context.Background(), f.spec.Name); err != nil {
			b.Fatal(err)
		}
	}
}

func memoryMB(f *fixture, pid int) float64 {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	for line := range strings.Lines(string(data)) {
		if kb, ok := strings.CutPrefix(line, "Pss:"); ok {
			n, _ := strconv.ParseFloat(strings.Fields(kb)[0], 64)
			return n / 1024
		}
	}
	f.Fatalf("process %d does not tell its memory", pid)
	return 0
}

// cpuSeconds is user and system time, in the kernel's hundredths of a second.
func cpuSeconds(f *fixture, pid int) float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		f.Fatal(err)
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100
}
