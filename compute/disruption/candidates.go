package disruption

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/automode-dev/automode/compute/solver"
)

// candidate is a managed node with what its removal would mean.
type candidate struct {
	*Node
	pool   *Pool
	typ    *solver.InstanceType
	price  float64
	pods   []*corev1.Pod // that come back elsewhere
	moving []solver.Pod  // those of them that can go now
	cost   float64       // disruption cost: one and what evicting its pods weighs
	demand demand

	blocked  string // why it may not be disrupted at all
	held     string // why its pods hold it, grace period or not
	taken    bool   // by a step of this plan
	receives bool   // takes pods of a step of this plan
	kind     StayKind
	why      string // it stays
	final    bool   // nothing found out later says more
}

// ratio is what removing the node saves at most per unit of disruption.
func (c *candidate) ratio() float64 { return c.price / c.cost }

// empty tells that no pod on the node would be missed.
func (c *candidate) empty() bool { return c.cost <= 1 }

// stay writes down why the node stays, unless more is known already.
func (c *candidate) stay(kind StayKind, format string, args ...any) {
	if !c.final {
		c.kind, c.why = kind, fmt.Sprintf(format, args...)
	}
}

// stuck does so for a node that would have to go.
func (c *candidate) stuck(kind StayKind, format string, args ...any) {
	c.stay(kind, format, args...)
	c.final = true
}

// newCandidates judges every managed node, sorted by name.
func (p *planner) newCandidates() {
	for i := range p.s.Nodes {
		n := &p.s.Nodes[i]
		if n.Claim == "" {
			continue
		}
		c := &candidate{Node: n, pool: p.pools[n.Pool], cost: 1}
		if c.pool != nil {
			c.typ = p.types.typ(n.Pool, n.Labels[corev1.LabelInstanceTypeStable])
			c.price = nodePrice(n, c.typ)
		}
		p.judge(c)
		p.candidates = append(p.candidates, c)
	}
	slices.SortStableFunc(p.candidates, func(a, b *candidate) int { return cmp.Compare(a.Name, b.Name) })
}

// judge finds what the rules for nodes and pods say, in Karpenter's order.
func (p *planner) judge(c *candidate) {
	for _, pod := range c.Pods {
		if reschedulable(pod) {
			c.pods = append(c.pods, pod)
			c.cost += max(0, evictionCost(pod))
		}
	}
	switch {
	case !c.Joined:
		c.blocked = "Nodeclaim does not have an associated node"
	case !c.Initialized:
		c.blocked = "Node isn't initialized"
	case c.Deleting:
		c.blocked = "Node is deleting or marked for deletion"
	case c.Nominated:
		c.blocked = "Node is nominated for a pending pod"
	case c.DoNotDisrupt:
		c.blocked = fmt.Sprintf("Disruption is blocked through the %q annotation", doNotDisrupt)
	case c.pool == nil:
		c.blocked = fmt.Sprintf("NodePool not found (NodePool=%s)", c.Pool)
	}
	p.judgePods(c)
}

func (p *planner) judgePods(c *candidate) {
	var protectedPod, stuck string
	for _, pod := range c.Pods {
		if protectedPod == "" && protected(pod, p.s.Now) {
			protectedPod = fmt.Sprintf("Pod has %q annotation (Pod=%s)", doNotDisrupt, podName(pod))
		}
		message, forever := p.judgeEviction(c, pod)
		if stuck == "" {
			stuck = message
		}
		if reschedulable(pod) && !protected(pod, p.s.Now) && !forever {
			v := c.Volumes[pod.UID]
			c.moving = append(c.moving, solver.Pod{Pod: pod, VolumeTopology: v.Topology, Volumes: v.Attached})
		}
	}
	if c.held = protectedPod; c.held == "" {
		c.held = stuck
	}
}

