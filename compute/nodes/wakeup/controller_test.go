package wakeup

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

type calls []types.UID

func (c *calls) Trigger(uid types.UID) { *c = append(*c, uid) }

func TestReconcileWakesTheProvisioner(t *testing.T) {
	var made calls
	result, err := NewController(&made).Reconcile(context.Background(), reconcile.Request{NamespacedName: types.NamespacedName{Name: "default"}})
	if err != nil || !result.IsZero() {
		t.Errorf("result %v, error %v", result, err)
	}
	if diff := cmp.Diff(calls{"default"}, made); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// pool is a NodePool of a generation that is ready or not.
func pool(generation int64, ready bool) *karpv1.NodePool {
	p := &karpv1.NodePool{}
	p.Generation = generation
	for _, condition := range []string{karpv1.ConditionTypeValidationSucceeded, karpv1.ConditionTypeNodeClassReady} {
		if ready {
			p.StatusConditions().SetTrue(condition)
		} else {
			p.StatusConditions().SetFalse(condition, "NotReady", "not ready")
		}
	}
	return p
}

func TestOpened(t *testing.T) {
	for name, c := range map[string]struct {
		before, after *karpv1.NodePool
		want          bool
	}{
		"became ready":                 {pool(1, false), pool(1, true), true},
		"edited and ready":             {pool(1, true), pool(2, true), true},
		"edited and not ready":         {pool(1, true), pool(2, false), false},
		"lost what it was ready by":    {pool(1, true), pool(1, false), false},
		"only its status counts nodes": {pool(1, true), pool(1, true), false},
	} {
		if got := opened(c.before, c.after); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}

func TestGivenUp(t *testing.T) {
	without, with := &karpv1.NodeClaim{}, &karpv1.NodeClaim{}
	with.Status.NodeName = "i-1"
	if !givenUp(without) || givenUp(with) {
		t.Error("want claims without a node alone")
	}
}
