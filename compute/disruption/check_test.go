package disruption

import (
	"math"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/automode-dev/automode/compute/solver"
)

// check holds any plan against the rules that no plan may break.
func check(t *testing.T, s Snapshot, plan Plan) {
	t.Helper()
	byName := map[string]*Node{}
	for i := range s.Nodes {
		byName[s.Nodes[i].Name] = &s.Nodes[i]
	}
	pools := map[string]*Pool{}
	for i := range s.Pools {
		pools[s.Pools[i].Name] = &s.Pools[i]
	}
	removed := map[string]bool{}
	perReason := map[string]map[Reason]int{}
	for i := range plan.Steps {
		step := &plan.Steps[i]
		if len(step.Nodes) == 0 {
			t.Errorf("step %d removes nothing", i)
		}
		for _, r := range step.Nodes {
			n := byName[r.Node]
			if n == nil || removed[r.Node] {
				t.Fatalf("node %q is not there, or removed twice", r.Node)
			}
			removed[r.Node] = true
			if perReason[n.Pool] == nil {
				perReason[n.Pool] = map[Reason]int{}
			}
			perReason[n.Pool][step.Reason]++
			checkNode(t, &s, step.Reason, n)
		}
		if step.Reason == Underutilized && step.Saving() <= 0 {
			t.Errorf("step %s saves %v", names(step.Nodes), step.Saving())
		}
		if step.Reason == Underutilized {
			checkWorst(t, pools, step)
		}
	}
	checkPlaces(t, s, plan, byName, removed)
	checkBudgets(t, s, perReason)
}

func checkNode(t *testing.T, s *Snapshot, reason Reason, n *Node) {
	t.Helper()
	if n.Claim == "" || !n.Initialized || n.Deleting || n.DoNotDisrupt || n.Nominated {
		t.Errorf("node %s may not be disrupted", n.Name)
	}
	if reason == Expired || reason == Drifted && n.TerminationGracePeriod != nil {
		return
	}
	for _, pod := range n.Pods {
		if protected(pod, s.Now) {
			t.Errorf("node %s has protected pod %s", n.Name, pod.Name)
		}
		for _, pdb := range s.PDBs {
			if pdb.Allowed == 0 && pdb.Selector.Matches(labelSet(pod)) && evictable(pod, s.Now) && !(&pdbState{PDB: &pdb}).exempts(pod) {
				t.Errorf("node %s has pod %s that PDB %s does not let go", n.Name, pod.Name, pdb.Name)
			}
		}
	}
}

// checkWorst adds up the dearest launch of every claim: even so it must be cheaper.
func checkWorst(t *testing.T, pools map[string]*Pool, step *Step) {
	t.Helper()
	sum := 0.0
	for _, c := range step.Claims {
		pool := pools[c.Pool]
		worst := 0.0
		reqs := append(append([]solver.Requirement{}, pool.Requirements...), c.Requirements...)
		for _, name := range c.Types {
			for _, typ := range pool.Types {
				if typ.Name == name {
					_, most, _, _ := launchPrices(typ, reqs)
					worst = math.Max(worst, most)
				}
			}
		}
		sum += worst
	}
	if len(step.Claims) > 0 && sum >= step.PriceBefore {
		t.Errorf("step %s could launch for %v what costs %v now", names(step.Nodes), sum, step.PriceBefore)
	}
}

// checkPlaces counts that every pod of a removed node has one place, on a node
// that stays and has room.
func checkPlaces(t *testing.T, s Snapshot, plan Plan, byName map[string]*Node, removed map[string]bool) {
	t.Helper()
	places := map[types.UID]int{}
	load := map[string][]*corev1.Pod{}
	for i := range plan.Steps {
		for _, x := range plan.Steps[i].Placements {
			if removed[x.Node] || byName[x.Node] == nil {
				t.Errorf("pods are to go to %s, which goes", x.Node)
			}
			if n := byName[x.Node]; n != nil && n.Claim != "" && !n.Initialized {
				t.Errorf("pods are to go to %s, which is not initialized", x.Node)
			}
			for _, p := range x.Pods {
				places[p.UID]++
			}
			load[x.Node] = append(load[x.Node], x.Pods...)
		}
		for _, c := range plan.Steps[i].Claims {
			for _, p := range c.Pods {
				places[p.UID]++
			}
		}
	}
	for i := range plan.Steps {
		for _, r := range plan.Steps[i].Nodes {
			for _, p := range byName[r.Node].Pods {
				if plan.Steps[i].Reason == Underutilized && reschedulable(p) && places[p.UID] != 1 {
					t.Errorf("pod %s of %s has %d places", p.Name, r.Node, places[p.UID])
				}
			}
		}
	}
	for name, more := range load {
		var cpu, memory int64
		for _, p := range append(append([]*corev1.Pod{}, byName[name].Pods...), more...) {
			if !terminal(p) {
				r := requests(p)
				cpu, memory = cpu+r.Cpu().MilliValue(), memory+r.Memory().Value()
			}
		}
		if cpu > byName[name].Allocatable.Cpu().MilliValue() || memory > byName[name].Allocatable.Memory().Value() {
			t.Errorf("node %s would be overfull", name)
		}
	}
}

func checkBudgets(t *testing.T, s Snapshot, perReason map[string]map[Reason]int) {
	t.Helper()
	b := newBudgets(&s)
	for pool, reasons := range perReason {
		state := b.pools[pool]
		if state == nil {
			continue
		}
		all := 0
		for _, n := range reasons {
			all += n
		}
		for reason, n := range reasons {
			if reason == Expired {
				continue
			}
			if allowed := state.allowed(s.Now, reason); n > allowed-state.gone && n > 0 {
				t.Errorf("pool %s: %d nodes go for %s, %d may, %d are going", pool, n, reason, allowed, state.gone)
			}
		}
		if allowed := state.allowed(s.Now, "any"); len(reasons) > 0 && reasons[Expired] == 0 && all > allowed {
			t.Errorf("pool %s: %d nodes go, %d may", pool, all, allowed)
		}
	}
}

func labelSet(p *corev1.Pod) labels.Set { return labels.Set(p.Labels) }
