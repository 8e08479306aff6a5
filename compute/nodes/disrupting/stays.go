package disrupting

import (
	"time"

	disruptionevents "sigs.k8s.io/karpenter/pkg/controllers/disruption/events"
	"sigs.k8s.io/karpenter/pkg/events"

	"github.com/automode-dev/automode/compute/disruption"
)

// Nodes that stay are looked at with every decision, thousands of them every few
// seconds. Of each it is said why when that changes, and again before the event
// is forgotten; and no more than so many nodes are spoken of at a time.
const (
	sayAgain      = 15 * time.Minute
	mostAtOnce    = 100
	mostPerSecond = 5
)

// sayings remembers what was said of nodes that stay.
type sayings struct {
	said    map[string]saying // by claim
	left    float64           // how many more may be spoken of
	counted time.Time         // when left was right
}

type saying struct {
	text string
	at   time.Time
}

func newSayings() *sayings { return &sayings{said: map[string]saying{}, left: mostAtOnce} }

// begin forgets what is so old that it has to be said again.
func (s *sayings) begin(now time.Time) {
	if !s.counted.IsZero() {
		s.left = min(mostAtOnce, s.left+mostPerSecond*now.Sub(s.counted).Seconds())
	}
	s.counted = now
	for claim, x := range s.said {
		if now.Sub(x.at) >= sayAgain {
			delete(s.said, claim)
		}
	}
}

// due tells whether to say something of a claim now, and notes that it is said.
// What is put off is due with a later decision.
func (s *sayings) due(claim, text string, now time.Time) bool {
	if s.said[claim].text == text || s.left < 1 {
		return false
	}
	s.left--
	s.said[claim] = saying{text, now}
	return true
}

// tellStays says of nodes that stay why they do.
func (c *Controller) tellStays(k *cluster, stays []disruption.Stay) {
	now := c.Clock.Now()
	c.sayings.begin(now)
	for i := range stays {
		s := &stays[i]
		m := k.Machines[s.Node]
		if m == nil || m.Claim == nil {
			continue
		}
		var list []events.Event
		switch s.Kind {
		case disruption.Blocked:
			list = disruptionevents.Blocked(m.Node, m.Claim, s.Message)
		case disruption.Unconsolidatable:
			list = disruptionevents.Unconsolidatable(m.Node, m.Claim, s.Message)
		case disruption.Rejected:
			list = disruptionevents.ConsolidationRejected(m.Node, m.Claim, "["+s.Node+"]", s.Message, 0)
		}
		if len(list) == 0 || !c.sayings.due(m.Claim.Name, string(s.Kind)+s.Message, now) {
			continue
		}
		for j := range list {
			list[j].DedupeValues = append(list[j].DedupeValues, s.Message) // a new reason is news
		}
		c.Recorder.Publish(list...)
	}
}
