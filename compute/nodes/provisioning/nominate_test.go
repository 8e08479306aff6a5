package provisioning

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// queued drains the nominations that would be written now.
func queued(n *nominator) []string {
	var list []string
	for n.queue.Len() > 0 {
		item, _ := n.queue.Get()
		if n.holds(item) {
			list = append(list, item.pod.Name+" "+item.node)
		}
		n.queue.Done(item)
	}
	return list
}

func TestNominationsWaitForTheNode(t *testing.T) {
	n, a := newNominator(nil), pod("a", "")
	expect := func(step string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, queued(n)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step, diff)
		}
	}
	n.plan("c", []*corev1.Pod{a})
	expect("planned")
	n.launched(claim("c", "i-1"))
	expect("launched")
	n.opened("i-1")
	expect("taking pods", "a i-1")
	n.opened("i-1")
	expect("seen again")
	n.review(kept{nodes: map[*corev1.Pod]string{pod("a", "i-1"): "i-1"}})
	expect("reviewed while nominated")
	n.dropped(a)
	expect("dropped by the scheduler", "a i-1")
	n.dropped(a)
	n.settled(a.UID)
	expect("bound before it was written")
	n.review(kept{nodes: map[*corev1.Pod]string{a: "i-1"}})
	expect("reviewed", "a i-1")
	n.review(kept{broken: []*corev1.Pod{a}})
	n.dropped(a)
	expect("the promise is broken")
}

func TestNominationsEndWithTheNode(t *testing.T) {
	n, a, b := newNominator(nil), pod("a", ""), pod("b", "")
	n.opened("i-1")
	n.plan("c", []*corev1.Pod{a})
	n.plan("d", []*corev1.Pod{b})
	n.launched(claim("c", "i-1"))
	n.forget("d")
	n.launched(claim("d", "i-2"))
	n.opened("i-2")
	if diff := cmp.Diff([]string{"a i-1"}, queued(n)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	n.nodeLeft("i-1")
	n.dropped(a)
	if got := queued(n); got != nil {
		t.Errorf("nominated for a node that left: %v", got)
	}
}

// Pods that are nominated for a node count as being there: of those that must be spread, no more than their skew allows.
func TestPodsThatMustBeSpreadTakeTurns(t *testing.T) {
	must, may := corev1.DoNotSchedule, corev1.ScheduleAnyway
	n := newNominator(nil)
	n.plan("c", []*corev1.Pod{
		pod("plain-1", ""), pod("plain-2", ""), spreadPod("soft-1", "soft", 1, may), spreadPod("soft-2", "soft", 1, may),
		spreadPod("one-1", "one", 1, must), spreadPod("one-2", "one", 1, must), spreadPod("one-3", "one", 1, must),
		spreadPod("two-1", "two", 2, must), spreadPod("two-2", "two", 2, must), spreadPod("two-3", "two", 2, must),
	})
	n.plan("d", []*corev1.Pod{spreadPod("one-4", "one", 1, must)})
	n.launched(claim("c", "i-1"))
	n.launched(claim("d", "i-2"))
	expect := func(step string, want ...string) {
		t.Helper()
		got := queued(n)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step, diff)
		}
	}
	n.opened("i-1")
	expect("open", "one-1 i-1", "plain-1 i-1", "plain-2 i-1", "soft-1 i-1", "soft-2 i-1", "two-1 i-1", "two-2 i-1")
	n.opened("i-2")
	expect("another node", "one-4 i-2")
	n.review(kept{nodes: map[*corev1.Pod]string{spreadPod("one-2", "one", 1, must): "i-1"}})
	expect("it is not one's turn")
	n.settled("plain-1")
	n.settled("one-3")
	expect("none of a turn's is bound")
	n.settled("two-1")
	expect("one is bound", "two-3 i-1")
	n.settled("one-1")
	expect("the other is", "one-2 i-1")
	n.review(kept{broken: []*corev1.Pod{pod("one-2", "i-1")}})
	expect("all are")
}
