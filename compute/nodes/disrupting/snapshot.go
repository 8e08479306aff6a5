package disrupting

import (
	"context"
	"fmt"
	"time"

	"github.com/awslabs/operatorpkg/status"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/log"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	podutils "sigs.k8s.io/karpenter/pkg/utils/pod"

	"github.com/automode-dev/automode/compute/disruption"
	"github.com/automode-dev/automode/compute/solver"
	"github.com/automode-dev/automode/compute/state"
)

// thinking bounds the search for a better plan.
const thinking = 10 * time.Second

// cluster is what one decision is made on: the snapshot and the objects behind it.
type cluster struct {
	snapshot disruption.Snapshot
	machines map[string]*state.Machine // by name
	pools    map[string]pool
}

// pool is a NodePool with the instance types that it may use now.
type pool struct {
	object *karpv1.NodePool
	types  []*cloudprovider.InstanceType
}

// look gathers a snapshot.
func (c *Controller) look(ctx context.Context) (*cluster, error) {
	pdbs, err := c.pdbs(ctx)
	if err != nil {
		return nil, err
	}
	now := c.Clock.Now()
	deadline := now.Add(thinking)
	k := &cluster{machines: map[string]*state.Machine{}, pools: map[string]pool{}}
	types := c.typeLister(ctx, k)
	leaving := c.leaving()
	// Pods that the scheduler has yet to look at need their room too: many of them were drained a moment ago.
	waiting := append(c.Picture.Waiting(func(*corev1.Pod) bool { return true }), c.Picture.Untried(now)...)
	base, _ := c.Picture.Snapshot(state.Question{
		Pods: waiting, Types: types, Leaving: leaving, UnknownVolumes: true,
		Movable: func(pod *corev1.Pod) bool {
			return podutils.IsReschedulable(pod) && podutils.IsDisruptable(pod, c.Clock, nil)
		},
		Options: solver.Options{MaxTypes: c.MaxTypes},
	})
	options := c.Options
	options.Stop = func() bool { return c.Clock.Now().After(deadline) }
	k.snapshot = disruption.Snapshot{Now: now, Pending: base.Pods, PDBs: pdbs, DaemonSets: base.DaemonSets, Namespaces: base.Namespaces,
		WellKnown: base.WellKnown, Solver: base.Options, Options: options}
	c.addPools(k, base.Pools, types)
	c.addNodes(k, base.Nodes, leaving)
	c.addVolumes(k, types)
	return k, nil
}

// typeLister lists the instance types of pools that are ready, each pool looked up once.
func (c *Controller) typeLister(ctx context.Context, k *cluster) func(*karpv1.NodePool) []*solver.InstanceType {
	return func(np *karpv1.NodePool) []*solver.InstanceType {
		if np == nil {
			return nil
		}
		known, ok := k.pools[np.Name]
		if !ok && np.StatusConditions().IsTrue(status.ConditionReady) {
			list, err := c.Types.GetInstanceTypes(ctx, np)
			if err != nil {
				log.FromContext(ctx).Error(err, "skipping NodePool: its instance types are not known", "NodePool", np.Name)
			}
			known = pool{np, list}
		}
		k.pools[np.Name] = known
		return c.translated.Translate(known.types)
	}
}

// addPools adds the dynamic pools as the solver has them, and the static ones.
func (c *Controller) addPools(k *cluster, dynamic []solver.Pool, types func(*karpv1.NodePool) []*solver.InstanceType) {
	translated := map[string]solver.Pool{}
	for _, p := range dynamic {
		translated[p.Name] = p
	}
	for _, np := range c.Picture.Pools() {
		if !np.DeletionTimestamp.IsZero() {
			continue
		}
		p := disruption.Pool{Policy: disruption.Policy(np.Spec.Disruption.ConsolidationPolicy), ConsolidateAfter: np.Spec.Disruption.ConsolidateAfter.Duration}
		var ok bool
		if p.Pool, ok = translated[np.Name]; !ok {
			list := types(np)
			if np.Spec.Replicas == nil || len(list) == 0 {
				continue // not ready
			}
			p.Pool, p.Static, p.Replicas = state.Pool(np, list), true, int(*np.Spec.Replicas)
		}
		for i := range np.Spec.Disruption.Budgets {
			p.Budgets = append(p.Budgets, budget(&np.Spec.Disruption.Budgets[i]))
		}
		k.snapshot.Pools = append(k.snapshot.Pools, p)
	}
}

func budget(b *karpv1.Budget) disruption.Budget {
	out := disruption.Budget{Nodes: b.Nodes}
	for _, r := range b.Reasons {
		out.Reasons = append(out.Reasons, disruption.Reason(r))
	}
	if b.Schedule != nil {
		out.Schedule = *b.Schedule
	}
	if b.Duration != nil {
		out.Duration = b.Duration.Duration
	}
	return out
}

// addNodes adds all machines. Those that leave come without pods: theirs wait already.
func (c *Controller) addNodes(k *cluster, staying []solver.Node, leaving func(string) bool) {
	translated := make(map[string]solver.Node, len(staying))
	for _, n := range staying {
		translated[n.Name] = n
	}
	machines := c.Picture.Machines()
	expecting := c.expecting(machines)
	for _, m := range machines {
		k.machines[m.Name()] = m
		n := disruption.Node{Joined: m.Node != nil, Ready: ready(m.Node), Deleting: m.Leaving() || m.ProviderID() != "" && leaving(m.ProviderID())}
		var ok bool
		if n.Node, ok = translated[m.Name()]; !ok {
			n.Node = solver.Node{Name: m.Name(), Pool: m.Pool(), Labels: m.Labels(), Initialized: m.Initialized()}
			n.Deleting = true
		}
		if m.Claim != nil {
			c.addClaim(&n, m)
			n.Nominated = n.Nominated || expecting[m.Claim.Name]
		}
		k.snapshot.Nodes = append(k.snapshot.Nodes, n)
	}
}

