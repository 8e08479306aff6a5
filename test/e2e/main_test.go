// Package e2e tries the product as its users do: a cluster from `automode up`, real nodes, kubectl, aws and curl. Each file
// replays one of the transcripts the project started from, or one promise of the README.
package e2e

import (
	"os"
	"testing"

	"github.com/automode-dev/automode/test/testkit"
)

// cluster is the one that all tests of the package share; skipReason says why there is none.
var (
	cluster    *testkit.Cluster
	skipReason string
)

func TestMain(m *testing.M) {
	os.Exit(testkit.Share(m, true, func(c *testkit.Cluster, why string) { cluster, skipReason = c, why }, "--machines", "real"))
}

// shared returns the shared cluster, or skips the test with the reason.
func shared(t *testing.T) *testkit.Cluster {
	t.Helper()
	if cluster == nil {
		t.Skip(skipReason)
	}
	return cluster
}
