package operator

import (
	"context"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

func TestThriftyClientSendsOnlyPatchesThatChangeSomething(t *testing.T) {
	tests := []struct {
		name           string
		change         func(*karpv1.NodeClaim)
		locked         bool
		object, status int // requests
	}{
		{"nothing", func(*karpv1.NodeClaim) {}, false, 0, 0},
		{"nothing, locked", func(*karpv1.NodeClaim) {}, true, 0, 0},
		{"a label", func(c *karpv1.NodeClaim) { c.Labels = map[string]string{"a": "b"} }, false, 1, 0},
		{"a label, locked", func(c *karpv1.NodeClaim) { c.Labels = map[string]string{"a": "b"} }, true, 1, 0},
		{"the status", func(c *karpv1.NodeClaim) { c.Status.NodeName = "i-1" }, false, 0, 1},
		{"the status, locked", func(c *karpv1.NodeClaim) { c.Status.NodeName = "i-1" }, true, 0, 1},
		{"both", func(c *karpv1.NodeClaim) { c.Labels, c.Status.NodeName = map[string]string{"a": "b"}, "i-1" }, false, 1, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var object, status int
			claim := &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: "one"}}
			plain := fake.NewClientBuilder().WithScheme(newScheme()).WithObjects(claim).WithStatusSubresource(claim).WithInterceptorFuncs(interceptor.Funcs{
				Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, options ...client.PatchOption) error {
					object++
					return c.Patch(ctx, o, p, options...)
				},
				SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, options ...client.SubResourcePatchOption) error {
					status++
					return c.SubResource(sub).Patch(ctx, o, p, options...)
				},
			}).Build()
			kube := newThrifty(plain)
			stored := &karpv1.NodeClaim{}
			if err := kube.Get(t.Context(), client.ObjectKeyFromObject(claim), stored); err != nil {
				t.Fatal(err)
			}
			changed := stored.DeepCopy()
			test.change(changed)
			patch := client.MergeFrom(stored)
			if test.locked {
				patch = client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{})
			}
			want := changed.DeepCopy()
			if err := kube.Patch(t.Context(), changed.DeepCopy(), patch); err != nil {
				t.Fatal(err)
			}
			if err := kube.Status().Patch(t.Context(), changed.DeepCopy(), patch); err != nil {
				t.Fatal(err)
			}
			if object != test.object || status != test.status {
				t.Errorf("sent %d patches of the object and %d of the status, want %d and %d", object, status, test.object, test.status)
			}
			got := &karpv1.NodeClaim{}
			if err := kube.Get(t.Context(), client.ObjectKeyFromObject(claim), got); err != nil {
				t.Fatal(err)
			}
			if got.Labels["a"] != want.Labels["a"] || got.Status.NodeName != want.Status.NodeName {
				t.Errorf("got labels %v and node %q, want %v and %q", got.Labels, got.Status.NodeName, want.Labels, want.Status.NodeName)
			}
		})
	}
}

func TestThriftyClientKnowsWhatItWrote(t *testing.T) {
	var sent int
	var behind *karpv1.NodeClaim // what the cache still has
	claim := &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: "one", UID: "1"}}
	kube := newThrifty(fake.NewClientBuilder().WithScheme(newScheme()).WithObjects(claim).WithStatusSubresource(claim).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
			if behind != nil {
				behind.DeepCopyInto(o.(*karpv1.NodeClaim))
				return nil
			}
			return c.Get(ctx, key, o, options...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, options ...client.SubResourcePatchOption) error {
			sent++
			return c.SubResource(sub).Patch(ctx, o, p, options...)
		},
	}).Build())
	read := func() *karpv1.NodeClaim {
		t.Helper()
		got := &karpv1.NodeClaim{}
		if err := kube.Get(t.Context(), client.ObjectKeyFromObject(claim), got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	stale := &karpv1.NodeClaim{}
	if err := kube.Get(t.Context(), client.ObjectKeyFromObject(claim), stale); err != nil {
		t.Fatal(err)
	}
	name := func(from *karpv1.NodeClaim, node string) (*karpv1.NodeClaim, error) {
		changed := from.DeepCopy()
		changed.Status.NodeName = node
		return changed, kube.Status().Patch(t.Context(), changed, client.MergeFromWithOptions(from, client.MergeFromWithOptimisticLock{}))
	}
	fresh, err := name(stale, "i-1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := name(stale, "i-2"); !apierrors.IsConflict(err) || sent != 1 {
		t.Errorf("a patch of a replaced version gave %v after %d requests, want a conflict after 1", err, sent)
	}
	behind = stale
	if got := read(); got.Status.NodeName != "i-1" || got.ResourceVersion != fresh.ResourceVersion {
		t.Errorf("read node %q of version %s, want i-1 of version %s, which was written", got.Status.NodeName, got.ResourceVersion, fresh.ResourceVersion)
	}
	behind = fresh.DeepCopy()
	behind.ResourceVersion, behind.Status.NodeName = "9999", "i-9"
	if got := read(); got.Status.NodeName != "i-9" {
		t.Errorf("read node %q, want what somebody else wrote since", got.Status.NodeName)
	}
	if kube.written.newest.ItemCount() != 0 {
		t.Error("a write is remembered although the cache has seen it")
	}
	behind = nil
	if _, err := name(fresh, "i-3"); err != nil || sent != 2 {
		t.Errorf("a patch of the newest version gave %v after %d requests, want success after 2", err, sent)
	}
}

// The cache may show an object for a while that this process has deleted. It must not go back to what it was before.
func TestThriftyClientKnowsWhatItDeleted(t *testing.T) {
	w := newThrifty(nil).written
	version := func(v string) *karpv1.NodeClaim {
		return &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: "one", UID: "1", ResourceVersion: v}}
	}
	gone := version("12")
	gone.DeletionTimestamp = &metav1.Time{Time: time.Unix(0, 0)}
	w.add(gone)
	w.add(version("11")) // answered late
	if got := w.unlessSeen(version("10")); got == nil || got.GetDeletionTimestamp() == nil {
		t.Errorf("read %v, want the deleted object", got)
	}
}
