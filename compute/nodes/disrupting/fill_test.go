package disrupting

import (
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/automode-dev/automode/compute/nodes/provisioning"
	"github.com/automode-dev/automode/compute/state"
)

// filled is a world in which n1 with two pods has just been given up for n2.
func filled(t *testing.T) (w *world, claim string) {
	t.Helper()
	w = newWorld(t, "100%")
	w.nominating = true
	w.restart()
	w.node("n1", "large")
	w.pods("n1", 2, "web", "500m")
	w.turn()
	claim = w.fresh()[0]
	if got := w.claims()[claim].Annotations[state.AnnotationPlaces]; got != `{"rs":2}` {
		t.Fatalf("the replacement is for %s", got)
	}
	w.join(claim, "n2", "small")
	w.turn()
	if w.stays("claim-n1") {
		t.Fatal("the node stays although its replacement is ready")
	}
	return w, claim
}

// evict puts a pod off n1, and its ReplicaSet makes another.
func (w *world) evict(i int) {
	w.Helper()
	w.must(w.kube.Delete(w.ctx, w.pod(fmt.Sprintf("web-n1-%d", i))))
	w.picture.Delete(&corev1.Pod{ObjectMeta: w.pod(fmt.Sprintf("web-n1-%d", i)).ObjectMeta})
	w.pods("", 1, fmt.Sprintf("again-%d", i), "500m")
}

func (w *world) look(after time.Duration) {
	w.Helper()
	w.see()
	w.clock.Step(after)
	if !w.fill(w.ctx) {
		w.Fatal("nothing fills")
	}
}

// settle has the pods that are bound be seen, here and by the scheduler.
func (w *world) settle() {
	w.Helper()
	w.look(fillTick)
	w.look(provisioning.Sight)
}

func (w *world) pod(name string) *corev1.Pod {
	w.Helper()
	pod := &corev1.Pod{}
	pod.Namespace, pod.Name = "default", name
	return pod
}

// fail has the scheduler try a pod in vain.
func (w *world) fail(name string) {
	w.Helper()
	pod := w.got(name)
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}
	w.must(w.kube.Status().Update(w.ctx, pod))
}

func (w *world) open(node string) bool {
	w.Helper()
	n := &corev1.Node{}
	w.must(w.kube.Get(w.ctx, types.NamespacedName{Name: node}, n))
	return !state.Closed(n)
}

// bound is the node that a pod is bound to.
func (w *world) bound(name string) string { return w.got(name).Spec.NodeName }

func (w *world) got(name string) *corev1.Pod {
	w.Helper()
	pod := &corev1.Pod{}
	w.must(w.kube.Get(w.ctx, types.NamespacedName{Namespace: "default", Name: name}, pod))
	return pod
}

// A replacement opens when all pods that are evicted have successors, and those have it before others.
func TestReplacementIsKeptForItsPods(t *testing.T) {
	w, claim := filled(t)
	w.look(0)
	w.evict(0)
	w.look(time.Second)
	w.evict(1)
	w.look(time.Second)
	if w.open("n2") {
		t.Fatal("the replacement opened while pods were on their way")
	}
	w.look(settled)
	if w.open("n2") {
		t.Error("the replacement opened before the scheduler knows of the pods that are bound to it")
	}
	w.settle()
	if !w.open("n2") {
		t.Error("the replacement is closed although all pods have come")
	}
	for i := range 2 {
		if got := w.bound(fmt.Sprintf("again-%d--0", i)); got != "n2" {
			t.Errorf("pod %d is on %q", i, got)
		}
	}
	if got, ok := w.claims()[claim].Annotations[state.AnnotationPlaces]; ok {
		t.Errorf("the replacement is still for %s", got)
	}
}

// Pods that the scheduler has no place for do not wait for those that are still to be evicted, and take no more than their places.
func TestPodsAreBoundAsTheyCome(t *testing.T) {
	w, _ := filled(t)
	w.evict(0)
	w.look(0)
	if got := w.bound("again-0--0"); got != "" {
		t.Fatalf("the pod is on %q before the scheduler has tried it", got)
	}
	w.fail("again-0--0")
	w.look(0)
	if got := w.bound("again-0--0"); got != "n2" || w.open("n2") {
		t.Fatalf("the pod is on %q, the replacement open: %v", got, w.open("n2"))
	}
	w.evict(1)
	w.pods("", 1, "more", "500m")
	for _, name := range []string{"again-1--0", "more--0"} {
		w.fail(name)
		w.see()
	}
	for range 2 {
		w.fill(w.ctx) // the picture does not show what is bound
	}
	if again, more := w.bound("again-1--0"), w.bound("more--0"); again != "n2" || more != "" {
		t.Errorf("one place was left; the pods are on %q and %q", again, more)
	}
	w.look(0)
	w.look(settled)
	w.settle()
	if more := w.got("more--0"); !w.open("n2") || more.Spec.NodeName != "" || more.Status.NominatedNodeName != "" {
		t.Errorf("open %v, the pod without a place is on %q, nominated for %q", w.open("n2"), more.Spec.NodeName, more.Status.NominatedNodeName)
	}
}

