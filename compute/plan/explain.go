package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/awslabs/operatorpkg/status"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	podutils "sigs.k8s.io/karpenter/pkg/utils/pod"

	"github.com/automode-dev/automode/compute/state"
)

// Explanation is what `automode explain -o json` prints; its fields are a contract.
type Explanation struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Summary is the answer in a sentence, Reasons what it rests on, Fix the least change that would help.
	Summary string   `json:"summary"`
	Reasons []string `json:"reasons"`
	Fix     string   `json:"fix,omitempty"`
}

// ErrNotFound says that what is to be explained does not exist.
type ErrNotFound struct{ Kind, Name string }

func (e *ErrNotFound) Error() string { return fmt.Sprintf("%s %q not found", e.Kind, e.Name) }

// ExplainPod says why a pod waits, or why it is where it is.
func (s *Scenario) ExplainPod(name types.NamespacedName) (*Explanation, error) {
	picture, types, err := s.picture()
	if err != nil {
		return nil, err
	}
	e := &Explanation{Kind: "Pod", Namespace: name.Namespace, Name: name.Name, Reasons: []string{}}
	pod, ok := picture.Pod(name)
	if !ok {
		return nil, &ErrNotFound{"pod", name.String()}
	}
	if pod.Spec.NodeName != "" {
		s.explainPlaced(e, picture, pod)
		return e, nil
	}
	if len(pod.Spec.SchedulingGates) > 0 {
		e.Summary = fmt.Sprintf("waits: scheduling gate %q holds it back", pod.Spec.SchedulingGates[0].Name)
		return e, nil
	}
	if podutils.IsOwnedByDaemonSet(pod) {
		e.Summary = "waits for its node: pods of DaemonSets make no new nodes appear"
		return e, nil
	}
	if node := pod.Status.NominatedNodeName; node != "" {
		e.Summary = fmt.Sprintf("waits for node %s, which is planned for it", node)
		for _, m := range picture.Machines() {
			if m.Name() == node || strings.HasSuffix(m.ProviderID(), "/"+node) {
				e.Reasons = append(e.Reasons, progress(m)...)
			}
		}
		return e, nil
	}
	waiting := picture.Waiting(func(*corev1.Pod) bool { return true })
	if !slices.Contains(waiting, pod) {
		waiting = append(waiting, pod)
	}
	s.explainWaiting(e, pod, func() decision { return s.ask(picture, waiting, types) })
	return e, nil
}

// explainWaiting asks the solver and tells its answer.
func (s *Scenario) explainWaiting(e *Explanation, pod *corev1.Pod, ask func() decision) {
	d := ask()
	same := func(other *corev1.Pod) bool { return other.UID == pod.UID && other.Name == pod.Name }
	for _, r := range d.rejected {
		if same(r.Pod) {
			e.Summary, e.Reasons = "waits: "+r.Err.Error(), []string{r.Err.Error()}
			return
		}
	}
	for _, u := range d.plan.Unplaced {
		if same(u.Pod) {
			e.Summary = "waits: no node has room, and no NodePool can make one that has"
			for _, r := range reasonsOf(u) {
				e.Reasons = append(e.Reasons, r.String())
			}
			e.Fix = Fix(u)
			return
		}
	}
	for _, p := range d.plan.Placements {
		if slices.ContainsFunc(p.Pods, same) {
			e.Summary = fmt.Sprintf("has room on node %s; the scheduler has yet to put it there", p.Node)
			return
		}
	}
	for _, c := range d.plan.Claims {
		if slices.ContainsFunc(c.Pods, same) {
			e.Summary = fmt.Sprintf("needs a new node: NodePool %s can make one, for example a %s at $%s/h for %d pods", c.Pool, c.Cheapest.Type, price(c.Cheapest.Price), len(c.Pods))
			return
		}
	}
	e.Summary = "waits for no reason that is known here"
}

func price(p float64) string {
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.4f", p), "0"), ".")
}

func (s *Scenario) explainPlaced(e *Explanation, picture *state.Picture, pod *corev1.Pod) {
	e.Summary = fmt.Sprintf("is on node %s", pod.Spec.NodeName)
	for _, m := range picture.Machines() {
		if m.Name() == pod.Spec.NodeName {
			e.Reasons = append(e.Reasons, s.about(m))
		}
	}
	if why := holds(pod); why != "" {
		e.Reasons = append(e.Reasons, "keeps its node from being removed: "+why)
	}
}

