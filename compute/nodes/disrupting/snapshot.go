package disrupting

import (
	"context"
	"fmt"
	"time"

	"github.com/awslabs/operatorpkg/status"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/automode-dev/automode/compute/disruption/survey"
	"github.com/automode-dev/automode/compute/solver"
)

// thinking bounds the search for a better plan.
const thinking = 10 * time.Second

// cluster is what one decision is made on: the survey and the pools behind it.
type cluster struct {
	survey.Survey
	pools map[string]pool
}

// pool is a NodePool with the instance types that it may use now.
type pool struct {
	object *karpv1.NodePool
	types  []*cloudprovider.InstanceType
}

// look gathers a snapshot.
func (c *Controller) look(ctx context.Context) (*cluster, error) {
	pdbs := &policyv1.PodDisruptionBudgetList{}
	if err := c.Kube.List(ctx, pdbs); err != nil {
		return nil, fmt.Errorf("listing PodDisruptionBudgets: %w", err)
	}
	now := c.Clock.Now()
	deadline := now.Add(thinking)
	var settings Settings
	if c.Settings != nil {
		settings = c.Settings()
	}
	settings.Stop = func() bool { return c.Clock.Now().After(deadline) }
	k := &cluster{pools: map[string]pool{}}
	q := survey.Question{
		Picture: c.Picture, Clock: c.Clock, Types: c.typeLister(ctx, k),
		// Pods that the scheduler has yet to look at need their room too: many of them were drained a moment ago.
		Pods:   append(c.Picture.Waiting(func(*corev1.Pod) bool { return true }), c.Picture.Untried(now)...),
		Marks:  survey.Marks{Leaving: c.leaving(), Nominated: c.Cluster.IsNodeNominated, Buffered: c.Cluster.HasBufferPods},
		Solver: solver.Options{MaxTypes: c.MaxTypes, ComparePools: settings.ComparePools, Cache: c.cache}, Options: settings.Options,
	}
	for i := range pdbs.Items {
		q.PDBs = append(q.PDBs, &pdbs.Items[i])
	}
	k.Survey = survey.Take(q)
	return k, nil
}

// typeLister lists the instance types of pools that are ready, each pool looked up once.
func (c *Controller) typeLister(ctx context.Context, k *cluster) func(*karpv1.NodePool) []*solver.InstanceType {
	return func(np *karpv1.NodePool) []*solver.InstanceType {
		if np == nil {
			return nil
		}
		known, ok := k.pools[np.Name]
		if !ok && np.StatusConditions().IsTrue(status.ConditionReady) {
			list, err := c.Types.GetInstanceTypes(ctx, np)
			if err != nil {
				log.FromContext(ctx).Error(err, "skipping NodePool: its instance types are not known", "NodePool", np.Name)
			}
			known = pool{np, list}
		}
		k.pools[np.Name] = known
		return c.translated.Translate(known.types)
	}
}
