package disruption

import (
	"fmt"
	"math"
	"math/rand"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/automode-dev/automode/compute/solver"
)

// TestRandom holds plans for random clusters against the rules that no plan may
// break, and against themselves.
func TestRandom(t *testing.T) {
	cases := 200
	if testing.Short() {
		cases = 40
	}
	for seed := range cases {
		s := random(rand.New(rand.NewSource(int64(seed))))
		plan := Disrupt(s)
		check(t, s, plan)
		checkRules(t, s, plan)
		if again := describe(Disrupt(s)); again != describe(plan) {
			t.Errorf("seed %d: the same snapshot gave another plan", seed)
		}
		for i := range plan.Steps {
			if step := &plan.Steps[i]; (step.Reason == Underutilized || step.Reason == Empty) && step.Saving() < 0 {
				t.Errorf("seed %d: step %s makes the cluster dearer", seed, names(step.Nodes))
			}
		}
		valid, dropped := Validate(plan, s)
		if len(dropped) > 0 || len(valid.Steps) != len(plan.Steps) {
			t.Errorf("seed %d: a plan does not hold in the snapshot it was made for: %+v", seed, dropped)
		}
		if t.Failed() {
			t.Fatalf("seed %d:\n%s", seed, describe(plan))
		}
	}
}

// random is a cluster with some of everything.
func random(r *rand.Rand) Snapshot {
	c := &cluster{types: map[string]*solver.InstanceType{}, named: map[string][]string{}}
	c.Now = noon
	chance := func(p float64) bool { return r.Float64() < p }
	for i, cpu := range []int{2, 4, 8, 16} {
		line := []string{fmt.Sprintf("cpu=%d", cpu), fmt.Sprintf("mem=%dGi", cpu*4), fmt.Sprintf("price=%.3f", float64(cpu)*(0.04+0.02*r.Float64()))}
		if chance(0.5) {
			line = append(line, fmt.Sprintf("spot=%.3f", float64(cpu)*(0.01+0.02*r.Float64())))
		}
		c.readType(fmt.Sprintf("t%d", i), newWords(line))
	}
	pools := 1 + r.Intn(3)
	for i := range pools {
		line := []string{"budget=" + []string{"10%", "50%", "100%", "1", "3/Empty,Drifted"}[r.Intn(5)], "policy=" + []string{"", "", "WhenEmpty", "Balanced"}[r.Intn(4)]}
		if chance(0.3) {
			line = append(line, fmt.Sprintf("weight=%d", 1+r.Intn(3)))
		}
		if chance(0.2) {
			line = append(line, fmt.Sprintf("limit.cpu=%d", 8*r.Intn(30)))
		}
		if chance(0.1) {
			line = append(line, "static=3")
		}
		c.readPool(fmt.Sprintf("pool%d", i), newWords(line))
	}
	for i := range 2 + r.Intn(20) {
		c.randomNode(r, fmt.Sprintf("n%02d", i), pools)
	}
	for i := range r.Intn(4) {
		c.PDBs = append(c.PDBs, PDB{Namespace: "default", Name: fmt.Sprintf("pdb%d", i), Selector: labels.SelectorFromSet(labels.Set{"app": fmt.Sprintf("app%d", r.Intn(8))}), Allowed: r.Intn(4)})
	}
	for i := range c.Pools {
		c.Pools[i].Types = c.order
	}
	return c.Snapshot
}

func (c *cluster) randomNode(r *rand.Rand, name string, pools int) {
	typ := fmt.Sprintf("t%d", r.Intn(4))
	line := []string{"type=" + typ, fmt.Sprintf("pool=pool%d", r.Intn(pools)), "zone=" + []string{"a", "b", "c"}[r.Intn(3)]}
	for word, p := range map[string]float64{"drifted=1h": 0.1, "deleting": 0.05, "not-initialized": 0.05, "nominated": 0.03, "do-not-disrupt": 0.03, "not-ready": 0.03, "expires=-1m": 0.03, "grace=1h": 0.2} {
		// The order of the words does not matter, that of the chances does.
		if float64(hashOf(name+word+typ)%1000)/1000 < p {
			line = append(line, word)
		}
	}
	c.readNode(name, newWords(line))
	n := &c.Nodes[len(c.Nodes)-1]
	free := n.Allocatable.Cpu().MilliValue()
	for range r.Intn(6) {
		app := r.Intn(8)
		cpu := int64(100 * (1 + (app*7)%12))
		if free -= cpu; free < 0 {
			break
		}
		c.pods++
		p := newPod(fmt.Sprintf("p%d", c.pods), fmt.Sprintf("app%d", app), cpu, 256)
		switch app {
		case 1:
			spreadOver(p, corev1.LabelTopologyZone, corev1.DoNotSchedule, 2)
		case 2:
			spreadOver(p, corev1.LabelTopologyZone, corev1.ScheduleAnyway, 1)
		case 3:
			c.decorate(p, newWords([]string{"app3", "apart=host"}))
			if hasApp(n, "app3") {
				continue
			}
		case 4:
			p.Spec.NodeSelector = map[string]string{corev1.LabelTopologyZone: n.Labels[corev1.LabelTopologyZone]}
		}
		if r.Intn(40) == 0 {
			p.Annotations = map[string]string{doNotDisrupt: "true"}
		}
		n.Pods = append(n.Pods, p)
	}
}

