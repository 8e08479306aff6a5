package opening

import (
	"context"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/automode-dev/automode/compute/state"
)

var own = corev1.Taint{Key: "team", Value: "a", Effect: corev1.TaintEffectNoSchedule}

func node(ready corev1.ConditionStatus, taints ...corev1.Taint) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "i-1"},
		Spec:       corev1.NodeSpec{Taints: taints},
		Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}},
	}
}

func TestNodesOpen(t *testing.T) {
	filling := node(corev1.ConditionTrue, state.ClosedTaint)
	filling.Annotations = map[string]string{state.AnnotationPlaces: `{"rs":2}`}
	for _, test := range []struct {
		name      string
		node      *corev1.Node
		planless  bool // nobody nominates
		open      bool
		nominated bool
	}{
		{"ready", node(corev1.ConditionTrue, own, state.ClosedTaint), false, true, true},
		{"ready, and nobody nominates", node(corev1.ConditionTrue, state.ClosedTaint), true, true, false},
		{"not ready", node(corev1.ConditionFalse, state.ClosedTaint), false, false, false},
		{"not registered", node(corev1.ConditionTrue, karpv1.UnregisteredNoExecuteTaint, state.ClosedTaint), false, false, false},
		{"behind a readiness gate", node(corev1.ConditionTrue, corev1.Taint{Key: "readiness.k8s.io/storage", Effect: corev1.TaintEffectNoSchedule}, state.ClosedTaint), false, true, true},
		{"never closed", node(corev1.ConditionTrue, own), false, true, false},
		{"waiting for evicted pods", filling, false, false, false},
		{"waiting for evicted pods, and nobody nominates", filling, true, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			kube := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithObjects(test.node.DeepCopy()).Build()
			nominated := false
			prepare := func(_ context.Context, name string) bool {
				if nominated = name == "i-1"; state.Closed(stored(t, kube)) != nominated {
					t.Error("the node opens before its pods are nominated")
				}
				return true
			}
			if test.planless {
				prepare = nil
			}
			if _, err := NewController(kube, prepare).Reconcile(t.Context(), reconcile.Request{NamespacedName: types.NamespacedName{Name: "i-1"}}); err != nil {
				t.Fatal(err)
			}
			after := stored(t, kube)
			if open := !state.Closed(after); open != test.open || nominated != test.nominated {
				t.Errorf("open %t, nominated %t, want %t and %t", open, nominated, test.open, test.nominated)
			}
			if slices.Contains(test.node.Spec.Taints, own) && !slices.Contains(after.Spec.Taints, own) {
				t.Error("a taint of the user's own went too")
			}
		})
	}
}

func TestANodeThatMayNotTakePodsYet(t *testing.T) {
	kube := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithObjects(node(corev1.ConditionTrue, state.ClosedTaint)).Build()
	asked := 0
	c := NewController(kube, func(context.Context, string) bool { asked++; return asked == 2 })
	for want := range 2 {
		result, err := c.Reconcile(t.Context(), reconcile.Request{NamespacedName: types.NamespacedName{Name: "i-1"}})
		if err != nil {
			t.Fatal(err)
		}
		if open := !state.Closed(stored(t, kube)); open != (want == 1) || (result.RequeueAfter > 0) == open {
			t.Errorf("asked %d times: open %t, again after %s", asked, open, result.RequeueAfter)
		}
	}
}

// Others change the taints between the look at a node and the request that opens it.
func TestOpeningFindsTheTaintWhereItIsNow(t *testing.T) {
	seen := node(corev1.ConditionTrue, own, state.ClosedTaint)
	requests := 0
	kube := interceptor.NewClient(fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithObjects(node(corev1.ConditionTrue, state.ClosedTaint, own)).Build(), interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, patch client.Patch, opts ...client.PatchOption) error {
			if requests++; requests == 1 { // as an API server answers a test that fails
				return apierrors.NewInvalid(schema.GroupKind{Kind: "Node"}, o.GetName(), nil)
			}
			return c.Patch(ctx, o, patch, opts...)
		},
	})
	if err := Open(t.Context(), kube, seen); err != nil {
		t.Fatal(err)
	}
	if after := stored(t, kube); state.Closed(after) || !slices.Contains(after.Spec.Taints, own) {
		t.Errorf("taints %v", after.Spec.Taints)
	}
}

func TestOpeningANodeThatLeft(t *testing.T) {
	kube := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).Build()
	if err := Open(t.Context(), kube, node(corev1.ConditionTrue, state.ClosedTaint)); err != nil {
		t.Error(err)
	}
}

func stored(t *testing.T, kube client.Client) *corev1.Node {
	t.Helper()
	n := &corev1.Node{}
	if err := kube.Get(t.Context(), types.NamespacedName{Name: "i-1"}, n); err != nil {
		t.Fatal(err)
	}
	return n
}
