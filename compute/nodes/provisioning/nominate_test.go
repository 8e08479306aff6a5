package provisioning

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	testclock "k8s.io/utils/clock/testing"
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
	n, a := newNominator(nil, noEvents{}, testclock.NewFakeClock(start)), pod("a", "")
	expect := func(step string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, queued(n)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step, diff)
		}
	}
	n.plan("c", "", []*corev1.Pod{a})
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
	n, a, b := newNominator(nil, noEvents{}, testclock.NewFakeClock(start)), pod("a", ""), pod("b", "")
	n.opened("i-1")
	n.plan("c", "", []*corev1.Pod{a})
	n.plan("d", "", []*corev1.Pod{b})
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

// Pods that are nominated for a node count as being there: of those that must be spread, one that is tried in vain has to
// make room for the others.
func TestPodsThatMustBeSpreadMakeRoom(t *testing.T) {
	n, plain, must, other := newNominator(nil, noEvents{}, testclock.NewFakeClock(start)), pod("plain", ""), pod("must", ""), pod("other", "")
	for _, p := range []*corev1.Pod{must, other} {
		p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{TopologyKey: corev1.LabelTopologyZone, MaxSkew: 1, WhenUnsatisfiable: corev1.DoNotSchedule}}
	}
	expect := func(step string, want ...string) {
		t.Helper()
		got := queued(n)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step, diff)
		}
	}
	kept := kept{nodes: map[*corev1.Pod]string{plain: "i-1", must: "i-1", other: "i-1"}}
	n.review(kept)
	if got := len(n.due("i-1")); got != 3 {
		t.Errorf("%d pods are nominated while the node opens, want all", got)
	}
	n.dropped(must)
	expect("dropped before the node is open", "must i-1")
	n.opened("i-1")
	n.dropped(must)
	n.dropped(plain)
	expect("dropped when it is", "plain i-1")
	n.dropped(plain)
	expect("dropped again")
	n.review(kept)
	expect("reviewed", "other i-1", "plain i-1")
	n.settled(other.UID)
	delete(kept.nodes, other)
	n.review(kept)
	expect("the other one has its place", "must i-1", "plain i-1")
	kept.nodes = map[*corev1.Pod]string{must: "i-2", other: "i-2"}
	kept.broken = []*corev1.Pod{must}
	n.review(kept)
	n.opened("i-2")
	expect("planned anew", "must i-2", "other i-2")
}
