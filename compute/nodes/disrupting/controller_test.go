package disrupting

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/automode-dev/automode/compute/disruption/survey"
	"github.com/automode-dev/automode/compute/state"
)

func TestEmptyNodesGo(t *testing.T) {
	w := newWorld(t, "100%")
	w.node("n1", "small")
	w.node("n2", "small")
	w.turn()
	w.finish()
	if got := len(w.claims()); got != 0 {
		t.Fatalf("%d claims are left", got)
	}
	w.expectEvent("DisruptionTerminating", "Disrupting Node: Empty")
}

// A node is replaced: first the new one, then the old one goes.
func TestReplacement(t *testing.T) {
	w := newWorld(t, "100%")
	w.node("n1", "large")
	w.pods("n1", 2, "web", "500m")
	w.turn()
	fresh := w.fresh()
	if len(fresh) != 1 || !w.tainted("n1") {
		t.Fatalf("replacements %v, tainted %v", fresh, w.tainted("n1"))
	}
	claim := w.claims()["claim-n1"]
	if condition := claim.StatusConditions().Get(karpv1.ConditionTypeDisruptionReason); !condition.IsTrue() || condition.Reason != "Underutilized" {
		t.Errorf("condition = %+v", condition)
	}
	w.turn()
	if !w.stays("claim-n1") {
		t.Fatal("the node went before its replacement was ready")
	}
	w.join(fresh[0], "n2", "small")
	w.turn()
	if w.stays("claim-n1") {
		t.Fatal("the node stays although its replacement is ready")
	}
	w.finish()
	w.turn()
	if got := w.fresh(); len(got) != 1 {
		t.Errorf("claims = %v", got)
	}
}

// No instance can be had for the replacement: its claim goes, and all is as before.
func TestReplacementFails(t *testing.T) {
	w := newWorld(t, "100%")
	w.node("n1", "large")
	w.pods("n1", 2, "web", "500m")
	w.turn()
	name := w.fresh()[0]
	w.must(w.kube.Delete(w.ctx, w.claims()[name]))
	w.types[0].Offerings[0].Available = false
	w.types = slices.Clone(w.types)
	w.types[0], w.types[1] = w.types[1], w.types[0] // a new list, as a provider hands out after a shortage
	w.turn()
	w.expectUntouched("n1")
	if got := w.fresh(); len(got) != 0 {
		t.Errorf("claims %v were made although nothing cheaper can be had", got)
	}
	w.expectEvent("DisruptionBlocked", fmt.Sprintf("Disruption is taken back, step failed: replacement NodeClaim %q is being deleted", name))
}

// One of two replacements fails: the other does not stay behind.
func TestOneOfTwoReplacementsFails(t *testing.T) {
	w := newWorld(t, "100%")
	w.types[1].Offerings[0].Price = 2
	w.node("n1", "large")
	w.pods("n1", 2, "web", "1500m")
	w.turn()
	fresh := w.fresh()
	if len(fresh) != 2 {
		t.Fatalf("replacements = %v, want two small ones", fresh)
	}
	w.must(w.kube.Delete(w.ctx, w.claims()[fresh[1]]))
	w.see()
	w.clock.Step(11 * time.Second)
	w.walk(w.ctx)
	w.expectUntouched("n1")
	if got := w.fresh(); len(got) != 0 {
		t.Errorf("claims %v are left of a step that was taken back", got)
	}
}

func TestReplacementTakesTooLong(t *testing.T) {
	w := newWorld(t, "100%")
	w.node("n1", "large")
	w.pods("n1", 2, "web", "500m")
	w.turn()
	w.clock.Step(leastWait + time.Second)
	w.walk(w.ctx)
	w.expectUntouched("n1")
	if got := w.fresh(); len(got) != 0 {
		t.Errorf("claims %v are left of a step that was taken back", got)
	}
}

