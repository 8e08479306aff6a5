package engine

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	requirements "sigs.k8s.io/karpenter/pkg/scheduling"
	"sigs.k8s.io/karpenter/pkg/utils/resources"

	"github.com/automode-dev/automode/compute/solver"
)

// Check asks Karpenter's own rules whether every placement of a plan is
// allowed: the planned nodes are made real nodes, and each pod is put where the
// plan says, in any order that works. Soft constraints do not count.
func (c *Case) Check(plan solver.Plan) error {
	var nodes []*corev1.Node
	target := map[string]string{} // pod -> node
	for i := range plan.Claims {
		n, err := c.nodeFor(&plan.Claims[i], i)
		if err != nil {
			return err
		}
		nodes = append(nodes, n)
		for _, p := range plan.Claims[i].Pods {
			target[p.Namespace+"/"+p.Name] = n.Name
		}
	}
	for _, pl := range plan.Placements {
		for _, p := range pl.Pods {
			target[p.Namespace+"/"+p.Name] = pl.Node
		}
	}
	if got, want := len(target)+len(plan.Unplaced), len(c.toPlace()); got != want {
		return fmt.Errorf("the plan speaks of %d pods, the case has %d", got, want)
	}
	if err := errors.Join(c.checkLimits(plan), c.checkReservations(plan)); err != nil {
		return err
	}
	labelsOn := func(p *corev1.Pod) map[string]string {
		name := target[p.Namespace+"/"+p.Name]
		for _, n := range slices.Concat(nodes, c.Nodes) {
			if n.Name == name {
				return n.Labels
			}
		}
		for _, n := range c.Claims {
			if n.Name == name {
				return n.Labels
			}
		}
		return nil
	}
	hard := c.HardOnly()
	// Where one order does not work, those that were refused go first in the
	// next, those most often before the others, and those in their way last: all
	// of them, or first one by one; the last order is by size, in which both
	// sides decide.
	var err error
	for _, all := range []bool{true, false} {
		rank := map[string]int{} // pod -> higher goes first
		for i := 1; i <= ordersTried; i++ {
			var left []*corev1.Pod
			if left, err = hard.tryOrder(nodes, target, rank, all && i == ordersTried); err == nil || left == nil {
				return err
			}
			hard.reorder(left, rank, labelsOn, all)
		}
	}
	return err
}

// reorder lets pods that were refused go earlier, and those in their way later.
func (c *Case) reorder(refused []*corev1.Pod, rank map[string]int, labelsOn func(*corev1.Pod) map[string]string, all bool) {
	for _, p := range refused {
		if !slices.ContainsFunc(refused, func(o *corev1.Pod) bool { return o != p && inTheWay(o, p, labelsOn) }) {
			rank[p.Name]++
		}
		for _, q := range c.toPlace() {
			if inTheWay(p, q, labelsOn) && (all || rank[q.Name] >= 0) {
				rank[q.Name]--
				if !all {
					break
				}
			}
		}
	}
}

// inTheWay tells whether a spread of p counts q with it, which does not have it.
func inTheWay(p, q *corev1.Pod, labelsOn func(*corev1.Pod) map[string]string) bool {
	return p.Namespace == q.Namespace && slices.ContainsFunc(p.Spec.TopologySpreadConstraints, func(s corev1.TopologySpreadConstraint) bool {
		selector, err := metav1.LabelSelectorAsSelector(s.LabelSelector)
		return err == nil && selector.Matches(labels.Set(q.Labels)) && labelsOn(p)[s.TopologyKey] == labelsOn(q)[s.TopologyKey] &&
			!slices.ContainsFunc(q.Spec.TopologySpreadConstraints, func(t corev1.TopologySpreadConstraint) bool { return reflect.DeepEqual(s, t) })
	})
}

// ordersTried is how many orders of binding Check tries.
const ordersTried = 6

// tryOrder puts the pods where the plan says, those of the highest rank first,
// and returns those that are refused.
func (c *Case) tryOrder(nodes []*corev1.Node, target map[string]string, rank map[string]int, bySize bool) ([]*corev1.Pod, error) {
	w, err := c.newWorld(nodes, scheduling.IgnorePreferences)
	if err != nil {
		return nil, err
	}
	c.register(w)
	existing := map[string]*scheduling.ExistingNode{}
	for _, n := range w.nodes {
		existing[n.Name()] = scheduling.NewExistingNode(n, w.topology, n.Taints(), c.daemonsOn(n), nil, false)
	}
	if bySize {
		slices.SortStableFunc(w.pods, func(a, b *corev1.Pod) int {
			x, y := resources.RequestsForPods(a), resources.RequestsForPods(b)
			if d := y.Cpu().Cmp(*x.Cpu()); d != 0 {
				return d
			}
			return y.Memory().Cmp(*x.Memory())
		})
		return w.place(target, existing, nil, false)
	}
	return w.place(target, existing, rank, true)
}

// place puts all pods where they belong, again and again until nothing moves.
func (w *world) place(target map[string]string, existing map[string]*scheduling.ExistingNode, rank map[string]int, sorted bool) ([]*corev1.Pod, error) {
	left := slices.Clone(w.pods)
	// Pods that nothing holds back must not come first: they can make a spread
	// uneven that would allow both the other way round.
	slices.SortStableFunc(left, func(a, b *corev1.Pod) int {
		if !sorted {
			return 0
		}
		if d := rank[b.Name] - rank[a.Name]; d != 0 {
			return d
		}
		return len(b.Spec.TopologySpreadConstraints) - len(a.Spec.TopologySpreadConstraints)
	})
	left = slices.DeleteFunc(left, func(p *corev1.Pod) bool {
		_, ok := target[p.Namespace+"/"+p.Name]
		return !ok // left out
	})
	why := map[string]error{}
	for len(left) > 0 {
		// After each success from the start: those under most rules go as soon as they can.
		at := slices.IndexFunc(left, func(p *corev1.Pod) bool {
			name := target[p.Namespace+"/"+p.Name]
			err := w.put(p, existing[name])
			if err != nil {
				why[p.Name] = fmt.Errorf("pod %s on node %s: %w", p.Name, name, err)
			}
			return err == nil
		})
		if at < 0 { // a slip of Karpenter's is no reason, but all others go first
			at = slices.IndexFunc(left, func(p *corev1.Pod) bool { return unknownDomain(why[p.Name]) })
			if at >= 0 {
				w.force(left[at], existing[target[left[at].Namespace+"/"+left[at].Name]])
			}
		}
		if at < 0 {
			var errs []error
			for _, p := range left {
				errs = append(errs, why[p.Name])
			}
			return left, fmt.Errorf("%d pods are not allowed where the plan puts them: %w", len(left), errors.Join(errs...))
		}
		left = slices.Delete(left, at, at+1)
	}
	return nil, nil
}

// daemonsOn is what DaemonSets ask of a node, as Karpenter counts it.
func (c *Case) daemonsOn(n *state.StateNode) corev1.ResourceList {
	var pods []*corev1.Pod
	for _, d := range c.DaemonSets {
		if requirements.Taints(n.Taints()).ToleratesPod(d) == nil &&
			requirements.NewLabelRequirements(n.Labels()).Compatible(requirements.NewStrictPodRequirements(d)) == nil {
			pods = append(pods, d)
		}
	}
	return resources.RequestsForPods(pods...)
}
