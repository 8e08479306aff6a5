// Package opening lets pods on new nodes, once those are nominated that the nodes were made for.
//
// A node registers itself with state.ClosedTaint. Without it, a node that is ready before its nominations are written
// takes whatever pods the scheduler has at hand: the plan no longer holds, and nodes too many are bought.
package opening

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/automode-dev/automode/compute/state"
)

const (
	// workers is how many nodes are opened at a time.
	workers = 20
	// askAgain is how often it is asked whether a node may take pods, at the same time for all of them: pods whose own node
	// opens a moment later would go where others should.
	askAgain = 200 * time.Millisecond
)

// Controller opens nodes.
type Controller struct {
	kube    client.Client
	prepare func(ctx context.Context, node string) bool
}

// NewController makes the controller. Prepare writes the nominations for a node, and tells whether it may take pods now;
// nil where nobody plans: then all nodes are opened that are closed, those too which a step of disruption would open.
func NewController(kube client.Client, prepare func(ctx context.Context, node string) bool) *Controller {
	return &Controller{kube: kube, prepare: prepare}
}

// Register adds the controller to the manager.
func (c *Controller) Register(_ context.Context, m manager.Manager) error {
	closed := predicate.NewPredicateFuncs(func(o client.Object) bool { return state.Closed(o.(*corev1.Node)) })
	return ctrl.NewControllerManagedBy(m).
		Named("node.opening").
		For(&corev1.Node{}, builder.WithPredicates(closed)).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(c)
}

// Reconcile opens a node when it is ready, unless it is a replacement that waits for evicted pods.
func (c *Controller) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	node := &corev1.Node{}
	if err := c.kube.Get(ctx, request.NamespacedName, node); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if !state.Closed(node) || !ready(node) {
		return reconcile.Result{}, nil
	}
	if c.prepare != nil {
		if _, filling := node.Annotations[state.AnnotationPlaces]; filling {
			return reconcile.Result{}, nil
		}
		if !c.prepare(ctx, node.Name) {
			return reconcile.Result{RequeueAfter: time.Until(time.Now().Truncate(askAgain).Add(askAgain))}, nil
		}
	}
	return reconcile.Result{}, Open(ctx, c.kube, node)
}

// ready tells whether a new node has all that comes from outside it. Other taints do not count, those of the user's own
// and readiness gates: what takes them away may be a pod on the node, which need not tolerate ours.
func ready(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	}) && !slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool {
		return slices.ContainsFunc(scheduling.KnownEphemeralTaints, func(known corev1.Taint) bool { return known.MatchTaint(&t) })
	})
}

// Open takes the taint away. That is one request without a lock on the version of the node: others write its status and
// its taints at the same time.
func Open(ctx context.Context, kube client.Client, node *corev1.Node) error {
	err := retry.OnError(retry.DefaultBackoff, apierrors.IsInvalid, func() error {
		i := slices.IndexFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.MatchTaint(&state.ClosedTaint) })
		if i < 0 {
			return nil
		}
		patch := fmt.Appendf(nil, `[{"op":"test","path":"/spec/taints/%d/key","value":%q},{"op":"remove","path":"/spec/taints/%[1]d"}]`, i, state.ClosedTaint.Key)
		bare := &corev1.Node{}
		bare.Name = node.Name
		err := kube.Patch(ctx, bare, client.RawPatch(types.JSONPatchType, patch))
		if apierrors.IsInvalid(err) { // its taints have changed
			latest := &corev1.Node{}
			if err := kube.Get(ctx, types.NamespacedName{Name: node.Name}, latest); err != nil {
				return err
			}
			node = latest
		}
		return err
	})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("opening node %q for pods: %w", node.Name, err)
	}
	return nil
}
