// Package survey puts the picture of a cluster into the terms of
// compute/disruption: its nodes with what decides about their end, NodePools with
// their budgets, PodDisruptionBudgets, pods that wait, and steps under way.
//
// Controllers and `automode plan` ask the same question by it. It reads what it
// is given, knows no client, and decides nothing.
package survey

import (
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	podutils "sigs.k8s.io/karpenter/pkg/utils/pod"

	"github.com/automode-dev/automode/compute/disruption"
	"github.com/automode-dev/automode/compute/solver"
	"github.com/automode-dev/automode/compute/state"
)

// Question says what to look at.
type Question struct {
	Picture *state.Picture
	Clock   clock.Clock
	// Pods are those that need a node; pods of nodes that leave come on top.
	Pods []*corev1.Pod
	PDBs []*policyv1.PodDisruptionBudget
	// Types gives the instance types of a NodePool; none leaves the pool out.
	Types func(*karpv1.NodePool) []*solver.InstanceType
	// Marks are what a process knows about nodes beyond the objects.
	Marks
	Solver  solver.Options
	Options disruption.Options
}

// Marks tell about nodes by provider id; each may be nil.
type Marks struct {
	// Leaving nodes are decided on without being deleted yet.
	Leaving func(providerID string) bool
	// Nominated nodes are expected to take pods.
	Nominated func(providerID string) bool
	// Buffered nodes hold room that was bought as a buffer.
	Buffered func(providerID string) bool
}

func marked(mark func(string) bool, m *state.Machine) bool {
	return mark != nil && m.ProviderID() != "" && mark(m.ProviderID())
}

// Survey is the answer: the snapshot, and the machines behind its nodes by name.
type Survey struct {
	Snapshot disruption.Snapshot
	Machines map[string]*state.Machine
}

// Take looks at the cluster.
func Take(q Question) Survey {
	base, _ := q.Picture.Snapshot(state.Question{
		Pods: q.Pods, Types: q.Types, Leaving: q.Leaving, UnknownVolumes: true, Options: q.Solver,
		Movable: func(pod *corev1.Pod) bool {
			return podutils.IsReschedulable(pod) && podutils.IsDisruptable(pod, q.Clock, nil)
		},
	})
	s := Survey{Machines: map[string]*state.Machine{}, Snapshot: disruption.Snapshot{Now: q.Clock.Now(), Pending: base.Pods, DaemonSets: base.DaemonSets,
		Namespaces: base.Namespaces, WellKnown: base.WellKnown, Solver: base.Options, Options: q.Options}}
	for _, p := range q.PDBs {
		s.Snapshot.PDBs = append(s.Snapshot.PDBs, pdb(p))
	}
	s.addPools(&q, base.Pools)
	s.addNodes(&q, base.Nodes)
	s.addVolumes(&q)
	return s
}

// addPools adds the pools that are ready, as the solver has them.
func (s *Survey) addPools(q *Question, ready []solver.Pool) {
	translated := map[string]solver.Pool{}
	for _, p := range ready {
		translated[p.Name] = p
	}
	for _, np := range q.Picture.Pools() {
		pool, ok := translated[np.Name]
		if !ok {
			continue
		}
		p := disruption.Pool{Pool: pool, Policy: disruption.Policy(np.Spec.Disruption.ConsolidationPolicy), ConsolidateAfter: np.Spec.Disruption.ConsolidateAfter.Duration}
		if np.Spec.Replicas != nil {
			p.Replicas = int(*np.Spec.Replicas)
		}
		for i := range np.Spec.Disruption.Budgets {
			p.Budgets = append(p.Budgets, budget(&np.Spec.Disruption.Budgets[i]))
		}
		s.Snapshot.Pools = append(s.Snapshot.Pools, p)
	}
}

// addNodes adds all machines. Those that leave come without pods: theirs wait already.
func (s *Survey) addNodes(q *Question, staying []solver.Node) {
	translated := make(map[string]solver.Node, len(staying))
	for _, n := range staying {
		translated[n.Name] = n
	}
	machines := q.Picture.Machines()
	expecting := replacements(machines, func(*state.Machine) bool { return true })
	for _, m := range machines {
		s.Machines[m.Name()] = m
		n := disruption.Node{Joined: m.Node != nil, Ready: Ready(m.Node), Deleting: m.Leaving() || marked(q.Leaving, m)}
		var ok bool
		if n.Node, ok = translated[m.Name()]; !ok {
			n.Node = solver.Node{Name: m.Name(), Pool: m.Pool(), Labels: m.Labels(), Initialized: m.Initialized()}
			n.Deleting = true
		}
		if m.Claim != nil {
			addClaim(&n, m)
			_, filling := state.PlacesOf(m.Claim)
			n.Nominated, n.Buffered = marked(q.Nominated, m) || expecting[m.Claim.Name] || filling, marked(q.Buffered, m)
		}
		s.Snapshot.Nodes = append(s.Snapshot.Nodes, n)
	}
}

func addClaim(n *disruption.Node, m *state.Machine) {
	claim := m.Claim
	conditions := claim.StatusConditions()
	n.Claim, n.Created = claim.Name, claim.CreationTimestamp.Time
	n.Initialized = n.Initialized && conditions.IsTrue(karpv1.ConditionTypeInitialized)
	n.Consolidatable = conditions.IsTrue(karpv1.ConditionTypeConsolidatable)
	n.Terminating = conditions.IsTrue(karpv1.ConditionTypeInstanceTerminating)
	n.DoNotDisrupt = claim.Annotations[karpv1.DoNotDisruptAnnotationKey] == "true" || m.Node != nil && m.Node.Annotations[karpv1.DoNotDisruptAnnotationKey] == "true"
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

// Ready tells whether a node says so of itself.
func Ready(node *corev1.Node) bool {
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
func (s *Survey) addVolumes(q *Question) {
	var pods []*corev1.Pod
	at := map[types.UID]int{}
	for i := range s.Snapshot.Nodes {
		for _, pod := range s.Snapshot.Nodes[i].Pods {
			if len(pod.Spec.Volumes) > 0 && podutils.IsReschedulable(pod) {
				pods, at[pod.UID] = append(pods, pod), i
			}
		}
	}
	if len(pods) == 0 {
		return
	}
	answer, _ := q.Picture.Snapshot(state.Question{Pods: pods, Types: q.Types, UnknownVolumes: true})
	for _, pod := range answer.Pods {
		i, ok := at[pod.UID]
		if !ok || len(pod.VolumeTopology) == 0 && len(pod.Volumes) == 0 {
			continue
		}
		n := &s.Snapshot.Nodes[i]
		if n.Volumes == nil {
			n.Volumes = map[types.UID]disruption.PodVolumes{}
		}
		n.Volumes[pod.UID] = disruption.PodVolumes{Topology: pod.VolumeTopology, Attached: pod.Volumes}
	}
}
