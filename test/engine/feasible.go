package engine

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	requirements "sigs.k8s.io/karpenter/pkg/scheduling"
	"sigs.k8s.io/karpenter/pkg/utils/resources"

	"github.com/automode-dev/automode/compute/solver"
)

var one = resource.NewQuantity(1, resource.DecimalSI)

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

// put tries the alternatives of the pod's node affinity and of its volumes in
// turn, since Karpenter tells of the last one only.
func (w *world) put(p *corev1.Pod, n *scheduling.ExistingNode) error {
	for _, s := range p.Spec.TopologySpreadConstraints {
		if _, ok := n.Labels()[s.TopologyKey]; !ok && s.TopologyKey != corev1.LabelHostname {
			return fmt.Errorf("the node has no label %s", s.TopologyKey) // where others exclude values, Karpenter thinks that it has
		}
	}
	volumes, err := requirements.GetVolumes(w.ctx, w.client, p)
	if err != nil {
		return fmt.Errorf("reading volumes: %w", err)
	}
	var errs []error
	for _, alternative := range alternatives(p) {
		if err := w.topology.Update(w.ctx, p); err != nil {
			return fmt.Errorf("counting: %w", err)
		}
		all := w.dataOf(alternative)
		if len(alternatives(p)) > 1 {
			all = append(all, w.openTo(alternative)...)
		}
		for _, data := range all {
			updated, _, err := n.CanAdd(w.ctx, p, data, volumes, nil)
			if err == nil {
				n.Add(w.ctx, p, data, updated, volumes, nil)
				return nil
			}
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// force puts a pod on a node unasked.
func (w *world) force(p *corev1.Pod, n *scheduling.ExistingNode) {
	n.Add(w.ctx, p, w.dataOf(p)[0], requirements.NewLabelRequirements(n.Labels()), nil, nil)
}

// openTo is the same with domains counted as if the node selector alone said where
// the pod may be: kube-scheduler counts those of all alternatives.
func (w *world) openTo(p *corev1.Pod) []*scheduling.PodData {
	out := w.dataOf(p)
	for _, data := range out {
		data.StrictRequirements = requirements.NewLabelRequirements(p.Spec.NodeSelector)
	}
	return out
}

// dataOf is what Karpenter keeps of a pod, for each alternative of its volumes.
func (w *world) dataOf(p *corev1.Pod) []*scheduling.PodData {
	reqs := requirements.NewStrictPodRequirements(p)
	data := scheduling.PodData{Requests: resources.RequestsForPods(p), Requirements: reqs, StrictRequirements: reqs}
	if len(w.volumes[p.UID]) == 0 {
		return []*scheduling.PodData{&data}
	}
	var out []*scheduling.PodData
	for _, v := range w.volumes[p.UID] {
		each := data
		each.VolumeRequirements = []requirements.Requirements{v}
		out = append(out, &each)
	}
	return out
}

var unknown = regexp.MustCompile(`(?:pod anti-affinity|topology spread), key=.*\(counts = (.*), podDomains = .*, nodeDomains = .* In \[([^ ]*)\]`)

// unknownDomain tells whether a rule refused a pod because it does not know the
// domain of a node, which Karpenter takes for full.
func unknownDomain(err error) bool {
	return slices.ContainsFunc(unknown.FindAllStringSubmatch(err.Error(), -1), func(m []string) bool { return !strings.Contains(m[1], m[2]) })
}

// alternatives are copies of a pod with one term of its node affinity each.
func alternatives(p *corev1.Pod) []*corev1.Pod {
	a := p.Spec.Affinity
	if a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return []*corev1.Pod{p}
	}
	var out []*corev1.Pod
	for _, term := range a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		q := p.DeepCopy()
		q.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms = []corev1.NodeSelectorTerm{term}
		out = append(out, q)
	}
	return out
}

// HardOnly is the case without soft constraints. Karpenter drops them one by
// one, and then forgets what it has counted for the pod's other rules.
func (c *Case) HardOnly() *Case {
	hard := *c
	hard.Pods, hard.Bound = nil, nil
	for _, p := range c.Pods {
		hard.Pods = append(hard.Pods, withoutSoft(p))
	}
	for _, p := range c.Bound {
		hard.Bound = append(hard.Bound, withoutSoft(p))
	}
	return &hard
}

func withoutSoft(p *corev1.Pod) *corev1.Pod {
	p = p.DeepCopy()
	if a := p.Spec.Affinity; a != nil {
		if a.NodeAffinity != nil {
			a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution = nil
		}
		if a.PodAffinity != nil {
			a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution = nil
		}
		if a.PodAntiAffinity != nil {
			a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution = nil
		}
	}
	var spreads []corev1.TopologySpreadConstraint
	for _, s := range p.Spec.TopologySpreadConstraints {
		if s.WhenUnsatisfiable == corev1.DoNotSchedule {
			spreads = append(spreads, ofItsOwn(s))
		}
	}
	p.Spec.TopologySpreadConstraints = spreads
	p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectPreferNoSchedule})
	return p
}

// ofItsOwn makes spreads differ to Karpenter that differ in minDomains only: by
// a condition that all pods meet. The selector belongs to a copy.
func ofItsOwn(s corev1.TopologySpreadConstraint) corev1.TopologySpreadConstraint {
	if s.MinDomains != nil {
		s.LabelSelector.MatchExpressions = append(s.LabelSelector.MatchExpressions,
			metav1.LabelSelectorRequirement{Key: fmt.Sprintf("min-domains-%d", *s.MinDomains), Operator: metav1.LabelSelectorOpDoesNotExist})
	}
	return s
}