func hasApp(n *Node, app string) bool {
	for _, p := range n.Pods {
		if p.Labels["app"] == app {
			return true
		}
	}
	return false
}

func hashOf(s string) uint32 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return h
}

// checkRules holds where pods would go against selectors and hard rules between pods.
func checkRules(t *testing.T, s Snapshot, plan Plan) {
	t.Helper()
	at := map[types.UID]string{} // pod -> node
	zone := map[string]string{}
	pods := map[types.UID]*corev1.Pod{}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		zone[n.Name] = n.Labels[corev1.LabelTopologyZone]
		for _, p := range n.Pods {
			at[p.UID], pods[p.UID] = n.Name, p
		}
	}
	moved := map[types.UID]bool{}
	for i, step := range plan.Steps {
		for _, x := range step.Placements {
			for _, p := range x.Pods {
				at[p.UID], moved[p.UID] = x.Node, true
			}
		}
		for j, c := range step.Claims {
			name := fmt.Sprintf("new-%d-%d", i, j)
			zone[name] = c.Cheapest.Zone
			for _, p := range c.Pods {
				at[p.UID], moved[p.UID] = name, true
			}
		}
	}
	app3 := map[string]int{}
	for id, p := range pods {
		if want := p.Spec.NodeSelector[corev1.LabelTopologyZone]; moved[id] && want != "" && zone[at[id]] != want {
			t.Errorf("pod %s wants zone %s, would go to %s in %s", p.Name, want, at[id], zone[at[id]])
		}
		if p.Labels["app"] == "app3" {
			if app3[at[id]]++; app3[at[id]] > 1 {
				t.Errorf("two pods that keep apart on %s", at[id])
			}
		}
	}
}

// TestConverges applies plan after plan: prices fall, and it comes to rest.
func TestConverges(t *testing.T) {
	for _, f := range []fleet{
		{nodes: 60, pools: 3, apps: 8, perNode: 6, fill: 0.45, budget: "10%", size: "m5.xlarge"},
		{nodes: 40, pools: 2, apps: 8, perNode: 8, fill: 0.6, hard: true, budget: "50%", size: "m5.2xlarge"},
	} {
		s := generate(f, 3)
		pods := countPods(s)
		last := math.Inf(1)
		rounds := 0
		for ; rounds < 60; rounds++ {
			plan := Disrupt(s)
			check(t, s, plan)
			if len(plan.Steps) == 0 {
				break
			}
			if plan.PriceAfter >= plan.PriceBefore || plan.PriceBefore > last+1e-9 {
				t.Fatalf("price goes from %v to %v, was %v", plan.PriceBefore, plan.PriceAfter, last)
			}
			last = plan.PriceBefore
			s = apply(s, plan)
			if got := countPods(s); got != pods {
				t.Fatalf("%d pods are left of %d", got, pods)
			}
		}
		t.Logf("%d nodes: %d left after %d rounds, $%.2f", f.nodes, len(s.Nodes), rounds, last)
		if rounds == 60 {
			t.Error("does not come to rest")
		}
	}
}

func countPods(s Snapshot) int {
	n := 0
	for i := range s.Nodes {
		for _, p := range s.Nodes[i].Pods {
			if reschedulable(p) {
				n++
			}
		}
	}
	return n
}

// apply is the cluster after a plan was carried out.
func apply(s Snapshot, plan Plan) Snapshot {
	out := s
	gone := map[string]bool{}
	more := map[string][]*corev1.Pod{}
	var fresh []Node
	for i, step := range plan.Steps {
		for _, r := range step.Nodes {
			gone[r.Node] = true
		}
		for _, x := range step.Placements {
			more[x.Node] = append(more[x.Node], x.Pods...)
		}
		for j, c := range step.Claims {
			for _, pool := range s.Pools {
				for _, typ := range pool.Types {
					if pool.Name == c.Pool && typ.Name == c.Cheapest.Type {
						n := newNode(fmt.Sprintf("%s-%d-%d", step.Nodes[0].Node, i, j), pool.Name, typ, c.Cheapest.Zone, c.Cheapest.CapacityType)
						d := daemon("agent")
						d.UID = types.UID("agent-" + n.Name)
						n.Pods = append([]*corev1.Pod{d}, c.Pods...)
						fresh = append(fresh, n)
					}
				}
			}
		}
	}
	out.Nodes = nil
	for _, n := range s.Nodes {
		if !gone[n.Name] {
			n.Pods = append(append([]*corev1.Pod{}, n.Pods...), more[n.Name]...)
			out.Nodes = append(out.Nodes, n)
		}
	}
	out.Nodes = append(out.Nodes, fresh...)
	return out
}
