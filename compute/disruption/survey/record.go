package survey

import (
	"encoding/json"
	"fmt"
	"time"

	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/automode-dev/automode/compute/disruption"
	"github.com/automode-dev/automode/compute/state"
)

// AnnotationStep is on a NodeClaim that is being removed and says by which step.
const AnnotationStep = "automode.dev/disruption"

// Record is the annotation's content: all that is needed to carry a step on.
type Record struct {
	ID      string            `json:"id"`
	Reason  disruption.Reason `json:"reason"`
	Started time.Time         `json:"started"`
	// Replacements are the names of the claims that must be ready first.
	Replacements []string `json:"replacements,omitempty"`
}

// Marshal writes the record as the annotation has it.
func (r Record) Marshal() string {
	text, err := json.Marshal(r)
	if err != nil {
		panic(fmt.Sprintf("marshalling a record of strings and a time: %v", err))
	}
	return string(text)
}

// RecordOf reads the annotation of a claim; false where there is none. One that
// cannot be read is a record without replacements.
func RecordOf(claim *karpv1.NodeClaim) (Record, bool) {
	text, ok := claim.Annotations[AnnotationStep]
	if !ok {
		return Record{}, false
	}
	var r Record
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return Record{ID: "unreadable"}, true
	}
	return r, true
}

// replacements finds the claims that are there for the pods of some of the nodes that go.
func replacements(machines []*state.Machine, of func(*state.Machine) bool) map[string]bool {
	out := map[string]bool{}
	for _, m := range machines {
		if m.Claim == nil || !of(m) {
			continue
		}
		if r, ok := RecordOf(m.Claim); ok {
			for _, name := range r.Replacements {
				out[name] = true
			}
		}
	}
	return out
}