// The process ends while replacements start: the next one carries on.
func TestCarriesOn(t *testing.T) {
	w := newWorld(t, "100%")
	w.node("n1", "large")
	w.pods("n1", 2, "web", "500m")
	w.turn()
	fresh := w.fresh()
	w.restart()
	w.turn()
	if got := w.fresh(); !slices.Equal(got, fresh) || !w.tainted("n1") {
		t.Fatalf("after the restart: replacements %v, had %v; tainted %v", got, fresh, w.tainted("n1"))
	}
	w.join(fresh[0], "n2", "small")
	w.restart()
	w.turn()
	if w.stays("claim-n1") {
		t.Error("the node stays although its replacement is ready")
	}
}

// The process ends after nodes were marked and before replacements were there.
func TestTakesBackHalfAStep(t *testing.T) {
	w := newWorld(t, "0")
	w.node("n1", "large")
	w.pods("n1", 2, "web", "500m")
	w.see()
	r := &running{Record: survey.Record{ID: "abc", Reason: "Underutilized", Started: w.clock.Now(), Replacements: []string{"default-aaaaa", "default-bbbbb"}},
		targets: []target{{node: "n1", claim: "claim-n1", providerID: "aws:///a/n1", pool: "default"}}}
	w.must(w.mark(w.ctx, r))
	w.must(w.kube.Create(w.ctx, &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: "default-aaaaa"}}))
	w.restart()
	w.turn()
	w.expectUntouched("n1")
	if got := w.fresh(); len(got) != 0 {
		t.Errorf("claims %v are left", got)
	}
}

// Marks that belong to nothing are taken off at the start.
func TestStrayTaint(t *testing.T) {
	w := newWorld(t, "0")
	w.node("n1", "small")
	w.must(w.taint(w.ctx, "n1", true))
	w.restart()
	w.turn()
	w.expectUntouched("n1")
}

func TestBudgetsOverTime(t *testing.T) {
	w := newWorld(t, "2")
	for i := range 6 {
		w.node(fmt.Sprintf("n%d", i), "small")
	}
	left := []int{}
	for range 5 {
		w.turn()
		w.finish()
		left = append(left, len(w.claims()))
	}
	for i := 1; i < len(left); i++ {
		if left[i-1]-left[i] > 2 {
			t.Errorf("more than two nodes went at once: %v", left)
		}
	}
	if left[len(left)-1] != 0 {
		t.Errorf("nodes left over time: %v", left)
	}
}

// Sixty half-empty nodes under a budget and PDBs: no pod is lost, and it
// comes to rest on about half of the nodes.
func TestConverges(t *testing.T) {
	if testing.Short() {
		t.Skip("left out of -short: takes seconds")
	}
	w := newWorld(t, "10%")
	const nodes, each = 60, 4
	for i := range nodes {
		w.node(fmt.Sprintf("n%03d", i), "small")
		w.pods(fmt.Sprintf("n%03d", i), each, fmt.Sprintf("app%d", i%10), "240m")
	}
	for i := range 10 {
		w.pdb(fmt.Sprintf("app%d", i), 20)
	}
	turns := 0
	for quiet := 0; quiet < 3 && turns < 100; turns++ {
		before := len(w.claims())
		w.turn()
		for _, name := range w.fresh() {
			if claim := w.claims()[name]; claim.Status.ProviderID == "" {
				w.join(name, "node-of-"+name, "small")
			}
		}
		w.turn()
		w.finish()
		after := len(w.claims())
		if before-after > nodes/10 {
			t.Fatalf("%d nodes went at once", before-after)
		}
		if quiet++; after != before {
			quiet = 0
		}
	}
	t.Logf("%d nodes are left after %d turns", len(w.claims()), turns)
	if got := len(w.claims()); got > nodes*55/100 {
		t.Errorf("%d nodes are left of %d half-empty ones", got, nodes)
	}
	for name, claim := range w.claims() {
		if claim.Annotations[survey.AnnotationStep] != "" {
			t.Errorf("claim %s still says %s", name, claim.Annotations[survey.AnnotationStep])
		}
	}
}

