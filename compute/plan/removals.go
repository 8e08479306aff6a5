package plan

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/component-helpers/resource"
	"k8s.io/utils/clock"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/utils/resources"

	"github.com/automode-dev/automode/compute/disruption"
	"github.com/automode-dev/automode/compute/disruption/survey"
	"github.com/automode-dev/automode/compute/solver"
	"github.com/automode-dev/automode/compute/state"
)

// ClusterNode is a node that a NodePool has now.
type ClusterNode struct {
	Name         string              `json:"name"` // the claim's while there is no node
	NodeClaim    string              `json:"nodeClaim"`
	NodePool     string              `json:"nodePool"`
	InstanceType string              `json:"instanceType"`
	Zone         string              `json:"zone"`
	CapacityType string              `json:"capacityType"`
	Requests     corev1.ResourceList `json:"requests"` // of all pods on it
	Allocatable  corev1.ResourceList `json:"allocatable"`
	Price        float64             `json:"price"`
	Fee          float64             `json:"fee"`
	Pods         []string            `json:"pods"` // namespace/name
	// Then is what becomes of it.
	Then Fate `json:"then"`
	// Reason and Message say why: the reason of the removal, or the reason and the text of the event about a node that stays.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// Fate is what becomes of a node.
type Fate string

// The fates.
const (
	Stays    Fate = "Stays"
	Removed  Fate = "Removed"  // its pods go to nodes that are there, or it has none
	Replaced Fate = "Replaced" // new nodes come first
	Leaving  Fate = "Leaving"  // it is going already
)

// Removal is a step of disruption: nodes that go together.
type Removal struct {
	Reason string   `json:"reason"`
	Nodes  []string `json:"nodes"`
	// Replacements are created first.
	Replacements []Node `json:"replacements"`
	// StaticPool makes one plain node for each that goes.
	StaticPool string `json:"staticPool,omitempty"`
	// Moves are pods that go to nodes that are there.
	Moves []Existing `json:"moves"`
	// After is how long no pod may come or go on the nodes first, where that time has not run out.
	After         string  `json:"after,omitempty"`
	PerMonthDelta float64 `json:"perMonthDelta"` // fee included
}

// survey looks at the cluster as the controllers do.
func (s *Scenario) survey(picture *state.Picture, pods []*corev1.Pod, m *market) survey.Survey {
	q := survey.Question{Picture: picture, Clock: s.clock(), Pods: pods, Types: m.list, Marks: marks(picture), Solver: s.options(), Options: s.Disruption}
	for _, o := range slices.Concat(s.Live, s.Objects) {
		if pdb, ok := o.(*policyv1.PodDisruptionBudget); ok {
			q.PDBs = append(q.PDBs, pdb)
		}
	}
	return survey.Take(q)
}

func (s *Scenario) clock() clock.Clock {
	if s.Clock == nil {
		return clock.RealClock{}
	}
	return s.Clock
}

// marks reads from the objects what the controllers have in memory: steps under way, and nominations.
func marks(picture *state.Picture) survey.Marks {
	leaving, nominated := map[string]bool{}, map[string]bool{}
	expected := map[string]bool{}
	for _, pod := range picture.Unbound() {
		if name := pod.Status.NominatedNodeName; name != "" {
			expected[name] = true
		}
	}
	for _, m := range picture.Machines() {
		id := m.ProviderID()
		if m.Claim != nil {
			_, leaving[id] = survey.RecordOf(m.Claim)
		}
		nominated[id] = expected[m.Name()] || expected[id[strings.LastIndex(id, "/")+1:]]
	}
	return survey.Marks{Leaving: func(id string) bool { return leaving[id] }, Nominated: func(id string) bool { return nominated[id] }}
}

// atRest takes consolidateAfter as run out everywhere, and tells for which nodes it has not.
func atRest(snapshot *disruption.Snapshot) map[string]time.Duration {
	after := map[string]time.Duration{}
	for _, p := range snapshot.Pools {
		if p.ConsolidateAfter != nil {
			after[p.Name] = *p.ConsolidateAfter
		}
	}
	waits := map[string]time.Duration{}
	for i := range snapshot.Nodes {
		n := &snapshot.Nodes[i]
		if wait, ok := after[n.Pool]; ok && !n.Consolidatable {
			waits[n.Name] = wait
		}
		n.Consolidatable, n.Settled = true, time.Time{}
	}
	return waits
}

// disrupt adds to the report which nodes there are and what becomes of them once the cluster is at rest.
func (s *Scenario) disrupt(r *Report, d *decision) {
	around := s.survey(d.picture, d.unlessStatic(d.pods), d.market)
	waits := atRest(&around.Snapshot)
	plan := disruption.Disrupt(around.Snapshot)
	types := typeTable(d.snapshot)
	fates := map[string]ClusterNode{}
	for _, stay := range plan.Stays {
		fates[stay.Node] = ClusterNode{Then: Stays, Reason: string(stay.Kind), Message: stay.Message}
	}
	for i := range plan.Steps {
		step := &plan.Steps[i]
		r.Removals = append(r.Removals, s.removal(step, types, waits))
		then := Removed
		if len(step.Claims) > 0 || step.Static != "" {
			then = Replaced
		}
		for _, n := range step.Nodes {
			fates[n.Node] = ClusterNode{Then: then, Reason: string(step.Reason)}
		}
	}
	for i := range around.Snapshot.Nodes {
		if n := &around.Snapshot.Nodes[i]; n.Pool != "" {
			r.ClusterNodes = append(r.ClusterNodes, s.clusterNode(n, around.Machines[n.Name], fates[n.Name]))
		}
	}
	slices.SortStableFunc(r.ClusterNodes, compareClusterNodes)
}

func (s *Scenario) removal(step *disruption.Step, types map[string]*solver.InstanceType, waits map[string]time.Duration) Removal {
	out := Removal{Reason: string(step.Reason), Replacements: []Node{}, Moves: []Existing{}, StaticPool: step.Static}
	var wait time.Duration
	for _, n := range step.Nodes {
		out.Nodes = append(out.Nodes, n.Node)
		wait = max(wait, waits[n.Node])
	}
	if step.Reason == disruption.Empty || step.Reason == disruption.Underutilized {
		if wait > 0 {
			out.After = wait.String()
		}
	}
	for _, claim := range step.Claims {
		out.Replacements = append(out.Replacements, s.node(claim, types))
	}
	for _, placement := range step.Placements {
		out.Moves = append(out.Moves, Existing{placement.Node, podNames(placement.Pods)})
	}
	return out
}

func (s *Scenario) clusterNode(n *disruption.Node, m *state.Machine, fate ClusterNode) ClusterNode {
	out := fate
	if out.Then == "" {
		out.Then = Stays
	}
	if n.Deleting {
		out.Then, out.Reason, out.Message = Leaving, "", ""
	}
	out.Name, out.NodeClaim, out.NodePool = n.Name, n.Claim, n.Pool
	out.InstanceType, out.Zone, out.CapacityType = n.Labels[corev1.LabelInstanceTypeStable], n.Labels[corev1.LabelTopologyZone], n.Labels[karpv1.CapacityTypeLabelKey]
	out.Price, out.Fee = s.priceOf(n.Labels), s.fee(out.InstanceType)
	out.Allocatable, out.Pods, out.Requests = m.Allocatable(), podNames(m.Pods), corev1.ResourceList{}
	for _, pod := range m.Pods {
		out.Requests = resources.MergeInto(out.Requests, resource.PodRequests(pod, resource.PodResourcesOptions{}))
	}
	return out
}

func compareClusterNodes(a, b ClusterNode) int {
	for _, c := range []int{
		strings.Compare(a.NodePool, b.NodePool), strings.Compare(a.InstanceType, b.InstanceType), strings.Compare(a.CapacityType, b.CapacityType),
		strings.Compare(a.Zone, b.Zone), strings.Compare(string(a.Then), string(b.Then)), strings.Compare(a.Reason, b.Reason),
	} {
		if c != 0 {
			return c
		}
	}
	return strings.Compare(a.Name, b.Name)
}

// change compares the cluster's nodes with those after the plan, and prices each removal.
func (s *Scenario) change(r *Report) *Change {
	c := &Change{}
	cost := map[string]float64{}
	for _, n := range r.ClusterNodes {
		if n.Then == Leaving {
			continue
		}
		c.NodesBefore++
		c.FeeBefore += n.Fee
		c.PriceBefore += n.Price + n.Fee
		cost[n.Name] = n.Price + n.Fee
	}
	c.NodesAfter = c.NodesBefore + len(r.Nodes)
	delta := r.Price + r.Fee
	for i := range r.Removals {
		removal := &r.Removals[i]
		saved := 0.0
		for _, name := range removal.Nodes {
			saved += cost[name]
		}
		if removal.StaticPool != "" {
			continue // like for like
		}
		for _, n := range removal.Replacements {
			saved -= n.Price + n.Fee
		}
		c.NodesAfter += len(removal.Replacements) - len(removal.Nodes)
		removal.PerMonthDelta = perMonth(-saved)
		delta -= saved
	}
	c.PriceBefore, c.FeeBefore = cents(c.PriceBefore), cents(c.FeeBefore)
	c.PriceAfter = cents(c.PriceBefore + delta)
	c.PerMonthDelta = perMonth(c.PriceAfter - c.PriceBefore)
	return c
}
