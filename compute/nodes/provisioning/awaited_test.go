package provisioning

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

// replicaSet adds a ReplicaSet that wants a number of pods.
func (w *world) replicaSet(name string, replicas int32) *appsv1.ReplicaSet {
	w.Helper()
	set := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID(name)}, Spec: appsv1.ReplicaSetSpec{Replicas: &replicas}}
	if err := w.kube.Create(w.ctx, set); err != nil {
		w.Fatal(err)
	}
	return set
}

// makes adds waiting pods of a controller, one core each, that were made when.
func (w *world) makes(owner client.Object, kind, version string, from, to int, when time.Time) {
	for i := from; i < to; i++ {
		name := fmt.Sprintf("%s-%d", owner.GetName(), i)
		w.waiting(name, "1")
		p, _ := w.source.Pod(types.NamespacedName{Namespace: "default", Name: name})
		p = p.DeepCopy()
		p.CreationTimestamp = metav1.NewTime(when)
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: version, Kind: kind, Name: owner.GetName(), UID: owner.GetUID(), Controller: ptr.To(true)}}
		w.source.Set(p)
	}
}

func (w *world) claims() map[string]karpv1.NodeClaim {
	w.Helper()
	list := &karpv1.NodeClaimList{}
	if err := w.kube.List(w.ctx, list); err != nil {
		w.Fatal(err)
	}
	byName := map[string]karpv1.NodeClaim{}
	for _, claim := range list.Items {
		byName[claim.Name] = claim
	}
	return byName
}

// A ReplicaSet of ten has made two pods: nodes come for all of them, once. The nodes of pool have room for two each.
func TestPodsThatAreAboutToBeMade(t *testing.T) {
	w := newWorld(t)
	w.pool("only", 0.1)
	w.parts.Live = w.kube
	clock := w.parts.Clock.(*testclock.FakeClock)
	set := w.replicaSet("web", 10)
	c := NewController(w.parts)
	look := func(wantClaims int) {
		t.Helper()
		if err := c.provision(w.ctx); err != nil {
			t.Fatal(err)
		}
		if got := len(w.claims()); got != wantClaims {
			t.Fatalf("%d claims after %s, want %d", got, clock.Since(start), wantClaims)
		}
	}
	w.makes(set, "ReplicaSet", "apps/v1", 0, 2, start)
	look(5)
	clock.Step(5 * time.Second)
	w.makes(set, "ReplicaSet", "apps/v1", 2, 7, clock.Now())
	look(5)
	if got := len(c.awaited.pods()); got != 3 {
		t.Errorf("%d pods are expected, want 3", got)
	}
	promised := c.promises.all()
	for i := range 7 {
		if !promised[types.UID(fmt.Sprintf("web-%d", i))] {
			t.Errorf("pod %d has no place", i)
		}
	}
	clock.Step(silence + time.Second)
	look(5)
	if len(c.awaited.pods()) != 0 || len(c.promises.all()) != 7 {
		t.Errorf("pods that do not come are expected: %d; %d are promised a node, want 7", len(c.awaited.pods()), len(c.promises.all()))
	}
	w.makes(set, "ReplicaSet", "apps/v1", 7, 10, clock.Now())
	look(5)
}

// What a limit allows is for pods that wait.
func TestPodsThatWaitComeFirst(t *testing.T) {
	w := newWorld(t)
	pool := w.pool("only", 0.1)
	pool.Spec.Limits = karpv1.Limits{corev1.ResourceCPU: *ptr.To(w.types["only"][0].Capacity[corev1.ResourceCPU])}
	if err := w.kube.Update(w.ctx, pool); err != nil {
		t.Fatal(err)
	}
	w.source.Set(pool)
	w.parts.Live = w.kube
	w.makes(w.replicaSet("a", 10), "ReplicaSet", "apps/v1", 0, 1, start)
	w.waiting("z", "1")
	c := NewController(w.parts)
	if err := c.provision(w.ctx); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[types.UID]bool{"a-0": true, "z": true}, c.promises.all()); diff != "" {
		t.Errorf("promised (-want +got):\n%s", diff)
	}
}

func TestHowManyPodsAreMissing(t *testing.T) {
	job := func(change func(*batchv1.Job)) *batchv1.Job {
		j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "o", Namespace: "default", UID: "o"}, Spec: batchv1.JobSpec{Parallelism: ptr.To[int32](5), Completions: ptr.To[int32](20)}}
		change(j)
		return j
	}
	set := func(change func(*appsv1.ReplicaSet)) *appsv1.ReplicaSet {
		s := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: "o", Namespace: "default", UID: "o"}, Spec: appsv1.ReplicaSetSpec{Replicas: ptr.To[int32](5)}}
		change(s)
		return s
	}
	for _, test := range []struct {
		name   string
		kind   string
		object client.Object
		want   int
	}{
		{"a job", "Job", job(func(*batchv1.Job) {}), 3},
		{"a job that is nearly done", "Job", job(func(j *batchv1.Job) { j.Status.Succeeded = 17 }), 1},
		{"a job without a number of completions", "Job", job(func(j *batchv1.Job) { j.Spec.Completions = nil }), 3},
		{"a job whose pods fail", "Job", job(func(j *batchv1.Job) { j.Status.Failed = 1 }), 0},
		{"a suspended job", "Job", job(func(j *batchv1.Job) { j.Spec.Suspend = ptr.To(true) }), 0},
		{"a set", "ReplicaSet", set(func(*appsv1.ReplicaSet) {}), 3},
		{"a set that cannot make pods", "ReplicaSet", set(func(s *appsv1.ReplicaSet) {
			s.Status.Conditions = []appsv1.ReplicaSetCondition{{Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue}}
		}), 0},
		{"another set of that name", "ReplicaSet", set(func(s *appsv1.ReplicaSet) { s.UID = "other" }), 0},
		{"a set that is gone", "ReplicaSet", set(func(s *appsv1.ReplicaSet) { s.Name = "other" }), 0},
	} {
		a := newAwaited(fake.NewClientBuilder().WithObjects(test.object).Build())
		got, err := a.missing(t.Context(), &maker{namespace: "default", owner: metav1.OwnerReference{Kind: test.kind, Name: "o", UID: "o"}, made: 2})
		if err != nil || got != test.want {
			t.Errorf("%s: %d pods are missing, want %d (%v)", test.name, got, test.want, err)
		}
	}
}

func TestWhoseNextPodsAreKnown(t *testing.T) {
	for _, test := range []struct {
		kind, version string
		change        func(*corev1.PodSpec)
		want          bool
	}{
		{"ReplicaSet", "apps/v1", func(*corev1.PodSpec) {}, true},
		{"Job", "batch/v1", func(*corev1.PodSpec) {}, true},
		{"StatefulSet", "apps/v1", func(*corev1.PodSpec) {}, false},
		{"ReplicaSet", "argoproj.io/v1", func(*corev1.PodSpec) {}, false},
		{"ReplicaSet", "apps/v1", func(s *corev1.PodSpec) {
			s.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{}}}}
		}, false},
	} {
		p := pod("a", "")
		test.change(&p.Spec)
		if got := makesAlike(&metav1.OwnerReference{Kind: test.kind, APIVersion: test.version}, p); got != test.want {
			t.Errorf("%s of %s: %t, want %t", test.kind, test.version, got, test.want)
		}
	}
}
