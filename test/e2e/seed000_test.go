package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/automode-dev/automode/test/testkit"
)

// TestSeed000RoleIsAName: a role ARN in a NodeClass is refused with the transcript's text.
func TestSeed000RoleIsAName(t *testing.T) {
	c := shared(t)
	r := c.Try(t, `
apiVersion: eks.amazonaws.com/v1
kind: NodeClass
metadata: {name: custom-class}
spec:
  role: arn:aws:iam::123456789012:role/`+strings.Repeat("MyNodeRole", 5)+`
  subnetSelectorTerms: [{tags: {Name: private}}]
  securityGroupSelectorTerms: [{tags: {Name: nodes}}]
`, "kubectl", "apply", "-f", "-")
	want := `The NodeClass "custom-class" is invalid: 
* spec.role: Too long: may not be more than 64 bytes
* <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation`
	if r.Code == 0 || normalizeQuotes(r.Err) != normalizeQuotes(want) {
		t.Errorf("kubectl apply ends with %d and says\n%s\nwant\n%s", r.Code, r.Err, want)
	}
}

// normalizeQuotes evens out what kubectl versions print differently: "null" or null, a blank after the colon.
func normalizeQuotes(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.TrimSpace(s), `"null"`, "null"), ": \n", ":\n")
}

// TestSeed000NeverExpires: expireAfter Never is refused at admission with both messages. kubectl prints the transcript's form
// when a file has more than one object that is refused.
func TestSeed000NeverExpires(t *testing.T) {
	c := shared(t)
	manifest := customPool("custom-pool", "expireAfter: Never", "") + "---" + customPool("other-pool", "expireAfter: Never", "")
	r := c.Try(t, manifest, "kubectl", "apply", "-f", "-")
	for _, want := range []string{
		`Error from server (Invalid): error when creating "STDIN": NodePool.karpenter.sh "custom-pool" is invalid: [spec.template.spec: Invalid value: "object": ` +
			"type conversion error from 'string' to 'google.protobuf.Duration' evaluating rule: the sum of expireAfter and terminationGracePeriod may not exceed 21 days, ",
		"expireAfter may not be set to Never]",
	} {
		if r.Code == 0 || !strings.Contains(r.Err, want) {
			t.Errorf("kubectl apply ends with %d and says\n%s\nwithout %q", r.Code, r.Err, want)
		}
	}
}

// customPool is a NodePool with extra lines in its template's spec and in its spec.
func customPool(name, template, spec string) string {
	return fmt.Sprintf(`
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: %s}
spec:
  %s
  template:
    spec:
      %s
      nodeClassRef: {group: eks.amazonaws.com, kind: NodeClass, name: default}
      requirements: [{key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}, {key: eks.amazonaws.com/instance-category, operator: In, values: [c, m]}]
`, name, spec, template)
}

// workload is a deployment of one nginx pod, or more, with extra lines in the pod's spec.
func workload(name string, replicas int, podSpec string) string {
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s, namespace: default}
spec:
  replicas: %[2]d
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      %[3]s
      containers: [{name: app, image: "public.ecr.aws/nginx/nginx:1.27", resources: {limits: {memory: 128Mi, cpu: 256m}}, ports: [{name: http, containerPort: 80}]}]
