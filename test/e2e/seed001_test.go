package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/automode-dev/automode/test/testkit"
)

// A node takes some 15 s to be ready on a small machine; three times that is a failure.
const (
	nodeTimeout = 90 * time.Second
	goneTimeout = 120 * time.Second
)

// TestFreshCluster: a cluster has no node and no pod, and the built-in pools of SPEC 3.
func TestFreshCluster(t *testing.T) {
	c := shared(t)
	r := c.Try(t, "", "kubectl", "get", "po", "-A")
	if got := strings.TrimSpace(r.Out + r.Err); got != "No resources found" {
		t.Errorf("kubectl get po -A says %q", got)
	}
	if got := c.Kubectl(t, "get", "nodes", "-o", "name"); got != "" {
		t.Errorf("nodes of a fresh cluster: %s", got)
	}
	for pool, want := range map[string]string{
		"general-purpose": `4012513481623584108 10% 30s WhenEmptyOrUnderutilized 336h 24h0m0s ` +
			`karpenter.sh/capacity-type=In[on-demand];eks.amazonaws.com/instance-category=In[c m r];eks.amazonaws.com/instance-generation=Gt[4];kubernetes.io/arch=In[amd64];kubernetes.io/os=In[linux]; `,
		"system": `4982684901400657622 10% 30s WhenEmptyOrUnderutilized 336h 24h0m0s ` +
			`karpenter.sh/capacity-type=In[on-demand];eks.amazonaws.com/instance-category=In[c m r];eks.amazonaws.com/instance-generation=Gt[4];kubernetes.io/arch=In[amd64 arm64];kubernetes.io/os=In[linux]; CriticalAddonsOnly:NoSchedule`,
	} {
		got := c.Kubectl(t, "get", "nodepool", pool, "-o", `go-template={{index .metadata.annotations "karpenter.sh/nodepool-hash"}} `+
			`{{(index .spec.disruption.budgets 0).nodes}} {{.spec.disruption.consolidateAfter}} {{.spec.disruption.consolidationPolicy}} `+
			`{{.spec.template.spec.expireAfter}} {{.spec.template.spec.terminationGracePeriod}} `+
			`{{range .spec.template.spec.requirements}}{{.key}}={{.operator}}{{.values}};{{end}} `+
			`{{range .spec.template.spec.taints}}{{.key}}:{{.effect}}{{end}}`)
		if got != want {
			t.Errorf("pool %s is\n%s\nwant\n%s", pool, got, want)
		}
		testkit.Eventually(t, 20*time.Second, "pool "+pool+" is ready", func() error {
			return testkit.Expect("Ready", c.Get(t, `{.status.conditions[?(@.type=="Ready")].status}`, "nodepool", pool), "True")
		})
	}
}

// TestSeed001 replays the blog post: three replicas of nginx pend, a node appears, they run; deleted, the node goes.
func TestSeed001(t *testing.T) {
	c := shared(t)
	loadNginx(t, c, "nginx")
	c.Kubectl(t, "create", "deployment", "nginx", "--image=nginx", "--replicas=3")
	t.Cleanup(func() { c.Try(t, "", "kubectl", "delete", "deployment", "nginx", "--ignore-not-found") })

	waitRunning(t, c, "app=nginx", 3)
	pod := c.Get(t, `{.items[0].metadata.name}`, "pods", "-l", "app=nginx")
	address := c.Get(t, `{.status.podIP}`, "pod", pod)
	if body := fetch(t, "http://"+address+"/"); !strings.Contains(body, "nginx") {
		t.Errorf("the page of pod %s is %q", address, body)
	}
	if out := c.Kubectl(t, "exec", pod, "--", "cat", "/etc/hostname"); out != pod {
		t.Errorf("exec in pod %s prints %q", pod, out)
	}
	if out := c.Kubectl(t, "logs", pod); !strings.Contains(out, "GET / HTTP") {
		t.Errorf("logs of pod %s do not show the request:\n%s", pod, out)
	}
	portForward(t, c, "pod/"+pod, func(url string) {
		if body := fetch(t, url); !strings.Contains(body, "nginx") {
			t.Errorf("the page through port-forward is %q", body)
		}
	})
	c.Kubectl(t, "delete", "deployment", "nginx")
	waitNoNodes(t, c)
}

// waitRunning waits until so many pods of the selector are ready.
func waitRunning(t *testing.T, c *testkit.Cluster, selector string, want int) {
	t.Helper()
	testkit.Eventually(t, nodeTimeout, fmt.Sprintf("%d pods of %s ready", want, selector), func() error {
		ready := c.Get(t, `{.items[*].status.conditions[?(@.type=="Ready")].status}`, "pods", "-l", selector)
		if n := strings.Count(ready, "True"); n != want {
			return fmt.Errorf("%d ready; pods:\n%s\nclaims:\n%s", n, c.Try(t, "", "kubectl", "get", "pods", "-l", selector, "-o", "wide").Out,
				c.Try(t, "", "kubectl", "get", "nodeclaims").Out)
		}
		return nil
	})
}

// waitNoNodes waits until no node, claim or running managed instance is left.
func waitNoNodes(t *testing.T, c *testkit.Cluster) {
	t.Helper()
	testkit.Eventually(t, goneTimeout, "no nodes left", func() error {
		if left := c.Try(t, "", "kubectl", "get", "nodes,nodeclaims", "-o", "name").Out; strings.TrimSpace(left) != "" {
			return fmt.Errorf("still there: %s", strings.ReplaceAll(strings.TrimSpace(left), "\n", " "))
		}
		return nil
	})
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	client := http.Client{Timeout: 5 * time.Second}
	var body string
	testkit.Eventually(t, 20*time.Second, url+" answers", func() error {
		resp, err := client.Get(url)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		body = string(data)
		return err
	})
	return body
}
