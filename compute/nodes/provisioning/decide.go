package provisioning

import (
	"context"
	"slices"

	"github.com/awslabs/operatorpkg/status"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/log"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	podutils "sigs.k8s.io/karpenter/pkg/utils/pod"

	"github.com/automode-dev/automode/compute/solver"
	"github.com/automode-dev/automode/compute/state"
)

// pool is a NodePool with the instance types that it may use now.
type pool struct {
	object *karpv1.NodePool
	types  []*cloudprovider.InstanceType
}

// decide asks the solver, for pods that are about to be made too unless there is not enough for those that wait.
func (c *Controller) decide(ctx context.Context, pods []*corev1.Pod, kept kept, leaving func(string) bool) (map[string]pool, solver.Snapshot, solver.Plan, []state.Rejected) {
	coming := c.awaited.more(pods)
	pools, question := c.question(ctx, slices.Concat(pods, coming), kept, leaving)
	snapshot, plan, rejected := c.Picture.Decide(question)
	if len(coming) > 0 && slices.ContainsFunc(plan.Unplaced, c.short) {
		c.awaited.keep(func(pod types.UID) bool { return kept.pods[pod] })
		pools, question = c.question(ctx, pods, kept, leaving)
		snapshot, plan, rejected = c.Picture.Decide(question)
	}
	return pools, snapshot, plan, rejected
}

// short tells of pods left out that there may be a place for where none is kept for pods that are still to be made.
func (c *Controller) short(left solver.Unplaced) bool {
	return c.awaited.has(left.Pod) || slices.ContainsFunc(left.Reasons, func(r solver.Reason) bool {
		return r.Kind == solver.ReasonLimits || r.Kind == solver.ReasonTopology
	})
}

// question gathers what the solver is asked; the pools that it may choose from come in with the answer.
func (c *Controller) question(ctx context.Context, pods []*corev1.Pod, kept kept, leaving func(string) bool) (map[string]pool, state.Question) {
	pools := map[string]pool{}
	types := func(np *karpv1.NodePool) []*solver.InstanceType {
		if known, ok := pools[np.Name]; ok {
			return c.translated.Translate(known.types)
		}
		if !np.StatusConditions().IsTrue(status.ConditionReady) {
			return nil
		}
		list, err := c.Types.GetInstanceTypes(ctx, np)
		if err != nil {
			log.FromContext(ctx).Error(err, "skipping NodePool: its instance types are not known", "NodePool", np.Name)
			return nil
		}
		pools[np.Name] = pool{np, list}
		return c.translated.Translate(list)
	}
	return pools, state.Question{
		Pods: pods, Types: types, Leaving: leaving, Promised: kept.byMachine,
		Movable: func(pod *corev1.Pod) bool {
			return podutils.IsReschedulable(pod) && podutils.IsDisruptable(pod, c.Clock, c.Recorder)
		},
		Options: c.options(),
	}
}

// options are how the solver is to decide, from now on.
func (c *Controller) options() solver.Options {
	deadline := c.Clock.Now().Add(thinking)
	return solver.Options{
		MaxTypes: c.MaxTypes, Cache: c.cache, ComparePools: c.ComparePools != nil && c.ComparePools(),
		Stop: func() bool { return c.Clock.Now().After(deadline) },
	}
}
