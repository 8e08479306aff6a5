package engine

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/karpenter/pkg/operator/logging"
	requirements "sigs.k8s.io/karpenter/pkg/scheduling"
	"sigs.k8s.io/yaml"

	"github.com/automode-dev/automode/compute/solver"
)

var (
	cases = flag.Int("cases", 300, "number of generated cases")
	seed  = flag.Uint64("seed", 0, "first seed")
)

func TestMain(m *testing.M) {
	log.SetLogger(logging.NopLogger)
	flag.Parse()
	os.Exit(m.Run())
}

// Every pod that the solver places is where Karpenter's rules allow it.
func TestPlacementsAreAllowed(t *testing.T) {
	failures := 0
	for i := range *cases {
		c := Generate(*seed + uint64(i))
		fails := func(c *Case) bool { return c.covered() && c.Check(solver.Solve(c.Snapshot())) != nil }
		if fails(c) {
			failures++
			c = Shrink(c, fails)
			t.Errorf("%s: %v\n%s", c.Name, c.Check(solver.Solve(c.Snapshot())), c)
			if failures == 5 {
				t.Fatal("too many failures")
			}
		}
	}
}

// The solver leaves out no more pods than Karpenter does, but for one case in
// five hundred: DIFFERENCES.md says which those are. Run with -v to see them.
func TestNoPodIsLeftOutThatKarpenterPlaces(t *testing.T) {
	failures := 0
	for i := range *cases {
		c := Generate(*seed + uint64(i)).HardOnly()
		fails := func(c *Case) bool {
			k, err := c.Karpenter()
			plan := solver.Solve(c.Snapshot())
			return err == nil && c.covered() && leftOut(plan) > k.Unplaced && !c.passesNodeLimit(plan)
		}
		if fails(c) {
			failures++
			if testing.Verbose() {
				c = Shrink(c, fails)
			}
			plan := solver.Solve(c.Snapshot())
			k, _ := c.Karpenter()
			t.Logf("%s: the solver leaves out %d, Karpenter %d: %s %+v\n%s", c.Name, len(plan.Unplaced), k.Unplaced, plan.Unplaced[0].Pod.Name, plan.Unplaced[0].Reasons, c)
		}
	}
	if most := *cases / 500; failures > most {
		t.Errorf("%d of %d cases, at most %d are expected", failures, *cases, most)
	}
}

// leftOut counts the pods left out, but for those that Karpenter finds nodes for
// on which they cannot run.
func leftOut(plan solver.Plan) int {
	n := 0
	for _, u := range plan.Unplaced {
		if !inVain(u.Reasons) && !contradictory(u.Pod) {
			n++
		}
	}
	return n
}

// inVain tells whether a pod's own conditions exclude each other, or only
// another pod's NotIn could seem to define the label that it asks for.
func inVain(reasons []solver.Reason) bool {
	undefined := false
	for _, r := range reasons {
		switch {
		case strings.Contains(r.Message, "exclude each other"):
			return true
		case strings.Contains(r.Message, "does not define it"):
			undefined = true
		case r.Kind != solver.ReasonTaints:
			return false
		}
	}
	return undefined
}

// contradictory tells whether an alternative of the pod's node affinity asks for
// a label and excludes all of its values. Karpenter then wants the label absent.
func contradictory(p *corev1.Pod) bool {
	return slices.ContainsFunc(alternatives(p), func(a *corev1.Pod) bool {
		for key, r := range requirements.NewStrictPodRequirements(a) {
			if r.Operator() == corev1.NodeSelectorOpDoesNotExist && asksFor(a, key) {
				return true
			}
		}
		return false
	})
}

// asksFor tells whether a pod with one term of node affinity wants a node with a label.
func asksFor(p *corev1.Pod, key string) bool {
	if _, ok := p.Spec.NodeSelector[key]; ok {
		return true
	}
	a := p.Spec.Affinity
	if a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return false
	}
	for _, term := range a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		for _, e := range term.MatchExpressions {
			if e.Key == key && e.Operator != corev1.NodeSelectorOpNotIn && e.Operator != corev1.NodeSelectorOpDoesNotExist {
				return true
			}
		}
	}
	return false
}

// passesNodeLimit tells whether a limit of nodes stopped the solver. Karpenter
// checks that limit only against the nodes from before the batch.
func (c *Case) passesNodeLimit(plan solver.Plan) bool {
	for _, u := range plan.Unplaced {
		for _, r := range u.Reasons {
			if p := c.pool(r.Pool); p != nil && r.Kind == solver.ReasonLimits && len(p.Spec.Limits) > 1 {
				return true
			}
		}
	}
	return false
}

// String writes a case for people: what was shrunk to.
func (c *Case) String() string {
	var b strings.Builder
	for _, p := range c.Pools {
		fmt.Fprintf(&b, "pool %s %s", p.Name, text(p.Spec))
	}
	for _, n := range c.Nodes {
		fmt.Fprintf(&b, "node %s %v %v\n", n.Name, n.Labels, n.Spec.Taints)
	}
	for _, p := range c.Bound {
		fmt.Fprintf(&b, "bound %s on %s %v %s", p.Name, p.Spec.NodeName, p.Labels, text(p.Spec.Affinity))
	}
	for _, p := range c.Pods {
		fmt.Fprintf(&b, "pod %s/%s %v %s", p.Namespace, p.Name, p.Labels, text(p.Spec))
	}
	for _, p := range c.DaemonSets {
		fmt.Fprintf(&b, "daemon %s %s", p.Name, text(p.Spec))
	}
	for _, ty := range c.Types {
		fmt.Fprintf(&b, "type %s", ty.Name)
		for _, o := range ty.Offerings {
			if o.Available {
				fmt.Fprintf(&b, " %s/%s", o.Zone(), o.CapacityType())
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func text(v any) string {
	out, err := yaml.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return "\n" + string(out)
}
