package disrupting

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

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

func (w *world) pod(name string) *corev1.Pod {
	w.Helper()
	pod := &corev1.Pod{}
	pod.Namespace, pod.Name = "default", name
	return pod
}

func (w *world) open(node string) bool {
	w.Helper()
	n := &corev1.Node{}
	w.must(w.kube.Get(w.ctx, types.NamespacedName{Name: node}, n))
	return !state.Closed(n)
}

func (w *world) nominated(name string) string {
	w.Helper()
	pod := &corev1.Pod{}
	w.must(w.kube.Get(w.ctx, types.NamespacedName{Namespace: "default", Name: name}, pod))
	return pod.Status.NominatedNodeName
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
	if !w.open("n2") {
		t.Error("the replacement is closed although all pods have come")
	}
	for i := range 2 {
		if got := w.nominated(fmt.Sprintf("again-%d--0", i)); got != "n2" {
			t.Errorf("pod %d is nominated for %q", i, got)
		}
	}
	if got, ok := w.claims()[claim].Annotations[state.AnnotationPlaces]; ok {
		t.Errorf("the replacement is still for %s", got)
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
	if got := w.nominated("again-0--0"); !w.open("n2") || got != "n2" {
		t.Errorf("open %v, the pod is nominated for %q", w.open("n2"), got)
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
	if got := w.nominated("again-1--0"); !w.open("n2") || got != "n2" {
		t.Errorf("open %v, the pod is nominated for %q", w.open("n2"), got)
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
