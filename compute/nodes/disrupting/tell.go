package disrupting

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/log"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	karpdisruption "sigs.k8s.io/karpenter/pkg/controllers/disruption"
	disruptionevents "sigs.k8s.io/karpenter/pkg/controllers/disruption/events"
	"sigs.k8s.io/karpenter/pkg/metrics"
	"sigs.k8s.io/karpenter/pkg/utils/pretty"

	"github.com/automode-dev/automode/compute/disruption"
)

// Labels of Karpenter's metrics that it has no names for.
const (
	decisionLabel = "decision"
	policyLabel   = "policy"
	balancedK     = 2
)

// tellPlan says what was decided and why nodes stay.
func (c *Controller) tellPlan(ctx context.Context, k *cluster, plan disruption.Plan, took time.Duration) {
	karpdisruption.EvaluationDurationSeconds.Observe(took.Seconds(), map[string]string{metrics.ReasonLabel: "all", karpdisruption.ConsolidationTypeLabel: ""})
	c.tellBudgets(k, plan)
	c.tellStays(k, plan.Stays)
	for i := range plan.Steps {
		c.tellStep(k, &plan.Steps[i])
	}
	if len(plan.Steps) > 0 {
		log.FromContext(ctx).Info("planned disruptions", "steps", len(plan.Steps), "price", plan.PriceBefore, "then", plan.PriceAfter,
			"what-ifs", plan.Solves, "duration", took)
	}
}

func (c *Controller) tellBudgets(k *cluster, plan disruption.Plan) {
	for _, b := range plan.Pools {
		if np := k.pools[b.Pool].object; np != nil {
			c.Recorder.Publish(disruptionevents.NodePoolBlockedForDisruptionReason(np, karpv1.DisruptionReason(b.Reason)))
		}
	}
	for _, u := range disruption.Usage(k.Snapshot) {
		by := map[string]string{metrics.NodePoolLabel: u.Pool, metrics.ReasonLabel: string(u.Reason)}
		karpdisruption.NodePoolAllowedDisruptions.Set(float64(u.Allowed), by)
		karpdisruption.NodePoolNodesConsumingBudgets.Set(float64(u.Used), by)
	}
	eligible := map[disruption.Reason]int{disruption.Empty: 0, disruption.Underutilized: 0, disruption.Drifted: 0}
	for i := range plan.Steps {
		eligible[plan.Steps[i].Reason] += len(plan.Steps[i].Nodes)
	}
	for reason, n := range eligible {
		karpdisruption.EligibleNodes.Set(float64(n), map[string]string{metrics.ReasonLabel: strings.ToLower(string(reason))})
	}
}

// tellStep publishes what a consolidation would do, before it is done.
func (c *Controller) tellStep(k *cluster, step *disruption.Step) {
	if step.Reason != disruption.Underutilized {
		return
	}
	text := describe(step)
	for _, n := range step.Nodes {
		if m := k.Machines[n.Node]; m != nil && m.Claim != nil {
			c.Recorder.Publish(disruptionevents.ConsolidationCandidate(m.Node, m.Claim, text, step.Saving())...)
		}
	}
	policies := map[string]string{}
	for i := range k.Snapshot.Pools {
		policies[k.Snapshot.Pools[i].Name] = string(k.Snapshot.Pools[i].Policy)
	}
	for _, s := range step.Scores {
		by := map[string]string{decisionLabel: "approved", metrics.NodePoolLabel: s.Pool, policyLabel: policies[s.Pool]}
		karpdisruption.ConsolidationScoreHistogram.Observe(s.Score, by)
		for _, n := range step.Nodes {
			if m := k.Machines[n.Node]; n.Pool == s.Pool && m != nil {
				c.Recorder.Publish(disruptionevents.ConsolidationApproved(m.Node, m.Claim, s.Score, s.Threshold, balancedK, 100*s.Savings, 100*s.Disruption)...)
			}
		}
	}
	for pool := range poolsOf(step) {
		karpdisruption.ConsolidationMovesTotal.Inc(map[string]string{decisionLabel: "approved", metrics.NodePoolLabel: pool, policyLabel: policies[pool]})
	}
}

// describe says in few words what a step does.
func describe(step *disruption.Step) string {
	var nodes []string
	for i, n := range step.Nodes {
		if i == 5 {
			nodes = append(nodes, fmt.Sprintf("and %d other(s)", len(step.Nodes)-i))
			break
		}
		nodes = append(nodes, n.Node)
	}
	list := strings.Join(nodes, ", ")
	switch len(step.Claims) {
	case 0:
		return fmt.Sprintf("delete: [%s]", list)
	case 1:
		return fmt.Sprintf("replace: [%s] -> [1 replacement]", list)
	}
	return fmt.Sprintf("replace: [%s] -> [%d replacements]", list, len(step.Claims))
}

