package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
)

// Cluster is the objects of a cluster, from which each side fills its tables.
type Cluster struct {
	Types      []*cloudprovider.InstanceType
	Pools      []*v1.NodePool
	DaemonSets []*appsv1.DaemonSet
	PDBs       []*policyv1.PodDisruptionBudget
	Nodes      []*Node
	Waiting    []*corev1.Pod

	made int // nodes so far, for names
}

// Node is a node with its claim, what it costs per hour and the pods on it,
// those of DaemonSets included.
type Node struct {
	*corev1.Node
	Claim *v1.NodeClaim
	Price float64
	Pods  []*corev1.Pod
}

// Launch is a node to create: one type in one of its offerings.
type Launch struct {
	Pool, Type, Zone, CapacityType string
	Price                          float64
	Pods                           []string // names
}

// Decision is what one side would do to a cluster. Pods and nodes go by name.
type Decision struct {
	Remove  []string
	Launch  []Launch
	Place   map[string][]string // pods by the existing node that gets them
	LeftOut int                 // pods that wait and get no node
	// Bound and WholeBound are prices that the launches can't be below, in fractions of nodes and in whole ones; 0 where they are not known.
	Bound, WholeBound float64
}

// Price is what the launches cost per hour.
func (d *Decision) Price() float64 {
	sum := 0.0
	for i := range d.Launch {
		sum += d.Launch[i].Price
	}
	return sum
}

// NewCluster has pools that differ in nothing but their names, and no node.
func NewCluster(types []*cloudprovider.InstanceType, pools int) *Cluster {
	c := &Cluster{Types: types}
	for i := range pools {
		c.Pools = append(c.Pools, readyPool(fmt.Sprintf("pool-%02d", i)))
	}
	return c
}

// readyPool is a pool without requirements that may lose all of its nodes.
func readyPool(name string) *v1.NodePool {
	p := &v1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}}
	p.Spec.Template.Spec.NodeClassRef = &v1.NodeClassReference{Group: "karpenter.test.sh", Kind: "TestNodeClass", Name: "default"}
	p.Spec.Disruption = v1.Disruption{ConsolidationPolicy: v1.ConsolidationPolicyWhenEmptyOrUnderutilized,
		ConsolidateAfter: v1.MustParseNillableDuration("30s"), Budgets: []v1.Budget{{Nodes: "100%"}}}
	p.StatusConditions().SetTrue(v1.ConditionTypeValidationSucceeded)
	p.StatusConditions().SetTrue(v1.ConditionTypeNodeClassReady)
	return p
}

// Require narrows all pools to nodes with one of the values of a label.
func (c *Cluster) Require(key string, values ...string) {
	for _, p := range c.Pools {
		p.Spec.Template.Spec.Requirements = append(p.Spec.Template.Spec.Requirements,
			v1.NodeSelectorRequirementWithMinValues{Key: key, Operator: corev1.NodeSelectorOpIn, Values: values})
	}
}

// AddDaemonSet lets a pod run on every node that is added from now on.
func (c *Cluster) AddDaemonSet(cpu, memoryMi int64) {
	name := fmt.Sprintf("agent-%d", len(c.DaemonSets))
	d := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: name, UID: types.UID(name)}}
	d.Spec.Template.Labels = map[string]string{"app": name}
	d.Spec.Template.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "c", Resources: corev1.ResourceRequirements{Requests: amounts(cpu, memoryMi, 0)}}}
	c.DaemonSets = append(c.DaemonSets, d)
}

// Guard gives the pods of an app a PodDisruptionBudget that lets some go.
func (c *Cluster) Guard(app string, allowed int32) {
	c.PDBs = append(c.PDBs, &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: app},
		Spec:   policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}},
		Status: policyv1.PodDisruptionBudgetStatus{DisruptionsAllowed: allowed}})
}

// Add starts a node. Its DaemonSets run, it has settled and may be consolidated.
func (c *Cluster) Add(l Launch) (*Node, error) {
	t, o := c.offering(l)
	if o == nil {
		return nil, fmt.Errorf("starting a node: no offering %+v", l)
	}
	name := fmt.Sprintf("node-%05d", c.made)
	c.made++
	labels := labelsOf(t, o)
	maps.Copy(labels, map[string]string{corev1.LabelHostname: name, v1.NodePoolLabelKey: l.Pool, v1.NodeRegisteredLabelKey: "true", v1.NodeInitializedLabelKey: "true"})
	n := &Node{Price: o.Price, Node: &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Labels: labels}}, Claim: settledClaim(name, labels)}
	n.Spec.ProviderID = n.Claim.Status.ProviderID
	n.Status.Allocatable, n.Status.Capacity = t.Allocatable(), t.Capacity
	n.Claim.Status.Allocatable, n.Claim.Status.Capacity = t.Allocatable(), t.Capacity
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	for _, d := range c.DaemonSets {
		n.Pods = append(n.Pods, daemonOn(d, name))
	}
	c.Nodes = append(c.Nodes, n)
	return n, nil
}

func (c *Cluster) offering(l Launch) (*cloudprovider.InstanceType, *cloudprovider.Offering) {
	for _, t := range c.Types {
		if t.Name != l.Type {
			continue
		}
		for _, o := range t.Offerings {
			if o.Zone() == l.Zone && o.CapacityType() == l.CapacityType {
				return t, o
			}
		}
	}
	return nil, nil
}