// expecting finds replacements whose pods are still on the nodes that go. It
// also forgets removed nodes that the picture shows as such.
func (c *Controller) expecting(machines []*state.Machine) map[string]bool {
	out := map[string]bool{}
	staying := map[string]bool{}
	for _, m := range machines {
		if m.Claim == nil {
			continue
		}
		if r, ok := recordOf(m.Claim); ok {
			for _, name := range r.Replacements {
				out[name] = true
			}
		}
		if !m.Leaving() {
			staying[m.ProviderID()] = true
		}
	}
	for id := range c.removed {
		if !staying[id] {
			delete(c.removed, id)
		}
	}
	return out
}

func (c *Controller) addClaim(n *disruption.Node, m *state.Machine) {
	claim := m.Claim
	conditions := claim.StatusConditions()
	n.Claim, n.Created = claim.Name, claim.CreationTimestamp.Time
	n.Initialized = n.Initialized && conditions.IsTrue(karpv1.ConditionTypeInitialized)
	n.Consolidatable = conditions.IsTrue(karpv1.ConditionTypeConsolidatable)
	n.Terminating = conditions.IsTrue(karpv1.ConditionTypeInstanceTerminating)
	n.DoNotDisrupt = claim.Annotations[karpv1.DoNotDisruptAnnotationKey] == "true" || m.Node != nil && m.Node.Annotations[karpv1.DoNotDisruptAnnotationKey] == "true"
	n.Nominated = m.ProviderID() != "" && c.Cluster.IsNodeNominated(m.ProviderID())
	n.Buffered = m.ProviderID() != "" && c.Cluster.HasBufferPods(m.ProviderID())
	if drifted := conditions.Get(karpv1.ConditionTypeDrifted); drifted.IsTrue() {
		n.Drifted = drifted.LastTransitionTime.Time
	}
	if after := claim.Spec.ExpireAfter.Duration; after != nil {
		n.Expires = n.Created.Add(*after)
	}
	if n.Settled = claim.Status.LastPodEventTime.Time; n.Settled.IsZero() && conditions.IsTrue(karpv1.ConditionTypeInitialized) {
		n.Settled = conditions.Get(karpv1.ConditionTypeInitialized).LastTransitionTime.Time
	}
	if grace := claim.Spec.TerminationGracePeriod; grace != nil {
		n.TerminationGracePeriod = &grace.Duration
	}
}

func ready(node *corev1.Node) bool {
	if node == nil {
		return false
	}
	for i := range node.Status.Conditions {
		if condition := &node.Status.Conditions[i]; condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// addVolumes finds what the volumes of bound pods ask of another node.
func (c *Controller) addVolumes(k *cluster, lister func(*karpv1.NodePool) []*solver.InstanceType) {
	var pods []*corev1.Pod
	at := map[types.UID]int{}
	for i := range k.snapshot.Nodes {
		for _, pod := range k.snapshot.Nodes[i].Pods {
			if len(pod.Spec.Volumes) > 0 && podutils.IsReschedulable(pod) {
				pods, at[pod.UID] = append(pods, pod), i
			}
		}
	}
	if len(pods) == 0 {
		return
	}
	answer, _ := c.Picture.Snapshot(state.Question{Pods: pods, Types: lister, UnknownVolumes: true})
	for _, pod := range answer.Pods {
		i, ok := at[pod.UID]
		if !ok || len(pod.VolumeTopology) == 0 && len(pod.Volumes) == 0 {
			continue
		}
		n := &k.snapshot.Nodes[i]
		if n.Volumes == nil {
			n.Volumes = map[types.UID]disruption.PodVolumes{}
		}
		n.Volumes[pod.UID] = disruption.PodVolumes{Topology: pod.VolumeTopology, Attached: pod.Volumes}
	}
}

// pdbs reads the PodDisruptionBudgets.
func (c *Controller) pdbs(ctx context.Context) ([]disruption.PDB, error) {
	list := &policyv1.PodDisruptionBudgetList{}
	if err := c.Kube.List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing PodDisruptionBudgets: %w", err)
	}
	var out []disruption.PDB
	for i := range list.Items {
		p := &list.Items[i]
		selector, err := metav1.LabelSelectorAsSelector(p.Spec.Selector)
		if err != nil {
			log.FromContext(ctx).Error(err, "taking a PodDisruptionBudget for one of all pods: its selector cannot be read", "PodDisruptionBudget", p.Namespace+"/"+p.Name)
			selector = labels.Everything()
		}
		out = append(out, disruption.PDB{Namespace: p.Namespace, Name: p.Name, Selector: selector, Allowed: int(p.Status.DisruptionsAllowed), FullyBlocking: fullyBlocking(p),
			EvictUnhealthy: p.Spec.UnhealthyPodEvictionPolicy != nil && *p.Spec.UnhealthyPodEvictionPolicy == policyv1.AlwaysAllow})
	}
	return out, nil
}

func fullyBlocking(p *policyv1.PodDisruptionBudget) bool {
	is := func(v *intstr.IntOrString, texts ...string) bool {
		if v == nil {
			return false
		}
		for _, t := range texts {
			if v.String() == t {
				return true
			}
		}
		return false
	}
	return is(p.Spec.MaxUnavailable, "0", "0%") || is(p.Spec.MinAvailable, "100%")
}
