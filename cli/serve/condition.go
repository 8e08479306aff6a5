package serve

import "time"

// StatusPath is where the local cloud tells how everything is, as a JSON list of conditions.
const StatusPath = "/_automode/status"

// Values of Condition.Status.
const (
	True  = "True"
	False = "False"
)

// Condition is one thing that should hold.
type Condition struct {
	Of      string    `json:"of"`   // "local cloud", "cluster automode", "machine i-…"
	Type    string    `json:"type"` // Ready, Running, …
	Status  string    `json:"status"`
	Message string    `json:"message,omitempty"` // what is waited for, the last problem
	Since   time.Time `json:"since,omitzero"`
}

func condition(of, kind string, problem string, since time.Time) Condition {
	c := Condition{Of: of, Type: kind, Status: True, Since: since}
	if problem != "" {
		c.Status, c.Message = False, problem
	}
	return c
}
