package nodeclass

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/events"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	"github.com/automode-dev/automode/compute"
)

// Cloud is what the controller asks of the cloud.
type Cloud interface {
	// Subnets finds the subnets any selector chooses; none is an empty list.
	Subnets(ctx context.Context, selectors []compute.Selector) ([]compute.Subnet, error)
	// SecurityGroups finds the groups any selector chooses; none is an empty list.
	SecurityGroups(ctx context.Context, selectors []compute.Selector) ([]compute.SecurityGroup, error)
	// EnsureInstanceProfile makes the profile exist with exactly the role in it. May be repeated.
	EnsureInstanceProfile(ctx context.Context, name, role string) error
	// InstanceProfileExists looks a profile up by name.
	InstanceProfileExists(ctx context.Context, name string) (bool, error)
	// DeleteInstanceProfile removes the profile; one that is gone is fine.
	DeleteInstanceProfile(ctx context.Context, name string) error
}

// Trial tries the launch calls of a NodeClass without launching anything; nil when they would be allowed.
type Trial func(ctx context.Context, class *eksv1.NodeClass) error

// lookAgain is how often a ready NodeClass is compared with the cloud.
const lookAgain = 3 * time.Minute

// Controller reconciles NodeClasses.
type Controller struct {
	kube     client.Client
	cloud    Cloud
	recorder events.Recorder
	region   string
	cluster  string
	trial    Trial
	tried    *tried
}

// NewController makes the controller of one cluster. A nil trial leaves out the dry runs.
func NewController(kube client.Client, cloud Cloud, recorder events.Recorder, region, cluster string, trial Trial) *Controller {
	return &Controller{kube: kube, cloud: cloud, recorder: recorder, region: region, cluster: cluster, trial: trial, tried: newTried()}
}

// step moves one part of a NodeClass on. It sets conditions; an error is retried.
type step func(ctx context.Context, class *eksv1.NodeClass) error

// Reconcile brings the status of a NodeClass up to date, or cleans up after it.
func (c *Controller) Reconcile(ctx context.Context, class *eksv1.NodeClass) (reconcile.Result, error) {
	if !class.DeletionTimestamp.IsZero() {
		return c.finalize(ctx, class)
	}
	if err := c.stamp(ctx, class); err != nil {
		return reconcile.Result{}, ignoreConflict(err)
	}
	stored := class.DeepCopy()
	var failed error
	for _, step := range []step{c.subnets, c.securityGroups, c.podNetwork, c.instanceProfile, c.validate} {
		if err := step(ctx, class); err != nil && failed == nil {
			failed = err
		}
	}
	if !equality.Semantic.DeepEqual(stored.Status, class.Status) {
		if err := c.kube.Status().Patch(ctx, class, client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{})); err != nil {
			return reconcile.Result{}, ignoreConflict(client.IgnoreNotFound(err))
		}
	}
	if failed != nil {
		return reconcile.Result{}, failed
	}
	if !class.StatusConditions().Root().IsTrue() {
		return reconcile.Result{RequeueAfter: 15 * time.Second}, nil
	}
	return reconcile.Result{RequeueAfter: lookAgain}, nil
}

// stamp adds the finalizer and the hash to the object itself.
func (c *Controller) stamp(ctx context.Context, class *eksv1.NodeClass) error {
	stored := class.DeepCopy()
	controllerutil.AddFinalizer(class, eksv1.Finalizer)
	if class.Annotations == nil {
		class.Annotations = map[string]string{}
	}
	class.Annotations[eksv1.AnnotationHash] = class.Hash()
	class.Annotations[eksv1.AnnotationHashVersion] = eksv1.HashVersion
	if equality.Semantic.DeepEqual(stored.ObjectMeta, class.ObjectMeta) {
		return nil
	}
	status := class.Status
	if err := c.kube.Patch(ctx, class, client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{})); err != nil {
		return err
	}
	class.Status = status
	return nil
}

// finalize waits until no NodeClaim uses the NodeClass, then removes what was made for it.
func (c *Controller) finalize(ctx context.Context, class *eksv1.NodeClass) (reconcile.Result, error) {
	if !controllerutil.ContainsFinalizer(class, eksv1.Finalizer) {
		return reconcile.Result{}, nil
	}
	claims := &karpv1.NodeClaimList{}
	if err := c.kube.List(ctx, claims, client.MatchingFields{"spec.nodeClassRef.name": class.Name}); err != nil {
		return reconcile.Result{}, fmt.Errorf("listing claims of node class %q: %w", class.Name, err)
	}
	if len(claims.Items) > 0 {
		c.recorder.Publish(waitingOnClaims(class, claims.Items))
		return reconcile.Result{RequeueAfter: 10 * time.Second}, nil
	}
	if class.Spec.Role != "" {
		if err := c.cloud.DeleteInstanceProfile(ctx, ProfileName(c.region, c.cluster, class)); err != nil {
			return reconcile.Result{}, fmt.Errorf("finalizing node class %q: %w", class.Name, err)
		}
	}
	stored := class.DeepCopy()
	controllerutil.RemoveFinalizer(class, eksv1.Finalizer)
	if err := c.kube.Patch(ctx, class, client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{})); err != nil {
		return reconcile.Result{}, ignoreConflict(client.IgnoreNotFound(err))
	}
	return reconcile.Result{}, nil
}

// ignoreConflict leaves a lost race to the next event of the object.
func ignoreConflict(err error) error {
	if apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// Register adds the controller to the manager.
func (c *Controller) Register(_ context.Context, m manager.Manager) error {
	return ctrl.NewControllerManagedBy(m).
		Named("nodeclass").
		For(&eksv1.NodeClass{}).
		Watches(&karpv1.NodeClaim{}, handler.Funcs{
			// A NodeClass that waits for its last claim goes on when the claim is gone.
			DeleteFunc: func(_ context.Context, e event.DeleteEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
				if ref := e.Object.(*karpv1.NodeClaim).Spec.NodeClassRef; ref != nil {
					queue.Add(reconcile.Request{NamespacedName: types.NamespacedName{Name: ref.Name}})
				}
			},
		}).
		WithOptions(controller.Options{MaxConcurrentReconciles: 10}).
		Complete(reconcile.AsReconciler(m.GetClient(), c))
}