// settledClaim has been there for a day and has seen no pod come or go for an hour.
func settledClaim(node string, labels map[string]string) *v1.NodeClaim {
	claim := &v1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: "claim-" + node, UID: types.UID("claim-" + node), Labels: labels,
		CreationTimestamp: metav1.NewTime(time.Now().Add(-24 * time.Hour))}}
	claim.Status.ProviderID, claim.Status.NodeName = "test:///"+node, node
	claim.Status.LastPodEventTime = metav1.NewTime(time.Now().Add(-time.Hour))
	for _, condition := range []string{v1.ConditionTypeLaunched, v1.ConditionTypeRegistered, v1.ConditionTypeInitialized, v1.ConditionTypeConsolidatable} {
		claim.StatusConditions().SetTrue(condition)
	}
	return claim
}

func daemonOn(d *appsv1.DaemonSet, node string) *corev1.Pod {
	controller := true
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: d.Name + "-" + node, UID: types.UID(d.Name + "-" + node), Labels: d.Spec.Template.Labels,
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "DaemonSet", Name: d.Name, UID: d.UID, Controller: &controller}}}}
	p.Spec = *d.Spec.Template.Spec.DeepCopy()
	p.Spec.NodeName = node
	p.Status.Phase = corev1.PodRunning
	return p
}

// Run binds a copy of a pod to a node.
func (n *Node) Run(p *corev1.Pod) {
	p = p.DeepCopy()
	p.Spec.NodeName = n.Name
	p.Status.Phase = corev1.PodRunning
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}}
	n.Pods = append(n.Pods, p)
}

// Price is what the nodes cost per hour.
func (c *Cluster) Price() float64 {
	sum := 0.0
	for _, n := range c.Nodes {
		sum += n.Price
	}
	return sum
}

// pods is how many there are, those that wait and those of DaemonSets included.
func (c *Cluster) pods() int {
	sum := len(c.Waiting)
	for _, n := range c.Nodes {
		sum += len(n.Pods)
	}
	return sum
}

// Clone is a cluster of its own with the same objects.
func (c *Cluster) Clone() *Cluster {
	d := *c
	d.Waiting = slices.Clone(c.Waiting)
	d.Nodes = make([]*Node, len(c.Nodes))
	for i, n := range c.Nodes {
		m := *n
		m.Pods = slices.Clone(n.Pods)
		d.Nodes[i] = &m
	}
	return &d
}

// Apply does what was decided: pods that waited or lost their node run where
// the decision puts them.
func (c *Cluster) Apply(d Decision) error {
	homeless := map[string]*corev1.Pod{}
	for _, p := range c.Waiting {
		homeless[p.Name] = p
	}
	going := map[string]bool{}
	for _, name := range d.Remove {
		going[name] = true
	}
	c.Nodes = slices.DeleteFunc(c.Nodes, func(n *Node) bool {
		if going[n.Name] {
			for _, p := range workload(n) {
				homeless[p.Name] = p
			}
		}
		return going[n.Name]
	})
	run := func(n *Node, pods []string) error {
		for _, name := range pods {
			p, ok := homeless[name]
			if !ok {
				return fmt.Errorf("running pod %s on node %s: it is neither waiting nor on a node that goes", name, n.Name)
			}
			n.Run(p)
			delete(homeless, name)
		}
		return nil
	}
	for _, n := range c.Nodes {
		if err := run(n, d.Place[n.Name]); err != nil {
			return err
		}
	}
	for _, l := range d.Launch {
		n, err := c.Add(l)
		if err == nil {
			err = run(n, l.Pods)
		}
		if err != nil {
			return err
		}
	}
	c.Waiting = slices.SortedFunc(maps.Values(homeless), func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// workload is the pods on a node that no DaemonSet made.
func workload(n *Node) []*corev1.Pod {
	return slices.DeleteFunc(slices.Clone(n.Pods), isDaemon)
}

func isDaemon(p *corev1.Pod) bool { return p.OwnerReferences[0].Kind == "DaemonSet" }

// Delete takes running pods away, by name.
func (c *Cluster) Delete(pods map[string]bool) {
	for _, n := range c.Nodes {
		n.Pods = slices.DeleteFunc(n.Pods, func(p *corev1.Pod) bool { return pods[p.Name] })
	}
}

// Fresh is the same cluster before it had nodes: all of its pods wait.
func (c *Cluster) Fresh() *Cluster {
	d := c.Clone()
	d.Nodes = nil
	for _, n := range c.Nodes {
		for _, p := range workload(n) {
			p = p.DeepCopy()
			p.Spec.NodeName = ""
			p.Status = waitingStatus()
			d.Waiting = append(d.Waiting, p)
		}
	}
	slices.SortFunc(d.Waiting, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return d
}

// Case is the cluster for the oracle, without its nodes.
func (c *Cluster) Case() *Case {
	out := &Case{Pods: c.Waiting, Pools: c.Pools, Types: c.Types}
	for _, d := range c.DaemonSets {
		out.DaemonSets = append(out.DaemonSets, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: d.Name, UID: d.UID}, Spec: d.Spec.Template.Spec})
	}
	return out
}
