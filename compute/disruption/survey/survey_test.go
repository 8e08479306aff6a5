package survey

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	testclock "k8s.io/utils/clock/testing"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/automode-dev/automode/compute/disruption"
	"github.com/automode-dev/automode/compute/solver"
	"github.com/automode-dev/automode/compute/state"
)

var now = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// question asks about a picture with two pools, one of them static, that have one type.
func question(picture *state.Picture) Question {
	for _, name := range []string{"dynamic", "static"} {
		pool := &karpv1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: name}}
		pool.Spec.Disruption.ConsolidateAfter = karpv1.MustParseNillableDuration("30s")
		pool.Spec.Disruption.Budgets = []karpv1.Budget{{Nodes: "1", Reasons: []karpv1.DisruptionReason{karpv1.DisruptionReasonDrifted}}}
		if name == "static" {
			replicas := int64(3)
			pool.Spec.Replicas = &replicas
		}
		picture.Set(pool)
	}
	types := []*solver.InstanceType{{Name: "small", Allocatable: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}}}
	return Question{Picture: picture, Clock: testclock.NewFakeClock(now), Types: func(*karpv1.NodePool) []*solver.InstanceType { return types }}
}

// join adds a node that runs, with its claim.
func join(picture *state.Picture, name string, change func(*karpv1.NodeClaim, *corev1.Node)) {
	claim := &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: "claim-" + name, CreationTimestamp: metav1.NewTime(now.Add(-time.Hour)),
		Labels: map[string]string{karpv1.NodePoolLabelKey: "dynamic"}}}
	claim.Status.ProviderID = "aws:///a/" + name
	claim.StatusConditions().SetTrue(karpv1.ConditionTypeInitialized)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{karpv1.NodeRegisteredLabelKey: "true", karpv1.NodeInitializedLabelKey: "true"}}}
	node.Spec.ProviderID = claim.Status.ProviderID
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	change(claim, node)
	picture.Set(claim)
	picture.Set(node)
}

func nodeOf(t *testing.T, s Survey, name string) disruption.Node {
	t.Helper()
	for _, n := range s.Snapshot.Nodes {
		if n.Name == name {
			return n
		}
	}
	t.Fatalf("no node %s in the survey", name)
	return disruption.Node{}
}

func TestNodes(t *testing.T) {
	picture := state.NewPicture()
	join(picture, "plain", func(*karpv1.NodeClaim, *corev1.Node) {})
	join(picture, "old", func(claim *karpv1.NodeClaim, node *corev1.Node) {
		claim.StatusConditions().SetTrueWithReason(karpv1.ConditionTypeDrifted, "Drifted", "Drifted")
		claim.StatusConditions().SetTrue(karpv1.ConditionTypeConsolidatable)
		claim.Spec.ExpireAfter = karpv1.MustParseNillableDuration("2h")
		claim.Spec.TerminationGracePeriod = &metav1.Duration{Duration: time.Minute}
		claim.Status.LastPodEventTime = metav1.NewTime(now.Add(-time.Minute))
		node.Annotations = map[string]string{karpv1.DoNotDisruptAnnotationKey: "true"}
	})
	join(picture, "going", func(claim *karpv1.NodeClaim, _ *corev1.Node) {
		claim.Annotations = map[string]string{AnnotationStep: Record{ID: "x", Replacements: []string{"claim-plain"}}.Marshal()}
	})
	q := question(picture)
	q.Leaving = func(id string) bool { return id == "aws:///a/going" }
	q.Buffered = func(id string) bool { return id == "aws:///a/old" }
	s := Take(q)

	if n := nodeOf(t, s, "plain"); !n.Nominated || !n.Ready || !n.Joined || !n.Initialized || n.Consolidatable || !n.Drifted.IsZero() || !n.Expires.IsZero() {
		t.Errorf("the replacement of a step is %+v", n)
	}
	n := nodeOf(t, s, "old")
	if n.Drifted.IsZero() || !n.Consolidatable || !n.DoNotDisrupt || !n.Buffered || n.Nominated || n.Claim != "claim-old" {
		t.Errorf("the old node is %+v", n)
	}
	if !n.Expires.Equal(now.Add(time.Hour)) || !n.Settled.Equal(now.Add(-time.Minute)) || *n.TerminationGracePeriod != time.Minute {
		t.Errorf("the old node expires %s, settled %s, grace %s", n.Expires, n.Settled, n.TerminationGracePeriod)
	}
	if n := nodeOf(t, s, "going"); !n.Deleting || n.Pool != "dynamic" {
		t.Errorf("the node that goes is %+v", n)
	}
	if s.Machines["old"].Claim.Name != "claim-old" {
		t.Errorf("machines: %v", s.Machines)
	}
}