// about describes a machine in a line.
func (s *Scenario) about(m *state.Machine) string {
	l := m.Labels()
	if m.Pool() == "" {
		return fmt.Sprintf("node %s belongs to no NodePool", m.Name())
	}
	return fmt.Sprintf("node %s is a %s %s in %s of NodePool %s at $%s/h", m.Name(), l[karpv1.CapacityTypeLabelKey], l[corev1.LabelInstanceTypeStable],
		l[corev1.LabelTopologyZone], m.Pool(), price(s.priceOf(l)))
}

// ExplainNode says why a node or a claim is there and what keeps it. PDBs are among the live objects.
func (s *Scenario) ExplainNode(kind, name string) (*Explanation, error) {
	picture, _, err := s.picture()
	if err != nil {
		return nil, err
	}
	for _, m := range picture.Machines() {
		isNode, isClaim := m.Node != nil && m.Node.Name == name, m.Claim != nil && m.Claim.Name == name
		if kind == "Node" && isNode || kind == "NodeClaim" && isClaim {
			return s.explainMachine(kind, name, m), nil
		}
	}
	return nil, &ErrNotFound{strings.ToLower(kind), name}
}

func (s *Scenario) explainMachine(kind, name string, m *state.Machine) *Explanation {
	e := &Explanation{Kind: kind, Name: name, Reasons: []string{}}
	workload := slices.DeleteFunc(slices.Clone(m.Pods), func(p *corev1.Pod) bool { return podutils.IsOwnedByDaemonSet(p) || podutils.IsOwnedByNode(p) })
	switch {
	case m.Leaving():
		e.Summary = fmt.Sprintf("is going away; %d pods are still on it", len(workload))
	case !m.Initialized():
		e.Summary = "is on its way"
		e.Reasons = append(e.Reasons, progress(m)...)
	case len(workload) == 0:
		e.Summary = "is empty"
	default:
		e.Summary = fmt.Sprintf("is here for %d pods: %s", len(workload), summaryOf(workload))
	}
	if m.Node != nil {
		e.Reasons = append(e.Reasons, s.about(m))
	}
	if m.Claim == nil {
		e.Reasons = append(e.Reasons, "no NodeClaim owns it, so nothing here removes it")
		return e
	}
	if m.Claim.Annotations[karpv1.DoNotDisruptAnnotationKey] == "true" || m.Node != nil && m.Node.Annotations[karpv1.DoNotDisruptAnnotationKey] == "true" {
		e.Reasons = append(e.Reasons, "cannot be removed: it has the annotation "+karpv1.DoNotDisruptAnnotationKey)
		e.Fix = "remove the annotation " + karpv1.DoNotDisruptAnnotationKey
	}
	for _, pod := range workload {
		why := holds(pod)
		if why == "" {
			why = s.guarded(pod)
		}
		if why == "" {
			continue
		}
		e.Reasons = append(e.Reasons, fmt.Sprintf("cannot be removed for pod %s/%s: %s", pod.Namespace, pod.Name, why))
		if e.Fix == "" {
			e.Fix = fixFor(pod, why)
		}
	}
	return e
}

// holds says how a pod itself keeps its node.
func holds(pod *corev1.Pod) string {
	switch {
	case pod.Annotations[karpv1.DoNotDisruptAnnotationKey] != "":
		return "it has the annotation " + karpv1.DoNotDisruptAnnotationKey
	case metav1.GetControllerOf(pod) == nil:
		return "it has no controller that would make it again"
	}
	return ""
}

// guarded names the PodDisruptionBudget that lets no pod of its kind go.
func (s *Scenario) guarded(pod *corev1.Pod) string {
	for _, o := range s.Live {
		pdb, ok := o.(*policyv1.PodDisruptionBudget)
		if !ok || pdb.Namespace != pod.Namespace || pdb.Status.DisruptionsAllowed > 0 {
			continue
		}
		if selector, err := metav1.LabelSelectorAsSelector(pdb.Spec.Selector); err == nil && selector.Matches(labels.Set(pod.Labels)) {
			return fmt.Sprintf("PodDisruptionBudget %s allows no disruption now", pdb.Name)
		}
	}
	return ""
}

func fixFor(pod *corev1.Pod, why string) string {
	switch {
	case strings.Contains(why, karpv1.DoNotDisruptAnnotationKey):
		return fmt.Sprintf("remove the annotation %s from pod %s/%s", karpv1.DoNotDisruptAnnotationKey, pod.Namespace, pod.Name)
	case strings.Contains(why, "PodDisruptionBudget"):
		return "run more replicas, or let the PodDisruptionBudget allow a disruption"
	}
	return fmt.Sprintf("delete pod %s/%s, or run it by a Deployment", pod.Namespace, pod.Name)
}

