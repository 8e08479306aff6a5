package objects

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
)

// Subject is something in a cluster on which the service's own objects depend.
type Subject struct {
	resource schema.GroupVersionResource
	// value is what counts of an object; a new value is a change.
	value func(*unstructured.Unstructured) string
}

// Name says what is watched.
func (s Subject) Name() string { return s.resource.Resource }

// NamespaceNames are the names of namespaces, NodeRoles the IAM roles that
// NodeClasses name.
var (
	NamespaceNames = Subject{
		schema.GroupVersionResource{Version: "v1", Resource: "namespaces"},
		func(o *unstructured.Unstructured) string { return o.GetName() },
	}
	NodeRoles = Subject{
		schema.GroupVersionResource{Group: "eks.amazonaws.com", Version: "v1", Resource: "nodeclasses"},
		nodeRole,
	}
)

func nodeRole(o *unstructured.Unstructured) string {
	role, _, err := unstructured.NestedString(o.Object, "spec", "role")
	if err != nil {
		return ""
	}
	return role
}

// Values returns the values there are, sorted, each once. A kind that the
// cluster does not have has none.
func (c *Client) Values(ctx context.Context, s Subject) ([]string, error) {
	list, err := c.dynamic.Resource(s.resource).List(ctx, metav1.ListOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", s.Name(), err)
	}
	var values []string
	for _, o := range list.Items {
		if v := s.value(&o); v != "" && o.GetDeletionTimestamp() == nil {
			values = append(values, v)
		}
	}
	slices.Sort(values)
	return slices.Compact(values), nil
}

// Watch calls changed for each value that is not in seen, adding it, until the
// watch ends for whatever reason. It begins with what there is.
func (c *Client) Watch(ctx context.Context, s Subject, seen map[string]bool, changed func()) error {
	events, err := c.watching.Resource(s.resource).Watch(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("watching %s: %w", s.Name(), err)
	}
	defer events.Stop()
	for e := range events.ResultChan() {
		o, ok := e.Object.(*unstructured.Unstructured)
		if !ok {
			continue // the end of the watch
		}
		value := s.value(o)
		switch {
		case e.Type == watch.Deleted:
			delete(seen, value)
		case !seen[value]:
			seen[value] = true
			changed()
		}
	}
	return nil
}
