package provisioning

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/automode-dev/automode/compute/solver"
)

func TestNodesOfOnePlanOpenTogether(t *testing.T) {
	a, plan := newArrivals(), newArrival(false)
	for _, name := range []string{"c1", "c2", "c3"} {
		a.expect(name, plan)
	}
	for claimName, instance := range map[string]string{"c1": "i-1", "c2": "i-2", "c3": "i-3"} {
		a.launched(claim(claimName, instance))
	}
	waits := func(node string, after time.Duration, want bool) {
		t.Helper()
		if got := a.wait(node, start.Add(after)); got != want {
			t.Errorf("%s after %s: waits %t, want %t", node, after, got, want)
		}
	}
	opens := func(node string, want bool) {
		t.Helper()
		if got := a.written(node); got != want {
			t.Errorf("%s, its nominations written: opens %t, want %t", node, got, want)
		}
	}
	waits("i-9", 0, false) // of no plan
	opens("i-9", true)
	waits("i-1", 0, true)
	waits("i-2", stragglers-time.Second, true)
	waits("i-1", stragglers, true) // one came
	waits("i-3", stragglers+time.Second, false)
	waits("i-1", stragglers+time.Second, false)
	waits("i-2", stragglers+time.Second, false)
	opens("i-3", false)
	opens("i-2", false)
	opens("i-1", true)
	opens("i-2", true)
	opens("i-3", true)
	if len(a.byName) != 0 {
		t.Errorf("%d nodes are remembered", len(a.byName))
	}
}

func TestNobodyWaitsForLong(t *testing.T) {
	expect := func(claims int) (*arrivals, func(i int) string) {
		a, plan := newArrivals(), newArrival(false)
		for i := range claims {
			a.expect(string(rune('a'+i)), plan)
		}
		return a, func(i int) string { return string(rune('a' + i)) }
	}
	t.Run("nothing comes", func(t *testing.T) {
		a, name := expect(2)
		if !a.wait(name(0), start) || a.wait(name(0), start.Add(stragglers)) {
			t.Errorf("want it to open after %s", stragglers)
		}
	})
	t.Run("they come for ever", func(t *testing.T) {
		a, name := expect(60)
		now, i := start, 0
		for ; i < 60 && a.wait(name(i), now); i++ {
			now = now.Add(time.Second)
		}
		if now.Sub(start) != gathering {
			t.Errorf("the nodes open after %s, want %s", now.Sub(start), gathering)
		}
	})
	t.Run("one comes late", func(t *testing.T) {
		a, name := expect(2)
		a.wait(name(0), start)
		late := start.Add(stragglers)
		if a.wait(name(0), late) || !a.written(name(0)) || a.wait(name(1), late) || !a.written(name(1)) {
			t.Error("want each to open by itself")
		}
	})
	t.Run("one goes while its nominations are written", func(t *testing.T) {
		a, name := expect(2)
		a.wait(name(0), start)
		a.wait(name(1), start)
		a.forget(name(1))
		if !a.written(name(0)) {
			t.Error("it waits for the other one's nominations")
		}
	})
	t.Run("the others are gone", func(t *testing.T) {
		a, name := expect(3)
		a.claimLeft(claim(name(1), ""))
		a.launched(claim(name(2), "i-2"))
		a.claimLeft(claim(name(2), "i-2"))
		if a.wait(name(0), start) {
			t.Error("it waits for nodes that will not come")
		}
	})
}

func TestWhichPlansSpreadOverZones(t *testing.T) {
	for _, test := range []struct {
		key  string
		when corev1.UnsatisfiableConstraintAction
		want bool
	}{
		{corev1.LabelTopologyZone, corev1.DoNotSchedule, true},
		{corev1.LabelTopologyZone, corev1.ScheduleAnyway, false},
		{corev1.LabelHostname, corev1.DoNotSchedule, false},
	} {
		p := pod("a", "")
		p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{TopologyKey: test.key, WhenUnsatisfiable: test.when}}
		if got := together([]solver.Claim{{Pods: []*corev1.Pod{pod("b", ""), p}}}); got != test.want {
			t.Errorf("%s %s: %t", test.key, test.when, got)
		}
	}
}
