package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/automode-dev/automode/test/testkit"
)

const seed003Pool = `
apiVersion: karpenter.sh/v1
kind: NodePool
metadata:
  name: default
spec:
  template:
    spec:
      nodeClassRef: {group: eks.amazonaws.com, kind: NodeClass, name: default}
      requirements:
        - {key: "karpenter.sh/capacity-type", operator: In, values: ["on-demand", "spot"]}
        - {key: "eks.amazonaws.com/instance-category", operator: In, values: ["c", "m", "r"]}
        - {key: "eks.amazonaws.com/instance-cpu", operator: In, values: ["2", "4", "8"]}
        - {key: "kubernetes.io/arch", operator: In, values: ["amd64"]}
`

const seed003Deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {namespace: default, name: nginx}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: nginx}}
  replicas: 2
  template:
    metadata: {labels: {app.kubernetes.io/name: nginx}}
    spec:
      nodeSelector: {karpenter.sh/nodepool: default, karpenter.sh/capacity-type: spot}
      containers:
        - image: nginx:1.14.2
          imagePullPolicy: Always
          name: nginx
          ports: [{containerPort: 80}]
          resources: {requests: {cpu: "0.5"}}
`

// wrongLabel is what the transcript shows when a requirement uses self-managed Karpenter's label.
const wrongLabel = `invalid value: label karpenter.k8s.aws/instance-family is restricted; specify a well known label: [app.kubernetes.io/managed-by eks.amazonaws.com/compute-type eks.amazonaws.com/instance-accelerator-count eks.amazonaws.com/instance-accelerator-manufacturer eks.amazonaws.com/instance-accelerator-name eks.amazonaws.com/instance-category eks.amazonaws.com/instance-cpu eks.amazonaws.com/instance-cpu-manufacturer eks.amazonaws.com/instance-cpu-sustained-clock-speed-mhz eks.amazonaws.com/instance-ebs-bandwidth eks.amazonaws.com/instance-encryption-in-transit-supported eks.amazonaws.com/instance-family eks.amazonaws.com/instance-generation eks.amazonaws.com/instance-gpu-count eks.amazonaws.com/instance-gpu-manufacturer eks.amazonaws.com/instance-gpu-memory eks.amazonaws.com/instance-gpu-name eks.amazonaws.com/instance-hypervisor eks.amazonaws.com/instance-local-nvme eks.amazonaws.com/instance-memory eks.amazonaws.com/instance-network-bandwidth eks.amazonaws.com/instance-size karpenter.sh/capacity-type karpenter.sh/nodepool kubernetes.io/arch kubernetes.io/os node.kubernetes.io/instance-type node.kubernetes.io/windows-build topology.k8s.aws/zone-id topology.kubernetes.io/region topology.kubernetes.io/zone], or a custom label that does not use a restricted domain: [k8s.io karpenter.k8s.aws karpenter.sh kubernetes.io] in requirements, restricted`

// TestSeed003 replays the article on a NodePool of one's own with spot instances.
func TestSeed003(t *testing.T) {
	c := shared(t)
	loadNginx(t, c, "nginx:1.14.2")
	c.Apply(t, seed003Pool)
	t.Cleanup(func() {
		c.Try(t, "", "kubectl", "delete", "deployment", "nginx", "--ignore-not-found")
		c.Try(t, "", "kubectl", "delete", "nodepool", "default", "--ignore-not-found")
		waitNoNodes(t, c)
	})
	testkit.Eventually(t, 20*time.Second, "pool default is ready", func() error {
		return testkit.Expect("Ready", c.Get(t, `{.status.conditions[?(@.type=="Ready")].status}`, "nodepool", "default"), "True")
	})
	pool := c.Kubectl(t, "get", "nodepool", "default", "-o", `go-template={{index .metadata.annotations "karpenter.sh/nodepool-hash"}} `+
		`{{(index .spec.disruption.budgets 0).nodes}} {{.spec.disruption.consolidateAfter}} {{.spec.disruption.consolidationPolicy}} `+
		`{{.spec.template.spec.expireAfter}} {{.spec.template.spec.terminationGracePeriod}}`)
	if want := "4012513481623584108 10% 0s WhenEmptyOrUnderutilized 336h 24h"; pool != want {
		t.Errorf("pool default has %q, want %q", pool, want)
	}

	c.Apply(t, seed003Deployment)
	waitRunning(t, c, "app.kubernetes.io/name=nginx", 2)
	claim := readClaim(t, c, "karpenter.sh/nodepool=default")
	checkClaimIdentity(t, claim)
	checkClaimRequirements(t, claim)
	checkClaimConditions(t, c, claim)
}

// nodeClaim is the part of a NodeClaim that the transcript shows.
type nodeClaim struct {
	Metadata struct {
		Name, GenerateName  string
		Labels, Annotations map[string]string
		Finalizers          []string
		OwnerReferences     []struct {
			Kind, Name         string
			BlockOwnerDeletion bool
		}
	}
	Spec struct {
		ExpireAfter, TerminationGracePeriod string
		Requirements                        []struct {
			Key, Operator string
			Values        []string
		}
		Resources struct{ Requests map[string]string }
	}
	Status struct {
		Allocatable, Capacity         map[string]string
		Conditions                    []struct{ Type, Status, Reason, Message string }
		ImageID, NodeName, ProviderID string
		LastPodEventTime              string
	}
}

func readClaim(t *testing.T, c *testkit.Cluster, selector string) nodeClaim {
	t.Helper()
	var list struct{ Items []nodeClaim }
	if err := json.Unmarshal([]byte(c.Kubectl(t, "get", "nodeclaims", "-l", selector, "-o", "json")), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 {
		t.Fatalf("%d NodeClaims with %s, want 1", len(list.Items), selector)
	}
	return list.Items[0]
}

// checkClaimIdentity: names, owner, labels and annotations.
func checkClaimIdentity(t *testing.T, claim nodeClaim) {
	t.Helper()
	m := claim.Metadata
	if m.GenerateName != "default-" || !strings.HasPrefix(m.Name, "default-") || len(m.Name) != len("default-xngjq") {
		t.Errorf("name %q with generateName %q", m.Name, m.GenerateName)
	}
	if !slices.Equal(m.Finalizers, []string{"karpenter.sh/termination"}) {
		t.Errorf("finalizers %v", m.Finalizers)
	}
	if o := m.OwnerReferences; len(o) != 1 || o[0].Kind != "NodePool" || o[0].Name != "default" || !o[0].BlockOwnerDeletion {
		t.Errorf("owner %+v", o)
	}
	for _, key := range []string{"eks.amazonaws.com/nodeclass-hash", "karpenter.sh/nodepool-hash"} {
		if m.Annotations[key] == "" {
			t.Errorf("annotation %s is missing", key)
		}
	}
	for key, want := range map[string]string{
		"app.kubernetes.io/managed-by": "eks", "eks.amazonaws.com/compute-type": "auto", "eks.amazonaws.com/nodeclass": "default",
		"eks.amazonaws.com/instance-hypervisor": "nitro", "karpenter.sh/capacity-type": "spot", "karpenter.sh/nodepool": "default",
		"kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux",
	} {
		if key == "eks.amazonaws.com/instance-hypervisor" && m.Labels[key] == "xen" {
			continue // fourth generation types are among those allowed
		}
		if got := m.Labels[key]; got != want {
			t.Errorf("label %s=%q, want %q", key, got, want)
		}
	}
	for _, key := range []string{"instance-category", "instance-cpu", "instance-cpu-manufacturer", "instance-cpu-sustained-clock-speed-mhz", "instance-ebs-bandwidth",
		"instance-encryption-in-transit-supported", "instance-family", "instance-generation", "instance-memory", "instance-network-bandwidth", "instance-size"} {
		if m.Labels["eks.amazonaws.com/"+key] == "" {
			t.Errorf("label eks.amazonaws.com/%s is missing", key)
		}
	}
	for _, key := range []string{"node.kubernetes.io/instance-type", "topology.k8s.aws/zone-id", "topology.kubernetes.io/region", "topology.kubernetes.io/zone"} {
		if m.Labels[key] == "" {
			t.Errorf("label %s is missing", key)
		}
	}
}

// checkClaimRequirements: up to 60 types with the two vCPUs that fit or more, none bare metal; requests as summed.
func checkClaimRequirements(t *testing.T, claim nodeClaim) {
	t.Helper()
	var keys []string
	for _, r := range claim.Spec.Requirements {
		keys = append(keys, r.Key)
		if r.Key != "node.kubernetes.io/instance-type" {
			continue
		}
		if len(r.Values) != 60 {
			t.Errorf("%d instance types, want 60", len(r.Values))
		}
		for _, v := range r.Values {
			if strings.Contains(v, "metal") || !strings.ContainsRune("cmr", rune(v[0])) {
				t.Errorf("instance type %s among the claim's", v)
			}
		}
	}
	sort.Strings(keys)
	want := []string{"eks.amazonaws.com/instance-category", "eks.amazonaws.com/instance-cpu", "eks.amazonaws.com/nodeclass", "karpenter.sh/capacity-type",
		"karpenter.sh/nodepool", "kubernetes.io/arch", "node.kubernetes.io/instance-type"}
	if !slices.Equal(keys, want) {
		t.Errorf("requirements on %v, want %v", keys, want)
	}
	if r := claim.Spec.Resources.Requests; r["cpu"] != "1" || r["pods"] != "2" {
		t.Errorf("requests %v, want cpu 1 and 2 pods", r)
	}
	if claim.Spec.ExpireAfter != "336h" || claim.Spec.TerminationGracePeriod != "24h0m0s" {
		t.Errorf("expires after %s with grace %s", claim.Spec.ExpireAfter, claim.Spec.TerminationGracePeriod)
	}
}

// checkClaimConditions: the five conditions with their reasons, status facts and events.
func checkClaimConditions(t *testing.T, c *testkit.Cluster, claim nodeClaim) {
	t.Helper()
	for _, kind := range []string{"Launched", "Registered", "Initialized", "Ready"} {
		if !slices.ContainsFunc(claim.Status.Conditions, func(cond struct{ Type, Status, Reason, Message string }) bool {
			return cond.Type == kind && cond.Status == "True" && cond.Reason == kind && cond.Message == ""
		}) {
			t.Errorf("condition %s is not True with its own name as reason: %+v", kind, claim.Status.Conditions)
		}
	}
	s := claim.Status
	if !strings.HasPrefix(s.ImageID, "ami-") || !strings.HasPrefix(s.NodeName, "i-") || s.LastPodEventTime == "" {
		t.Errorf("image %q, node %q, last pod event %q", s.ImageID, s.NodeName, s.LastPodEventTime)
	}
	if want := "aws:///" + claim.Metadata.Labels["topology.kubernetes.io/zone"] + "/" + s.NodeName; s.ProviderID != want {
		t.Errorf("provider id %q, want %q", s.ProviderID, want)
	}
	testkit.Eventually(t, 60*time.Second, "events of the claim", func() error {
		events := c.Kubectl(t, "get", "events", "-A", "--field-selector", "involvedObject.name="+claim.Metadata.Name,
			"-o", `jsonpath={range .items[*]}{.reason} {.source.component}{.reportingComponent} {.message}{"\n"}{end}`)
		for _, kind := range []string{"Launched", "Registered", "Initialized", "Ready"} {
			if want := fmt.Sprintf("Status condition transitioned, Type: %s, Status: Unknown -> True, Reason: %s", kind, kind); !strings.Contains(events, want) {
				return fmt.Errorf("no event %q among\n%s", want, events)
			}
		}
		if !strings.Contains(events, "eks-auto-mode/compute") {
			return fmt.Errorf("no event comes from eks-auto-mode/compute:\n%s", events)
		}
		return nil
	})
}

// TestSeed003Allocatable: capacity and allocatable of the transcript's c5a.large, to the unit.
func TestSeed003Allocatable(t *testing.T) {
	c := shared(t)
	loadNginx(t, c, "nginx:1.14.2")
	c.Apply(t, strings.ReplaceAll(seed003Pool, `{key: "eks.amazonaws.com/instance-cpu", operator: In, values: ["2", "4", "8"]}`,
		`{key: "node.kubernetes.io/instance-type", operator: In, values: ["c5a.large"]}`))
	c.Apply(t, seed003Deployment)
	t.Cleanup(func() {
		c.Try(t, "", "kubectl", "delete", "deployment", "nginx", "--ignore-not-found")
		c.Try(t, "", "kubectl", "delete", "nodepool", "default", "--ignore-not-found")
		waitNoNodes(t, c)
	})
	waitRunning(t, c, "app.kubernetes.io/name=nginx", 2)
	s := readClaim(t, c, "karpenter.sh/nodepool=default").Status
	for name, want := range map[string]string{"cpu": "2", "memory": "3788Mi", "ephemeral-storage": "80Gi", "pods": "27"} {
		if s.Capacity[name] != want {
			t.Errorf("capacity %s is %q, want %q", name, s.Capacity[name], want)
		}
	}
	for name, want := range map[string]string{"cpu": "1480m", "memory": "2699Mi", "ephemeral-storage": "71Gi", "pods": "27"} {
		if s.Allocatable[name] != want {
			t.Errorf("allocatable %s is %q, want %q", name, s.Allocatable[name], want)
		}
	}
	node := c.Get(t, `{.items[0].status.capacity.cpu} {.items[0].status.allocatable.cpu} {.items[0].status.allocatable.pods}`, "nodes", "-l", "karpenter.sh/nodepool=default")
	if node != "2 1480m 27" {
		t.Errorf("the node itself says %q", node)
	}
}

// TestSeed003WrongLabel: the wrong label key shows up in the NodePool's conditions with the transcript's message.
func TestSeed003WrongLabel(t *testing.T) {
	c := shared(t)
	c.Apply(t, `
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: wrong-label}
spec:
  template:
    spec:
      nodeClassRef: {group: eks.amazonaws.com, kind: NodeClass, name: default}
      requirements: [{key: karpenter.k8s.aws/instance-family, operator: In, values: [c5]}]
`)
	t.Cleanup(func() { c.Try(t, "", "kubectl", "delete", "nodepool", "wrong-label", "--ignore-not-found") })
	testkit.Eventually(t, 20*time.Second, "the condition names the label", func() error {
		return testkit.Expect("message", c.Get(t, `{.status.conditions[?(@.type=="ValidationSucceeded")].message}`, "nodepool", "wrong-label"), wrongLabel)
	})
}
