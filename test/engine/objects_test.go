package engine

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestObjectsReadLikeACache(t *testing.T) {
	ctx := context.Background()
	o := newObjects()
	for i, node := range []string{"a", "b", "a"} {
		p := waitingPod(i, []string{"web", "db", "db"}[i], 100, 128)
		p.Spec.NodeName = node
		o.add(p)
	}
	for _, c := range []struct {
		name string
		opts []client.ListOption
		want int
	}{
		{"all", nil, 3},
		{"by node", []client.ListOption{client.MatchingFields{"spec.nodeName": "a"}}, 2},
		{"by label", []client.ListOption{client.MatchingLabels{"app": "db"}}, 2},
		{"by both", []client.ListOption{client.MatchingFields{"spec.nodeName": "a"}, client.MatchingLabels{"app": "db"}}, 1},
		{"of another namespace", []client.ListOption{client.InNamespace("other")}, 0},
	} {
		list := &corev1.PodList{}
		if err := o.List(ctx, list, c.opts...); err != nil || len(list.Items) != c.want {
			t.Errorf("%s: got %d pods and error %v, want %d", c.name, len(list.Items), err, c.want)
		}
	}
	if err := o.List(ctx, &corev1.PodList{}, client.MatchingFields{"status.phase": "Running"}); err == nil {
		t.Error("a field without an index is an error")
	}
	if err := o.List(ctx, &corev1.NodeList{}); err != nil {
		t.Errorf("a kind without objects has an empty list, got %v", err)
	}
	p := &corev1.Pod{}
	if err := o.Get(ctx, client.ObjectKey{Namespace: "default", Name: "pod-000000"}, p); err != nil {
		t.Fatal(err)
	}
	p.Labels["app"] = "changed"
	again := &corev1.Pod{}
	if err := o.Get(ctx, client.ObjectKeyFromObject(p), again); err != nil || again.Labels["app"] != "web" {
		t.Errorf("got label %q and error %v, want a copy that nobody else has changed", again.Labels["app"], err)
	}
	if err := o.Get(ctx, client.ObjectKey{Name: "none"}, &corev1.Node{}); !errors.IsNotFound(err) {
		t.Errorf("got %v, want not found", err)
	}
}
