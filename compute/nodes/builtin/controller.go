// Package builtin keeps the built-in NodePools and the default NodeClass as the cluster's compute configuration says:
// it creates them, reverts edits, and removes them when they are switched off.
//
// It touches no other NodePool or NodeClass.
package builtin

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	"github.com/automode-dev/automode/compute/labels"
)

// Controller keeps all built-in objects; every event leads to one look at all of them.
type Controller struct {
	kube     client.Client
	settings func() Settings
	changed  <-chan event.GenericEvent
}

// NewController makes the controller. A send on changed says that the settings have changed.
func NewController(kube client.Client, settings func() Settings, changed <-chan event.GenericEvent) *Controller {
	return &Controller{kube: kube, settings: settings, changed: changed}
}

// Reconcile makes the built-in objects what they should be.
func (c *Controller) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	settings := c.settings()
	if len(settings.NodePools) > 0 {
		again, err := c.ensureNodeClass(ctx, NodeClass(settings))
		if err != nil || again {
			return reconcile.Result{RequeueAfter: 2 * time.Second}, err
		}
	}
	for _, name := range []string{GeneralPurpose, System} {
		if slices.Contains(settings.NodePools, name) {
			if err := c.ensureNodePool(ctx, NodePool(name)); err != nil {
				return reconcile.Result{}, err
			}
		} else if err := c.remove(ctx, &karpv1.NodePool{}, name); err != nil {
			return reconcile.Result{}, err
		}
	}
	if len(settings.NodePools) == 0 {
		return reconcile.Result{}, c.remove(ctx, &eksv1.NodeClass{}, NodeClassName)
	}
	return reconcile.Result{}, nil
}

// ensureNodeClass reports true when the object has to go first: its role cannot be changed, and one on its way out
// has to be gone before it comes again.
func (c *Controller) ensureNodeClass(ctx context.Context, want *eksv1.NodeClass) (again bool, err error) {
	have := &eksv1.NodeClass{}
	err = c.kube.Get(ctx, types.NamespacedName{Name: want.Name}, have)
	switch {
	case apierrors.IsNotFound(err):
		return false, created(want.Name, c.kube.Create(ctx, want))
	case err != nil:
		return false, fmt.Errorf("getting node class %q: %w", want.Name, err)
	case !have.DeletionTimestamp.IsZero():
		return true, nil
	case have.Spec.Role != want.Spec.Role:
		return true, c.kube.Delete(ctx, have)
	}
	if same(have.Spec, want.Spec) && owns(have) {
		return false, nil
	}
	have.Spec = want.Spec
	own(have)
	return false, reverted(want.Name, c.kube.Update(ctx, have))
}

func (c *Controller) ensureNodePool(ctx context.Context, want *karpv1.NodePool) error {
	have := &karpv1.NodePool{}
	err := c.kube.Get(ctx, types.NamespacedName{Name: want.Name}, have)
	switch {
	case apierrors.IsNotFound(err):
		return created(want.Name, c.kube.Create(ctx, want))
	case err != nil:
		return fmt.Errorf("getting node pool %q: %w", want.Name, err)
	case !have.DeletionTimestamp.IsZero():
		return nil // comes again with the event of its end
	}
	if same(have.Spec, want.Spec) && owns(have) {
		return nil
	}
	have.Spec = want.Spec
	own(have)
	return reverted(want.Name, c.kube.Update(ctx, have))
}

// remove deletes an object of ours; one of the same name that is not ours stays.
func (c *Controller) remove(ctx context.Context, object client.Object, name string) error {
	err := c.kube.Get(ctx, types.NamespacedName{Name: name}, object)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("getting built-in object %q: %w", name, err)
	}
	if !owns(object) || !object.GetDeletionTimestamp().IsZero() {
		return nil
	}
	if err := c.kube.Delete(ctx, object); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting built-in object %q: %w", name, err)
	}
	return nil
}

func owns(object client.Object) bool {
	return object.GetLabels()[labels.ManagedBy] == labels.ManagedByValue
}

func own(object client.Object) {
	all := object.GetLabels()
	if all == nil {
		all = map[string]string{}
	}
	all[labels.ManagedBy] = labels.ManagedByValue
	object.SetLabels(all)
}

// same compares specs as the API server shows them, where an absent and an empty field are one.
func same(a, b any) bool {
	var shownA, shownB any
	for in, out := range map[*any]*any{&a: &shownA, &b: &shownB} {
		document, err := json.Marshal(*in)
		if err != nil || json.Unmarshal(document, out) != nil {
			return false
		}
	}
	return reflect.DeepEqual(shownA, shownB)
}

func created(name string, err error) error {
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating built-in object %q: %w", name, err)
	}
	return nil
}

func reverted(name string, err error) error {
	if err != nil && !apierrors.IsConflict(err) {
		return fmt.Errorf("reverting built-in object %q: %w", name, err)
	}
	return nil
}

// Register adds the controller to the manager.
func (c *Controller) Register(_ context.Context, m manager.Manager) error {
	look := []reconcile.Request{{NamespacedName: types.NamespacedName{Name: "built-in"}}}
	ours := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, object client.Object) []reconcile.Request {
		switch object.GetName() {
		case GeneralPurpose, System, NodeClassName:
			return look
		}
		return nil
	})
	always := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request { return look })
	start := make(chan event.GenericEvent, 1)
	start <- event.GenericEvent{Object: &karpv1.NodePool{}}
	return ctrl.NewControllerManagedBy(m).
		Named("builtin").
		Watches(&karpv1.NodePool{}, ours).
		Watches(&eksv1.NodeClass{}, ours).
		WatchesRawSource(source.Channel(start, always)).
		WatchesRawSource(source.Channel(c.changed, always)).
		Complete(c)
}
