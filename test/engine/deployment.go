package engine

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

// deployment adds some equal pods with a random choice of rules.
func (g *generator) deployment() {
	app := pick(g, "web", "db", "batch")
	template := g.pod("", app, int64(100*(1+g.r.IntN(30))), int64(128*(1+g.r.IntN(48))))
	if g.chance(10) {
		template.Namespace = "other"
	}
	if g.chance(3) {
		template.Spec.Containers[0].Resources.Requests = amounts(100000, 64, 0)
	}
	for _, rule := range []func(*corev1.Pod){g.selector, g.nodeAffinity, g.tolerations, g.spread, g.podAffinity, g.podAntiAffinity, g.ports, g.containers} {
		if g.chance(22) {
			rule(template)
		}
	}
	if g.chance(10) {
		template.Spec.Priority = ptr.To(pick(g, int32(-10), 100, 1000))
	}
	if g.chance(8) {
		template.Spec.Containers[0].Resources.Requests[gpuResource] = *resource.NewQuantity(int64(1+g.r.IntN(2)), resource.DecimalSI)
	}
	volumes := g.chance(8)
	for range 1 + g.r.IntN(8) {
		p := template.DeepCopy()
		p.Name = fmt.Sprintf("pod-%03d", len(g.c.Pods))
		p.UID = types.UID(p.Name)
		switch {
		case volumes && g.chance(50):
			g.mountNew(p)
		case volumes:
			g.mountOld(p, pick(g, zones...))
		}
		g.c.Pods = append(g.c.Pods, p)
	}
}

func (g *generator) selector(p *corev1.Pod) {
	p.Spec.NodeSelector = pick(g,
		map[string]string{corev1.LabelTopologyZone: pick(g, zones...)},
		map[string]string{corev1.LabelArchStable: pick(g, "amd64", "arm64")},
		map[string]string{v1.CapacityTypeLabelKey: pick(g, v1.CapacityTypeSpot, v1.CapacityTypeOnDemand)},
		map[string]string{"tier": pick(g, "web", "db")},
		map[string]string{"color": "red"},
		map[string]string{"open": "sesame"},
		map[string]string{"nowhere": "x"},
		map[string]string{v1.NodePoolLabelKey: "pool-0"},
	)
}

func (g *generator) expression() corev1.NodeSelectorRequirement {
	return pick(g,
		corev1.NodeSelectorRequirement{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{pick(g, zones...), pick(g, zones...)}},
		corev1.NodeSelectorRequirement{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpNotIn, Values: []string{pick(g, zones...)}},
		corev1.NodeSelectorRequirement{Key: corev1.LabelArchStable, Operator: corev1.NodeSelectorOpExists},
		corev1.NodeSelectorRequirement{Key: corev1.LabelWindowsBuild, Operator: corev1.NodeSelectorOpDoesNotExist},
		corev1.NodeSelectorRequirement{Key: "tier", Operator: corev1.NodeSelectorOpNotIn, Values: []string{"db"}},
		corev1.NodeSelectorRequirement{Key: "color", Operator: corev1.NodeSelectorOpExists},
		corev1.NodeSelectorRequirement{Key: "color", Operator: corev1.NodeSelectorOpDoesNotExist},
		corev1.NodeSelectorRequirement{Key: "open", Operator: corev1.NodeSelectorOpGt, Values: []string{"3"}},
	)
}

func (g *generator) nodeAffinity(p *corev1.Pod) {
	terms := make([]corev1.NodeSelectorTerm, 1+g.r.IntN(2))
	for i := range terms {
		for range 1 + g.r.IntN(2) {
			terms[i].MatchExpressions = append(terms[i].MatchExpressions, g.expression())
		}
	}
	g.affinity(p).NodeAffinity = &corev1.NodeAffinity{}
	if g.chance(70) {
		p.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution = &corev1.NodeSelector{NodeSelectorTerms: terms}
	} else {
		p.Spec.Affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution = []corev1.PreferredSchedulingTerm{{Weight: int32(1 + g.r.IntN(100)), Preference: terms[0]}}
	}
}

func (g *generator) affinity(p *corev1.Pod) *corev1.Affinity {
	if p.Spec.Affinity == nil {
		p.Spec.Affinity = &corev1.Affinity{}
	}
	return p.Spec.Affinity
}

func (g *generator) tolerations(p *corev1.Pod) {
	p.Spec.Tolerations = []corev1.Toleration{{Key: "dedicated", Operator: corev1.TolerationOpEqual, Value: "x"}}
}

func (g *generator) spread(p *corev1.Pod) {
	c := corev1.TopologySpreadConstraint{MaxSkew: int32(1 + g.r.IntN(2)), WhenUnsatisfiable: pick(g, corev1.DoNotSchedule, corev1.DoNotSchedule, corev1.ScheduleAnyway),
		TopologyKey:   pick(g, corev1.LabelTopologyZone, corev1.LabelTopologyZone, corev1.LabelHostname, v1.CapacityTypeLabelKey, "tier"),
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": pick(g, p.Labels["app"], p.Labels["app"], "web")}}}
	if g.chance(15) && c.WhenUnsatisfiable == corev1.DoNotSchedule {
		n := int32(1 + g.r.IntN(4))
		c.MinDomains = &n
	}
	if g.chance(15) {
		policy := pick(g, corev1.NodeInclusionPolicyHonor, corev1.NodeInclusionPolicyIgnore)
		c.NodeTaintsPolicy, c.NodeAffinityPolicy = &policy, &policy
	}
	if g.chance(10) {
		c.MatchLabelKeys = []string{"version"}
	}
	p.Spec.TopologySpreadConstraints = append(p.Spec.TopologySpreadConstraints, c)
}

func (g *generator) podAffinity(p *corev1.Pod) {
	term := g.term(pick(g, p.Labels["app"], p.Labels["app"], "web"))
	a := &corev1.PodAffinity{}
	if g.chance(75) {
		a.RequiredDuringSchedulingIgnoredDuringExecution = []corev1.PodAffinityTerm{term}
	} else {
		a.PreferredDuringSchedulingIgnoredDuringExecution = []corev1.WeightedPodAffinityTerm{{Weight: 10, PodAffinityTerm: term}}
	}
	g.affinity(p).PodAffinity = a
}

func (g *generator) podAntiAffinity(p *corev1.Pod) {
	term := g.term(pick(g, p.Labels["app"], p.Labels["app"], "web"))
	a := &corev1.PodAntiAffinity{}
	if g.chance(75) {
		a.RequiredDuringSchedulingIgnoredDuringExecution = []corev1.PodAffinityTerm{term}
	} else {
		a.PreferredDuringSchedulingIgnoredDuringExecution = []corev1.WeightedPodAffinityTerm{{Weight: 10, PodAffinityTerm: term}}
	}
	g.affinity(p).PodAntiAffinity = a
}

func (g *generator) ports(p *corev1.Pod) {
	p.Spec.Containers[0].Ports = []corev1.ContainerPort{{HostPort: pick(g, int32(8080), 9090), ContainerPort: 80}}
}

func (g *generator) containers(p *corev1.Pod) {
	always := corev1.ContainerRestartPolicyAlways
	p.Spec.InitContainers = []corev1.Container{
		{Name: "sidecar", RestartPolicy: &always, Resources: corev1.ResourceRequirements{Requests: amounts(100, 64, 0)}},
		{Name: "init", Resources: corev1.ResourceRequirements{Requests: amounts(int64(100*g.r.IntN(40)), 64, 0)}}}
	p.Spec.Overhead = amounts(50, 32, 0)
}
