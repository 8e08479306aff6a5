package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/automode-dev/automode/test/testkit"
)

// control calls the local cloud's control API as docs/how-to/control-the-cloud.md shows.
func control(t *testing.T, c *testkit.Cluster, path string, args ...string) string {
	t.Helper()
	return c.Run(t, append([]string{"curl", "-sSf", "--unix-socket", c.Home + "/cloud/cloud.sock", "http://automode/_automode/" + path}, args...)...)
}

// TestNoCapacity: an offering without capacity is remembered; the pod gets a node of another one.
func TestNoCapacity(t *testing.T) {
	c := shared(t)
	loadNginx(t, c, "public.ecr.aws/nginx/nginx:1.27")
	const region = "us-east-1"
	c.Apply(t, strings.ReplaceAll(customPool("two-types", "taints: [{key: AppOnly, effect: NoSchedule}]", ""),
		"values: [c, m]}", "values: [c, m]}, {key: node.kubernetes.io/instance-type, operator: In, values: [c6a.large, m6a.2xlarge]}"))
	shortage := fmt.Sprintf(`{"region":%q,"instanceType":"c6a.large"}`, region)
	control(t, c, "ec2/shortages", "-X", "PUT", "-d", shortage)
	t.Cleanup(func() {
		control(t, c, "ec2/shortages", "-X", "DELETE", "-d", shortage)
		c.Try(t, "", "kubectl", "delete", "deployment", "scarce", "--ignore-not-found")
		c.Try(t, "", "kubectl", "delete", "nodepool", "two-types", "--ignore-not-found")
		waitNoNodes(t, c)
	})
	c.Apply(t, workload("scarce", 1, "tolerations: [{key: AppOnly, operator: Exists}]\n      nodeSelector: {karpenter.sh/nodepool: two-types}"))
	waitRunning(t, c, "app=scarce", 1)
	if got := c.Get(t, `{.items[0].metadata.labels.node\.kubernetes\.io/instance-type}`, "nodes", "-l", "karpenter.sh/nodepool=two-types"); got != "m6a.2xlarge" {
		t.Errorf("the pod runs on a %s, want the type that can be had", got)
	}
}

// TestExpiryAndDrift: a node that has lived long enough, and one whose pool's template changed, are replaced.
func TestExpiryAndDrift(t *testing.T) {
	c := shared(t)
	loadNginx(t, c, "public.ecr.aws/nginx/nginx:1.27")
	taints := "taints: [{key: AppOnly, effect: NoSchedule}]"
	c.Apply(t, customPool("aging", taints, ""))
	c.Apply(t, workload("aged", 1, "tolerations: [{key: AppOnly, operator: Exists}]\n      nodeSelector: {karpenter.sh/nodepool: aging}"))
	t.Cleanup(func() {
		c.Try(t, "", "kubectl", "delete", "deployment", "aged", "--ignore-not-found")
		c.Try(t, "", "kubectl", "delete", "nodepool", "aging", "--ignore-not-found")
		waitNoNodes(t, c)
	})
	waitRunning(t, c, "app=aged", 1)
	first := c.Get(t, `{.items[0].spec.nodeName}`, "pods", "-l", "app=aged")

	c.Apply(t, strings.ReplaceAll(customPool("aging", taints, ""), "template:\n", "template:\n    metadata: {labels: {example.com/wave: second}}\n"))
	second := waitReplaced(t, c, first, "drift")
	if got := c.Get(t, `{.metadata.labels.example\.com/wave}`, "node", second); got != "second" {
		t.Errorf("the new node has the label %q", got)
	}

	c.Apply(t, strings.ReplaceAll(customPool("aging", taints+"\n      expireAfter: 20s", ""), "template:\n", "template:\n    metadata: {labels: {example.com/wave: second}}\n"))
	// The lifetime belongs to the template: nodes made before drift, those made after expire.
	third := waitReplaced(t, c, second, "another lifetime")
	waitReplaced(t, c, third, "expiry")
}

// waitReplaced waits until the pod runs on another node and the old one is gone, and returns the new one.
func waitReplaced(t *testing.T, c *testkit.Cluster, old, why string) string {
	t.Helper()
	var now string
	testkit.Eventually(t, 3*time.Minute, why+" replaces the node", func() error {
		now = c.Get(t, `{range .items[?(@.status.phase=="Running")]}{.spec.nodeName}{end}`, "pods", "-l", "app=aged")
		if now == "" || strings.Contains(now, old) || c.Get(t, `{.metadata.name}`, "node", old) != "" {
			return fmt.Errorf("pods on %q, claims:\n%s", now, c.Try(t, "", "kubectl", "get", "nodeclaims", "-o", "wide").Out)
		}
		return nil
	})
	return now
}
