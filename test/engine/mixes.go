package engine

import (
	"fmt"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

// Mix is a workload of the price table: the same seed makes the same pods.
type Mix struct {
	Name string
	Pods func(r *rand.Rand, n int) []*corev1.Pod
	// What must be among the types that are allowed.
	GPU, Arm, Spot bool
	VCPUs          int
}

// Mixes are the workloads that prices are compared for.
var Mixes = []Mix{
	{Name: "equal", Pods: func(_ *rand.Rand, n int) []*corev1.Pod { return each(n, func(int) (int64, int64) { return 500, 1024 }) }},
	{Name: "uniform", Pods: uniform},
	{Name: "generic", Pods: generic},
	{Name: "cpu-and-memory", Pods: cpuAndMemory},
	{Name: "heavy-tail", Pods: heavyTail},
	{Name: "deployments", Pods: deployments},
	{Name: "many-small", Pods: manySmall},
	{Name: "few-huge", Pods: fewHuge, VCPUs: 32},
	{Name: "memory-heavy", Pods: memoryHeavy},
	{Name: "gpu", Pods: someGPU, GPU: true},
	{Name: "spreads", Pods: ruled(spreadOverZones, spreadOverHosts)},
	{Name: "affinities", Pods: ruled(togetherInZone, apartByHost, none)},
	{Name: "preferences", Pods: ruled(preferZone, preferApart, preferSpread)},
	{Name: "anything", Pods: ruled(none, spreadOverZones, spreadOverHosts, togetherInZone, apartByHost, preferZone, preferApart, preferSpread)},
	{Name: "capacity-types", Pods: ruled(none, label(v1.CapacityTypeLabelKey, v1.CapacityTypeOnDemand), label(v1.CapacityTypeLabelKey, v1.CapacityTypeSpot)), Spot: true},
	{Name: "architectures", Pods: ruled(none, label(corev1.LabelArchStable, "amd64"), label(corev1.LabelArchStable, "arm64")), Arm: true},
}

// each makes pods whose shapes, in thousandths of a cpu and MiB, a function gives.
func each(n int, shape func(int) (int64, int64)) []*corev1.Pod {
	var out []*corev1.Pod
	for i := range n {
		cpu, memory := shape(i)
		out = append(out, waitingPod(i, "app", cpu, memory))
	}
	return out
}

// waitingPod is a pod of a ReplicaSet that the scheduler has no node for.
func waitingPod(i int, app string, cpu, memoryMi int64) *corev1.Pod {
	controller := true
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprintf("pod-%06d", i), UID: types.UID(fmt.Sprint("uid-", i)),
		Labels:          map[string]string{"app": app},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: app, UID: types.UID(app), Controller: &controller}}}}
	p.Spec.Containers = []corev1.Container{{Name: "c", Resources: corev1.ResourceRequirements{Requests: amounts(cpu, memoryMi, 0)}}}
	p.Status = waitingStatus()
	return p
}

func waitingStatus() corev1.PodStatus {
	return corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}}
}

var (
	randomCPU    = []int64{100, 250, 500, 1000, 1500}
	randomMemory = []int64{100, 256, 512, 1024, 2048, 4096}
)

func generic(r *rand.Rand, n int) []*corev1.Pod {
	return each(n, func(int) (int64, int64) { return randomCPU[r.IntN(5)], randomMemory[r.IntN(6)] })
}

func uniform(r *rand.Rand, n int) []*corev1.Pod {
	return each(n, func(int) (int64, int64) { return int64(50 + r.IntN(1950)), int64(64 + r.IntN(4032)) })
}

func cpuAndMemory(_ *rand.Rand, n int) []*corev1.Pod {
	return each(n, func(i int) (int64, int64) {
		if i%2 == 0 {
			return 1000, 512
		}
		return 250, 8192
	})
}

func heavyTail(r *rand.Rand, n int) []*corev1.Pod {
	return each(n, func(int) (int64, int64) {
		cpu := int64(100 / (0.02 + r.Float64()*r.Float64()))
		return cpu, cpu * int64(1+r.IntN(8))
	})
}

func manySmall(r *rand.Rand, n int) []*corev1.Pod {
	return each(n, func(int) (int64, int64) { return int64(10 + r.IntN(100)), int64(16 + r.IntN(200)) })
}

func fewHuge(r *rand.Rand, n int) []*corev1.Pod {
	return each(n/20+2, func(int) (int64, int64) { return int64(4000 + 1000*r.IntN(20)), int64(8192 * (1 + r.IntN(12))) })
}

func memoryHeavy(r *rand.Rand, n int) []*corev1.Pod {
	return each(n, func(int) (int64, int64) { return int64(100 + r.IntN(400)), int64(2048 + r.IntN(6144)) })
}

// someGPU is one pod in ten that asks for a GPU among plain ones.
func someGPU(r *rand.Rand, n int) []*corev1.Pod {
	pods := generic(r, n)
	for i, p := range pods {
		if i%10 == 0 {
			requests := amounts(int64(1000*(1+r.IntN(4))), int64(4096*(1+r.IntN(4))), 0)
			requests[gpuResource] = resource.MustParse("1")
			p.Spec.Containers[0].Resources.Requests = requests
		}
	}
	return pods
}

