package engine

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sort"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/automode-dev/automode/compute/catalog"
	"github.com/automode-dev/automode/compute/solver"
)

var (
	table = flag.String("table", "", "print a benchmark table: speed, preferences or price")
	pods  = flag.String("pods", "1000", "numbers of pods, separated by commas")
	most  = flag.Int("karpenter-most", 2000, "do not run Karpenter with more pods than this")
)

// TestTable prints figures of both sides from one run. Times are cpu times of
// the whole process; nothing is asserted, because a busy machine is no reason to fail.
func TestTable(t *testing.T) {
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', tabwriter.AlignRight)
	defer w.Flush()
	switch *table {
	case "":
		t.Skip("run with -table speed, preferences or price")
	case "speed":
		speed(t, w, "diverse, 400 types", Diverse)
	case "preferences":
		speed(t, w, "soft constraints, 400 types", Preferences)
	case "price":
		price(t, w)
	default:
		t.Fatalf("unknown table %q", *table)
	}
}

func counts(t *testing.T) []int {
	var out []int
	for _, word := range strings.Split(*pods, ",") {
		var n int
		if _, err := fmt.Sscan(word, &n); err != nil {
			t.Fatalf("number of pods %q: %v", word, err)
		}
		out = append(out, n)
	}
	return out
}

func speed(t *testing.T, w *tabwriter.Writer, name string, mix Mix) {
	types := FakeTypes(400)
	fmt.Fprintf(w, "%s\tpods\tours\tpods/s\tnodes\tprice\tabove bound\tallocated\tKarpenter\tpods/s\tnodes\tprice\tspeed\t\n", name)
	for _, n := range counts(t) {
		c := &Case{Pods: mix(rand.New(rand.NewPCG(*seed, 1)), n), Pools: OnePool(), Types: types}
		plan, took, allocated := timed(c.Snapshot())
		fmt.Fprintf(w, "\t%d\t%v\t%.0f\t%d\t%.2f\t%.1f%%\t%d MB\t", n, took.Round(time.Millisecond/10), float64(n)/took.Seconds(), len(plan.Claims), plan.Price,
			100*(plan.Price/plan.Bound-1), allocated>>20)
		if len(plan.Unplaced) > 0 {
			t.Errorf("%d pods are left out, the first: %+v", len(plan.Unplaced), plan.Unplaced[0].Reasons)
		}
		if n > *most {
			fmt.Fprintf(w, "\t\t\t\t\t\n")
			continue
		}
		k, err := c.Karpenter()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(w, "%v\t%.0f\t%d\t%.2f\t%.0fx\t\n", k.CPU.Round(time.Millisecond), float64(n)/k.CPU.Seconds(), k.Nodes, k.Price, k.CPU.Seconds()/took.Seconds())
	}
}

// timed solves a few times and returns the least cpu time.
func timed(s solver.Snapshot) (solver.Plan, time.Duration, uint64) {
	best := time.Hour
	var plan solver.Plan
	var before, after runtime.MemStats
	for range 3 {
		runtime.GC()
		runtime.ReadMemStats(&before)
		start := cpuTime()
		plan = solver.Solve(s)
		best = min(best, cpuTime()-start)
		runtime.ReadMemStats(&after)
	}
	return plan, best, after.TotalAlloc - before.TotalAlloc
}

// price compares what the nodes cost, for the sets of types that people allow.
func price(t *testing.T, w *tabwriter.Writer) {
	cmr := func(t *catalog.Type) bool { return strings.Contains("cmr", t.Category()) && t.Generation() >= 5 }
	sets := []struct {
		name string
		keep func(*catalog.Type) bool
	}{
		{"x86", func(t *catalog.Type) bool { return cmr(t) && t.Arch() == "amd64" }},
		{"x86 and arm", cmr},
		{"x86 up to 32 vCPUs", func(t *catalog.Type) bool { return cmr(t) && t.Arch() == "amd64" && t.VCPUs <= 32 }},
		{"x86 up to 16 vCPUs", func(t *catalog.Type) bool { return cmr(t) && t.Arch() == "amd64" && t.VCPUs <= 16 }},
	}
	var names []string
	for name := range Mixes {
		names = append(names, name)
	}
	sort.Strings(names)
	fmt.Fprintf(w, "types\tmix\tpods\tbound\tours\tabove\tnodes\ttime\tKarpenter\tabove\tnodes\ttime\tsaved\t\n")
	for _, set := range sets {
		types := CatalogTypes("us-west-2", false, set.keep)
		var ours, theirs, saved []float64
		for _, name := range names {
			for _, n := range counts(t) {
				c := &Case{Pods: Mixes[name](rand.New(rand.NewPCG(*seed, 1)), n), Pools: OnePool(), Types: types, DaemonSets: []*corev1.Pod{benchPod(0, 200, 400)}}
				plan, took, _ := timed(c.Snapshot())
				k, err := c.Karpenter()
				if err != nil {
					t.Fatal(err)
				}
				saved = append(saved, 1-plan.Price/k.Price)
				ours, theirs = append(ours, plan.Price/plan.Bound-1), append(theirs, k.Price/plan.Bound-1)
				fmt.Fprintf(w, "%s\t%s\t%d\t%.3f\t%.3f\t%.1f%%\t%d\t%v\t%.3f\t%.1f%%\t%d\t%v\t%.1f%%\t\n", set.name, name, len(c.Pods), plan.Bound, plan.Price, 100*(plan.Price/plan.Bound-1),
					len(plan.Claims), took.Round(time.Millisecond), k.Price, 100*(k.Price/plan.Bound-1), k.Nodes, k.CPU.Round(time.Millisecond), 100*(1-plan.Price/k.Price))
			}
		}
		slices.Sort(ours)
		slices.Sort(theirs)
		dearer := 0
		for i := range saved {
			if saved[i] < -1e-6 {
				dearer++
			}
		}
		fmt.Fprintf(w, "%s\t%d dearer than Karpenter, mean saved %.1f%%\n", set.name, dearer, 100*mean(saved))
		fmt.Fprintf(w, "%s\tmedian\t\t\t\t%.1f%%\t\t\t\t%.1f%%\t\t\t\t\n", set.name, 100*ours[len(ours)/2], 100*theirs[len(theirs)/2])
	}
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
