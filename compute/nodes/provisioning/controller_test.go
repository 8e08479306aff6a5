package provisioning

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	karpenterstate "sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/automode-dev/automode/compute/solver"
	"github.com/automode-dev/automode/compute/state"
)

// world is a cluster without an API server: a fake client for what the controller writes, and a picture. Every pool has a
// type of its own.
type world struct {
	*testing.T
	ctx    context.Context
	kube   client.Client
	types  map[string][]*cloudprovider.InstanceType // by pool
	parts  Parts
	source *state.Picture
}

func newWorld(t *testing.T) *world {
	t.Helper()
	clock := testclock.NewFakeClock(start)
	kube := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithStatusSubresource(&karpv1.NodeClaim{}, &karpv1.NodePool{}).Build()
	w := &world{T: t, ctx: context.Background(), kube: kube, types: map[string][]*cloudprovider.InstanceType{}, source: state.NewPicture()}
	w.parts = Parts{
		Kube: kube, Picture: w.source, Synced: func() bool { return true }, Types: w, Validator: anyPod{}, Recorder: noEvents{}, Clock: clock, MaxTypes: 60,
		Cluster: karpenterstate.NewCluster(clock, kube, struct{ cloudprovider.CloudProvider }{}),
	}
	return w
}

// GetInstanceTypes lists the pool's types.
func (w *world) GetInstanceTypes(_ context.Context, pool *karpv1.NodePool) ([]*cloudprovider.InstanceType, error) {
	return w.types[pool.Name], nil
}

// anyPod finds nothing wrong with pods.
type anyPod struct{}

func (anyPod) Validate(context.Context, *corev1.Pod) error { return nil }

// noEvents drops events.
type noEvents struct{}

func (noEvents) Publish(...events.Event) {}

// pool adds a NodePool that is ready, with one instance type at a price.
func (w *world) pool(name string, price float64) *karpv1.NodePool {
	w.Helper()
	pool := &karpv1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}}
	pool.Spec.Template.Spec.NodeClassRef = &karpv1.NodeClassReference{Group: "eks.amazonaws.com", Kind: "NodeClass", Name: "default"}
	for _, condition := range []string{karpv1.ConditionTypeValidationSucceeded, karpv1.ConditionTypeNodeClassReady} {
		pool.StatusConditions().SetTrue(condition)
	}
	if err := w.kube.Create(w.ctx, pool); err != nil {
		w.Fatal(err)
	}
	w.source.Set(pool)
	in := func(key, value string) *scheduling.Requirement {
		return scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, value)
	}
	w.types[name] = []*cloudprovider.InstanceType{{
		Name:         name + ".large",
		Requirements: scheduling.NewRequirements(in(corev1.LabelInstanceTypeStable, name+".large"), in(corev1.LabelTopologyZone, "a"), in(karpv1.CapacityTypeLabelKey, "on-demand")),
		Offerings: cloudprovider.Offerings{{Available: true, Price: price,
			Requirements: scheduling.NewRequirements(in(corev1.LabelTopologyZone, "a"), in(karpv1.CapacityTypeLabelKey, "on-demand"))}},
		Capacity: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2"), corev1.ResourceMemory: resource.MustParse("8Gi"), corev1.ResourcePods: resource.MustParse("50")},
		Overhead: &cloudprovider.InstanceTypeOverhead{},
	}}
	return pool
}

// waiting adds a pod that the scheduler found no node for.
func (w *world) waiting(name, cpu string) {
	p := pod(name, "")
	p.CreationTimestamp = metav1.NewTime(start.Add(-time.Minute))
	p.Spec.Containers = []corev1.Container{{Name: "c", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}}}}
	p.Status.Phase = corev1.PodPending
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}
	w.source.Set(p)
}

// provision has a controller look once and counts the claims that are there then, by pool.
func (w *world) provision() map[string]int {
	w.Helper()
	if err := NewController(w.parts).provision(w.ctx); err != nil {
		w.Fatal(err)
	}
	claims := &karpv1.NodeClaimList{}
	if err := w.kube.List(w.ctx, claims); err != nil {
		w.Fatal(err)
	}
	byPool := map[string]int{}
	for i := range claims.Items {
		byPool[claims.Items[i].Labels[karpv1.NodePoolLabelKey]]++
	}
	return byPool
}

func TestPoolsOfEqualWeight(t *testing.T) {
	for _, c := range []struct {
		name    string
		compare func() bool
		want    map[string]int
	}{
		{"by name where nothing is said", nil, map[string]int{"zebra": 1}},
		{"by name", func() bool { return false }, map[string]int{"zebra": 1}},
		{"by price", func() bool { return true }, map[string]int{"apple": 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.parts.ComparePools = c.compare
			w.pool("apple", 0.1)
			w.pool("zebra", 0.2)
			w.waiting("web", "1")
			if diff := cmp.Diff(c.want, w.provision()); diff != "" {
				t.Errorf("claims by pool (-want +got):\n%s", diff)
			}
		})
	}
}

// What the setting says may change while the controller runs.
func TestComparePoolsIsAskedEachTime(t *testing.T) {
	w := newWorld(t)
	compare := false
	w.parts.ComparePools = func() bool { return compare }
	c := NewController(w.parts)
	var got []string
	for range 2 {
		got = append(got, fmt.Sprint(c.options().ComparePools))
		compare = true
	}
	if diff := cmp.Diff([]string{"false", "true"}, got); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
}

// The scheduler finds nodes that take pods by itself. It has to be told of others, and where it did not follow a plan before.
func TestWhichPlacesAreKept(t *testing.T) {
	w := newWorld(t)
	c := NewController(w.parts)
	a, again, moving := pod("a", ""), pod("again", ""), pod("moving", "")
	moving.Spec.NodeName = "i-9"
	c.promises.lapsed["again"] = true
	c.reserve([]*state.Machine{{Claim: claim("open", "i-1"), Node: node("i-1", true)}, {Claim: claim("coming", "i-2"), Node: node("i-2", false)}, {Claim: claim("asked", "")}, {Node: node("else", true)}}, []solver.Placement{
		{Node: "i-1", Pods: []*corev1.Pod{a, again, moving}}, {Node: "i-2", Pods: []*corev1.Pod{pod("b", "")}}, {Node: "asked", Pods: []*corev1.Pod{pod("c", "")}}, {Node: "else", Pods: []*corev1.Pod{pod("d", "")}},
	})
	got := map[string][]types.UID{}
	for name, made := range c.promises.byClaim {
		got[name] = sortedKeys(made)
	}
	if diff := cmp.Diff(map[string][]types.UID{"open": {"again"}, "coming": {"b"}, "asked": {"c"}}, got); diff != "" {
		t.Errorf("promised (-want +got):\n%s", diff)
	}
}