func poolsOf(step *disruption.Step) map[string]bool {
	pools := map[string]bool{}
	for _, n := range step.Nodes {
		pools[n.Pool] = true
	}
	return pools
}

// tellDropped says of steps that no longer held when they were to be taken.
func (c *Controller) tellDropped(ctx context.Context, k *cluster, dropped []disruption.Dropped) {
	for i := range dropped {
		d := &dropped[i]
		log.FromContext(ctx).V(1).Info("not disrupting after all", "step", describe(&d.Step), "why", d.Why)
		karpdisruption.FailedValidationsTotal.Add(float64(len(d.Step.Nodes)), map[string]string{karpdisruption.ConsolidationTypeLabel: consolidationType(&d.Step)})
		for _, n := range d.Step.Nodes {
			if m := k.Machines[n.Node]; m != nil && m.Claim != nil && m.Node != nil {
				c.Recorder.Publish(disruptionevents.ConsolidationRejected(m.Node, m.Claim, describe(&d.Step), d.Why, d.Step.Saving())...)
			}
		}
	}
}

// consolidationType is what Karpenter calls the method that would have found the step.
func consolidationType(step *disruption.Step) string {
	switch {
	case step.Reason == disruption.Empty:
		return "empty"
	case step.Reason != disruption.Underutilized:
		return ""
	case len(step.Nodes) == 1:
		return "single"
	}
	return "multi"
}

func (c *Controller) tellBegun(ctx context.Context, r *running, step *disruption.Step) {
	reason := strings.ToLower(string(r.Reason))
	for pool := range poolsOf(step) {
		karpdisruption.NodepoolDecisionsPerformed.Inc(map[string]string{metrics.NodePoolLabel: pool, decisionLabel: r.decision(), metrics.ReasonLabel: reason,
			karpdisruption.ConsolidationTypeLabel: consolidationType(step)})
	}
	karpdisruption.DecisionsPerformedTotal.Inc(map[string]string{decisionLabel: r.decision(), metrics.ReasonLabel: reason, karpdisruption.ConsolidationTypeLabel: consolidationType(step)})
	log.FromContext(ctx).Info("disrupting node(s)", "step", r.ID, "reason", r.Reason, "command", describe(step), "saving", step.Saving(), "replacements", r.Replacements)
}

func (c *Controller) tellCreated(ctx context.Context, claim *karpv1.NodeClaim, r *running) {
	relaxed := "false"
	if claim.Annotations[karpv1.NodeClaimMinValuesRelaxedAnnotationKey] == "true" {
		relaxed = "true"
	}
	metrics.NodeClaimsCreatedTotal.Inc(map[string]string{metrics.ReasonLabel: strings.ToLower(string(r.Reason)), metrics.NodePoolLabel: claim.Labels[karpv1.NodePoolLabelKey],
		metrics.MinValuesRelaxedLabel: relaxed})
	log.FromContext(ctx).Info("created nodeclaim", "NodeClaim", claim.Name, "NodePool", claim.Labels[karpv1.NodePoolLabelKey], "step", r.ID)
}

// tellFailed says that a step is taken back, and why its nodes stay.
func (c *Controller) tellFailed(r *running, err error) {
	for _, m := range c.Picture.Machines() {
		if m.Claim != nil && slices.ContainsFunc(r.targets, func(t target) bool { return t.claim == m.Claim.Name }) {
			c.Recorder.Publish(disruptionevents.Blocked(m.Node, m.Claim, "Disruption is taken back, "+err.Error())...)
		}
	}
	karpdisruption.DisruptionQueueFailuresTotal.Add(float64(len(r.Replacements)-len(r.ready)), map[string]string{decisionLabel: r.decision(),
		metrics.ReasonLabel: pretty.ToSnakeCase(string(r.Reason)), karpdisruption.ConsolidationTypeLabel: r.decision()})
}

func (c *Controller) tellRemoved(ctx context.Context, r *running, t target, claim *karpv1.NodeClaim) {
	node := &corev1.Node{}
	if err := c.Kube.Get(ctx, types.NamespacedName{Name: t.node}, node); err == nil {
		c.Recorder.Publish(disruptionevents.Terminating(node, claim, string(r.Reason))...)
	}
	metrics.NodeClaimsDisruptedTotal.Inc(map[string]string{metrics.ReasonLabel: pretty.ToSnakeCase(string(r.Reason)), metrics.NodePoolLabel: claim.Labels[karpv1.NodePoolLabelKey],
		metrics.CapacityTypeLabel: claim.Labels[karpv1.CapacityTypeLabelKey]})
	log.FromContext(ctx).Info("removed node", "step", r.ID, "Node", t.node, "NodeClaim", t.claim)
}
