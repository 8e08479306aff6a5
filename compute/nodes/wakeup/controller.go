// Package wakeup makes waiting pods be looked at as soon as something changed in their favour: a NodePool became ready
// or was edited, or a NodeClaim that could not be launched was given up. Without it they wait for the next regular look.
//
// It reads and changes nothing in the cluster.
package wakeup

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

// Provisioner looks at waiting pods after a short time in which more calls may come.
type Provisioner interface {
	Trigger(uid types.UID)
}

// Controller wakes the provisioner up.
type Controller struct{ provisioner Provisioner }

// NewController makes the controller.
func NewController(provisioner Provisioner) *Controller { return &Controller{provisioner: provisioner} }

// Reconcile wakes the provisioner up; what for does not matter.
func (c *Controller) Reconcile(_ context.Context, request reconcile.Request) (reconcile.Result, error) {
	c.provisioner.Trigger(types.UID(request.Name))
	return reconcile.Result{}, nil
}

// Register adds the controller to the manager.
func (c *Controller) Register(_ context.Context, m manager.Manager) error {
	return ctrl.NewControllerManagedBy(m).
		Named("wakeup").
		Watches(&karpv1.NodePool{}, &handler.EnqueueRequestForObject{}, builder.WithPredicates(predicate.Funcs{
			UpdateFunc: func(e event.UpdateEvent) bool { return opened(e.ObjectOld, e.ObjectNew) },
			DeleteFunc: func(event.DeleteEvent) bool { return false },
		})).
		Watches(&karpv1.NodeClaim{}, &handler.EnqueueRequestForObject{}, builder.WithPredicates(predicate.Funcs{
			CreateFunc: func(event.CreateEvent) bool { return false },
			UpdateFunc: func(event.UpdateEvent) bool { return false },
			DeleteFunc: func(e event.DeleteEvent) bool { return givenUp(e.Object) },
		})).
		Complete(c)
}

// opened tells whether a NodePool may now launch what it could not before.
func opened(before, after client.Object) bool {
	was, is := before.(*karpv1.NodePool), after.(*karpv1.NodePool)
	ready := is.StatusConditions().Root().IsTrue()
	return ready && (!was.StatusConditions().Root().IsTrue() || was.Generation != is.Generation)
}

// givenUp tells whether a NodeClaim that is gone never had a node.
func givenUp(claim client.Object) bool { return claim.(*karpv1.NodeClaim).Status.NodeName == "" }
