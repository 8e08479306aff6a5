// Package podevents writes on NodeClaims when a pod last came to their node or left it, which is what consolidateAfter
// counts from. It does what Karpenter's controller of that name does, node by node instead of pod by pod: pods that come
// to a node together cost one request, not one each.
package podevents

import (
	"context"
	"fmt"
	"time"

	"github.com/patrickmn/go-cache"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	nodeutils "sigs.k8s.io/karpenter/pkg/utils/node"
	podutils "sigs.k8s.io/karpenter/pkg/utils/pod"
)

// dedupe is how much later than the time on the claim a pod has to come or go to be written; Karpenter's figure.
const dedupe = 5 * time.Second

// Controller keeps status.lastPodEventTime of NodeClaims.
type Controller struct {
	kube  client.Client
	clock clock.PassiveClock
	// written are the claims, by UID, that were written so lately that the cache may not show it.
	written *cache.Cache
}

// NewController makes the controller. The client needs Karpenter's index of NodeClaims by provider id.
func NewController(kube client.Client, clock clock.PassiveClock) *Controller {
	return &Controller{kube: kube, clock: clock, written: cache.New(dedupe, 2*dedupe)}
}

// Reconcile writes the time on the claim of the node. Nodes without a claim are none of ours.
func (c *Controller) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	node := &corev1.Node{}
	if err := c.kube.Get(ctx, request.NamespacedName, node); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	claim, err := nodeutils.NodeClaimForNode(ctx, c.kube, node)
	if err != nil {
		return reconcile.Result{}, nodeutils.IgnoreDuplicateNodeClaimError(nodeutils.IgnoreNodeClaimNotFoundError(err))
	}
	if !claim.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil // nobody asks any more when its node was last used
	}
	if _, recent := c.written.Get(string(claim.UID)); recent || c.clock.Since(claim.Status.LastPodEventTime.Time) < dedupe {
		return reconcile.Result{}, nil
	}
	before := claim.DeepCopy()
	claim.Status.LastPodEventTime.Time = c.clock.Now()
	if err := c.kube.Status().Patch(ctx, claim, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("writing the time of the last pod event on NodeClaim %s: %w", claim.Name, err)
	}
	c.written.SetDefault(string(claim.UID), true)
	return reconcile.Result{}, nil
}

// Register adds the controller to the manager.
func (c *Controller) Register(_ context.Context, m manager.Manager) error {
	return ctrl.NewControllerManagedBy(m).
		Named("nodeclaim.podevents").
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(nodeOf), builder.WithPredicates(predicate.Funcs{
			UpdateFunc: func(e event.UpdateEvent) bool {
				return cameOrWent(e.ObjectOld.(*corev1.Pod), e.ObjectNew.(*corev1.Pod))
			},
		})).
		WithOptions(controller.Options{MaxConcurrentReconciles: 10}).
		Complete(c)
}

// cameOrWent tells whether the update binds the pod to a node, finishes it, or starts to delete it.
func cameOrWent(before, after *corev1.Pod) bool {
	return after.Spec.NodeName != "" &&
		(before.Spec.NodeName == "" || podutils.IsTerminal(after) && !podutils.IsTerminal(before) || podutils.IsTerminating(after) && !podutils.IsTerminating(before))
}

func nodeOf(_ context.Context, object client.Object) []reconcile.Request {
	pod := object.(*corev1.Pod)
	if pod.Spec.NodeName == "" || podutils.IsOwnedByDaemonSet(pod) {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: pod.Spec.NodeName}}}
}
