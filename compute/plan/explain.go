package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
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
	picture, market, err := s.picture()
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
	d, err := s.ask(picture, waiting, market)
	if err != nil {
		return nil, err
	}
	s.explainWaiting(e, pod, &d)
	return e, nil
}

// explainWaiting tells the solver's answer.
func (s *Scenario) explainWaiting(e *Explanation, pod *corev1.Pod, d *decision) {
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
			if n := d.staticNode(p.Node); n != nil {
				e.Summary = fmt.Sprintf("waits for a node that static NodePool %s has yet to make", n.Pool)
			}
			return
		}
	}
	for _, c := range d.plan.Claims {
		if slices.ContainsFunc(c.Pods, same) {
			e.Summary = fmt.Sprintf("needs a new node: NodePool %s can make one, for example %s %s at $%s/h for %s", c.Pool,
				withArticle(c.Cheapest.CapacityType), c.Cheapest.Type, price(c.Cheapest.Price), counted(len(c.Pods), "pod"))
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
	if why := s.holds(pod); why != "" {
		e.Reasons = append(e.Reasons, "keeps its node from being removed: "+why)
	}
}

// about describes a machine in a line.
func (s *Scenario) about(m *state.Machine) string {
	l := m.Labels()
	if m.Pool() == "" {
		return fmt.Sprintf("node %s belongs to no NodePool", m.Name())
	}
	return fmt.Sprintf("node %s is %s %s in %s of NodePool %s at $%s/h", m.Name(), withArticle(l[karpv1.CapacityTypeLabelKey]), l[corev1.LabelInstanceTypeStable],
		l[corev1.LabelTopologyZone], m.Pool(), price(s.priceOf(l)))
}

func withArticle(word string) string {
	if word != "" && strings.ContainsRune("aeiou", rune(word[0])) {
		return "an " + word
	}
	return "a " + word
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Tell adds what was last said about the object, for each reason and each who said it, unless the explanation says it
// already. The events are newest first.
func (e *Explanation) Tell(events []corev1.Event) {
	said := map[string]bool{}
	for i := range events {
		who := events[i].Reason + events[i].Source.Component + events[i].ReportingController
		if !said[who] && slices.Contains(telling, events[i].Reason) {
			said[who] = true
			text := fmt.Sprintf("%s: %s", events[i].Reason, events[i].Message)
			if !slices.ContainsFunc(e.Reasons, func(r string) bool { return strings.Contains(r, text) }) {
				e.Reasons = append(e.Reasons, "event of "+EventTime(&events[i]).UTC().Format(time.RFC3339)+", "+text)
			}
		}
	}
}

// telling are the events that say why.
var telling = []string{
	"FailedScheduling", "Nominated", "DisruptionBlocked", "Unconsolidatable", "ConsolidationRejected", "ConsolidationCandidate", "InsufficientCapacityError",
	"NodeClassNotReady", "NoCompatibleInstanceTypes", "FailedDraining", "NodeRepairBlocked", "FailedConsistencyCheck",
}

// EventTime is when an event last happened.
func EventTime(e *corev1.Event) time.Time {
	if !e.LastTimestamp.IsZero() {
		return e.LastTimestamp.Time
	}
	return e.EventTime.Time
}
