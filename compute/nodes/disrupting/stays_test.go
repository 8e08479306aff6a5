package disrupting

import (
	"fmt"
	"testing"
	"time"
)

// Why nodes stay is said when it changes and every quarter of an hour, and
// never of more than so many nodes at a time.
func TestEventsOfNodesThatStay(t *testing.T) {
	w := newWorld(t, "100%")
	const nodes = 150
	for i := range nodes {
		w.node(fmt.Sprintf("n%03d", i), "small")
		w.bare(fmt.Sprintf("n%03d", i))
	}
	total := 0
	var counts []int // per decision, four a minute
	for range 12 {
		w.turn()
		n := len(w.recorder.list) - total
		if n > 2*mostAtOnce {
			t.Errorf("%d events after one decision", n)
		}
		total += n
		counts = append(counts, n)
	}
	t.Logf("%d nodes stay: events per decision %v", nodes, counts)
	if total != 2*nodes {
		t.Errorf("%d events in three minutes, want one for each node and one for each claim: %v", total, counts)
	}
	w.clock.Step(sayAgain)
	w.turn()
	w.turn()
	if len(w.recorder.list) == total {
		t.Error("nothing is said again")
	}
}

func TestSayings(t *testing.T) {
	s, now := newSayings(), time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	s.begin(now)
	if !s.due("a", "x", now) || s.due("a", "x", now) || !s.due("a", "y", now) {
		t.Error("want what is new said, and nothing twice")
	}
	for i := range 2 * mostAtOnce {
		s.due(fmt.Sprint(i), "x", now)
	}
	if s.due("late", "x", now) {
		t.Error("too much is said at once")
	}
	now = now.Add(time.Second)
	s.begin(now)
	if !s.due("late", "x", now) || s.due("a", "y", now) {
		t.Error("want what was put off said later, and nothing twice")
	}
	now = now.Add(sayAgain)
	s.begin(now)
	if !s.due("a", "y", now) {
		t.Error("want it said again before the event is forgotten")
	}
}
