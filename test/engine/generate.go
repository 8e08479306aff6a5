package engine

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	kfake "sigs.k8s.io/karpenter/pkg/cloudprovider/fake"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/automode-dev/automode/compute/solver"
)

var zones = []string{"zone-a", "zone-b", "zone-c"}

// Generate makes a small case with a random choice of features; the same seed
// makes the same case.
func Generate(seed uint64) *Case {
	g := &generator{r: rand.New(rand.NewPCG(seed, 1)), c: &Case{Name: fmt.Sprintf("seed %d", seed)}}
	g.c.Namespaces = []*corev1.Namespace{namespace("default", "a"), namespace("other", "b")}
	g.types()
	g.pools()
	g.classes()
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
// offerings missing and some reserved, and in some cases with GPUs.
func (g *generator) types() {
	gpus := g.chance(40)
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
						scheduling.NewRequirement(kfake.IntegerInstanceLabelKey, corev1.NodeSelectorOpIn, strconv.FormatInt(cpu, 10)),
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
				if gpus && shape == 8 {
					t.Capacity[gpuResource] = *resource.NewQuantity(cpu/2, resource.DecimalSI)
				}
				if g.chance(5) {
					t.Offerings = append(t.Offerings, g.reserved(name))
					t.Requirements[v1.CapacityTypeLabelKey].Insert(v1.CapacityTypeReserved)
				}
				g.c.Types = append(g.c.Types, t)
			}
		}
	}
}

// reserved is an offering of a capacity reservation with a few places.
func (g *generator) reserved(name string) *cloudprovider.Offering {
	return &cloudprovider.Offering{Price: 1e-6, Available: true, ReservationCapacity: 1 + g.r.IntN(3), Requirements: scheduling.NewLabelRequirements(map[string]string{
		corev1.LabelTopologyZone: pick(g, zones...), v1.CapacityTypeLabelKey: v1.CapacityTypeReserved, cloudprovider.ReservationIDLabel: "cr-" + name})}
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
			g.narrow(require)
		}
		if g.chance(5) {
			p.Spec.Replicas = ptr.To(int64(3))
		}
		if g.chance(15) {
			p.Spec.Template.Spec.StartupTaints = []corev1.Taint{{Key: "starting", Effect: corev1.TaintEffectNoExecute}}
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

// narrow adds a requirement of the rarer kinds to a pool.
func (g *generator) narrow(require func(key string, op corev1.NodeSelectorOperator, values ...string)) {
	cpu := pick(g, "2", "4", "8")
	switch g.r.IntN(7) {
	case 0:
		require(kfake.IntegerInstanceLabelKey, corev1.NodeSelectorOpGt, cpu)
	case 1:
		require(kfake.IntegerInstanceLabelKey, corev1.NodeSelectorOpLt, "16")
	case 2:
		require(kfake.IntegerInstanceLabelKey, solver.OpGte, cpu)
	case 3:
		require(kfake.IntegerInstanceLabelKey, solver.OpLte, "8")
	case 4:
		require(kfake.IntegerInstanceLabelKey, corev1.NodeSelectorOpNotIn, cpu)
	case 5:
		require(corev1.LabelTopologyZone, corev1.NodeSelectorOpNotIn, pick(g, zones...))
	case 6:
		require("shade", corev1.NodeSelectorOpDoesNotExist)
	}
}

// nodes makes some nodes: most run, some are starting, in flight or going away.
func (g *generator) nodes() {
	if g.chance(40) {
		return
	}
	for i := range 1 + g.r.IntN(6) {
		t := g.c.Types[g.r.IntN(len(g.c.Types))]
		o := t.Offerings[g.r.IntN(len(t.Offerings))]
		pool := g.c.Pools[g.r.IntN(len(g.c.Pools))]
		claim := g.claim(fmt.Sprintf("node-%d", i), pool, t, o)
		g.c.Claims = append(g.c.Claims, claim)
		if g.chance(15) {
			continue // in flight
		}
		if g.chance(12) {
			claim.DeletionTimestamp = &metav1.Time{Time: time.Now()}
		}
		n := g.node(claim, g.chance(30))
		g.c.Nodes = append(g.c.Nodes, n)
		volumes := 0
		for j := range g.r.IntN(4) {
			volumes += len(g.bound(fmt.Sprintf("bound-%d-%d", i, j), n).Spec.Volumes)
		}
		if g.chance(40) {
			g.limitVolumes(n.Name, max(1, volumes+g.r.IntN(3)))
		}
	}
}

// claim makes the claim of a pool that became a type in one of its offerings.
func (g *generator) claim(name string, pool *v1.NodePool, t *cloudprovider.InstanceType, o *cloudprovider.Offering) *v1.NodeClaim {
	n := &v1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labelsOf(t, o)}}
	n.Labels[v1.NodePoolLabelKey] = pool.Name
	maps.Copy(n.Labels, pool.Spec.Template.Labels)
	n.Spec.NodeClassRef = pool.Spec.Template.Spec.NodeClassRef
	n.Spec.Taints, n.Spec.StartupTaints = pool.Spec.Template.Spec.Taints, pool.Spec.Template.Spec.StartupTaints
	n.Status.ProviderID, n.Status.Allocatable, n.Status.Capacity = "test:///"+name, t.Allocatable(), t.Capacity
	n.StatusConditions().SetTrue(v1.ConditionTypeLaunched)
	return n
}

// node makes the node of a claim. One that is starting has its startup taints, and no GPUs yet.
func (g *generator) node(claim *v1.NodeClaim, starting bool) *corev1.Node {
	claim.Status.NodeName = claim.Name
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: claim.Name, Labels: maps.Clone(claim.Labels)}, Spec: corev1.NodeSpec{ProviderID: claim.Status.ProviderID}}
	maps.Copy(n.Labels, map[string]string{corev1.LabelHostname: n.Name, v1.NodeRegisteredLabelKey: "true", v1.NodeInitializedLabelKey: "true"})
	n.Spec.Taints = claim.Spec.Taints
	n.Status.Allocatable, n.Status.Capacity = maps.Clone(claim.Status.Allocatable), maps.Clone(claim.Status.Capacity)
	if starting {
		delete(n.Labels, v1.NodeInitializedLabelKey)
		n.Spec.Taints = slices.Concat(n.Spec.Taints, claim.Spec.StartupTaints)
		delete(n.Status.Allocatable, gpuResource)
	}
	return n
}

// bound makes a pod on a node.
func (g *generator) bound(name string, n *corev1.Node) *corev1.Pod {
	p := g.pod(name, pick(g, "web", "db", "batch"), int64(100+g.r.IntN(300)), 128)
	if g.chance(15) {
		p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{g.term(pick(g, "web", "db", "batch"))}}}
	}
	if g.chance(15) {
		g.mountOld(p, n.Labels[corev1.LabelTopologyZone])
	}
	p.Spec.NodeName = n.Name
	p.Status.Phase = corev1.PodRunning
	g.c.Bound = append(g.c.Bound, p)
	return p
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
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name), Labels: map[string]string{"app": app, "version": pick(g, "v1", "v2")}}}
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
