package engine

import (
	"fmt"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"
)

var zones = []string{"zone-a", "zone-b", "zone-c"}

// Generate makes a small case with a random choice of features; the same seed
// makes the same case.
func Generate(seed uint64) *Case {
	g := &generator{r: rand.New(rand.NewPCG(seed, 1)), c: &Case{Name: fmt.Sprintf("seed %d", seed)}}
	g.c.Namespaces = []*corev1.Namespace{namespace("default", "a"), namespace("other", "b")}
	g.types()
	g.pools()
	g.nodes()
	g.daemons()
	for len(g.c.Pods) < 1+g.r.IntN(40) {
		g.deployment()
	}
	return g.c
}

type generator struct {
	r *rand.Rand
	c *Case
}

func (g *generator) chance(percent int) bool { return g.r.IntN(100) < percent }

func pick[T any](g *generator, of ...T) T { return of[g.r.IntN(len(of))] }

func namespace(name, team string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"team": team}}}
}

// types makes instance types of three shapes and two architectures, with some
// offerings missing.
func (g *generator) types() {
	for _, arch := range []string{"amd64", "arm64"} {
		for _, shape := range []int64{2, 4, 8} {
			for _, cpu := range []int64{2, 4, 8, 16} {
				name := fmt.Sprintf("%s-%d.%dx", arch[:3], shape, cpu)
				t := &cloudprovider.InstanceType{Name: name,
					Requirements: scheduling.NewRequirements(
						scheduling.NewRequirement(corev1.LabelInstanceTypeStable, corev1.NodeSelectorOpIn, name),
						scheduling.NewRequirement(corev1.LabelArchStable, corev1.NodeSelectorOpIn, arch),
						scheduling.NewRequirement(corev1.LabelOSStable, corev1.NodeSelectorOpIn, "linux"),
						scheduling.NewRequirement(corev1.LabelWindowsBuild, corev1.NodeSelectorOpDoesNotExist),
						scheduling.NewRequirement(corev1.LabelTopologyRegion, corev1.NodeSelectorOpIn, "region"),
						scheduling.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, zones...),
						scheduling.NewRequirement(v1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, v1.CapacityTypeSpot, v1.CapacityTypeOnDemand)),
					Capacity: amounts(cpu*1000, cpu*shape<<10, 4+cpu*4),
					Overhead: &cloudprovider.InstanceTypeOverhead{KubeReserved: amounts(100, 256, 0)},
				}
				price := float64(cpu) * (0.03 + 0.005*float64(shape))
				if arch == "arm64" {
					price *= 0.85
				}
				for _, zone := range zones {
					for _, ct := range []string{v1.CapacityTypeSpot, v1.CapacityTypeOnDemand} {
						o := &cloudprovider.Offering{Price: price, Available: !g.chance(10), Requirements: scheduling.NewLabelRequirements(map[string]string{
							corev1.LabelTopologyZone: zone, v1.CapacityTypeLabelKey: ct})}
						if ct == v1.CapacityTypeSpot {
							o.Price = price * (0.3 + 0.3*g.r.Float64())
						}
						t.Offerings = append(t.Offerings, o)
					}
				}
				g.c.Types = append(g.c.Types, t)
			}
		}
	}
}

func amounts(cpuMilli, memoryMi, pods int64) corev1.ResourceList {
	out := corev1.ResourceList{corev1.ResourceCPU: *resource.NewMilliQuantity(cpuMilli, resource.DecimalSI), corev1.ResourceMemory: *resource.NewQuantity(memoryMi<<20, resource.BinarySI)}
	if pods > 0 {
		out[corev1.ResourcePods] = *resource.NewQuantity(pods, resource.DecimalSI)
	}
	return out
}

