package disruption

import (
	"fmt"
	"math/rand"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/automode-dev/automode/compute/catalog"
	"github.com/automode-dev/automode/compute/solver"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) // a Monday

// catalogTypes are real instance types with list prices.
func catalogTypes(zones int, capacityTypes []string, keep func(*catalog.Type) bool) []*solver.InstanceType {
	cat := catalog.Default()
	const region = "us-west-2"
	var out []*solver.InstanceType
	for i := range cat.Types() {
		t := &cat.Types()[i]
		price, ok := cat.OnDemand(region, t.Name)
		if !ok || t.BareMetal || !keep(t) {
			continue
		}
		pods := int64(min(110, t.Network.Interfaces*(t.Network.IPv4PerInterface-1)))
		memory := float64(t.MemoryMiB) * 0.925
		typ := newType(t.Name, int64(t.VCPUs)*1000-520, int64(memory-512-11*float64(pods)), pods)
		typ.Requirements = append(typ.Requirements, inRequirement(corev1.LabelArchStable, t.Arch()))
		for _, z := range cat.Zones(region)[:zones] {
			if !cat.Offered(region, z.ID, t.Name) {
				continue
			}
			for _, ct := range capacityTypes {
				p := price
				if ct == spot {
					if p, ok = cat.Spot(region, z.ID, t.Name); !ok {
						continue
					}
				}
				typ.Offerings = append(typ.Offerings, offering(z.Name, ct, p))
			}
		}
		if len(typ.Offerings) > 0 {
			out = append(out, typ)
		}
	}
	return out
}

func newType(name string, cpu, memoryMiB, pods int64) *solver.InstanceType {
	size := resources(cpu, memoryMiB, pods)
	return &solver.InstanceType{Name: name, Requirements: []solver.Requirement{inRequirement(corev1.LabelInstanceTypeStable, name), inRequirement(corev1.LabelOSStable, "linux")},
		Capacity: size, Allocatable: size}
}

func offering(zone, capacityType string, price float64) solver.Offering {
	return solver.Offering{Labels: map[string]string{corev1.LabelTopologyZone: zone, capacityTypeLabel: capacityType}, Price: price, Available: true}
}

func resources(cpu, memoryMiB, pods int64) corev1.ResourceList {
	out := corev1.ResourceList{corev1.ResourceCPU: *resource.NewMilliQuantity(cpu, resource.DecimalSI), corev1.ResourceMemory: *resource.NewQuantity(memoryMiB<<20, resource.BinarySI)}
	if pods > 0 {
		out[corev1.ResourcePods] = *resource.NewQuantity(pods, resource.DecimalSI)
	}
	return out
}

func newPod(name, app string, cpu, memoryMiB int64) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name), Labels: map[string]string{"app": app},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: app}}}}
	p.Spec.Containers = []corev1.Container{{Name: "c", Resources: corev1.ResourceRequirements{Requests: resources(cpu, memoryMiB, 0)}}}
	p.Status.Phase = corev1.PodRunning
	return p
}

func spreadOver(p *corev1.Pod, key string, when corev1.UnsatisfiableConstraintAction, skew int32) {
	p.Spec.TopologySpreadConstraints = append(p.Spec.TopologySpreadConstraints, corev1.TopologySpreadConstraint{MaxSkew: skew, TopologyKey: key, WhenUnsatisfiable: when,
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": p.Labels["app"]}}})
}

// newNode is an initialized, settled node of a type.
func newNode(name, pool string, t *solver.InstanceType, zone, capacityType string) Node {
	n := Node{Claim: "claim-" + name, Joined: true, Ready: true, Consolidatable: true, Created: noon.Add(-24 * time.Hour), Settled: noon.Add(-time.Hour)}
	n.Node = solver.Node{Name: name, Pool: pool, Allocatable: t.Allocatable, Capacity: t.Capacity, Initialized: true, Labels: map[string]string{
		corev1.LabelHostname: name, corev1.LabelTopologyZone: zone, capacityTypeLabel: capacityType, corev1.LabelInstanceTypeStable: t.Name, nodePoolLabel: pool, corev1.LabelOSStable: "linux"}}
	for _, r := range t.Requirements {
		if r.Operator == corev1.NodeSelectorOpIn && len(r.Values) == 1 {
			n.Labels[r.Key] = r.Values[0]
		}
	}
	return n
}

// fleet describes a generated cluster.
type fleet struct {
	nodes, pools, apps, perNode int
	hard                        bool // spreads must hold
	fill                        float64
	budget                      string
	size                        string
}

// generate builds a cluster of half-empty nodes with spreads, PDBs and pools.
func generate(f fleet, seed int64) Snapshot {
	r := rand.New(rand.NewSource(seed))
	all := catalogTypes(3, []string{onDemand}, func(t *catalog.Type) bool {
		return strings.Contains("cmr", t.Category()) && t.Generation() >= 5 && t.Arch() == "amd64"
	})
	var size *solver.InstanceType
	for _, t := range all {
		if t.Name == f.size {
			size = t
		}
	}
	s := Snapshot{Now: noon, DaemonSets: []*corev1.Pod{daemon("agent")}}
	after := 30 * time.Second
	for i := range f.pools {
		name := fmt.Sprintf("pool-%d", i)
		s.Pools = append(s.Pools, Pool{Pool: solver.Pool{Name: name, Weight: int32(i), Labels: map[string]string{nodePoolLabel: name}, Types: all}, ConsolidateAfter: &after, Budgets: []Budget{{Nodes: f.budget}}})
	}
	when := corev1.ScheduleAnyway
	if f.hard {
		when = corev1.DoNotSchedule
	}
	cpu := float64(size.Allocatable.Cpu().MilliValue()-100) * f.fill / float64(f.perNode)
	at := 0
	for i := range f.nodes {
		zone := []string{"us-west-2a", "us-west-2b", "us-west-2c"}[i%3]
		n := newNode(fmt.Sprintf("node-%04d", i), fmt.Sprintf("pool-%d", i%f.pools), size, zone, onDemand)
		d := daemon("agent")
		d.Name, d.UID = fmt.Sprintf("agent-%d", i), types.UID(fmt.Sprintf("agent-%d", i))
		n.Pods = append(n.Pods, d)
		for j := range f.perNode {
			app := fmt.Sprintf("app-%d", (i+j*7)%f.apps)
			p := newPod(fmt.Sprintf("p-%d", at), app, int64(cpu*(0.5+r.Float64())/50)*50, int64(256*(1+r.Intn(4))))
			spreadOver(p, corev1.LabelTopologyZone, when, 5)
			spreadOver(p, corev1.LabelHostname, when, 2)
			n.Pods = append(n.Pods, p)
			at++
		}
		s.Nodes = append(s.Nodes, n)
	}
	for i := range f.apps {
		s.PDBs = append(s.PDBs, PDB{Namespace: "default", Name: fmt.Sprintf("pdb-%d", i), Selector: labels.SelectorFromSet(labels.Set{"app": fmt.Sprintf("app-%d", i)}), Allowed: f.nodes * f.perNode / f.apps / 2})
	}
	return s
}

func daemon(name string) *corev1.Pod {
	p := newPod(name, name, 100, 128)
	p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "DaemonSet", Name: name}}
	p.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	return p
}
