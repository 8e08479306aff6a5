package provisioning

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	testclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/automode-dev/automode/compute/state"
)

func spread(key string, skew int32, when corev1.UnsatisfiableConstraintAction) func(*corev1.PodSpec) {
	return func(s *corev1.PodSpec) {
		s.TopologySpreadConstraints = append(s.TopologySpreadConstraints, corev1.TopologySpreadConstraint{TopologyKey: key, MaxSkew: skew, WhenUnsatisfiable: when})
	}
}

func TestWhichPodsMayBeBound(t *testing.T) {
	terms := func(key string) []corev1.PodAffinityTerm { return []corev1.PodAffinityTerm{{TopologyKey: key}} }
	for _, test := range []struct {
		name   string
		change func(*corev1.PodSpec)
		want   bool
	}{
		{"a plain one", func(*corev1.PodSpec) {}, true},
		{"of the default scheduler", func(s *corev1.PodSpec) { s.SchedulerName = "default-scheduler" }, true},
		{"of another one", func(s *corev1.PodSpec) { s.SchedulerName = "other" }, false},
		{"held back", func(s *corev1.PodSpec) { s.SchedulingGates = []corev1.PodSchedulingGate{{Name: "g"}} }, false},
		{"with a volume claim", func(s *corev1.PodSpec) {
			s.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{}}}}
		}, false},
		{"with a device", func(s *corev1.PodSpec) { s.ResourceClaims = []corev1.PodResourceClaim{{Name: "gpu"}} }, false},
		{"spread over zones", spread(corev1.LabelTopologyZone, 1, corev1.DoNotSchedule), true},
		{"spread over zones of nodes that it tolerates", func(s *corev1.PodSpec) {
			spread(corev1.LabelTopologyZone, 1, corev1.DoNotSchedule)(s)
			s.TopologySpreadConstraints[0].NodeTaintsPolicy = ptr.To(corev1.NodeInclusionPolicyHonor)
		}, false},
		{"spread over zones where that is possible", spread(corev1.LabelTopologyZone, 1, corev1.ScheduleAnyway), true},
		{"spread over nodes", spread(corev1.LabelHostname, 1, corev1.DoNotSchedule), true},
		{"not beside others of its kind", func(s *corev1.PodSpec) {
			s.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: terms(corev1.LabelHostname)}}
		}, true},
		{"not in one zone with others of its kind", func(s *corev1.PodSpec) {
			s.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: terms(corev1.LabelTopologyZone)}}
		}, false},
		{"in one zone with others", func(s *corev1.PodSpec) {
			s.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: terms(corev1.LabelTopologyZone)}}
		}, false},
	} {
		p := pod("a", "")
		test.change(&p.Spec)
		if got := MayBind(p); got != test.want {
			t.Errorf("a pod %s: %t, want %t", test.name, got, test.want)
		}
	}
}

// Of a crowd, pods are bound to a node while it is closed, and the others nominated when it opens.
func TestCrowdsAreBound(t *testing.T) {
	var mu sync.Mutex
	var bound, nominated []string
	kube := interceptor.NewClient(fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).Build(), interceptor.Funcs{
		SubResourceCreate: func(_ context.Context, _ client.Client, _ string, o client.Object, b client.Object, _ ...client.SubResourceCreateOption) error {
			mu.Lock()
			defer mu.Unlock()
			switch o.GetName() {
			case "elsewhere":
				return apierrors.NewConflict(schema.GroupResource{Resource: "pods/binding"}, o.GetName(), fmt.Errorf("already assigned to node"))
			case "refused":
				return apierrors.NewForbidden(schema.GroupResource{Resource: "pods/binding"}, o.GetName(), nil)
			}
			bound = append(bound, o.GetName()+" "+b.(*corev1.Binding).Target.Name)
			return nil
		},
		SubResourcePatch: func(_ context.Context, _ client.Client, _ string, o client.Object, _ client.Patch, _ ...client.SubResourcePatchOption) error {
			mu.Lock()
			defer mu.Unlock()
			nominated = append(nominated, o.GetName())
			return nil
		},
	})
	n := newNominator(kube, noEvents{}, testclock.NewFakeClock(start))
	zones := pod("zones", "")
	spread(corev1.LabelTopologyZone, 1, corev1.DoNotSchedule)(&zones.Spec)
	pods := []*corev1.Pod{pod("plain", ""), pod("elsewhere", ""), pod("refused", ""), zones}
	for name, owner := range map[string]string{"one": "a", "first": "b", "second": "b"} {
		p := pod(name, "")
		p.OwnerReferences = []metav1.OwnerReference{{UID: pod(owner, "").UID, Controller: ptr.To(true)}}
		spread(corev1.LabelHostname, 1, corev1.DoNotSchedule)(&p.Spec)
		pods = append(pods, p)
	}
	n.plan("c", "", pods)
	n.launched(claim("c", "i-1"))
	if n.crowded() {
		t.Error("seven pods are a crowd")
	}
	for i := range crowd {
		n.plan(fmt.Sprint("other-", i), "", []*corev1.Pod{pod(fmt.Sprint("p", i), "")})
	}
	if !n.crowded() || !n.mayFill("i-1") {
		t.Error("a crowd is not bound")
	}
	n.fill(t.Context(), "i-1")
	if n.mayFill("i-1") {
		t.Error("pods would be bound twice")
	}
	n.open(t.Context(), "i-1")
	slices.Sort(bound)
	slices.Sort(nominated)
	if diff := cmp.Diff([][]string{{"one i-1", "plain i-1"}, {"first", "refused", "second", "zones"}}, [][]string{bound, nominated}); diff != "" {
		t.Errorf("bound and nominated (-want +got):\n%s", diff)
	}
}

