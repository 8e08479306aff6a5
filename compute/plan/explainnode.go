package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/awslabs/operatorpkg/status"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	podutils "sigs.k8s.io/karpenter/pkg/utils/pod"

	"github.com/automode-dev/automode/compute/disruption"
	"github.com/automode-dev/automode/compute/state"
)

// ExplainNode says why a node or a claim is there, what it was chosen over, and why it cannot be removed now: the answer
// of disruption.
func (s *Scenario) ExplainNode(kind, name string) (*Explanation, error) {
	picture, market, err := s.picture()
	if err != nil {
		return nil, err
	}
	for _, m := range picture.Machines() {
		isNode, isClaim := m.Node != nil && m.Node.Name == name, m.Claim != nil && m.Claim.Name == name
		if kind == "Node" && isNode || kind == "NodeClaim" && isClaim {
			e := s.explainMachine(kind, name, m)
			if m.Claim != nil && !m.Leaving() {
				s.explainStay(e, picture, m, market)
			}
			return e, nil
		}
	}
	return nil, &ErrNotFound{strings.ToLower(kind), name}
}

// explainMachine says what the machine is and what it is for.
func (s *Scenario) explainMachine(kind, name string, m *state.Machine) *Explanation {
	e := &Explanation{Kind: kind, Name: name, Reasons: []string{}}
	workload := workloadOf(m)
	switch {
	case m.Leaving():
		e.Summary = "is going away"
		if n := len(workload); n > 0 {
			e.Summary += fmt.Sprintf("; %s still on it", counted(n, "pod"))
		}
	case !m.Initialized():
		e.Summary = "is on its way"
		e.Reasons = append(e.Reasons, progress(m)...)
	case len(workload) == 0:
		e.Summary = "is empty"
	default:
		e.Summary = fmt.Sprintf("is here for %s: %s", counted(len(workload), "pod"), summaryOf(workload))
	}
	if m.Node != nil {
		e.Reasons = append(e.Reasons, s.about(m))
	}
	if m.Claim == nil {
		e.Reasons = append(e.Reasons, "no NodeClaim owns it, so nothing here removes it")
		return e
	}
	if over := s.chosenOver(m); over != "" {
		e.Reasons = append(e.Reasons, over)
	}
	return e
}

func workloadOf(m *state.Machine) []*corev1.Pod {
	return slices.DeleteFunc(slices.Clone(m.Pods), func(p *corev1.Pod) bool { return podutils.IsOwnedByDaemonSet(p) || podutils.IsOwnedByNode(p) })
}

// chosenOver names the instance types that the claim would have taken as well, with what they cost in the same place.
func (s *Scenario) chosenOver(m *state.Machine) string {
	var others []string
	own := m.Labels()[corev1.LabelInstanceTypeStable]
	for _, r := range m.Claim.Spec.Requirements {
		if r.Key == corev1.LabelInstanceTypeStable && r.Operator == corev1.NodeSelectorOpIn {
			others = slices.DeleteFunc(slices.Clone(r.Values), func(name string) bool { return name == own })
		}
	}
	if len(others) == 0 {
		return ""
	}
	prices := map[string]float64{}
	for _, name := range others {
		l := map[string]string{corev1.LabelInstanceTypeStable: name, corev1.LabelTopologyZone: m.Labels()[corev1.LabelTopologyZone],
			karpv1.CapacityTypeLabelKey: m.Labels()[karpv1.CapacityTypeLabelKey]}
		prices[name] = s.priceOf(l)
	}
	slices.SortFunc(others, func(a, b string) int { return cmp.Or(cmp.Compare(prices[a], prices[b]), strings.Compare(a, b)) })
	const most = 3
	var named []string
	for _, name := range others[:min(most, len(others))] {
		named = append(named, fmt.Sprintf("%s ($%s/h)", name, price(prices[name])))
	}
	text := "chosen over " + strings.Join(named, ", ")
	if own == "" {
		text = "may become " + strings.Join(named, ", ")
	}
	if len(others) > most {
		text += " and " + counted(len(others)-most, "dearer one")
	}
	return text
}

