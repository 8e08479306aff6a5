// Package engine tries the engine end to end on simulated machines: many pending pods, many half-empty nodes, and demand
// that goes up and down. It watches the cluster all the while and holds it to its promises at every event, not at the end
// alone. The sizes are flags; a slow machine makes it slow, not fail: only what stands still for minutes fails.
package engine

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/operator/logging"

	"github.com/automode-dev/automode/test/testkit"
)

// Sizes. The defaults are what every test run can afford; `make e2e-engine` has the real ones.
var (
	pendingPods    = flag.Int("pods", 300, "pending pods of TestPendingPods")
	halfEmptyNodes = flag.Int("nodes", 20, "half-empty nodes of TestHalfEmptyNodes")
	churnFor       = flag.Duration("churn", 80*time.Second, "how long TestChurn scales up and down")
	churnSize      = flag.Int("deployments", 12, "deployments of TestChurn")
	tolerated      = flag.Int("oscillations", 50, "removed nodes in a hundred that TestChurn may find to be needed again; where a machine is so slow that controllers lag, one pod too late counts for several")
	seed           = flag.Uint64("seed", 1, "of everything that is random")
)

// patience is how long nothing may change before a wait is given up.
const patience = 5 * time.Minute

// world is a cluster of a test's own with one who watches it.
type world struct {
	*testing.T
	*testkit.Cluster
	*observer
	kube client.Client
}

// newWorld brings a cluster with simulated machines up. It has the built-in NodePools and no node.
func newWorld(t *testing.T) *world {
	t.Helper()
	if testing.Short() {
		t.Skip("end-to-end tests are left out of -short")
	}
	if why := testkit.Missing(false); why != "" {
		t.Skip(why)
	}
	home, err := os.MkdirTemp("", "automode-engine-")
	if err != nil {
		t.Fatal(err)
	}
	c, down, err := testkit.Up(home, "--machines", "simulated")
	t.Cleanup(func() {
		if down == nil {
			return
		}
		if err := down(); err != nil {
			t.Error(err)
		}
		os.RemoveAll(home)
	})
	if err != nil {
		t.Fatal(err)
	}
	config := restConfig(t, c)
	kube, err := client.New(config, client.Options{Scheme: knownTypes(t)})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t, c, observe(t, config), kube}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what happened to nodes:\n%s", w.told())
		}
	})
	return w
}

func TestMain(m *testing.M) {
	log.SetLogger(logging.NopLogger) // what the watches say of themselves
	os.Exit(m.Run())
}

func restConfig(t *testing.T, c *testkit.Cluster) *rest.Config {
	t.Helper()
	config, err := clientcmd.RESTConfigFromKubeConfig([]byte(c.Kubectl(t, "config", "view", "--raw")))
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	return config
}

// knownTypes are those that tests watch.
func knownTypes(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	karpenter := schema.GroupVersion{Group: "karpenter.sh", Version: "v1"}
	scheme.AddKnownTypes(karpenter, &karpv1.NodeClaim{}, &karpv1.NodeClaimList{})
	metav1.AddToGroupVersion(scheme, karpenter)
	return scheme
}

// eventually waits until done, which also says how far things are. It gives up when they are no further after the patience.
func (w *world) eventually(what string, done func() (how any, ok bool)) time.Duration {
	w.Helper()
	start, moved := time.Now(), time.Now()
	var last any
	for {
		how, ok := done()
		if ok {
			w.Logf("%s after %.1f s", what, time.Since(start).Seconds())
			return time.Since(start)
		}
		if how != last {
			last, moved = how, time.Now()
		}
		if time.Since(moved) > patience {
			w.Fatalf("%s: %v, and nothing moved for %s", what, how, patience)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// quiet is how long nothing happens to nodes that are at rest.
const quiet = 45 * time.Second

// rest waits until no node has come, gone or been marked for a while.
func (w *world) rest() {
	w.Helper()
	w.eventually("the nodes are at rest", func() (any, bool) {
		since, busy := w.nodesChanged()
		return since, !busy && time.Since(since) > quiet
	})
}

// bill is what something costs in dollars per hour, fees included.
type bill struct {
	nodes   int
	dollars float64
}

// above is how far a bill is above another one in per cent.
func (b bill) above(other bill) float64 { return 100 * (b.dollars/other.dollars - 1) }

// nearFreshPlan is how far a cluster at rest may be above a fresh plan for its pods, in per cent. Consolidation takes only
// steps that save something at once.
const nearFreshPlan = 10

// worth returns what the cluster costs and what a fresh plan for the manifests would. It waits until the one is near the
// other: a slow machine takes its time between two decisions.
func (w *world) worth(manifests string) (is, fresh bill) {
	w.Helper()
	fresh = w.fresh(manifests)
	w.eventually(fmt.Sprintf("the cluster costs at most %d %% more than a fresh plan", nearFreshPlan), func() (any, bool) {
		is = w.now()
		return fmt.Sprintf("%d nodes at $%.4f/h, a fresh plan has %d at $%.4f/h", is.nodes, is.dollars, fresh.nodes, fresh.dollars), is.above(fresh) <= nearFreshPlan
	})
	return is, fresh
}

// now is what the cluster costs.
func (w *world) now() bill {
	w.Helper()
	var report struct {
		Cluster struct {
			NodesBefore int
			PriceBefore float64
		}
	}
	w.plan(&report, "", "--cluster")
	return bill{report.Cluster.NodesBefore, report.Cluster.PriceBefore}
}

// fresh is what `automode plan` would buy for the manifests if there were nothing yet.
func (w *world) fresh(manifests string) bill {
	w.Helper()
	var report struct {
		Nodes      []struct{}
		Unplaced   []json.RawMessage
		Price, Fee float64
	}
	w.plan(&report, manifests, "-f", "-")
	if len(report.Unplaced) > 0 {
		w.Fatalf("a fresh plan leaves pods out: %s", report.Unplaced)
	}
	return bill{len(report.Nodes), report.Price + report.Fee}
}

func (w *world) plan(into any, stdin string, args ...string) {
	w.Helper()
	out := w.RunWith(w.T, stdin, append([]string{"automode", "plan", "-o", "json"}, args...)...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		w.Fatalf("reading what automode plan says: %v", err)
	}
}
