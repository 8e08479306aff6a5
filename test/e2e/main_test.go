// Package e2e tries the product as its users do: a cluster from `automode up`, real nodes, kubectl, aws and curl. Each file
// replays one of the transcripts the project started from, or one promise of the README.
package e2e

import (
	"flag"
	"fmt"
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
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if testing.Short() {
		skipReason = "end-to-end tests are left out of -short"
		return m.Run()
	}
	if skipReason = testkit.Missing(true); skipReason != "" {
		return m.Run()
	}
	home, err := os.MkdirTemp("", "automode-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(home)
	var down func() error
	cluster, down, err = testkit.Up(home, "--machines", "real")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		if down != nil {
			_ = down() // the failure above is the one to report
		}
		return 1
	}
	code := m.Run()
	if err := down(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// shared returns the shared cluster, or skips the test with the reason.
func shared(t *testing.T) *testkit.Cluster {
	t.Helper()
	if cluster == nil {
		t.Skip(skipReason)
	}
	return cluster
}
