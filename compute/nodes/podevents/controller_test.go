package podevents

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

func TestPodEventsOfANodeAreWrittenTogether(t *testing.T) {
	const provider = "aws:///us-east-1a/i-1"
	claim := &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: "one", UID: "1"}, Status: karpv1.NodeClaimStatus{ProviderID: provider, NodeName: "i-1"}}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "i-1"}, Spec: corev1.NodeSpec{ProviderID: provider}}
	leaving := claim.DeepCopy()
	leaving.Name, leaving.UID, leaving.Status.ProviderID = "leaving", "2", "aws:///us-east-1a/i-3"
	leaving.DeletionTimestamp, leaving.Finalizers = &metav1.Time{Time: time.Unix(0, 0)}, []string{karpv1.TerminationFinalizer}
	drained := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "i-3"}, Spec: corev1.NodeSpec{ProviderID: leaving.Status.ProviderID}}
	stranger := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "other"}, Spec: corev1.NodeSpec{ProviderID: "aws:///us-east-1a/i-2"}}
	writes := 0
	kube := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithObjects(claim, node, leaving, drained, stranger).WithStatusSubresource(claim).
		WithIndex(&karpv1.NodeClaim{}, "status.providerID", func(o client.Object) []string { return []string{o.(*karpv1.NodeClaim).Status.ProviderID} }).
		WithInterceptorFuncs(interceptor.Funcs{
			SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, options ...client.SubResourcePatchOption) error {
				writes++
				return c.SubResource(sub).Patch(ctx, o, p, options...)
			},
		}).Build()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := testclock.NewFakePassiveClock(now)
	c := NewController(kube, clock)
	happen := func(node string) {
		t.Helper()
		if _, err := c.Reconcile(t.Context(), reconcile.Request{NamespacedName: types.NamespacedName{Name: node}}); err != nil {
			t.Fatal(err)
		}
	}
	happen("other")
	happen("gone")
	happen("i-3")
	happen("i-1")
	happen("i-1")
	if err := kube.Get(t.Context(), client.ObjectKeyFromObject(claim), claim); err != nil {
		t.Fatal(err)
	}
	if !claim.Status.LastPodEventTime.Time.Equal(now) || writes != 1 {
		t.Errorf("last pod event at %v after %d writes, want %v after 1", claim.Status.LastPodEventTime, writes, now)
	}
}

func TestWhatCountsAsAPodEvent(t *testing.T) {
	at := metav1.Now()
	pod := func(node string, phase corev1.PodPhase, leaving bool) *corev1.Pod {
		p := &corev1.Pod{Spec: corev1.PodSpec{NodeName: node}, Status: corev1.PodStatus{Phase: phase}}
		if leaving {
			p.DeletionTimestamp = &at
		}
		return p
	}
	tests := []struct {
		name          string
		before, after *corev1.Pod
		want          bool
	}{
		{"still waiting", pod("", corev1.PodPending, false), pod("", corev1.PodPending, false), false},
		{"bound", pod("", corev1.PodPending, false), pod("n", corev1.PodPending, false), true},
		{"started", pod("n", corev1.PodPending, false), pod("n", corev1.PodRunning, false), false},
		{"finished", pod("n", corev1.PodRunning, false), pod("n", corev1.PodSucceeded, false), true},
		{"being deleted", pod("n", corev1.PodRunning, false), pod("n", corev1.PodRunning, true), true},
		{"still being deleted", pod("n", corev1.PodRunning, true), pod("n", corev1.PodRunning, true), false},
	}
	for _, test := range tests {
		if got := cameOrWent(test.before, test.after); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}
