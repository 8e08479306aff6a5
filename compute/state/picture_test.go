package state

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/automode-dev/automode/compute/solver"
)

func noTypes(*karpv1.NodePool) []*solver.InstanceType { return nil }

func TestAClaimAndItsNodeAreOneMachine(t *testing.T) {
	p := NewPicture()
	claim := &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: "c", Labels: map[string]string{karpv1.NodePoolLabelKey: "pool"}}}
	claim.Status.ProviderID = "aws:///a/i-1"
	claim.Spec.StartupTaints = []corev1.Taint{{Key: "starting", Effect: corev1.TaintEffectNoSchedule}}
	p.Set(claim)
	if m := p.Machines(); len(m) != 1 || m[0].Name() != "c" || m[0].Registered() {
		t.Fatalf("machines = %+v, want the claim in flight", m)
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "i-1", Labels: map[string]string{karpv1.NodeRegisteredLabelKey: "true"}}}
	node.Spec.ProviderID = "aws:///a/i-1"
	node.Spec.Taints = []corev1.Taint{{Key: "starting", Effect: corev1.TaintEffectNoSchedule}, {Key: "team", Effect: corev1.TaintEffectNoSchedule}}
	p.Set(node)
	m := p.Machines()
	if len(m) != 1 || m[0].Name() != "i-1" || m[0].Pool() != "pool" || len(m[0].Taints()) != 1 {
		t.Fatalf("machines = %+v, want one with the lasting taint", m)
	}
	p.Delete(node)
	p.Delete(claim)
	if m := p.Machines(); len(m) != 0 {
		t.Errorf("machines = %+v, want none", m)
	}
}

func TestPodsMoveWithTheirState(t *testing.T) {
	p := NewPicture()
	p.Set(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}})
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "default", CreationTimestamp: metav1.Time{Time: time.Unix(100, 0)}}}
	p.Set(pod)
	if len(p.Untried(time.Unix(100, 0))) != 1 || len(p.Untried(time.Unix(99, 0))) != 0 {
		t.Error("a pod without a condition is untried once it is old enough")
	}
	refused := pod.DeepCopy()
	refused.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Reason: corev1.PodReasonUnschedulable}}
	p.Set(refused)
	never := func(*corev1.Pod) bool { return false }
	if len(p.Waiting(never)) != 1 || len(p.Untried(time.Unix(200, 0))) != 0 {
		t.Error("a pod that the scheduler refused waits")
	}
	bound := refused.DeepCopy()
	bound.Spec.NodeName = "n"
	p.Set(bound)
	if len(p.Unbound()) != 0 || len(p.Machines()[0].Pods) != 1 {
		t.Error("a bound pod is on its node")
	}
	clone := p.Clone()
	done := bound.DeepCopy()
	done.Status.Phase = corev1.PodSucceeded
	p.Set(done)
	if len(p.Machines()[0].Pods) != 0 || len(clone.Machines()[0].Pods) != 1 {
		t.Error("a finished pod leaves its node, and no copy of the picture")
	}
}

func TestPodsOfLeavingNodesNeedPlaces(t *testing.T) {
	p := NewPicture()
	p.Set(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}, Spec: corev1.NodeSpec{ProviderID: "aws:///a/i-1"}})
	p.Set(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "default"}, Spec: corev1.PodSpec{NodeName: "n"}})
	leaving := func(id string) bool { return id == "aws:///a/i-1" }
	s, _ := p.Snapshot(Question{Types: noTypes, Leaving: leaving})
	if len(s.Nodes) != 0 || len(s.Pods) != 1 {
		t.Errorf("snapshot has %d nodes and %d pods to place, want 0 and 1", len(s.Nodes), len(s.Pods))
	}
	s, _ = p.Snapshot(Question{Types: noTypes})
	if len(s.Nodes) != 1 || len(s.Pods) != 0 {
		t.Errorf("snapshot has %d nodes and %d pods to place, want 1 and 0", len(s.Nodes), len(s.Pods))
	}
}