// judgeEviction tells why PDBs do not let a pod go now, and whether they never will.
func (p *planner) judgeEviction(c *candidate, pod *corev1.Pod) (message string, forever bool) {
	if !evictable(pod, p.s.Now) {
		return "", false
	}
	pdbs := p.pdbs.of(pod)
	if len(pdbs) > 1 {
		var names []string
		for _, x := range pdbs {
			names = append(names, x.Namespace+"/"+x.Name)
		}
		return fmt.Sprintf("Eviction does not support multiple PDBs (PodDisruptionBudget(s)=[%s])", strings.Join(names, " ")), true
	}
	for _, x := range pdbs {
		if x.exempts(pod) {
			continue
		}
		c.demand = c.demand.add(x)
		if x.Allowed <= 0 {
			return fmt.Sprintf("Pdb prevents pod evictions (PodDisruptionBudget=[%s/%s])", x.Namespace, x.Name), x.FullyBlocking
		}
	}
	return "", false
}

// graceful tells why a node may not be removed for a reason that respects pods,
// "" where it may.
func (c *candidate) graceful() string {
	if c.blocked != "" {
		return c.blocked
	}
	return c.held
}

// eventual is the same for reasons that a grace period bounds: then pods do not
// stop the drain from starting.
func (c *candidate) eventual() string {
	if c.blocked != "" || c.TerminationGracePeriod != nil {
		return c.blocked
	}
	return c.held
}

// consolidatable tells whether to ask if the node is worth its price, and
// writes down why not.
func (p *planner) consolidatable(c *candidate) bool {
	switch why := c.graceful(); {
	case c.taken:
		return false
	case why != "":
		c.stay(Blocked, "%s", why)
	case c.pool.Static:
		c.stay(Needed, "NodePool %q is static", c.pool.Name)
	case c.pool.ConsolidateAfter == nil:
		c.stay(Unconsolidatable, "NodePool %q has consolidation disabled", c.pool.Name)
	case c.empty():
		return p.settled(c)
	case c.typ == nil:
		c.stay(Unconsolidatable, "Instance Type %q not found", c.Labels[corev1.LabelInstanceTypeStable])
	case c.Labels[capacityTypeLabel] == "":
		c.stay(Unconsolidatable, "Node does not have label %q", capacityTypeLabel)
	case c.Labels[corev1.LabelTopologyZone] == "":
		c.stay(Unconsolidatable, "Node does not have label %q", corev1.LabelTopologyZone)
	case c.pool.Policy == WhenEmpty:
		c.stay(Unconsolidatable, "NodePool %q has consolidation policy WhenEmpty, but node is not empty", c.pool.Name)
	default:
		return p.settled(c) && p.withoutOwner(c) && p.utilised(c)
	}
	return false
}

func (p *planner) settled(c *candidate) bool {
	switch {
	case c.empty() && c.Buffered:
		c.stay(Unconsolidatable, "Node %q has buffer pods", c.Name)
	case !c.Consolidatable:
		c.stay(Needed, "Node is not consolidatable yet")
	default:
		return true
	}
	return false
}

// withoutOwner finds pods that nothing would start again.
func (p *planner) withoutOwner(c *candidate) bool {
	for _, pod := range c.pods {
		if len(pod.OwnerReferences) == 0 {
			c.stay(Blocked, "Pod does not have a controller (Pod=%s)", podName(pod))
			return false
		}
	}
	return true
}

func (p *planner) utilised(c *candidate) bool {
	threshold := p.s.Options.UtilizationThreshold
	if threshold <= 0 {
		return true
	}
	if share := utilisation(c.Node); share >= threshold {
		c.stay(Unconsolidatable, "Utilization %.0f%% is not below the threshold of %.0f%%", 100*share, 100*threshold)
		return false
	}
	return true
}

// utilisation is the larger of the shares of cpu and memory that are asked for.
func utilisation(n *Node) float64 {
	var cpu, memory int64
	for _, pod := range n.Pods {
		if terminal(pod) {
			continue
		}
		r := requests(pod)
		cpu += r.Cpu().MilliValue()
		memory += r.Memory().Value()
	}
	share := 0.0
	if total := n.Allocatable.Cpu().MilliValue(); total > 0 {
		share = float64(cpu) / float64(total)
	}
	if total := n.Allocatable.Memory().Value(); total > 0 {
		share = max(share, float64(memory)/float64(total))
	}
	return share
}
