package solver

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/automode-dev/automode/compute/catalog"
)

// catalogTypes builds instance types from the catalog as a provider would, in
// the first zones of a region.
func catalogTypes(region string, zones int, capacityTypes []string, keep func(*catalog.Type) bool) []*InstanceType {
	cat := catalog.Default()
	var out []*InstanceType
	for i := range cat.Types() {
		t := &cat.Types()[i]
		price, ok := cat.OnDemand(region, t.Name)
		if !ok || t.BareMetal || !keep(t) {
			continue
		}
		pods := int64(min(110, t.Network.Interfaces*(t.Network.IPv4PerInterface-1)))
		mem := float64(t.MemoryMiB) * 0.925
		typ := &InstanceType{Name: t.Name,
			Requirements: labelsAsRequirements(map[string]string{corev1.LabelInstanceTypeStable: t.Name, corev1.LabelArchStable: t.Arch(), corev1.LabelOSStable: "linux",
				"eks.amazonaws.com/instance-category": t.Category(), "eks.amazonaws.com/instance-family": t.Family(), "eks.amazonaws.com/instance-cpu": fmt.Sprint(t.VCPUs)}),
			Capacity:    list(int64(t.VCPUs)*1000, int64(mem)<<20, pods),
			Allocatable: list(int64(t.VCPUs)*1000-520, int64(mem-512-11*float64(pods))<<20, pods)}
		for _, z := range cat.Zones(region)[:zones] {
			if !cat.Offered(region, z.ID, t.Name) {
				continue
			}
			for _, ct := range capacityTypes {
				o := Offering{Labels: map[string]string{corev1.LabelTopologyZone: z.Name, capacityTypeLabel: ct}, Price: price, Available: true}
				if ct == "spot" {
					if o.Price, ok = cat.Spot(region, z.ID, t.Name); !ok {
						continue
					}
				}
				typ.Offerings = append(typ.Offerings, o)
			}
		}
		if len(typ.Offerings) > 0 {
			out = append(out, typ)
		}
	}
	return out
}

func labelsAsRequirements(labels map[string]string) []Requirement {
	var out []Requirement
	for _, k := range sortedKeys(labels) {
		out = append(out, Requirement{Key: k, Operator: corev1.NodeSelectorOpIn, Values: []string{labels[k]}})
	}
	return out
}

func list(cpu, memory, pods int64) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: *resource.NewMilliQuantity(cpu, resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(memory, resource.BinarySI), corev1.ResourcePods: *resource.NewQuantity(pods, resource.DecimalSI)}
}

func cmr(t *catalog.Type) bool {
	return strings.Contains("cmr", t.Category()) && t.Generation() >= 5
}

func pod(i int, cpu, memMi int64, change ...func(*corev1.Pod)) Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprintf("p%d", i), UID: types.UID(fmt.Sprint(i))}}
	p.Spec.Containers = []corev1.Container{{Name: "c", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU: *resource.NewMilliQuantity(cpu, resource.DecimalSI), corev1.ResourceMemory: *resource.NewQuantity(memMi<<20, resource.BinarySI)}}}}
	for _, f := range change {
		f(p)
	}
	return Pod{Pod: p}
}

var mixes = map[string]func(*rand.Rand, int) []Pod{
	"generic": func(r *rand.Rand, n int) []Pod {
		cpu, mem := []int64{100, 250, 500, 1000, 1500}, []int64{100, 256, 512, 1024, 2048, 4096}
		var out []Pod
		for i := range n {
			out = append(out, pod(i, cpu[r.Intn(5)], mem[r.Intn(6)]))
		}
		return out
	},
	"cpu and memory": func(r *rand.Rand, n int) []Pod {
		var out []Pod
		for i := range n {
			if i%2 == 0 {
				out = append(out, pod(i, 1000, 512))
			} else {
				out = append(out, pod(i, 250, 8192))
			}
		}
		return out
	},
	"heavy tail": func(r *rand.Rand, n int) []Pod {
		var out []Pod
		for i := range n {
			c := int64(100 / (0.02 + r.Float64()*r.Float64()))
			out = append(out, pod(i, c, c*int64(1+r.Intn(8))))
		}
		return out
	},
	"deployments": func(r *rand.Rand, n int) []Pod {
		var out []Pod
		for len(out) < n {
			c, m := int64(50*(1+r.Intn(80))), int64(128*(1+r.Intn(500)))
			for range 1 + r.Intn(60) {
				out = append(out, pod(len(out), c, m))
			}
		}
		return out[:n]
	},
	"few huge": func(r *rand.Rand, n int) []Pod {
		var out []Pod
		for i := range n/20 + 1 {
			out = append(out, pod(i, int64(4000+1000*r.Intn(28)), int64(8192*(1+r.Intn(16)))))
		}
		return out
	},
}

// The price stays close to the bound on mixes that leave room to choose.
func TestPriceIsCloseToTheBound(t *testing.T) {
	x86 := catalogTypes("us-west-2", 3, []string{"on-demand"}, func(t *catalog.Type) bool { return cmr(t) && t.Arch() == "amd64" })
	for name, most := range map[string]float64{"generic": 0.02, "cpu and memory": 0.05, "deployments": 0.02, "few huge": 0.05} {
		s := Snapshot{Pods: mixes[name](rand.New(rand.NewSource(1)), 1000), DaemonSets: []*corev1.Pod{pod(0, 200, 400).Pod},
			Pools: []Pool{{Name: "default", Types: x86, Labels: map[string]string{nodePoolLabel: "default"}}}}
		plan := Solve(s)
		if gap := plan.Price/plan.Bound - 1; len(plan.Unplaced) > 0 || gap < 0 || gap > most {
			t.Errorf("%s: price %.3f is %.1f%% above the bound %.3f, at most %.0f%% is wanted; %d pods left out", name, plan.Price, 100*gap, plan.Bound, 100*most, len(plan.Unplaced))
		}
	}
}
