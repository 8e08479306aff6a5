package objects

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/utils/ptr"
)

// automatic are the objects that stand for instances of Auto Mode or make new
// ones. Nodes are those of Auto Mode alone; user-made pools and classes stay,
// without effect until Auto Mode is on again.
var automatic = []struct {
	resource schema.GroupVersionResource
	selector string
}{
	{schema.GroupVersionResource{Group: "karpenter.sh", Version: "v1", Resource: "nodepools"}, "app.kubernetes.io/managed-by=eks"},
	{schema.GroupVersionResource{Group: "karpenter.sh", Version: "v1", Resource: "nodeclaims"}, ""},
	{schema.GroupVersionResource{Version: "v1", Resource: "nodes"}, "eks.amazonaws.com/compute-type=auto"},
	{schema.GroupVersionResource{Group: "eks.amazonaws.com", Version: "v1alpha1", Resource: "cninodes"}, ""},
	{schema.GroupVersionResource{Group: "eks.amazonaws.com", Version: "v1", Resource: "nodeclasses"}, "app.kubernetes.io/managed-by=eks"},
}

// RemoveAutoMode deletes the objects of Auto Mode whose controllers and
// instances are gone already; nobody is left to take their finalizers off, so
// it does. Pods of the nodes that went go with them. It may be repeated.
func (c *Client) RemoveAutoMode(ctx context.Context) error {
	for _, a := range automatic {
		r := c.dynamic.Resource(a.resource)
		list, err := r.List(ctx, metav1.ListOptions{LabelSelector: a.selector})
		if apierrors.IsNotFound(err) {
			continue // the kind itself is not there
		}
		if err != nil {
			return fmt.Errorf("listing %s: %w", a.resource.Resource, err)
		}
		for _, o := range list.Items {
			if err := removeNow(ctx, r, &o); err != nil {
				return fmt.Errorf("deleting %s %s: %w", a.resource.Resource, o.GetName(), err)
			}
		}
	}
	return c.removeOrphans(ctx)
}

// removeNow deletes an object without waiting for who put finalizers on it.
// One that is gone is fine.
func removeNow(ctx context.Context, r dynamic.ResourceInterface, o *unstructured.Unstructured) error {
	var err error
	if len(o.GetFinalizers()) > 0 {
		_, err = r.Patch(ctx, o.GetName(), types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	}
	if err == nil || apierrors.IsNotFound(err) {
		err = r.Delete(ctx, o.GetName(), metav1.DeleteOptions{})
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// removeOrphans deletes the pods of nodes that are not there. Nothing runs of
// them, and the cluster's own garbage collection waits most of a minute in
// case their node comes back, which one that was terminated does not.
func (c *Client) removeOrphans(ctx context.Context) error {
	pods, err := c.client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing pods: %w", err)
	}
	nodes, err := c.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{}) // after the pods: theirs were there
	if err != nil {
		return fmt.Errorf("listing nodes: %w", err)
	}
	there := map[string]bool{}
	for i := range nodes.Items {
		there[nodes.Items[i].Name] = true
	}
	for i := range pods.Items {
		p := &pods.Items[i]
		if p.Spec.NodeName == "" || there[p.Spec.NodeName] {
			continue
		}
		now := metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0), Preconditions: metav1.NewUIDPreconditions(string(p.UID))}
		err := c.client.CoreV1().Pods(p.Namespace).Delete(ctx, p.Name, now)
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return fmt.Errorf("deleting pod %s/%s: %w", p.Namespace, p.Name, err)
		}
	}
	return nil
}
