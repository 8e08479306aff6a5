package access

// Policy is a parsed policy document.
type Policy struct{}

// Decision is the outcome of an evaluation and which kind of policy brought it about.
type Decision struct {
	Allowed  bool
	Explicit bool   // an explicit deny
	Source   string // "identity-based policy", …
}

// Reason is the clause with which AWS ends its message.
func (d Decision) Reason(action string) string {
	if d.Explicit {
		return "with an explicit deny in " + article(d.Source) + " " + d.Source
	}
	return "because no " + d.Source + " allows the " + action + " action"
}

func article(noun string) string {
	switch noun[0] {
	case 'a', 'e', 'i', 'o', 'u':
		return "an"
	}
	return "a"
}

// Evaluate decides one request.
func Evaluate(*Caller, map[string][]string, Request) Decision { return Decision{Allowed: true} }