// explainStay says what disruption thinks of the machine: in the words of the events now, and what will be once
// consolidateAfter has run out.
func (s *Scenario) explainStay(e *Explanation, picture *state.Picture, m *state.Machine, market *market) {
	around := s.survey(picture, picture.Waiting(func(*corev1.Pod) bool { return true }), market)
	plan := disruption.Disrupt(around.Snapshot)
	stay, stays := stayOf(plan, m.Name())
	e.Reasons = append(e.Reasons, verdictOn(plan, m.Name())...)
	if stays && stay.Kind == disruption.Needed {
		if wait := atRest(&around.Snapshot)[m.Name()]; wait > 0 {
			plan = disruption.Disrupt(around.Snapshot)
			for _, line := range verdictOn(plan, m.Name()) {
				e.Reasons = append(e.Reasons, fmt.Sprintf("after %s without pods coming or going: %s", wait, line))
			}
			stay, _ = stayOf(plan, m.Name())
		}
	}
	e.Fix = s.fixForStay(stay, m)
	for _, pod := range workloadOf(m) {
		why := s.holds(pod)
		if why == "" {
			why = s.guarded(pod)
		}
		name := pod.Namespace + "/" + pod.Name
		if why == "" {
			continue
		}
		if e.Fix == "" {
			e.Fix = fixFor(pod, why)
		}
		if !strings.Contains(stay.Message, "(Pod="+name+")") {
			e.Reasons = append(e.Reasons, fmt.Sprintf("pod %s holds it: %s", name, why))
		}
	}
}

func stayOf(plan disruption.Plan, node string) (disruption.Stay, bool) {
	for _, stay := range plan.Stays {
		if stay.Node == node {
			return stay, true
		}
	}
	return disruption.Stay{}, false
}

// verdictOn says why a node stays, or how it goes.
func verdictOn(plan disruption.Plan, node string) []string {
	if stay, ok := stayOf(plan, node); ok {
		return []string{fmt.Sprintf("stays, %s: %s", stay.Kind, stay.Message)}
	}
	for i := range plan.Steps {
		step := &plan.Steps[i]
		if !slices.ContainsFunc(step.Nodes, func(r disruption.Removal) bool { return r.Node == node }) {
			continue
		}
		text := fmt.Sprintf("goes, %s", step.Reason)
		if n := len(step.Nodes) - 1; n > 0 {
			text += fmt.Sprintf(" with %s", counted(n, "other node"))
		}
		if n := len(step.Claims); n > 0 {
			text += fmt.Sprintf(", replaced by %s like %s", counted(n, "new node"), step.Claims[0].Cheapest.Type)
		}
		if saving := step.Saving(); saving > 0 {
			text += fmt.Sprintf(", saves $%s/h", price(saving))
		}
		return []string{text}
	}
	return nil
}

// fixForStay names what would let a node go, where its pods are not what keeps it.
func (s *Scenario) fixForStay(stay disruption.Stay, m *state.Machine) string {
	switch {
	case strings.HasPrefix(stay.Message, "Disruption is blocked through the"):
		return "remove the annotation " + karpv1.DoNotDisruptAnnotationKey
	case stay.Kind == disruption.Budgeted && strings.Contains(stay.Message, "blocking budget"):
		return fmt.Sprintf("wait, or raise spec.disruption.budgets of NodePool %s", m.Pool())
	case strings.Contains(stay.Message, "consolidation policy WhenEmpty"):
		return fmt.Sprintf("set spec.disruption.consolidationPolicy of NodePool %s to %s", m.Pool(), disruption.WhenEmptyOrUnderutilized)
	case strings.Contains(stay.Message, "consolidation disabled"):
		return fmt.Sprintf("set spec.disruption.consolidateAfter of NodePool %s", m.Pool())
	}
	return ""
}

// holds says how a pod itself keeps its node.
func (s *Scenario) holds(pod *corev1.Pod) string {
	switch {
	case !podutils.IsDisruptable(pod, s.clock(), nil):
		return "it has the annotation " + karpv1.DoNotDisruptAnnotationKey
	case len(pod.OwnerReferences) == 0:
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