func TestPools(t *testing.T) {
	s := Take(question(state.NewPicture()))
	if len(s.Snapshot.Pools) != 2 {
		t.Fatalf("%d pools", len(s.Snapshot.Pools))
	}
	dynamic, static := s.Snapshot.Pools[0], s.Snapshot.Pools[1]
	if dynamic.Static || !static.Static || static.Replicas != 3 || *dynamic.ConsolidateAfter != 30*time.Second {
		t.Errorf("pools: %+v", s.Snapshot.Pools)
	}
	want := []disruption.Budget{{Nodes: "1", Reasons: []disruption.Reason{disruption.Drifted}}}
	if diff := cmp.Diff(want, dynamic.Budgets); diff != "" {
		t.Errorf("budgets (-want +got):\n%s", diff)
	}
}

// Pods of nodes that leave wait, unless they hold on to their node; volumes tie pods of nodes that stay.
func TestPods(t *testing.T) {
	picture := state.NewPicture()
	for _, name := range []string{"stays", "leaves"} {
		join(picture, name, func(*karpv1.NodeClaim, *corev1.Node) {})
	}
	pod := func(name, node string, change func(*corev1.Pod)) {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name)}, Spec: corev1.PodSpec{NodeName: node}}
		p.Status.Phase = corev1.PodRunning
		change(p)
		picture.Set(p)
	}
	pod("moves", "leaves", func(*corev1.Pod) {})
	pod("holds on", "leaves", func(p *corev1.Pod) { p.Annotations = map[string]string{karpv1.DoNotDisruptAnnotationKey: "true"} })
	pod("writes", "stays", func(p *corev1.Pod) {
		p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}}
	})
	picture.Set(&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "data"}, Spec: corev1.PersistentVolumeClaimSpec{VolumeName: "v"}})
	picture.Set(&corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "v"}, Spec: corev1.PersistentVolumeSpec{
		PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: "ebs.csi.eks.amazonaws.com"}},
		NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{"a"}}}}}}}}})
	q := question(picture)
	q.Leaving = func(id string) bool { return id == "aws:///a/leaves" }
	s := Take(q)
	var waiting []string
	for _, p := range s.Snapshot.Pending {
		waiting = append(waiting, p.Name)
	}
	if diff := cmp.Diff([]string{"moves"}, waiting); diff != "" {
		t.Errorf("pods that wait (-want +got):\n%s", diff)
	}
	want := map[types.UID]disruption.PodVolumes{"writes": {
		Topology: [][]solver.Requirement{{{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{"a"}}}},
		Attached: map[string][]string{"ebs.csi.eks.amazonaws.com": {"v"}},
	}}
	if diff := cmp.Diff(want, nodeOf(t, s, "stays").Volumes); diff != "" {
		t.Errorf("volumes (-want +got):\n%s", diff)
	}
}

func TestPDB(t *testing.T) {
	none, all, half := intstr.FromInt32(0), intstr.FromString("100%"), intstr.FromString("50%")
	always := policyv1.AlwaysAllow
	for name, c := range map[string]struct {
		spec  policyv1.PodDisruptionBudgetSpec
		never bool
	}{
		"none may go":     {policyv1.PodDisruptionBudgetSpec{MaxUnavailable: &none}, true},
		"all must stay":   {policyv1.PodDisruptionBudgetSpec{MinAvailable: &all}, true},
		"half may go":     {policyv1.PodDisruptionBudgetSpec{MaxUnavailable: &half, UnhealthyPodEvictionPolicy: &always}, false},
		"half must stay":  {policyv1.PodDisruptionBudgetSpec{MinAvailable: &half}, false},
		"says nothing":    {policyv1.PodDisruptionBudgetSpec{}, false},
		"any must remain": {policyv1.PodDisruptionBudgetSpec{MinAvailable: &none}, false},
	} {
		got := pdb(&policyv1.PodDisruptionBudget{Spec: c.spec, Status: policyv1.PodDisruptionBudgetStatus{DisruptionsAllowed: 2}})
		if got.FullyBlocking != c.never || got.Allowed != 2 || got.EvictUnhealthy != (c.spec.UnhealthyPodEvictionPolicy != nil) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	bad := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: "Resembles"}}}
	if got := pdb(&policyv1.PodDisruptionBudget{Spec: policyv1.PodDisruptionBudgetSpec{Selector: bad}}); !got.Selector.Empty() {
		t.Errorf("a selector that cannot be read became %s, want one of all pods", got.Selector)
	}
}

func TestRecord(t *testing.T) {
	want := Record{ID: "x", Reason: disruption.Drifted, Started: now, Replacements: []string{"a", "b"}}
	claim := &karpv1.NodeClaim{}
	if _, ok := RecordOf(claim); ok {
		t.Error("a claim without the annotation has a record")
	}
	claim.Annotations = map[string]string{AnnotationStep: want.Marshal()}
	got, ok := RecordOf(claim)
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	claim.Annotations[AnnotationStep] = "{"
	if got, ok := RecordOf(claim); !ok || len(got.Replacements) != 0 {
		t.Errorf("an annotation that cannot be read gives %+v", got)
	}
}
