package e2e

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/automode-dev/automode/test/testkit"
)

var forwarding = regexp.MustCompile(`Forwarding from (127\.0\.0\.1:\d+)`)

// portForward runs kubectl port-forward to port 80 of the target while use runs.
func portForward(t *testing.T, c *testkit.Cluster, target string, use func(url string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "kubectl", "port-forward", target, ":80")
	cmd.Env = append(os.Environ(), c.Env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait() // ended by cancel, its error says only that
	defer cancel()
	line, err := bufio.NewReader(out).ReadString('\n')
	match := forwarding.FindStringSubmatch(line)
	if err != nil || match == nil {
		t.Fatalf("kubectl port-forward says %q: %v", line, err)
	}
	use("http://" + match[1] + "/")
}