func (g *generator) pools() {
	for i := range 1 + g.r.IntN(3) {
		p := &v1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("pool-%d", i), UID: types.UID(fmt.Sprint("np", i))}}
		p.Spec.Template.Spec.NodeClassRef = &v1.NodeClassReference{Group: "eks.amazonaws.com", Kind: "NodeClass", Name: "default"}
		if g.chance(50) {
			w := int32(1 + g.r.IntN(20))
			p.Spec.Weight = &w
		}
		require := func(key string, op corev1.NodeSelectorOperator, values ...string) {
			p.Spec.Template.Spec.Requirements = append(p.Spec.Template.Spec.Requirements, v1.NodeSelectorRequirementWithMinValues{Key: key, Operator: op, Values: values})
		}
		if g.chance(50) {
			require(corev1.LabelArchStable, corev1.NodeSelectorOpIn, "amd64")
		}
		if g.chance(40) {
			require(v1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, pick(g, v1.CapacityTypeSpot, v1.CapacityTypeOnDemand))
		}
		if g.chance(20) {
			require(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, "zone-a", "zone-b")
		}
		if g.chance(30) {
			require("tier", corev1.NodeSelectorOpIn, pick(g, []string{"web"}, []string{"web", "db"})...)
		}
		if g.chance(15) {
			require("open", corev1.NodeSelectorOpExists)
		}
		if g.chance(20) {
			p.Spec.Template.Labels = map[string]string{"color": pick(g, "red", "blue")}
		}
		if g.chance(25) {
			p.Spec.Template.Spec.Taints = []corev1.Taint{{Key: "dedicated", Value: "x", Effect: pick(g, corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute, corev1.TaintEffectPreferNoSchedule)}}
		}
		if g.chance(15) {
			n := 2 + g.r.IntN(6)
			p.Spec.Template.Spec.Requirements = append(p.Spec.Template.Spec.Requirements, v1.NodeSelectorRequirementWithMinValues{
				Key: corev1.LabelInstanceTypeStable, Operator: corev1.NodeSelectorOpExists, MinValues: &n})
		}
		if g.chance(20) {
			p.Spec.Limits = v1.Limits{corev1.ResourceCPU: *resource.NewQuantity(int64(4+g.r.IntN(60)), resource.DecimalSI)}
			if g.chance(50) {
				p.Spec.Limits["nodes"] = *resource.NewQuantity(int64(1+g.r.IntN(5)), resource.DecimalSI)
			}
		}
		g.c.Pools = append(g.c.Pools, p)
	}
}

func (g *generator) nodes() {
	if g.chance(40) {
		return
	}
	for i := range 1 + g.r.IntN(6) {
		t := g.c.Types[g.r.IntN(len(g.c.Types))]
		o := t.Offerings[g.r.IntN(len(t.Offerings))]
		pool := g.c.Pools[g.r.IntN(len(g.c.Pools))]
		name := fmt.Sprintf("node-%d", i)
		n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labelsOf(t, o)}, Spec: corev1.NodeSpec{ProviderID: "test:///" + name}}
		for k, v := range map[string]string{corev1.LabelHostname: name, v1.NodePoolLabelKey: pool.Name, v1.NodeRegisteredLabelKey: "true", v1.NodeInitializedLabelKey: pick(g, "true", "false")} {
			n.Labels[k] = v
		}
		for k, v := range pool.Spec.Template.Labels {
			n.Labels[k] = v
		}
		n.Spec.Taints = pool.Spec.Template.Spec.Taints
		n.Status.Allocatable, n.Status.Capacity = t.Allocatable(), t.Capacity
		g.c.Nodes = append(g.c.Nodes, n)
		for j := range g.r.IntN(4) {
			p := g.pod(fmt.Sprintf("bound-%d-%d", i, j), pick(g, "web", "db", "batch"), int64(100+g.r.IntN(300)), 128)
			if g.chance(15) {
				p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{g.term(pick(g, "web", "db", "batch"))}}}
			}
			p.Spec.NodeName = name
			p.Status.Phase = corev1.PodRunning
			g.c.Bound = append(g.c.Bound, p)
		}
	}
}

func (g *generator) daemons() {
	for i := range g.r.IntN(3) {
		d := g.pod(fmt.Sprintf("daemon-%d", i), "daemon", 100, 64)
		d.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
		if g.chance(40) {
			d.Spec.NodeSelector = map[string]string{corev1.LabelArchStable: pick(g, "amd64", "arm64")}
		}
		if g.chance(20) {
			d.Spec.Containers[0].Ports = []corev1.ContainerPort{{HostPort: 8080, ContainerPort: 80}}
		}
		g.c.DaemonSets = append(g.c.DaemonSets, d)
	}
}

func (g *generator) pod(name, app string, cpu, memoryMi int64) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name), Labels: map[string]string{"app": app}}}
	p.Spec.Containers = []corev1.Container{{Name: "c", Resources: corev1.ResourceRequirements{Requests: amounts(cpu, memoryMi, 0)}}}
	p.Status.Phase = corev1.PodPending
	return p
}

func (g *generator) term(app string) corev1.PodAffinityTerm {
	t := corev1.PodAffinityTerm{TopologyKey: pick(g, corev1.LabelTopologyZone, corev1.LabelHostname, v1.CapacityTypeLabelKey),
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}}
	if g.chance(15) {
		t.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": pick(g, "a", "b")}}
	}
	return t
}
