package operator

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// Karpenter's queue forgets a pod whose eviction is a conflict, so it may be one only where the pod is another.
func TestConflictOfAnEviction(t *testing.T) {
	conflict := apierrors.NewConflict(schema.GroupResource{Group: "policy", Resource: "poddisruptionbudgets"}, "web", errors.New("changed"))
	tooMany := apierrors.NewTooManyRequests("budget", 1)
	pod := func(uid types.UID) *corev1.Pod {
		p := &corev1.Pod{}
		p.Namespace, p.Name, p.UID = "default", "web-0", uid
		return p
	}
	for _, test := range []struct {
		name   string
		there  *corev1.Pod
		answer error
		want   func(error) bool
	}{
		{"the pod is still there", pod("a"), conflict, func(err error) bool {
			return err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err)
		}},
		{"another pod has its name", pod("b"), conflict, apierrors.IsConflict},
		{"the pod is gone", nil, conflict, apierrors.IsNotFound},
		{"a budget forbids it", pod("a"), tooMany, apierrors.IsTooManyRequests},
		{"evicted", pod("a"), nil, func(err error) bool { return err == nil }},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := fake.NewClientBuilder().WithScheme(newScheme())
			if test.there != nil {
				b = b.WithObjects(test.there)
			}
			kube := interceptor.NewClient(b.Build(), interceptor.Funcs{
				SubResourceCreate: func(context.Context, client.Client, string, client.Object, client.Object, ...client.SubResourceCreateOption) error {
					return test.answer
				},
			})
			err := evictingClient{kube, kube}.SubResource("eviction").Create(t.Context(), pod("a"), &policyv1.Eviction{})
			if !test.want(err) {
				t.Errorf("the queue sees %v", err)
			}
		})
	}
}
