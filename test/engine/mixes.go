package engine

import (
	"fmt"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	kfake "sigs.k8s.io/karpenter/pkg/cloudprovider/fake"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/automode-dev/automode/compute/catalog"
)

// Mix makes pods for benchmarks.
type Mix func(r *rand.Rand, n int) []*corev1.Pod

// Mixes are the workloads of the price table, by name.
var Mixes = map[string]Mix{
	"uniform":        func(r *rand.Rand, n int) []*corev1.Pod { return each(n, func(int) (int64, int64) { return 500, 1024 }) },
	"generic":        generic,
	"cpu and memory": cpuAndMemory,
	"heavy tail":     heavyTail,
	"deployments":    deployments,
	"many small": func(r *rand.Rand, n int) []*corev1.Pod {
		return each(n, func(int) (int64, int64) { return int64(10 + r.IntN(100)), int64(16 + r.IntN(200)) })
	},
	"few huge": func(r *rand.Rand, n int) []*corev1.Pod {
		return each(n/20+2, func(int) (int64, int64) { return int64(4000 + 1000*r.IntN(20)), int64(8192 * (1 + r.IntN(12))) })
	},
	"memory heavy": func(r *rand.Rand, n int) []*corev1.Pod {
		return each(n, func(int) (int64, int64) { return int64(100 + r.IntN(400)), int64(2048 + r.IntN(6144)) })
	},
	"zones": func(r *rand.Rand, n int) []*corev1.Pod {
		return withSpread(deployments(r, n), corev1.LabelTopologyZone)
	},
}

func each(n int, shape func(int) (int64, int64)) []*corev1.Pod {
	var out []*corev1.Pod
	for i := range n {
		cpu, memory := shape(i)
		out = append(out, benchPod(i, cpu, memory))
	}
	return out
}

func benchPod(i int, cpu, memoryMi int64) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprintf("pod-%06d", i), UID: types.UID(fmt.Sprint("uid-", i))}}
	p.Spec.Containers = []corev1.Container{{Name: "c", Resources: corev1.ResourceRequirements{Requests: amounts(cpu, memoryMi, 0)}}}
	p.Status.Phase = corev1.PodPending
	return p
}

var (
	randomCPU    = []int64{100, 250, 500, 1000, 1500}
	randomMemory = []int64{100, 256, 512, 1024, 2048, 4096}
)

func generic(r *rand.Rand, n int) []*corev1.Pod {
	return each(n, func(int) (int64, int64) { return randomCPU[r.IntN(5)], randomMemory[r.IntN(6)] })
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

func deployments(r *rand.Rand, n int) []*corev1.Pod {
	var out []*corev1.Pod
	for d := 0; len(out) < n; d++ {
		cpu, memory := int64(50*(1+r.IntN(80))), int64(128*(1+r.IntN(200)))
		for range 1 + r.IntN(60) {
			p := benchPod(len(out), cpu, memory)
			p.Labels = map[string]string{"app": fmt.Sprint("app-", d)}
			out = append(out, p)
		}
	}
	return out[:n]
}

func withSpread(pods []*corev1.Pod, key string) []*corev1.Pod {
	for _, p := range pods {
		p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: key, WhenUnsatisfiable: corev1.DoNotSchedule,
			LabelSelector: &metav1.LabelSelector{MatchLabels: p.Labels}}}
	}
	return pods
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
			p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{
				{TopologyKey: corev1.LabelHostname, LabelSelector: selector("app", "nginx")}}}}
		default:
			p.Labels = map[string]string{"my-label": letter()}
		}
	}
	return pods
}

// Preferences is Karpenter's benchmark of soft constraints: one that can be met
// for all pods, one that can be for some, and one that costs a node per pod.
func Preferences(_ *rand.Rand, n int) []*corev1.Pod {
	pods := each(n, func(int) (int64, int64) { return 500, 512 })
	nginx := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "nginx"}}
	for _, p := range pods {
		p.Labels = nginx.MatchLabels
		p.Spec.Affinity = &corev1.Affinity{
			NodeAffinity: &corev1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{Weight: 1, Preference: corev1.NodeSelectorTerm{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{"test-zone-1"}}}}}}},
			PodAntiAffinity: &corev1.PodAntiAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{
				{Weight: 10, PodAffinityTerm: corev1.PodAffinityTerm{TopologyKey: corev1.LabelTopologyZone, LabelSelector: nginx}},
				{Weight: 1, PodAffinityTerm: corev1.PodAffinityTerm{TopologyKey: corev1.LabelHostname, LabelSelector: nginx}}}}}
	}
	return pods
}

// FakeTypes are Karpenter's own made-up types.
func FakeTypes(n int) []*cloudprovider.InstanceType { return kfake.InstanceTypes(n) }

// CatalogTypes are the real types of a region as the product sizes them, in
// three zones, bought on demand and as spot where asked for.
func CatalogTypes(region string, spot bool, keep func(*catalog.Type) bool) []*cloudprovider.InstanceType {
	cat := catalog.Default()
	var out []*cloudprovider.InstanceType
	for i := range cat.Types() {
		t := &cat.Types()[i]
		price, ok := cat.OnDemand(region, t.Name)
		if !ok || t.BareMetal || !keep(t) {
			continue
		}
		pods := int64(min(110, t.Network.Interfaces*(t.Network.IPv4PerInterface-1)))
		it := &cloudprovider.InstanceType{Name: t.Name,
			Capacity: amounts(int64(t.VCPUs)*1000, t.MemoryMiB*925/1000, pods),
			Overhead: &cloudprovider.InstanceTypeOverhead{KubeReserved: amounts(520, 792+11*pods, 0)}}
		var zones []string
		for _, z := range cat.Zones(region)[:3] {
			if !cat.Offered(region, z.ID, t.Name) {
				continue
			}
			zones = append(zones, z.Name)
			for _, ct := range []string{v1.CapacityTypeOnDemand, v1.CapacityTypeSpot} {
				p := price
				if ct == v1.CapacityTypeSpot {
					if p, ok = cat.Spot(region, z.ID, t.Name); !ok || !spot {
						continue
					}
				}
				it.Offerings = append(it.Offerings, &cloudprovider.Offering{Price: p, Available: true, Requirements: scheduling.NewLabelRequirements(map[string]string{
					corev1.LabelTopologyZone: z.Name, v1.CapacityTypeLabelKey: ct})})
			}
		}
		it.Requirements = scheduling.NewRequirements(
			scheduling.NewRequirement(corev1.LabelInstanceTypeStable, corev1.NodeSelectorOpIn, t.Name),
			scheduling.NewRequirement(corev1.LabelArchStable, corev1.NodeSelectorOpIn, t.Arch()),
			scheduling.NewRequirement(corev1.LabelOSStable, corev1.NodeSelectorOpIn, "linux"),
			scheduling.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, zones...),
			scheduling.NewRequirement(v1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, v1.CapacityTypeOnDemand, v1.CapacityTypeSpot))
		if len(it.Offerings) > 0 {
			out = append(out, it)
		}
	}
	return out
}

// OnePool is a pool without requirements.
func OnePool() []*v1.NodePool {
	p := &v1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: "default", UID: "np"}}
	p.Spec.Template.Spec.NodeClassRef = &v1.NodeClassReference{Group: "eks.amazonaws.com", Kind: "NodeClass", Name: "default"}
	return []*v1.NodePool{p}
}
