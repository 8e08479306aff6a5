package plan

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/awslabs/operatorpkg/status"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/automode-dev/automode/compute/disruption"
	"github.com/automode-dev/automode/compute/solver"
	"github.com/automode-dev/automode/compute/state"
)

// ExplainPool says whether a NodePool can make nodes, how many it has and what bounds it.
func (s *Scenario) ExplainPool(name string) (*Explanation, error) {
	picture, market, err := s.picture()
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
	if pool.Spec.Replicas != nil {
		e.Summary = fmt.Sprintf("is static: it keeps %s, whatever pods wait", counted(int(*pool.Spec.Replicas), "node"))
	}
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
	e.Reasons = append(e.Reasons, fmt.Sprintf("it has %s at $%s/h", counted(nodes, "node"), price(cost)))
	if message := s.nothingToBuy(pool, market); message != "" {
		e.Summary, e.Fix = "makes no nodes: "+message, fmt.Sprintf("correct the requirements of NodePool %s", name)
	}
	for _, resource := range slices.Sorted(maps.Keys(pool.Spec.Limits)) {
		limit, used := pool.Spec.Limits[resource], pool.Status.Resources[resource]
		e.Reasons = append(e.Reasons, fmt.Sprintf("%s of its limit of %s %s are in use", used.String(), limit.String(), resource))
		if used.Cmp(limit) >= 0 {
			e.Summary, e.Fix = fmt.Sprintf("makes no more nodes: its limit of %s is reached", resource), fmt.Sprintf("raise spec.limits.%s", resource)
		}
	}
	e.Reasons = append(e.Reasons, s.removalRules(picture, pool, market, nodes)...)
	return e, nil
}

// nothingToBuy says why not even a pod that asks for nothing would get a node of the pool.
func (s *Scenario) nothingToBuy(pool *karpv1.NodePool, m *market) string {
	if pool.Spec.Replicas != nil {
		return "" // static: pods do not decide
	}
	probe := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "probe", UID: "probe"}}
	probe.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	alone := state.NewPicture()
	alone.Set(pool)
	d, err := s.ask(alone, []*corev1.Pod{probe}, m)
	if err != nil {
		return err.Error()
	}
	for _, u := range d.plan.Unplaced {
		for _, r := range u.Reasons {
			if r.Kind != solver.ReasonLimits {
				return r.Message
			}
		}
	}
	return ""
}

// budgetReasons is how many reasons budgets know.
const budgetReasons = 3

// removalRules says how the pool's nodes may go: when, and what its budgets leave now.
func (s *Scenario) removalRules(picture *state.Picture, pool *karpv1.NodePool, m *market, nodes int) []string {
	d := pool.Spec.Disruption
	rules := []string{fmt.Sprintf("its nodes are consolidated %s after %s without pods coming or going", d.ConsolidationPolicy, d.ConsolidateAfter.Duration)}
	if d.ConsolidateAfter.Duration == nil {
		rules = []string{"its nodes are never consolidated: consolidateAfter is Never"}
	}
	var uses []disruption.BudgetUse
	for _, use := range disruption.Usage(s.survey(picture, nil, m).Snapshot) {
		if use.Pool == pool.Name && use.Allowed < math.MaxInt32 && nodes > 0 {
			uses = append(uses, use)
		}
	}
	same := len(uses) == budgetReasons && !slices.ContainsFunc(uses, func(u disruption.BudgetUse) bool { return u.Allowed != uses[0].Allowed })
	for _, use := range uses {
		what := string(use.Reason)
		if same {
			what = "any reason"
		}
		rules = append(rules, fmt.Sprintf("its budgets allow %s at a time to go for %s; %d going or not ready", counted(use.Allowed, "node"), what, use.Used))
		if same {
			break
		}
	}
	return rules
}