// deployments are groups of up to 60 equal pods.
func deployments(r *rand.Rand, n int) []*corev1.Pod { return ruled(none)(r, n) }

// ruled makes deployments that each follow one of the rules.
func ruled(rules ...func(*rand.Rand, *corev1.Pod)) func(*rand.Rand, int) []*corev1.Pod {
	return func(r *rand.Rand, n int) []*corev1.Pod {
		var out []*corev1.Pod
		for d := 0; len(out) < n; d++ {
			cpu, memory := int64(50*(1+r.IntN(80))), int64(128*(1+r.IntN(200)))
			replicas := min(1+r.IntN(60), n-len(out))
			rule, choice := rules[r.IntN(len(rules))], r.Uint64()
			for range replicas {
				p := waitingPod(len(out), fmt.Sprint("app-", d), cpu, memory)
				rule(rand.New(rand.NewPCG(choice, 0)), p)
				out = append(out, p)
			}
		}
		return out
	}
}

func none(*rand.Rand, *corev1.Pod) {}

func label(key, value string) func(*rand.Rand, *corev1.Pod) {
	return func(_ *rand.Rand, p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{key: value} }
}

func own(p *corev1.Pod) *metav1.LabelSelector { return &metav1.LabelSelector{MatchLabels: p.Labels} }

func spread(p *corev1.Pod, key string, skew int32, when corev1.UnsatisfiableConstraintAction) {
	p.Spec.TopologySpreadConstraints = append(p.Spec.TopologySpreadConstraints,
		corev1.TopologySpreadConstraint{MaxSkew: skew, TopologyKey: key, WhenUnsatisfiable: when, LabelSelector: own(p)})
}

func spreadOverZones(_ *rand.Rand, p *corev1.Pod) {
	spread(p, corev1.LabelTopologyZone, 1, corev1.DoNotSchedule)
}

// spreadOverHosts lets a few pods of a deployment share a node.
func spreadOverHosts(r *rand.Rand, p *corev1.Pod) {
	spread(p, corev1.LabelHostname, int32(3+r.IntN(8)), corev1.DoNotSchedule)
}

func togetherInZone(_ *rand.Rand, p *corev1.Pod) {
	p.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{
		{TopologyKey: corev1.LabelTopologyZone, LabelSelector: own(p)}}}}
}

func apartByHost(_ *rand.Rand, p *corev1.Pod) {
	p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{
		{TopologyKey: corev1.LabelHostname, LabelSelector: own(p)}}}}
}

func preferZone(r *rand.Rand, p *corev1.Pod) {
	zone := string(rune('a' + r.IntN(3)))
	p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{
		{Weight: int32(1 + r.IntN(100)), Preference: corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{
			{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{priceRegion + zone}}}}}}}}
}

func preferApart(r *rand.Rand, p *corev1.Pod) {
	p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{
		{Weight: int32(1 + r.IntN(100)), PodAffinityTerm: corev1.PodAffinityTerm{TopologyKey: corev1.LabelHostname, LabelSelector: own(p)}}}}}
}

func preferSpread(_ *rand.Rand, p *corev1.Pod) {
	spread(p, corev1.LabelTopologyZone, 1, corev1.ScheduleAnyway)
}

// Diverse is the mix of Karpenter's own benchmark: fifths of plain pods, of
// pods spread over zones and over hosts, with affinity by zone to their kind,
// and with anti-affinity by host to each other.
func Diverse(r *rand.Rand, n int) []*corev1.Pod {
	pods := generic(r, n)
	letter := func() string { return string(rune('a' + r.IntN(7))) }
	selector := func(key, value string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{key: value}}
	}
	for i, p := range pods {
		switch kind := i / max(1, n/5); kind {
		case 1, 2:
			p.Labels = map[string]string{"my-label": letter()}
			p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: []string{corev1.LabelTopologyZone, corev1.LabelHostname}[kind-1],
				WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: selector("my-label", letter())}}
		case 3:
			p.Labels = map[string]string{"my-affininity": letter()}
			p.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{
				{TopologyKey: corev1.LabelTopologyZone, LabelSelector: selector("my-affininity", p.Labels["my-affininity"])}}}}
		case 4:
			p.Labels = map[string]string{"app": "nginx"}
			apartByHost(r, p)
		default:
			p.Labels = map[string]string{"my-label": letter()}
		}
	}
	return pods
}

// Soft is Karpenter's benchmark of preferences: one that can be met for all
// pods, one that can be for some, and one that costs a node per pod.
func Soft(_ *rand.Rand, n int) []*corev1.Pod {
	pods := each(n, func(int) (int64, int64) { return 500, 512 })
	for _, p := range pods {
		p.Spec.Affinity = &corev1.Affinity{
			NodeAffinity: &corev1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{Weight: 1, Preference: corev1.NodeSelectorTerm{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{"test-zone-1"}}}}}}},
			PodAntiAffinity: &corev1.PodAntiAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{
				{Weight: 10, PodAffinityTerm: corev1.PodAffinityTerm{TopologyKey: corev1.LabelTopologyZone, LabelSelector: own(p)}},
				{Weight: 1, PodAffinityTerm: corev1.PodAffinityTerm{TopologyKey: corev1.LabelHostname, LabelSelector: own(p)}}}}}
	}
	return pods
}
