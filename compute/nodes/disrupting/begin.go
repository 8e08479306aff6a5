package disrupting

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/awslabs/operatorpkg/status"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"

	"github.com/automode-dev/automode/compute/disruption"
	"github.com/automode-dev/automode/compute/disruption/survey"
	"github.com/automode-dev/automode/compute/nodes/provisioning"
	"github.com/automode-dev/automode/compute/state"
)

// begin takes the first half of a step: it marks the nodes and creates their
// replacements. A step for which that fails is returned too, to be taken back.
func (c *Controller) begin(ctx context.Context, k *cluster, step *disruption.Step) (*running, error) {
	r := &running{Record: newRecord(step, c.Clock.Now()), ready: map[string]bool{}}
	for _, n := range step.Nodes {
		m := k.Machines[n.Node]
		if m == nil || m.Claim == nil || m.Node == nil {
			return nil, fmt.Errorf("disrupting node %q: it is gone", n.Node)
		}
		r.targets = append(r.targets, target{node: m.Node.Name, claim: m.Claim.Name, providerID: m.ProviderID(), pool: n.Pool, static: step.Static != ""})
	}
	if err := c.mark(ctx, r); err != nil {
		return r, err
	}
	if err := c.createAll(ctx, k, step, r); err != nil {
		return r, err
	}
	// Only now: a provisioner that saw the nodes go before their replacements
	// were there would create some too.
	c.markForDeletion(r)
	for _, x := range step.Placements {
		if m := k.Machines[x.Node]; m != nil && m.ProviderID() != "" {
			c.Cluster.NominateNodeForPod(ctx, m.ProviderID())
		}
	}
	c.tellBegun(ctx, r, step)
	return r, nil
}

func (c *Controller) markForDeletion(r *running) {
	for _, t := range r.targets {
		c.Cluster.MarkForDeletion(t.providerID)
		if t.static {
			c.Cluster.NodePoolState.MarkNodeClaimPendingDisruption(t.pool, t.claim)
		}
	}
}

// mark writes the step on the claims and keeps new pods off the nodes.
func (c *Controller) mark(ctx context.Context, r *running) error {
	text := r.Marshal()
	for _, t := range r.targets {
		err := c.changeClaim(ctx, t.claim, func(claim *karpv1.NodeClaim) {
			if claim.Annotations == nil {
				claim.Annotations = map[string]string{}
			}
			claim.Annotations[survey.AnnotationStep] = text
		}, func(claim *karpv1.NodeClaim) {
			claim.StatusConditions(status.WithClock(c.Clock)).SetTrueWithReason(karpv1.ConditionTypeDisruptionReason, string(r.Reason), string(r.Reason))
		})
		if err != nil {
			return fmt.Errorf("marking NodeClaim %q for disruption: %w", t.claim, err)
		}
		if err := c.taint(ctx, t.node, true); err != nil {
			return err
		}
	}
	return nil
}

// changeClaim changes a claim's metadata and then its status, where they differ.
func (c *Controller) changeClaim(ctx context.Context, name string, meta, conditions func(*karpv1.NodeClaim)) error {
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		claim := &karpv1.NodeClaim{}
		if err := c.Kube.Get(ctx, types.NamespacedName{Name: name}, claim); err != nil {
			return err
		}
		stored := claim.DeepCopy()
		meta(claim)
		if err := c.Kube.Patch(ctx, claim, client.MergeFrom(stored)); err != nil {
			return err
		}
		stored = claim.DeepCopy()
		conditions(claim)
		return c.Kube.Status().Patch(ctx, claim, client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{}))
	})
}

// taint puts the taint karpenter.sh/disrupted on a node or takes it off. A node
// that is gone or going is left as it is.
func (c *Controller) taint(ctx context.Context, name string, want bool) error {
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		node := &corev1.Node{}
		if err := c.Kube.Get(ctx, types.NamespacedName{Name: name}, node); err != nil {
			return err
		}
		is := func(t corev1.Taint) bool { return t.MatchTaint(&karpv1.DisruptedNoScheduleTaint) }
		if slices.ContainsFunc(node.Spec.Taints, is) == want || !node.DeletionTimestamp.IsZero() {
			return nil
		}
		stored := node.DeepCopy()
		node.Spec.Taints = slices.DeleteFunc(node.Spec.Taints, is)
		if want {
			node.Spec.Taints = append(node.Spec.Taints, karpv1.DisruptedNoScheduleTaint)
		}
		return c.Kube.Patch(ctx, node, client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{}))
	})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("changing taint %s of node %q: %w", karpv1.DisruptedTaintKey, name, err)
	}
	return nil
}

