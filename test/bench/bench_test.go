// Package bench measures what a user waits for and pays for: the time of `automode up`, the time from a deployment to its
// pod on a new node, a thousand nodes, and what an empty cluster costs. `make bench` runs it; nothing here fails on a slow
// machine.
package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/automode-dev/automode/test/testkit"
)

// up brings a cluster of its own up for a benchmark and reports how long that took.
func up(b *testing.B, flags ...string) (*testkit.Cluster, time.Duration) {
	b.Helper()
	if why := testkit.Missing(len(flags) == 0); why != "" {
		b.Skip(why)
	}
	home, err := os.MkdirTemp("", "automode-bench-")
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	c, down, err := testkit.Up(home, flags...)
	took := time.Since(start)
	b.Cleanup(func() {
		if down != nil {
			if err := down(); err != nil {
				b.Error(err)
			}
		}
		os.RemoveAll(home)
	})
	if err != nil {
		b.Fatal(err)
	}
	return c, took
}

// BenchmarkUp is the time from `automode up` to a ready API with the built-in pools.
func BenchmarkUp(b *testing.B) {
	for range b.N {
		_, took := up(b)
		b.ReportMetric(took.Seconds(), "s/up")
	}
}

// BenchmarkFirstPod is the time from `kubectl create deployment` to a Running pod on a new real node.
func BenchmarkFirstPod(b *testing.B) {
	c, _ := up(b)
	c.Run(b, "automode", "image", "load", testkit.Nginx(b), "--name", "nginx")
	b.ResetTimer()
	for i := range b.N {
		name := fmt.Sprintf("first-%d", i)
		start := time.Now()
		c.Kubectl(b, "create", "deployment", name, "--image=nginx")
		c.Kubectl(b, "wait", "--for=condition=Available", "deployment/"+name, "--timeout=120s")
		b.ReportMetric(time.Since(start).Seconds(), "s/pod")
		c.Kubectl(b, "delete", "deployment", name)
		c.Kubectl(b, "wait", "--for=delete", "nodeclaims", "--all", "--timeout=120s")
	}
}

// BenchmarkThousandNodes is 10,000 pods of a size that puts ten on a node, from nothing to all Running on simulated nodes.
func BenchmarkThousandNodes(b *testing.B) {
	c, _ := up(b, "--machines", "simulated")
	c.Apply(b, tenPerNodePool)
	start := time.Now()
	c.Apply(b, tenPerNode(10_000))
	deadline := start.Add(30 * time.Minute)
	for time.Now().Before(deadline) {
		ready, _ := strconv.Atoi(c.Get(b, `{.status.readyReplicas}`, "deployment", "many")) // empty while there are none
		if ready == 10_000 {
			break
		}
		time.Sleep(time.Second)
	}
	b.ReportMetric(time.Since(start).Seconds(), "s/10000pods")
	b.ReportMetric(float64(len(strings.Fields(c.Get(b, `{.items[*].metadata.name}`, "nodes")))), "nodes")
	reportProcesses(b, c, 0)
}

// BenchmarkIdle is the memory of an empty cluster and the processor time it takes, in per cent of one core over a minute.
func BenchmarkIdle(b *testing.B) {
	c, _ := up(b)
	time.Sleep(30 * time.Second) // leases and caches settle
	reportProcesses(b, c, time.Minute)
}

// tenPerNodePool has nodes of four processors in all subnets of the VPC: the private ones alone have not enough addresses
// for two prefixes on each of a thousand nodes.
const tenPerNodePool = `
apiVersion: eks.amazonaws.com/v1
kind: NodeClass
metadata: {name: wide}
spec:
  role: AmazonEKSAutoNodeRole
  subnetSelectorTerms:
  - tags: {kubernetes.io/role/elb: "1"}
  - tags: {kubernetes.io/role/internal-elb: "1"}
  securityGroupSelectorTerms:
  - tags: {"aws:eks:cluster-name": automode}
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: four}
spec:
  template:
    spec:
      nodeClassRef: {group: eks.amazonaws.com, kind: NodeClass, name: wide}
      requirements:
      - {key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}
      - {key: eks.amazonaws.com/instance-cpu, operator: In, values: ["4"]}
      - {key: eks.amazonaws.com/instance-category, operator: In, values: [c, m]}
`

func tenPerNode(pods int) string {
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: many}
spec:
  replicas: %d
  selector: {matchLabels: {app: many}}
  template:
    metadata: {labels: {app: many}}
    spec:
      nodeSelector: {karpenter.sh/nodepool: four}
      terminationGracePeriodSeconds: 0
      containers: [{name: app, image: nginx, resources: {requests: {cpu: 340m, memory: 256Mi}}}]
`, pods)
}

// reportProcesses reports the memory of every process of the cluster, pages that several share divided among them (PSS), and
// the processor time over the interval.
func reportProcesses(b *testing.B, c *testkit.Cluster, interval time.Duration) {
	b.Helper()
	before := processes(b, c.Home)
	time.Sleep(interval)
	after := processes(b, c.Home)
	memory := map[string]float64{}
	var total, busy float64
	for pid, p := range after {
		memory[p.name] += p.mebibytes
		total += p.mebibytes
		busy += p.seconds - before[pid].seconds
	}
	for name, mib := range memory {
		b.ReportMetric(mib, "MiB/"+name)
	}
	b.ReportMetric(total, "MiB/total")
	if interval > 0 {
		b.ReportMetric(100*busy/interval.Seconds(), "%core")
	}
}

type process struct {
	name      string
	mebibytes float64
	seconds   float64 // of processor time so far
}

// processes finds the processes of the home by the mark that their supervisors give them.
func processes(b *testing.B, home string) map[int]process {
	b.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		b.Fatal(err)
	}
	found := map[int]process{}
	for _, dir := range dirs {
		environ, err := os.ReadFile(dir + "/environ")
		if err != nil || !strings.Contains(string(environ), "AUTOMODE_UNIT="+home+"/") {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(dir)) // matched as digits
		if p, ok := readProcess(dir); ok {
			found[pid] = p
		}
	}
	return found
}

// clockTicks is the unit of processor time in /proc/<pid>/stat, USER_HZ on Linux.
const clockTicks = 100

func readProcess(dir string) (process, bool) {
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return process{}, false
	}
	cmdline, err := os.ReadFile(dir + "/cmdline")
	if err != nil {
		return process{}, false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return process{}, false
	}
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64) // the kernel writes numbers
	memory, err := os.ReadFile(dir + "/smaps_rollup")
	if err != nil {
		return process{}, false
	}
	args := strings.Split(string(cmdline), "\x00")
	name := filepath.Base(args[0])
	if name == "automode" && len(args) > 1 {
		name = args[1]
	}
	return process{name: name, mebibytes: proportional(string(memory)), seconds: (user + system) / clockTicks}, true
}

// proportional reads the Pss line of smaps_rollup, in MiB.
func proportional(rollup string) float64 {
	for _, line := range strings.Split(rollup, "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "Pss:" {
			kib, _ := strconv.ParseFloat(fields[1], 64)
			return kib / 1024
		}
	}
	return 0
}
