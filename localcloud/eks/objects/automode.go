package objects

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
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
// it does. It may be repeated.
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
			if len(o.GetFinalizers()) > 0 {
				_, err = r.Patch(ctx, o.GetName(), types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
			}
			if err == nil || apierrors.IsNotFound(err) {
				err = r.Delete(ctx, o.GetName(), metav1.DeleteOptions{})
			}
			if err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("deleting %s %s: %w", a.resource.Resource, o.GetName(), err)
			}
		}
	}
	return nil
}
