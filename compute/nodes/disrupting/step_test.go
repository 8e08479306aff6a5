package disrupting

import (
	"fmt"
	"testing"
	"time"

	"github.com/automode-dev/automode/compute/disruption"
	"github.com/automode-dev/automode/compute/solver"
)

// TestReplacementsHaveNamesOfTheirOwn: two claims of one name would be one node where the plan counts on two.
func TestReplacementsHaveNamesOfTheirOwn(t *testing.T) {
	names := map[string]bool{}
	for n := range 100 {
		step := &disruption.Step{Nodes: []disruption.Removal{{Claim: fmt.Sprintf("pool-%d", n)}}, Claims: make([]solver.Claim, 12)}
		for i := range step.Claims {
			step.Claims[i].Pool = "pool"
		}
		for _, name := range newRecord(step, time.Unix(1e9, 0)).Replacements {
			if names[name] {
				t.Errorf("step %d: a second claim of the name %s", n, name)
			}
			names[name] = true
		}
	}
}
