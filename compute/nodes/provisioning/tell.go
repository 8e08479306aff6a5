package provisioning

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/metrics"
	podutils "sigs.k8s.io/karpenter/pkg/utils/pod"

	"github.com/automode-dev/automode/compute/plan"
	"github.com/automode-dev/automode/compute/solver"
	"github.com/automode-dev/automode/compute/state"
)

// controllerName labels the metrics of decisions.
var controllerName = map[string]string{scheduling.ControllerLabel: "provisioner"}

// tellRejected says of pods why nobody thinks about them. Those that want no node of ours are left in peace.
func (c *Controller) tellRejected(ctx context.Context, rejected []state.Rejected) {
	failed := map[*corev1.Pod]error{}
	for _, r := range rejected {
		failed[r.Pod] = fmt.Errorf("ignoring pod, %w", r.Err)
		if !errors.Is(r.Err, provisioning.KarpenterManagedLabelDoesNotExistError) {
			c.Recorder.Publish(scheduling.PodFailedToScheduleEvent(r.Pod, r.Err))
		}
	}
	c.Cluster.MarkPodSchedulingDecisions(ctx, failed, nil, nil)
	scheduling.IgnoredPodCount.Set(float64(len(rejected)), nil)
}

// tellPlan says what was decided: events of pods, metrics, and the marks that Karpenter's other controllers look at.
func (c *Controller) tellPlan(ctx context.Context, s solver.Snapshot, p solver.Plan, machines []*state.Machine, took time.Duration) {
	scheduling.DurationSeconds.Observe(took.Seconds(), controllerName)
	scheduling.UnschedulablePodsCount.Set(float64(len(p.Unplaced)), controllerName)
	failed := map[*corev1.Pod]error{}
	for _, u := range p.Unplaced {
		failed[u.Pod] = errors.New(plan.Message(u))
		c.Recorder.Publish(scheduling.PodFailedToScheduleEvent(u.Pod, failed[u.Pod]))
		c.tellPools(u)
	}
	byPool, byNode := map[string][]*corev1.Pod{}, map[string][]*corev1.Pod{}
	for _, claim := range p.Claims {
		byPool[claim.Pool] = append(byPool[claim.Pool], c.awaited.real(claim.Pods)...)
	}
	byName := map[string]*state.Machine{}
	for _, m := range machines {
		byName[m.Name()] = m
	}
	for _, placement := range p.Placements {
		m := byName[placement.Node]
		if m == nil {
			continue
		}
		pods := c.awaited.real(placement.Pods)
		byPool[m.Pool()] = append(byPool[m.Pool()], pods...)
		if m.Claim != nil {
			byNode[m.Claim.Name] = pods
		}
		c.tellPlacement(ctx, m, pods)
	}
	c.Cluster.MarkPodSchedulingDecisions(ctx, failed, byPool, byNode)
	if len(p.Claims) > 0 {
		log.FromContext(ctx).Info("planned new nodes", "pods", len(s.Pods), "awaited", c.awaited.count(), "nodes", len(p.Claims), "placed", len(s.Pods)-len(p.Unplaced),
			"unplaced", len(p.Unplaced), "price", p.Price, "bound", p.Bound, "duration", took)
	}
}

func (c *Controller) tellPlacement(ctx context.Context, m *state.Machine, pods []*corev1.Pod) {
	if m.ProviderID() != "" {
		c.Cluster.NominateNodeForPod(ctx, m.ProviderID())
	}
	for _, pod := range pods {
		if !podutils.IsScheduled(pod) {
			c.Recorder.Publish(scheduling.NominatePodEvent(pod, m.Node, m.Claim))
		}
	}
}

// tellPools says of NodePools that their requirements leave nothing.
func (c *Controller) tellPools(u solver.Unplaced) {
	for _, r := range u.Reasons {
		if r.Kind != solver.ReasonNoTypes && r.Kind != solver.ReasonMinValues {
			continue
		}
		for _, pool := range c.Picture.Pools() {
			if pool.Name == r.Pool {
				c.Recorder.Publish(scheduling.NoCompatibleInstanceTypes(pool, r.Kind == solver.ReasonMinValues))
			}
		}
	}
}

func (c *Controller) tellCreated(ctx context.Context, claim *karpv1.NodeClaim, planned solver.Claim) {
	pods := c.awaited.real(planned.Pods)
	c.Cluster.UpdatePodToNodeClaimMapping(map[string][]*corev1.Pod{claim.Name: pods})
	relaxed := "false"
	if planned.MinValuesRelaxed {
		relaxed = "true"
	}
	metrics.NodeClaimsCreatedTotal.Inc(map[string]string{
		metrics.ReasonLabel: metrics.ProvisionedReason, metrics.NodePoolLabel: planned.Pool, metrics.MinValuesRelaxedLabel: relaxed,
	})
	for _, pod := range pods {
		if !podutils.IsScheduled(pod) {
			c.Recorder.Publish(scheduling.NominatePodEvent(pod, nil, claim))
		}
	}
	log.FromContext(ctx).Info("created nodeclaim", "NodeClaim", claim.Name, "NodePool", planned.Pool, "pods", len(planned.Pods), "awaited", len(planned.Pods)-len(pods),
		"requests", planned.Requests, "cheapest", planned.Cheapest.Type, "price", planned.Cheapest.Price, "types", len(planned.Types))
}