`, name, replicas, podSpec)
}

// TestSeed000ExtraTags: tags in a NodeClass need more than the managed policies; with the article's policy attached it works.
func TestSeed000ExtraTags(t *testing.T) {
	c := shared(t)
	loadNginx(t, c, "public.ecr.aws/nginx/nginx:1.27")
	class := c.Kubectl(t, "get", "nodeclass", "default", "-o", "json")
	c.Apply(t, customClass(t, class, "custom-class", map[string]string{"environment": "custom"}))
	c.Apply(t, strings.ReplaceAll(customPool("custom-pool", "taints: [{key: AppOnly, effect: NoSchedule}]", ""), "name: default}", "name: custom-class}"))
	c.Apply(t, workload("tagged", 1, "tolerations: [{key: AppOnly, operator: Exists}]\n      nodeSelector: {karpenter.sh/nodepool: custom-pool}"))
	t.Cleanup(func() {
		c.Try(t, "", "kubectl", "delete", "deployment", "tagged", "--ignore-not-found")
		c.Try(t, "", "kubectl", "delete", "nodepool", "custom-pool", "--ignore-not-found")
		waitNoNodes(t, c)
		c.Try(t, "", "kubectl", "delete", "nodeclass", "custom-class", "--ignore-not-found")
	})
	want := "Error getting launch template configs: User is not authorized to perform this operation because no identity-based policy allows it"
	testkit.Eventually(t, 60*time.Second, "the claim says why it cannot launch", func() error {
		got := c.Get(t, `{range .items[0].status.conditions[?(@.type=="Launched")]}{.status} {.reason}: {.message}{end}`, "nodeclaims", "-l", "karpenter.sh/nodepool=custom-pool")
		return testkit.Expect("Launched", got, "Unknown Unauthorized: "+want)
	})
	c.AWS(t, "iam", "put-role-policy", "--role-name", "AmazonEKSAutoClusterRole", "--policy-name", "auto-mode-custom-tags", "--policy-document", tagPolicy)
	t.Cleanup(func() {
		c.AWS(t, "iam", "delete-role-policy", "--role-name", "AmazonEKSAutoClusterRole", "--policy-name", "auto-mode-custom-tags")
	})
	waitRunning(t, c, "app=tagged", 1)
	found := c.AWS(t, "ec2", "describe-instances", "--filters", "Name=tag:environment,Values=custom", "Name=instance-state-name,Values=running",
		"--query", "Reservations[].Instances[].InstanceId", "--output", "text")
	if node := c.Get(t, `{.items[0].metadata.name}`, "nodes", "-l", "karpenter.sh/nodepool=custom-pool"); found != node {
		t.Errorf("instances tagged environment=custom: %q, node %q", found, node)
	}
}

// tagPolicy is the article's statement for compute.
const tagPolicy = `{"Version":"2012-10-17","Statement":[{"Sid":"Compute","Effect":"Allow","Action":["ec2:CreateFleet","ec2:RunInstances","ec2:CreateLaunchTemplate"],
"Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/eks:eks-cluster-name":"automode"},
"StringLike":{"aws:RequestTag/eks:kubernetes-node-class-name":"*","aws:RequestTag/eks:kubernetes-node-pool-name":"*"}}}]}`

// customClass turns the default NodeClass into one of another name with tags.
func customClass(t *testing.T, class, name string, tags map[string]string) string {
	t.Helper()
	var object struct{ Spec map[string]any }
	if err := json.Unmarshal([]byte(class), &object); err != nil {
		t.Fatal(err)
	}
	object.Spec["tags"] = tags
	data, err := json.Marshal(map[string]any{"apiVersion": "eks.amazonaws.com/v1", "kind": "NodeClass", "metadata": map[string]any{"name": name}, "spec": object.Spec})
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestSeed000ManagedInstance: EC2 refuses to terminate a managed instance; kubectl delete node does it.
func TestSeed000ManagedInstance(t *testing.T) {
	c := shared(t)
	loadNginx(t, c, "public.ecr.aws/nginx/nginx:1.27")
	c.Apply(t, workload("managed", 1, ""))
	t.Cleanup(func() {
		c.Try(t, "", "kubectl", "delete", "deployment", "managed", "--ignore-not-found")
		waitNoNodes(t, c)
	})
	waitRunning(t, c, "app=managed", 1)
	id := c.Get(t, `{.items[0].spec.nodeName}`, "pods", "-l", "app=managed")
	c.AWS(t, "ec2", "describe-instances", "--instance-ids", id)
	r := c.Try(t, "", "aws", "ec2", "terminate-instances", "--instance-ids", id)
	for _, want := range []string{"You are not authorized to perform this operation. User: arn:aws:", "is not authorized to perform: ec2:TerminateInstances on resource: arn:aws:ec2:",
		":instance/" + id + " with an explicit deny in a resource-based policy. Encoded authorization failure message: "} {
		if r.Code == 0 || !strings.Contains(r.Err, want) {
			t.Errorf("terminate-instances ends with %d and says\n%s\nwithout %q", r.Code, r.Err, want)
		}
	}
	managed := c.AWS(t, "ec2", "describe-instances", "--instance-ids", id, "--output", "text", "--query",
		"Reservations[0].Instances[0].[Operator.Managed,Operator.Principal,length(Tags[?Key=='Name'])]")
	if managed != "True\teks.amazonaws.com\t0" {
		t.Errorf("operator and Name tags are %q", managed)
	}
	devices := c.AWS(t, "ec2", "describe-instances", "--instance-ids", id, "--output", "text", "--query", "Reservations[0].Instances[0].BlockDeviceMappings[].DeviceName")
	if devices != "/dev/xvda\t/dev/xvdb" {
		t.Errorf("volumes are %q", devices)
	}

	if out := c.Kubectl(t, "delete", "node", id, "--timeout=120s"); !strings.Contains(out, `node "`+id+`" deleted`) {
		t.Errorf("kubectl delete node says %q", out)
	}
	testkit.Eventually(t, goneTimeout, "the instance is terminated", func() error {
		state := c.AWS(t, "ec2", "describe-instances", "--instance-ids", id, "--output", "text", "--query", "Reservations[0].Instances[0].State.Name")
		return testkit.Expect("state", state, "terminated")
	})
}

// TestSeed000WeightsAndTaints: a pool with weight takes the pods, a tainted pool only those that tolerate it.
func TestSeed000WeightsAndTaints(t *testing.T) {
	c := shared(t)
	loadNginx(t, c, "public.ecr.aws/nginx/nginx:1.27")
	c.Apply(t, customPool("tainted", "taints: [{effect: NoSchedule, key: AppOnly}]", ""))
	c.Apply(t, customPool("weighted", "taints: []", "weight: 10"))
	c.Apply(t, workload("plain", 1, ""))
	c.Apply(t, workload("tolerant", 1, "tolerations: [{key: AppOnly, operator: Exists}]\n      nodeSelector: {karpenter.sh/nodepool: tainted}"))
	t.Cleanup(func() {
		c.Try(t, "", "kubectl", "delete", "deployment", "plain", "tolerant", "--ignore-not-found")
		c.Try(t, "", "kubectl", "delete", "nodepool", "tainted", "weighted", "--ignore-not-found")
		waitNoNodes(t, c)
	})
	for app, pool := range map[string]string{"plain": "weighted", "tolerant": "tainted"} {
		waitRunning(t, c, "app="+app, 1)
		node := c.Get(t, `{.items[0].spec.nodeName}`, "pods", "-l", "app="+app)
		if got := c.Get(t, `{.metadata.labels.karpenter\.sh/nodepool}`, "node", node); got != pool {
			t.Errorf("pod %s runs on pool %q, want %q", app, got, pool)
		}
	}
}

// TestSeed000System: add-ons with the CriticalAddonsOnly toleration land on the pool system, two nodes by anti-affinity.
func TestSeed000System(t *testing.T) {
	c := shared(t)
	loadNginx(t, c, "public.ecr.aws/nginx/nginx:1.27")
	c.Apply(t, workload("metrics-server", 2, `tolerations: [{key: CriticalAddonsOnly, operator: Exists}]
      nodeSelector: {karpenter.sh/nodepool: system}
      affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 100, podAffinityTerm: {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: metrics-server}}}}]}}`))
	t.Cleanup(func() {
		c.Try(t, "", "kubectl", "delete", "deployment", "metrics-server", "--ignore-not-found")
		waitNoNodes(t, c)
	})
	waitRunning(t, c, "app=metrics-server", 2)
	nodes := strings.Fields(c.Get(t, `{.items[*].metadata.name}`, "nodes", "-l", "karpenter.sh/nodepool=system"))
	if len(nodes) != 2 {
		t.Errorf("the add-on runs on nodes %v of pool system, want 2", nodes)
	}
}
