package disrupting

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/rand"

	"github.com/automode-dev/automode/compute/disruption"
	"github.com/automode-dev/automode/compute/disruption/survey"
)

// running is a step under way.
type running struct {
	survey.Record
	targets []target
	// ready holds the replacements that were seen ready for pods.
	ready map[string]bool
	// failed is why the step could not begin; it is taken back until that succeeds.
	failed error
}

// target is a node that goes.
type target struct {
	node, claim, providerID, pool string
	static                        bool
}

func (r *running) decision() string {
	if len(r.Replacements) > 0 {
		return "replace"
	}
	return "delete"
}

// newRecord names a step and its replacements. The names follow from the step,
// so that creating them twice makes no more.
func newRecord(step *disruption.Step, now time.Time) survey.Record {
	r := survey.Record{Reason: step.Reason, Started: now.UTC().Truncate(time.Second)}
	var claims []string
	for _, n := range step.Nodes {
		claims = append(claims, n.Claim)
	}
	slices.Sort(claims)
	r.ID = short(strings.Join(claims, " ") + now.UTC().String())
	pools := make([]string, 0, len(step.Claims))
	for i := range step.Claims {
		pools = append(pools, step.Claims[i].Pool)
	}
	if step.Static != "" {
		for range step.Nodes {
			pools = append(pools, step.Static)
		}
	}
	for i, pool := range pools {
		// The last digits: texts that differ in their last letter alone begin alike.
		r.Replacements = append(r.Replacements, fmt.Sprintf("%s-%s", pool, short(fmt.Sprintf("%s %d", r.ID, i))[8:]))
	}
	return r
}

// short is a name of letters and digits that follows from the text.
func short(text string) string {
	h := fnv.New64a()
	h.Write([]byte(text))
	return rand.SafeEncodeString(fmt.Sprintf("%016x", h.Sum64()))
}