// bindings has pods bound, and lists each with its node.
func (w *world) bindings() *[]string {
	var mu sync.Mutex
	bound := &[]string{}
	w.parts.Nominate = interceptor.NewClient(fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).Build(), interceptor.Funcs{
		SubResourceCreate: func(_ context.Context, _ client.Client, _ string, o client.Object, b client.Object, _ ...client.SubResourceCreateOption) error {
			mu.Lock()
			defer mu.Unlock()
			*bound = append(*bound, o.GetName()+" "+b.(*corev1.Binding).Target.Name)
			return nil
		},
	})
	return bound
}

// A node with a startup taint is ready, and takes no pods yet.
func TestNoPodIsBoundToANodeThatStarts(t *testing.T) {
	w := newWorld(t)
	bound := w.bindings()
	starts := corev1.Taint{Key: "network", Value: "starts", Effect: corev1.TaintEffectNoExecute}
	n, nc := node("i-1", false), claim("c", "i-1")
	n.Spec.ProviderID, nc.Spec.StartupTaints = nc.Status.ProviderID, []corev1.Taint{starts}
	n.Spec.Taints = []corev1.Taint{starts, state.ClosedTaint}
	w.source.Set(nc)
	w.source.Set(n)
	c := NewController(w.parts)
	c.nominator.plan("c", "i-1", []*corev1.Pod{pod("plain", "")})
	for i := range crowd {
		c.nominator.plan(fmt.Sprint("other-", i), "", []*corev1.Pod{pod(fmt.Sprint("p", i), "")})
	}
	together := newArrival(true) // keeps the node closed
	c.arrivals.expect("i-1", together)
	c.arrivals.expect("i-2", together)
	if c.Prepare(t.Context(), "i-1"); len(*bound) != 0 {
		t.Errorf("bound while the node starts: %v", *bound)
	}
	n = n.DeepCopy()
	n.Spec.Taints = []corev1.Taint{state.ClosedTaint}
	w.source.Set(n)
	if c.Prepare(t.Context(), "i-1"); !slices.Equal(*bound, []string{"plain i-1"}) {
		t.Errorf("bound when it has started: %v", *bound)
	}
}

// Pods of a plan whose nodes open together are bound, however few they are, and others are nominated. A node that pods are
// bound to opens when the scheduler should know of them.
func TestPodsAreBoundToNodesThatOpenTogether(t *testing.T) {
	w := newWorld(t)
	bound := w.bindings()
	c := NewController(w.parts)
	for _, name := range []string{"alone", "together"} {
		n, nc := node("i-"+name, false), claim(name, "i-"+name)
		n.Spec.ProviderID, n.Spec.Taints = nc.Status.ProviderID, []corev1.Taint{state.ClosedTaint}
		w.source.Set(nc)
		w.source.Set(n)
		c.nominator.plan(name, "i-"+name, []*corev1.Pod{pod(name, "")})
	}
	c.arrivals.expect("i-together", newArrival(false))
	clock := w.parts.Clock.(*testclock.FakeClock)
	seen := pod("together", "")
	seen.Spec.NodeName = "i-together"
	for _, step := range []struct {
		name  string
		after time.Duration
		see   bool
		open  bool
	}{
		{"alone", 0, false, true},
		{"together", 0, false, false},
		{"together", Sight, false, false}, // the pod is bound, and not seen on the node
		{"together", 0, true, false},
		{"together", Sight - time.Millisecond, false, false},
		{"together", time.Millisecond, false, true},
	} {
		clock.Step(step.after)
		if step.see {
			w.source.Set(seen)
			c.Changed(nil, seen)
		}
		if open := c.Prepare(t.Context(), "i-"+step.name); open != step.open {
			t.Errorf("%+v: open %v", step, open)
		}
	}
	if diff := cmp.Diff([]string{"together i-together"}, *bound); diff != "" {
		t.Errorf("bound (-want +got):\n%s", diff)
	}
}
