package controller

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
)

// podNodeIndex finds the pods of a node. It has a name of its own, because an index can be made only once per cache.
const podNodeIndex = "network.nodeName"

// abandonedEvery is how often interfaces that belong to nothing are looked for.
const abandonedEvery = 5 * time.Minute

// Register adds the controller to a manager.
func (c *Controller) Register(ctx context.Context, m manager.Manager) error {
	err := m.GetFieldIndexer().IndexField(ctx, &corev1.Pod{}, podNodeIndex, func(o client.Object) []string {
		return []string{o.(*corev1.Pod).Spec.NodeName}
	})
	if err != nil {
		return fmt.Errorf("indexing pods by node: %w", err)
	}
	if err := m.Add(manager.RunnableFunc(c.collect)); err != nil {
		return fmt.Errorf("adding the collector of abandoned interfaces: %w", err)
	}
	return controllerruntime.NewControllerManagedBy(m).
		Named("network.cninode").
		For(&corev1.Node{}, builder.WithPredicates(nodeChanges())).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(nodeOfPod), builder.WithPredicates(podChanges())).
		Watches(&eksv1.NodeClass{}, handler.EnqueueRequestsFromMapFunc(c.nodesOfClass), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: 20}).
		Complete(c)
}

// nodeChanges lets only those changes of nodes through that the decision depends on; heartbeats are not.
func nodeChanges() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, after := e.ObjectOld.(*corev1.Node), e.ObjectNew.(*corev1.Node)
		return before.Spec.ProviderID != after.Spec.ProviderID || before.Labels[nodeClassLabel] != after.Labels[nodeClassLabel] ||
			before.Labels[computeTypeLabel] != after.Labels[computeTypeLabel] ||
			before.Labels[corev1.LabelInstanceTypeStable] != after.Labels[corev1.LabelInstanceTypeStable] ||
			!before.Status.Allocatable.Pods().Equal(*after.Status.Allocatable.Pods()) ||
			before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero()
	}}
}

// podChanges lets pods through when they are put on a node, get their address, finish or go.
func podChanges() predicate.Predicate {
	placed := func(o client.Object) bool {
		return o.(*corev1.Pod).Spec.NodeName != "" && !o.(*corev1.Pod).Spec.HostNetwork
	}
	return predicate.Funcs{
		CreateFunc:  func(e event.CreateEvent) bool { return placed(e.Object) },
		DeleteFunc:  func(e event.DeleteEvent) bool { return placed(e.Object) },
		GenericFunc: func(event.GenericEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, after := e.ObjectOld.(*corev1.Pod), e.ObjectNew.(*corev1.Pod)
			return placed(after) && (before.Spec.NodeName != after.Spec.NodeName || finished(before) != finished(after))
		},
	}
}

// nodeOfPod is asked about a pod as it was before an update, too: then it may have no node yet.
func nodeOfPod(_ context.Context, o client.Object) []reconcile.Request {
	name := o.(*corev1.Pod).Spec.NodeName
	if name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: name}}}
}

func (c *Controller) nodesOfClass(ctx context.Context, o client.Object) (requests []reconcile.Request) {
	var nodes corev1.NodeList
	if err := c.Client.List(ctx, &nodes, client.MatchingLabels{nodeClassLabel: o.GetName()}); err != nil {
		log.FromContext(ctx).Error(err, "listing the nodes of a NodeClass", "nodeclass", o.GetName())
		return nil
	}
	for _, node := range nodes.Items {
		requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Name: node.Name}})
	}
	return requests
}

// collect deletes interfaces that were made for a node but are attached to nothing, until the context ends. One that is
// seen twice in a row is not just on its way.
func (c *Controller) collect(ctx context.Context) error {
	seen := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.Clock.After(abandonedEvery):
		}
		seen = c.collectOnce(ctx, seen)
	}
}

func (c *Controller) collectOnce(ctx context.Context, seen map[string]bool) map[string]bool {
	now := map[string]bool{}
	abandoned, err := c.EC2.Abandoned(ctx)
	if err != nil {
		log.FromContext(ctx).Error(err, "looking for abandoned network interfaces")
		return seen
	}
	for _, id := range abandoned {
		if !seen[id] {
			now[id] = true
			continue
		}
		if err := c.EC2.DeleteInterface(ctx, id); err != nil {
			log.FromContext(ctx).Error(err, "deleting abandoned network interface", "interface", id)
			now[id] = true
		}
	}
	return now
}
