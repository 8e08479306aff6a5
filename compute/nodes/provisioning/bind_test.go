package provisioning

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
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
		{"spread over zones", spread(corev1.LabelTopologyZone, 1, corev1.DoNotSchedule), false},
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
		if got := mayBind(p); got != test.want {
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
	n := newNominator(kube, noEvents{})
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
	n.fill(t.Context(), "i-1")
	if len(bound) != 0 {
		t.Errorf("bound without a crowd: %v", bound)
	}
	for i := range crowd {
		n.plan(fmt.Sprint("other-", i), "", []*corev1.Pod{pod(fmt.Sprint("p", i), "")})
	}
	for range 2 {
		n.fill(t.Context(), "i-1")
	}
	n.open(t.Context(), "i-1")
	slices.Sort(bound)
	slices.Sort(nominated)
	if diff := cmp.Diff([][]string{{"one i-1", "plain i-1"}, {"first", "refused", "second", "zones"}}, [][]string{bound, nominated}); diff != "" {
		t.Errorf("bound and nominated (-want +got):\n%s", diff)
	}
}