// nodeFor makes the node that a claim's cheapest choice would become.
func (c *Case) nodeFor(claim *solver.Claim, i int) (*corev1.Node, error) {
	pool := c.pool(claim.Pool)
	t, o := c.offering(claim)
	if pool == nil || pool.Spec.Replicas != nil || o == nil {
		return nil, fmt.Errorf("claim %d: no pool %q that gets nodes, or no offering %+v", i, claim.Pool, claim.Cheapest)
	}
	name := fmt.Sprintf("planned-%d", i)
	labels := labelsOf(t, o)
	maps.Copy(labels, pool.Spec.Template.Labels)
	for _, r := range claim.Requirements {
		if r.Operator == corev1.NodeSelectorOpIn && !defines(pool, r.Key) {
			return nil, fmt.Errorf("claim %d: pool %s does not define label %s", i, pool.Name, r.Key)
		}
		c.settle(labels, r.Key, r.Operator, r.Values)
	}
	for _, r := range pool.Spec.Template.Spec.Requirements {
		c.settle(labels, r.Key, r.Operator, r.Values)
	}
	maps.Copy(labels, map[string]string{corev1.LabelHostname: name, v1.NodePoolLabelKey: pool.Name, v1.NodeRegisteredLabelKey: "true", v1.NodeInitializedLabelKey: "true"})
	if requirements.NewLabelRequirements(labels).Compatible(requirements.NewNodeSelectorRequirementsWithMinValues(pool.Spec.Template.Spec.Requirements...)) != nil {
		return nil, fmt.Errorf("claim %d: %s does not meet the requirements of pool %s", i, claim.Cheapest.Type, pool.Name)
	}
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, Spec: corev1.NodeSpec{ProviderID: "test:///" + name, Taints: pool.Spec.Template.Spec.Taints}}
	n.Status.Allocatable, n.Status.Capacity = t.Allocatable(), t.Capacity
	return n, nil
}

// defines tells whether nodes of a pool may have a label.
func defines(p *v1.NodePool, key string) bool {
	_, ok := p.Spec.Template.Labels[key]
	return ok || v1.WellKnownLabels.Has(key) || slices.ContainsFunc(p.Spec.Template.Spec.Requirements,
		func(r v1.NodeSelectorRequirementWithMinValues) bool { return r.Key == key })
}

// settle gives a label that is still open a value that a requirement allows;
// where any would do, one that pods select, since both sides count on that.
func (c *Case) settle(labels map[string]string, key string, op corev1.NodeSelectorOperator, values []string) {
	if _, ok := labels[key]; ok {
		return
	}
	switch op {
	case corev1.NodeSelectorOpIn, solver.OpGte, solver.OpLte:
		labels[key] = values[0]
	case corev1.NodeSelectorOpExists, corev1.NodeSelectorOpNotIn:
		labels[key] = "5"
		for _, p := range c.Pods {
			if v, ok := p.Spec.NodeSelector[key]; ok && (op == corev1.NodeSelectorOpExists || !slices.Contains(values, v)) {
				labels[key] = v
				return
			}
		}
	}
}

func (c *Case) pool(name string) *v1.NodePool {
	for _, p := range c.Pools {
		if p.Name == name {
			return p
		}
	}
	return nil
}

func (c *Case) offering(claim *solver.Claim) (*cloudprovider.InstanceType, *cloudprovider.Offering) {
	for _, t := range c.Types {
		if t.Name != claim.Cheapest.Type {
			continue
		}
		for _, o := range t.Offerings {
			if o.Available && o.Zone() == claim.Cheapest.Zone && o.CapacityType() == claim.Cheapest.CapacityType && o.Price == claim.Cheapest.Price {
				return t, o
			}
		}
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

// checkLimits tells whether the claims, each as the largest of its types, stay
// within the limits of their pools.
func (c *Case) checkLimits(plan solver.Plan) error {
	for _, p := range c.Pools {
		used := corev1.ResourceList{}
		if !slices.ContainsFunc(plan.Claims, func(claim solver.Claim) bool { return claim.Pool == p.Name }) {
			continue
		}
		for _, n := range c.staying() {
			if n.Labels[v1.NodePoolLabelKey] == p.Name {
				used = resources.Merge(used, n.Status.Capacity, corev1.ResourceList{resources.Node: *one})
			}
		}
		for i := range plan.Claims {
			if plan.Claims[i].Pool != p.Name {
				continue
			}
			var sizes []corev1.ResourceList
			for _, t := range c.Types {
				for _, name := range plan.Claims[i].Types {
					if t.Name == name {
						sizes = append(sizes, t.Capacity)
					}
				}
			}
			used = resources.Merge(used, resources.MaxResources(sizes...), corev1.ResourceList{resources.Node: *one})
		}
		for name, limit := range p.Spec.Limits {
			if u := used[name]; u.Cmp(limit) > 0 {
				return fmt.Errorf("pool %s: %s of %s is used, the limit is %s", p.Name, u.String(), name, limit.String())
			}
		}
	}
	return nil
}

// checkReservations tells whether no more claims use a capacity reservation than it has places.
func (c *Case) checkReservations(plan solver.Plan) error {
	used := map[string]int{}
	for i := range plan.Claims {
		if id := plan.Claims[i].Cheapest.Reservation; id != "" {
			used[id]++
			if _, o := c.offering(&plan.Claims[i]); o != nil && used[id] > o.ReservationCapacity {
				return fmt.Errorf("reservation %s has %d places, %d claims use it", id, o.ReservationCapacity, used[id])
			}
		}
	}
	return nil
}
