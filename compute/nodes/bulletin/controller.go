// Package bulletin keeps a ConfigMap in which the controllers of a cluster tell what they know beyond its objects, so that
// `automode plan` and `automode explain` decide as they do.
//
// There is no ConfigMap while there is nothing to tell. Nothing here reads it.
package bulletin

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/awslabs/operatorpkg/reconciler"
	"github.com/awslabs/operatorpkg/singleton"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// Name and namespace of the ConfigMap.
const (
	Name      = "eks-auto-mode"
	Namespace = metav1.NamespaceSystem
)

// lookAgain is how often it is asked what there is to tell.
const lookAgain = time.Second

// Controller writes what there is to tell whenever it changes.
type Controller struct {
	kube client.Writer
	news func() (map[string]string, error)

	told    map[string]string
	written bool // told is what the cluster has
}

// NewController makes the controller. News is asked every second; nothing in it takes the ConfigMap away.
func NewController(kube client.Writer, news func() (map[string]string, error)) *Controller {
	return &Controller{kube: kube, news: news}
}

// Register adds the controller to the manager.
func (c *Controller) Register(_ context.Context, m manager.Manager) error {
	return ctrl.NewControllerManagedBy(m).
		Named("bulletin").
		WatchesRawSource(singleton.Source()).
		Complete(singleton.AsReconciler(c))
}

// Reconcile tells what has changed since it told last.
func (c *Controller) Reconcile(ctx context.Context) (reconciler.Result, error) {
	news, err := c.news()
	if err != nil {
		return reconciler.Result{}, fmt.Errorf("gathering what to tell in ConfigMap %s: %w", Name, err)
	}
	if c.written && maps.Equal(news, c.told) {
		return reconciler.Result{RequeueAfter: lookAgain}, nil
	}
	c.written = false
	if err := c.write(ctx, news); err != nil {
		return reconciler.Result{}, fmt.Errorf("writing ConfigMap %s: %w", Name, err)
	}
	c.told, c.written = news, true
	return reconciler.Result{RequeueAfter: lookAgain}, nil
}

func (c *Controller) write(ctx context.Context, news map[string]string) error {
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: Name, Labels: map[string]string{"app.kubernetes.io/managed-by": "eks"}}, Data: news}
	if len(news) == 0 {
		return client.IgnoreNotFound(c.kube.Delete(ctx, object))
	}
	err := c.kube.Update(ctx, object)
	if apierrors.IsNotFound(err) {
		return c.kube.Create(ctx, object)
	}
	return err
}