// createAll creates the replacements of a step.
func (c *Controller) createAll(ctx context.Context, k *cluster, step *disruption.Step, r *running) error {
	for i, name := range r.Replacements {
		var claim *karpv1.NodeClaim
		var err error
		if step.Static != "" {
			claim, err = c.staticClaim(k.pools[step.Static])
		} else {
			claim, err = c.plannedClaim(ctx, k, step, i)
		}
		if err != nil {
			return err
		}
		claim.Name = name
		err = c.Kube.Create(ctx, claim)
		if step.Static != "" {
			c.Cluster.NodePoolState.ReleaseNodeCount(step.Static, 1)
		}
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("creating replacement NodeClaim %q: %w", name, err)
		}
		// Decisions of the next moment must see it.
		c.Picture.Expect(claim)
		c.Cluster.UpdateNodeClaim(claim)
		c.tellCreated(ctx, claim, r)
	}
	return nil
}

func (c *Controller) plannedClaim(ctx context.Context, k *cluster, step *disruption.Step, i int) (*karpv1.NodeClaim, error) {
	planned := step.Claims[i]
	latest := &karpv1.NodePool{}
	if err := c.Kube.Get(ctx, types.NamespacedName{Name: planned.Pool}, latest); err != nil {
		return nil, fmt.Errorf("creating a NodeClaim of NodePool %q: %w", planned.Pool, err)
	}
	if err := latest.Spec.Limits.ExceededBy(c.Cluster.NodePoolResourcesFor(planned.Pool)); err != nil {
		return nil, fmt.Errorf("creating a NodeClaim of NodePool %q: %w", planned.Pool, err)
	}
	claim, err := provisioning.NodeClaim(latest, planned, k.pools[planned.Pool].types)
	if err != nil {
		return nil, err
	}
	if c.Nominate != nil {
		claim.Annotations[state.AnnotationPlaces] = state.PlacesFor(planned.Pods).Marshal()
	}
	return claim, nil
}

// staticClaim is one more node of a static pool, as far as its limit allows.
func (c *Controller) staticClaim(p pool) (*karpv1.NodeClaim, error) {
	if p.object == nil {
		return nil, errors.New("creating a NodeClaim of a static NodePool: it is gone")
	}
	limit := int64(1 << 30)
	if q, ok := p.object.Spec.Limits["nodes"]; ok {
		limit = q.Value()
	}
	if c.Cluster.NodePoolState.ReserveNodeCount(p.object.Name, limit, 1) == 0 {
		return nil, fmt.Errorf("creating a NodeClaim of NodePool %q: its limit of %d nodes is reached", p.object.Name, limit)
	}
	return scheduling.NewNodeClaimTemplate(p.object).ToNodeClaim(), nil
}

// rollBack leaves nodes as they were before a step, and ends replacements that
// are not ready for pods. It can be called at any point of a step, and again.
func (c *Controller) rollBack(ctx context.Context, r *running) error {
	var errs []error
	for _, name := range r.Replacements {
		errs = append(errs, c.dropReplacement(ctx, name))
	}
	for _, t := range r.targets {
		c.Cluster.UnmarkForDeletion(t.providerID)
		errs = append(errs, c.taint(ctx, t.node, false), c.unmark(ctx, t.claim))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("taking disruption step %s back: %w", r.ID, err)
	}
	return nil
}

func (c *Controller) unmark(ctx context.Context, claim string) error {
	err := c.changeClaim(ctx, claim, func(claim *karpv1.NodeClaim) {
		delete(claim.Annotations, survey.AnnotationStep)
	}, func(claim *karpv1.NodeClaim) {
		_ = claim.StatusConditions(status.WithClock(c.Clock)).Clear(karpv1.ConditionTypeDisruptionReason)
	})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("unmarking NodeClaim %q: %w", claim, err)
	}
	return nil
}

// dropReplacement ends a replacement unless it is ready: then it may have pods.
func (c *Controller) dropReplacement(ctx context.Context, name string) error {
	claim, err := c.replacement(ctx, name)
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	if claim.StatusConditions().IsTrue(karpv1.ConditionTypeInitialized) {
		return nil
	}
	log.FromContext(ctx).Info("ending a replacement that is not needed", "NodeClaim", name)
	if err := c.Kube.Delete(ctx, claim); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting NodeClaim %q: %w", name, err)
	}
	return nil
}

// replacement reads a replacement, which the picture may know of before the watch has come to it.
func (c *Controller) replacement(ctx context.Context, name string) (*karpv1.NodeClaim, error) {
	claim := &karpv1.NodeClaim{}
	err := c.Kube.Get(ctx, types.NamespacedName{Name: name}, claim)
	if known := c.Picture.Claim(name); apierrors.IsNotFound(err) && known != nil {
		return known.DeepCopy(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading NodeClaim %q: %w", name, err)
	}
	return claim, nil
}