// A pod that may not be bound is nominated.
func TestWhatIsLeftToTheScheduler(t *testing.T) {
	w, _ := filled(t)
	for i := range 2 {
		w.evict(i)
		pod := w.got(fmt.Sprintf("again-%d--0", i))
		pod.Spec.SchedulerName = []string{"other", ""}[i]
		w.must(w.kube.Update(w.ctx, pod))
	}
	w.look(0)
	w.look(settled)
	w.settle()
	if pod := w.got("again-0--0"); pod.Spec.NodeName != "" || pod.Status.NominatedNodeName != "n2" {
		t.Errorf("the pod of another scheduler is on %q, nominated for %q", pod.Spec.NodeName, pod.Status.NominatedNodeName)
	}
	if got := w.bound("again-1--0"); got != "n2" {
		t.Errorf("the other pod is on %q", got)
	}
}

// The process ends between two pods that it binds: the next one binds the other, and none beyond the places.
func TestBindingGoesOnWhereItEnded(t *testing.T) {
	w, _ := filled(t)
	w.evict(0)
	w.evict(1)
	first := w.got("again-0--0")
	first.Spec.NodeName = "n2"
	w.must(w.kube.Update(w.ctx, first))
	w.pods("", 1, "more", "500m")
	w.restart()
	w.look(0)
	w.look(settled)
	if again, more := w.bound("again-1--0"), w.bound("more--0"); (again == "n2") == (more == "n2") || again != "n2" && again != "" {
		t.Errorf("one place was left; the pods are on %q and %q", again, more)
	}
}

// A pod that has grown is left to the scheduler.
func TestPodsThatDoNotFitAreNotBound(t *testing.T) {
	w, _ := filled(t)
	w.evict(0)
	w.must(w.kube.Delete(w.ctx, w.pod("web-n1-1")))
	w.picture.Delete(&corev1.Pod{ObjectMeta: w.pod("web-n1-1").ObjectMeta})
	w.pods("", 1, "large", "1900m")
	w.look(0)
	w.look(settled)
	w.settle()
	if small, large := w.bound("again-0--0"), w.got("large--0"); small != "n2" || large.Spec.NodeName != "" || large.Status.NominatedNodeName != "n2" {
		t.Errorf("the pods are on %q and %q, the large one is nominated for %q", small, large.Spec.NodeName, large.Status.NominatedNodeName)
	}
}

// The replacements of a step open together: what comes for one of them does not hold the others up.
func TestReplacementsOfAStepOpenTogether(t *testing.T) {
	w := newWorld(t, "100%")
	w.nominating = true
	w.restart()
	w.node("n1", "large")
	w.pods("n1", 2, "web", "1500m")
	w.turn()
	claims := w.fresh()
	if len(claims) != 2 {
		t.Fatalf("%d replacements, want two", len(claims))
	}
	for i, claim := range claims {
		w.join(claim, fmt.Sprintf("n%d", 2+i), "small")
	}
	w.turn()
	w.evict(0)
	w.look(0)
	w.evict(1)
	w.look(settled - time.Millisecond)
	w.look(settled - time.Millisecond)
	if w.open("n2") || w.open("n3") {
		t.Fatal("a replacement opened while pods were on their way")
	}
	w.look(time.Millisecond)
	w.settle()
	got := []string{w.bound("again-0--0"), w.bound("again-1--0")}
	slices.Sort(got)
	if !w.open("n2") || !w.open("n3") || !slices.Equal(got, []string{"n2", "n3"}) {
		t.Errorf("open: %v and %v, the pods are on %q", w.open("n2"), w.open("n3"), got)
	}
}

// A pod that cannot be evicted holds the others up for a moment only.
func TestReplacementOpensWhenEvictionsStall(t *testing.T) {
	w, _ := filled(t)
	w.evict(0)
	w.look(0)
	w.look(stalled - time.Millisecond)
	if w.open("n2") {
		t.Fatal("the replacement opened before evictions stalled")
	}
	w.look(time.Millisecond)
	w.settle()
	if got := w.bound("again-0--0"); !w.open("n2") || got != "n2" {
		t.Errorf("open %v, the pod is on %q", w.open("n2"), got)
	}
}

// The process ends while a replacement fills, at any point: the next one opens it.
func TestFillingSurvives(t *testing.T) {
	w, _ := filled(t)
	w.evict(0)
	w.look(0)
	w.restart()
	w.look(0)
	w.evict(1)
	w.look(0)
	w.restart()
	w.look(0)
	w.look(settled)
	w.settle()
	if got := w.bound("again-1--0"); !w.open("n2") || got != "n2" {
		t.Errorf("open %v, the pod is on %q", w.open("n2"), got)
	}
}

// A replacement of a step that was taken back opens.
func TestReplacementOfNothingOpens(t *testing.T) {
	w, claim := filled(t)
	w.finish()
	w.look(0)
	w.look(longest)
	if !w.open("n2") || w.claims()[claim].Annotations[state.AnnotationPlaces] != "" {
		t.Errorf("open %v, annotations %v", w.open("n2"), w.claims()[claim].Annotations)
	}
}
