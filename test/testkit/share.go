package testkit

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// Share runs the tests of a package with one cluster for all of them and returns the exit code for TestMain. Before, use
// is told of the cluster, or why there is none. Real asks for real machines; flags are those of `automode up`.
func Share(m *testing.M, real bool, use func(c *Cluster, skipReason string), flags ...string) int {
	flag.Parse()
	skip := "end-to-end tests are left out of -short"
	if !testing.Short() {
		skip = Missing(real)
	}
	if skip != "" {
		use(nil, skip)
		return m.Run()
	}
	home, err := os.MkdirTemp("", "automode-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(home)
	code := 1
	c, down, err := Up(home, flags...)
	if err == nil {
		use(c, "")
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	if down == nil {
		return code
	}
	if err := down(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
