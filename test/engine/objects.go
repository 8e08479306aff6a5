package engine

import (
	"context"
	"fmt"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// objects is a client that reads from memory the way an informer cache does:
// pods by node through an index, each answer a deep copy unless it is waived.
// It cannot write.
type objects struct {
	client.Client
	kinds map[reflect.Type]*kind
}

// kind is all objects of one kind, in the order they came.
type kind struct {
	list   []client.Object
	byKey  map[client.ObjectKey]client.Object
	byNode map[string][]client.Object
}

func newObjects() *objects { return &objects{kinds: map[reflect.Type]*kind{}} }

// add takes objects in. They must not change afterwards.
func (o *objects) add(object client.Object) {
	t := reflect.TypeOf(object).Elem()
	k := o.kinds[t]
	if k == nil {
		k = &kind{byKey: map[client.ObjectKey]client.Object{}, byNode: map[string][]client.Object{}}
		o.kinds[t] = k
	}
	k.list = append(k.list, object)
	k.byKey[client.ObjectKeyFromObject(object)] = object
	if pod, ok := object.(*corev1.Pod); ok {
		k.byNode[pod.Spec.NodeName] = append(k.byNode[pod.Spec.NodeName], object)
	}
}

// Get copies the object into out. Objects without a namespace are found in any, as the API server does.
func (o *objects) Get(_ context.Context, key client.ObjectKey, out client.Object, _ ...client.GetOption) error {
	t := reflect.TypeOf(out).Elem()
	if k := o.kinds[t]; k != nil {
		found, ok := k.byKey[key]
		if !ok {
			found, ok = k.byKey[client.ObjectKey{Name: key.Name}]
		}
		if ok {
			reflect.ValueOf(out).Elem().Set(reflect.ValueOf(found.DeepCopyObject()).Elem())
			return nil
		}
	}
	return errors.NewNotFound(schema.GroupResource{Resource: t.Name()}, key.String())
}

// List fills out with what the options select.
func (o *objects) List(_ context.Context, out client.ObjectList, opts ...client.ListOption) error {
	items, ok := reflect.TypeOf(out).Elem().FieldByName("Items")
	if !ok {
		return fmt.Errorf("listing %T: it has no items", out)
	}
	options := (&client.ListOptions{}).ApplyOptions(opts)
	k := o.kinds[items.Type.Elem()]
	if k == nil {
		return meta.SetList(out, nil)
	}
	candidates, err := k.indexed(options)
	if err != nil {
		return fmt.Errorf("listing %T: %w", out, err)
	}
	var selected []runtime.Object
	for _, object := range candidates {
		switch {
		case options.Namespace != "" && object.GetNamespace() != options.Namespace:
		case options.LabelSelector != nil && !options.LabelSelector.Matches(labels.Set(object.GetLabels())):
		case options.UnsafeDisableDeepCopy != nil && *options.UnsafeDisableDeepCopy:
			selected = append(selected, object)
		default:
			selected = append(selected, object.DeepCopyObject())
		}
	}
	return meta.SetList(out, selected)
}

// indexed narrows a list by field; pods by node is the only index.
func (k *kind) indexed(options *client.ListOptions) ([]client.Object, error) {
	if options.FieldSelector == nil {
		return k.list, nil
	}
	fields := options.FieldSelector.Requirements()
	if len(fields) != 1 || fields[0].Field != "spec.nodeName" {
		return nil, fmt.Errorf("no index for %q", options.FieldSelector)
	}
	return k.byNode[fields[0].Value], nil
}