// The API server fails while a step begins and while it is taken back: that is tried again until nothing is left.
func TestTakingBackIsTriedAgain(t *testing.T) {
	w := newWorld(t, "100%")
	w.node("n1", "large")
	w.pods("n1", 2, "web", "500m")
	broken, marked := true, false
	overloaded := errors.New("the API server is overloaded")
	w.Kube = interceptor.NewClient(w.kube.(client.WithWatch), interceptor.Funcs{
		Patch: func(ctx context.Context, kube client.WithWatch, o client.Object, patch client.Patch, options ...client.PatchOption) error {
			if broken && marked {
				return overloaded
			}
			marked = true
			return kube.Patch(ctx, o, patch, options...)
		},
		SubResourcePatch: func(ctx context.Context, kube client.Client, part string, o client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			if broken {
				return overloaded
			}
			return kube.SubResource(part).Patch(ctx, o, patch, options...)
		},
	})
	w.turn()
	w.turn()
	if w.claims()["claim-n1"].Annotations[survey.AnnotationStep] == "" {
		t.Fatal("no step was begun")
	}
	broken = false
	w.walk(w.ctx)
	w.expectUntouched("n1")
	if got := w.fresh(); len(got) != 0 {
		t.Errorf("claims %v are left of a step that was taken back", got)
	}
}

// A mark that belongs to no step goes away while the process runs, too.
func TestStrayMark(t *testing.T) {
	w := newWorld(t, "0")
	w.node("n1", "large")
	w.turn()
	claim := w.claims()["claim-n1"]
	claim.Annotations = map[string]string{survey.AnnotationStep: survey.Record{ID: "lost", Reason: "Underutilized", Started: w.clock.Now()}.Marshal()}
	w.must(w.kube.Update(w.ctx, claim))
	w.turn()
	w.clock.Step(stray)
	w.turn()
	w.expectUntouched("n1")
}

// While thousands of new pods wait, nobody knows which nodes are too many. Pods that have waited for long do not count.
func TestNothingGoesWhileACrowdWaits(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := &Controller{Parts: Parts{Clock: testclock.NewFakeClock(now), Picture: state.NewPicture()}}
	wait := func(from, to int, age time.Duration) {
		for i := from; i < to; i++ {
			c.Picture.Set(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("p", i), CreationTimestamp: metav1.NewTime(now.Add(-age))}})
		}
	}
	expect := func(step string, want bool) {
		t.Helper()
		if got := c.crowded(); got != want {
			t.Errorf("%s: %t, want %t", step, got, want)
		}
	}
	wait(0, crowd, recent)
	expect("pods that have waited for long", false)
	wait(0, crowd-1, time.Minute)
	expect("not enough", false)
	wait(crowd-1, crowd, time.Minute)
	expect("a crowd", true)
	wait(few, crowd, recent)
	expect("what is left of it", true)
	wait(few-1, few, recent)
	expect("a few", false)
}

func TestWhenADecisionIsDue(t *testing.T) {
	tests := []struct {
		name    string
		since   time.Duration // the last decision
		took    time.Duration
		changed time.Duration // ago; negative for not since the last decision
		waiting bool
		want    bool
	}{
		{"nothing has changed", 50 * time.Second, time.Second, -1, false, false},
		{"time alone", time.Minute, time.Second, -1, false, true},
		{"at rest", 3 * time.Second, time.Second, rest, false, true},
		{"not at rest", 4 * time.Second, time.Millisecond, time.Second, false, false},
		{"no rest after a fast decision", leastPatience, time.Millisecond, time.Second, false, true},
		{"no rest after a slow decision", leastPatience, time.Second, time.Second, false, false},
		{"no rest after a slow decision for long", mostPatience, time.Second, time.Second, false, true},
		{"a budget may open", leastPatience, time.Millisecond, -1, true, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			c := &Controller{Parts: Parts{Clock: testclock.NewFakeClock(now.Add(-test.since))}}
			c.noteDecision(0, test.waiting, test.took)
			c.Clock = testclock.NewFakeClock(now)
			if test.changed >= 0 {
				c.changes, c.changed = 1, now.Add(-test.changed)
			}
			if _, due := c.due(); due != test.want {
				t.Errorf("due is %v, want %v", due, test.want)
			}
		})
	}
}