// summaryOf names the workloads of pods with how many each has.
func summaryOf(pods []*corev1.Pod) string {
	counts := map[string]int{}
	var order []string
	for _, pod := range pods {
		name := OwnerOf(pod).String()
		if counts[name] == 0 {
			order = append(order, name)
		}
		counts[name]++
	}
	var parts []string
	for i, name := range order {
		if i == 5 {
			parts = append(parts, fmt.Sprintf("and %d more", len(order)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%s (%d)", name, counts[name]))
	}
	return strings.Join(parts, ", ")
}

// progress tells the first step of a claim that is not done.
func progress(m *state.Machine) []string {
	if m.Claim == nil {
		return nil
	}
	for _, step := range []string{karpv1.ConditionTypeLaunched, karpv1.ConditionTypeRegistered, karpv1.ConditionTypeInitialized} {
		if c := m.Claim.StatusConditions().Get(step); !c.IsTrue() {
			return []string{fmt.Sprintf("NodeClaim %s is not %s yet: %s", m.Claim.Name, strings.ToLower(step), conditionText(c))}
		}
	}
	return nil
}

func conditionText(c *status.Condition) string {
	if c == nil {
		return "nothing has happened"
	}
	if c.Message == "" || c.Message == "object is awaiting reconciliation" {
		return c.Reason
	}
	return c.Reason + ": " + c.Message
}

// ExplainPool says whether a NodePool can make nodes, how many it has and what bounds it.
func (s *Scenario) ExplainPool(name string) (*Explanation, error) {
	picture, types, err := s.picture()
	if err != nil {
		return nil, err
	}
	pools := picture.Pools()
	i := slices.IndexFunc(pools, func(p *karpv1.NodePool) bool { return p.Name == name })
	if i < 0 {
		return nil, &ErrNotFound{"nodepool", name}
	}
	pool := pools[i]
	e := &Explanation{Kind: "NodePool", Name: name, Reasons: []string{}, Summary: "can make nodes"}
	if ready := pool.StatusConditions().Root(); !ready.IsTrue() {
		e.Summary = "makes no nodes: it is not ready"
		for _, c := range pool.Status.Conditions {
			if c.Status != metav1.ConditionTrue && c.Type != status.ConditionReady {
				e.Reasons = append(e.Reasons, fmt.Sprintf("%s is %s: %s", c.Type, c.Status, c.Message))
			}
		}
		e.Fix = "correct what the conditions name"
	}
	nodes, cost := 0, 0.0
	for _, m := range picture.Machines() {
		if m.Pool() == name {
			nodes++
			cost += s.priceOf(m.Labels())
		}
	}
	e.Reasons = append(e.Reasons, fmt.Sprintf("it has %d nodes at $%s/h", nodes, price(cost)))
	if len(types(pool)) == 0 {
		e.Reasons = append(e.Reasons, "its NodeClass has no instance types")
	}
	for resource, limit := range pool.Spec.Limits {
		used := pool.Status.Resources[resource]
		e.Reasons = append(e.Reasons, fmt.Sprintf("%s of its limit of %s %s are in use", used.String(), limit.String(), resource))
		if used.Cmp(limit) >= 0 {
			e.Summary, e.Fix = fmt.Sprintf("makes no more nodes: its limit of %s is reached", resource), fmt.Sprintf("raise spec.limits.%s", resource)
		}
	}
	slices.Sort(e.Reasons)
	return e, nil
}

// Tell adds what was last said about the object, for each reason and each who said it. The events are newest first.
func (e *Explanation) Tell(events []corev1.Event) {
	said := map[string]bool{}
	for i := range events {
		who := events[i].Reason + events[i].Source.Component + events[i].ReportingController
		if !said[who] && slices.Contains(telling, events[i].Reason) {
			said[who] = true
			e.Reasons = append(e.Reasons, fmt.Sprintf("%s: %s", events[i].Reason, events[i].Message))
		}
	}
}

// telling are the events that say why.
var telling = []string{
	"FailedScheduling", "Nominated", "DisruptionBlocked", "Unconsolidatable", "ConsolidationRejected", "ConsolidationCandidate", "InsufficientCapacityError",
	"NodeClassNotReady", "NoCompatibleInstanceTypes", "FailedDraining", "NodeRepairBlocked", "FailedConsistencyCheck",
}
