// Package disruption tries replacements of nodes that go wrong half-way, on simulated nodes: no capacity for the new node,
// and the controllers killed while it starts.
package disruption

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/automode-dev/automode/test/testkit"
)

// cluster is the one that all tests of the package share; skipReason says why there is none.
var (
	cluster    *testkit.Cluster
	skipReason string
)

func TestMain(m *testing.M) {
	os.Exit(testkit.Share(m, false, func(c *testkit.Cluster, why string) { cluster, skipReason = c, why }, "--machines", "simulated"))
}

// Three pods of this size need one c6a.xlarge, one of them a c6a.large.
const workload = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      nodeSelector: {karpenter.sh/nodepool: sizes}
      containers: [{name: app, image: app, resources: {requests: {cpu: 1100m, memory: 128Mi}}}]
`

const pool = `
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: sizes}
spec:
  disruption: {consolidateAfter: 0s, budgets: [{nodes: 100%}]}
  template:
    spec:
      nodeClassRef: {group: eks.amazonaws.com, kind: NodeClass, name: default}
      requirements:
      - {key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}
      - {key: node.kubernetes.io/instance-type, operator: In, values: [c6a.large, c6a.xlarge]}
`

const shortage = `{"region":"us-east-1","instanceType":"c6a.large"}`

// world is the cluster with one node, which is to be replaced by a smaller one.
type world struct {
	*testing.T
	*testkit.Cluster
	claim, node string // of the first node
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if cluster == nil {
		t.Skip(skipReason)
	}
	w := &world{T: t, Cluster: cluster}
	w.Apply(t, pool)
	w.Apply(t, workload)
	t.Cleanup(func() {
		w.control("control/ec2.timing", "-X", "DELETE")
		w.control("ec2/shortages", "-X", "DELETE", "-d", shortage)
		w.Try(t, "", "kubectl", "delete", "deployment", "web", "--ignore-not-found")
		w.Try(t, "", "kubectl", "delete", "nodepool", "sizes", "--ignore-not-found")
		w.eventually("no node is left", func() error { return testkit.Expect("claims and nodes", w.names("nodeclaims,nodes"), "") })
	})
	w.eventually("all pods run", func() error { return w.running(3) })
	w.claim, w.node = w.names("nodeclaims"), w.names("nodes")
	if strings.Contains(w.claim, " ") || w.claim == "" {
		t.Fatalf("claims %q, want one of a c6a.xlarge", w.claim)
	}
	return w
}

// control calls the local cloud's control API.
func (w *world) control(path string, args ...string) {
	w.Helper()
	w.Cluster.Run(w.T, append([]string{"curl", "-sSf", "--unix-socket", w.Home + "/cloud/cloud.sock", "http://automode/_automode/" + path}, args...)...)
}

func (w *world) eventually(what string, check func() error) {
	w.Helper()
	testkit.Eventually(w.T, 4*time.Minute, what, check)
}

// names lists objects of a kind.
func (w *world) names(kinds string) string {
	return w.Get(w.T, `{.items[*].metadata.name}`, kinds)
}

func (w *world) running(want int) error {
	nodes := strings.Fields(w.Get(w.T, `{range .items[?(@.status.phase=="Running")]}{.spec.nodeName} {end}`, "pods", "-l", "app=web"))
	return testkit.Expect("running pods", strconv.Itoa(len(nodes)), strconv.Itoa(want))
}

// marks are what a step leaves on the first node and its claim.
func (w *world) marks() string {
	return strings.TrimSpace(w.Get(w.T, `{.spec.taints[?(@.key=="karpenter.sh/disrupted")].key}`, "node", w.node) + " " +
		w.Get(w.T, `{.metadata.annotations.automode\.dev/disruption}{.status.conditions[?(@.type=="DisruptionReason")].reason}`, "nodeclaim", w.claim))
}

// replacement is the claim of the node that is to come, "" while there is none.
func (w *world) replacement() string {
	for _, name := range strings.Fields(w.names("nodeclaims")) {
		if name != w.claim {
			return name
		}
	}
	return ""
}

// instances counts those of the cluster that are pending or running.
func (w *world) instances() int {
	return len(strings.Fields(w.AWS(w.T, "ec2", "describe-instances", "--filters", "Name=instance-state-name,Values=pending,running",
		"Name=tag:eks:eks-cluster-name,Values="+w.Cluster.Name, "--query", "Reservations[].Instances[].InstanceId", "--output", "text")))
}

// TestKilledHalfway: the controllers are killed while the replacement starts. The next life of theirs carries on with it.
func TestKilledHalfway(t *testing.T) {
	w := newWorld(t)
	w.control("control/ec2.timing", "-X", "PUT", "-d", `{"pending":"1s","boot":"30s"}`)
	w.Kubectl(t, "scale", "deployment", "web", "--replicas=1")
	w.eventually("the replacement is launched", func() error {
		if name := w.replacement(); name == "" || w.Get(t, `{.status.providerID}`, "nodeclaim", name) == "" {
			return fmt.Errorf("claims: %q", w.names("nodeclaims"))
		}
		return nil
	})
	fresh, before := w.replacement(), w.marks()
	if !strings.Contains(before, "karpenter.sh/disrupted") || !strings.Contains(before, fresh) {
		t.Fatalf("marks of the first node: %q, want the taint and the replacement %s", before, fresh)
	}
	old := w.killControllers()
	w.eventually("the controllers run again", func() error {
		if now := w.controllers(); len(now) == 0 || now[0] == old {
			return fmt.Errorf("processes: %v", now)
		}
		return nil
	})
	most := 0
	w.eventually("the replacement takes over", func() error {
		most = max(most, len(strings.Fields(w.names("nodeclaims"))))
		if err := testkit.Expect("claims", w.names("nodeclaims"), fresh); err != nil {
			return err
		}
		return w.running(1)
	})
	if most > 2 {
		t.Errorf("%d claims at a time, want the old one and its replacement", most)
	}
	if n := w.instances(); n != 1 {
		t.Errorf("%d instances, want the replacement alone", n)
	}
}

// TestNoCapacityForReplacement comes last, because the controllers remember for minutes what cannot be had: the smaller node cannot be had. The step is taken back: the node stays as it was, with its
// pod, and an event says why.
func TestNoCapacityForReplacement(t *testing.T) {
	w := newWorld(t)
	w.control("ec2/shortages", "-X", "PUT", "-d", shortage)
	w.Kubectl(t, "scale", "deployment", "web", "--replicas=1")
	w.eventually("an event says that the step is taken back", func() error {
		said := w.Get(t, `{.items[*].message}`, "events", "--field-selector", "reason=DisruptionBlocked,involvedObject.name="+w.claim)
		if !strings.Contains(said, "Disruption is taken back, step failed: replacement NodeClaim") {
			return fmt.Errorf("events: %q, claims %q", said, w.names("nodeclaims"))
		}
		return nil
	})
	w.eventually("nothing of the step is left", func() error {
		if marks := w.marks(); marks != "" {
			return fmt.Errorf("marks: %s", marks)
		}
		return testkit.Expect("claims", w.names("nodeclaims"), w.claim)
	})
	if err := w.running(1); err != nil {
		t.Error(err)
	}
	if n := w.instances(); n != 1 {
		t.Errorf("%d instances, want the first alone", n)
	}
}

// controllers are the process ids of the cluster's controllers.
func (w *world) controllers() []int {
	w.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		w.Fatal(err)
	}
	config := filepath.Join(w.Home, "clusters", w.Cluster.Name, "controller", "config.yaml")
	var found []int
	for _, dir := range dirs {
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if pid, _ := strconv.Atoi(filepath.Base(dir)); err == nil && strings.Contains(string(line), "controller\x00--config\x00"+config+"\x00") {
			found = append(found, pid)
		}
	}
	return found
}

// killControllers kills the controllers of this cluster, and returns which process that was.
func (w *world) killControllers() int {
	w.Helper()
	pids := w.controllers()
	if len(pids) != 1 {
		w.Fatalf("processes of the controllers: %v, want one", pids)
	}
	if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
		w.Fatal(err)
	}
	return pids[0]
}