func TestVolumesLimitZones(t *testing.T) {
	p := NewPicture()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "default"}}
	pod.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}}
	ask := Question{Pods: []*corev1.Pod{pod}, Types: noTypes}
	if _, rejected := p.Snapshot(ask); len(rejected) != 1 {
		t.Fatal("a pod with an unknown claim has to wait")
	}
	p.Set(&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data", Namespace: "default"}, Spec: corev1.PersistentVolumeClaimSpec{VolumeName: "pv"}})
	pv := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv"}}
	pv.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{
		{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{"us-east-1a"}}}}}}}
	p.Set(pv)
	s, rejected := p.Snapshot(ask)
	if len(rejected) != 0 || len(s.Pods) != 1 || len(s.Pods[0].VolumeTopology) != 1 || s.Pods[0].VolumeTopology[0][0].Values[0] != "us-east-1a" {
		t.Errorf("snapshot = %+v, rejected = %v, want the zone of the volume", s.Pods, rejected)
	}
}

// A static pool is passed on as what it is, so that reasons can name it.
func TestStaticPools(t *testing.T) {
	p := NewPicture()
	replicas := int64(2)
	for _, name := range []string{"dynamic", "fixed"} {
		pool := &karpv1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if name == "fixed" {
			pool.Spec.Replicas = &replicas
		}
		p.Set(pool)
	}
	s, _ := p.Snapshot(Question{Types: func(*karpv1.NodePool) []*solver.InstanceType { return []*solver.InstanceType{{Name: "small"}} }})
	if len(s.Pools) != 2 || s.Pools[0].Static || !s.Pools[1].Static {
		t.Errorf("pools = %+v, want the second static", s.Pools)
	}
}

// What a node attaches is what its driver reports, what its type allows until then, and the least of the types that a claim
// may still become.
func TestVolumeLimits(t *testing.T) {
	types := []*solver.InstanceType{
		{Name: "small", VolumeLimits: map[string]int{"ebs": 25}, Allocatable: corev1.ResourceList{}}, {Name: "large", VolumeLimits: map[string]int{"ebs": 39}, Allocatable: corev1.ResourceList{}},
	}
	p := NewPicture()
	p.Set(&karpv1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: "pool"}})
	node := func(name string) {
		p.Set(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{karpv1.NodePoolLabelKey: "pool", corev1.LabelInstanceTypeStable: "large"}}})
	}
	node("reported")
	node("silent")
	count := int32(7)
	p.Set(&storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: "reported"}, Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{{Name: "ebs", Allocatable: &storagev1.VolumeNodeResources{Count: &count}}}}})
	claim := &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: "unlaunched", Labels: map[string]string{karpv1.NodePoolLabelKey: "pool"}}}
	claim.Spec.Requirements = []karpv1.NodeSelectorRequirementWithMinValues{{Key: corev1.LabelInstanceTypeStable, Operator: corev1.NodeSelectorOpIn, Values: []string{"large", "small"}}}
	p.Set(claim)
	s, _ := p.Snapshot(Question{Types: func(*karpv1.NodePool) []*solver.InstanceType { return types }})
	got := map[string]int{}
	for _, n := range s.Nodes {
		got[n.Name] = n.VolumeLimits["ebs"]
	}
	if diff := cmp.Diff(map[string]int{"reported": 7, "silent": 39, "unlaunched": 25}, got); diff != "" {
		t.Errorf("volumes (-want +got):\n%s", diff)
	}
}

func TestNodesThatStart(t *testing.T) {
	taint := corev1.Taint{Key: "network", Effect: corev1.TaintEffectNoExecute}
	quantities := func(names ...corev1.ResourceName) corev1.ResourceList {
		list := corev1.ResourceList{}
		for _, name := range names {
			list[name] = resource.MustParse("1")
		}
		return list
	}
	for _, test := range []struct {
		name        string
		taints      []corev1.Taint
		allocatable corev1.ResourceList
		want        bool
	}{
		{"started", nil, quantities("cpu", "nvidia.com/gpu"), false},
		{"closed and tainted otherwise", []corev1.Taint{ClosedTaint, {Key: "team", Effect: corev1.TaintEffectNoSchedule}}, quantities("cpu", "nvidia.com/gpu"), false},
		{"with its startup taint", []corev1.Taint{taint}, quantities("cpu", "nvidia.com/gpu"), true},
		{"without its device", nil, quantities("cpu"), true},
	} {
		m := &Machine{Node: &corev1.Node{}, Claim: &karpv1.NodeClaim{}}
		m.Claim.Spec.StartupTaints = []corev1.Taint{taint}
		m.Claim.Spec.Resources.Requests = quantities("cpu", "nvidia.com/gpu")
		m.Node.Spec.Taints, m.Node.Status.Allocatable = test.taints, test.allocatable
		if got := m.Starting(); got != test.want {
			t.Errorf("a node %s starts: %t, want %t", test.name, got, test.want)
		}
	}
}
