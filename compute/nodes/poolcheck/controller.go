// Package poolcheck says in the conditions of a NodePool what admission cannot check, above all which labels it may
// not use. It changes nothing but that one condition.
package poolcheck

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	nodepoolutils "sigs.k8s.io/karpenter/pkg/utils/nodepool"

	"github.com/automode-dev/automode/compute/labels"
)

const reasonFailed = "NodePoolValidationFailed"

// Controller keeps the condition ValidationSucceeded of NodePools.
type Controller struct {
	kube     client.Client
	provider cloudprovider.CloudProvider
}

// NewController makes the controller; the provider tells which NodePools are ours.
func NewController(kube client.Client, provider cloudprovider.CloudProvider) *Controller {
	return &Controller{kube: kube, provider: provider}
}

// Reconcile checks one NodePool.
func (c *Controller) Reconcile(ctx context.Context, pool *karpv1.NodePool) (reconcile.Result, error) {
	if !nodepoolutils.IsManaged(pool, c.provider) {
		return reconcile.Result{}, nil
	}
	stored := pool.DeepCopy()
	if err := Check(ctx, pool); err != nil {
		pool.StatusConditions().SetFalse(karpv1.ConditionTypeValidationSucceeded, reasonFailed, err.Error())
	} else {
		pool.StatusConditions().SetTrue(karpv1.ConditionTypeValidationSucceeded)
	}
	if equality.Semantic.DeepEqual(stored.Status, pool.Status) {
		return reconcile.Result{}, nil
	}
	err := c.kube.Status().Patch(ctx, pool, client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return reconcile.Result{}, nil // the next event of the object brings it back
	}
	return reconcile.Result{}, err
}

// Check says what is wrong with a NodePool that admission let through.
func Check(ctx context.Context, pool *karpv1.NodePool) error {
	var wrong []error
	for key := range pool.Spec.Template.Labels {
		if err := labels.CheckRestricted(key); err != nil {
			wrong = append(wrong, fmt.Errorf("invalid key name %q in labels, %w", key, err))
		}
	}
	for _, requirement := range pool.Spec.Template.Spec.Requirements {
		if err := labels.CheckRestricted(requirement.Key); err != nil {
			wrong = append(wrong, fmt.Errorf("invalid value: %w in requirements, restricted", err))
		}
	}
	if len(wrong) > 0 {
		return errors.Join(wrong...)
	}
	return pool.RuntimeValidate(ctx)
}

// Register adds the controller to the manager.
func (c *Controller) Register(_ context.Context, m manager.Manager) error {
	return ctrl.NewControllerManagedBy(m).
		Named("nodepool.check").
		For(&karpv1.NodePool{}, builder.WithPredicates(nodepoolutils.IsManagedPredicateFuncs(c.provider))).
		WithOptions(controller.Options{MaxConcurrentReconciles: 10}).
		Complete(reconcile.AsReconciler(m.GetClient(), c))
}
