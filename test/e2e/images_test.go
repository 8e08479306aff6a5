package e2e

import (
	"testing"

	"github.com/automode-dev/automode/test/testkit"
)

// loadNginx makes a local nginx run under the name.
func loadNginx(t *testing.T, c *testkit.Cluster, name string) {
	t.Helper()
	c.Run(t, "automode", "image", "load", testkit.Nginx(t), "--name", name)
}
