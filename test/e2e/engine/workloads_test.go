package engine

import (
	"fmt"
	"math/rand/v2"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/yaml"
)

// shape is what each pod of a Deployment requests.
type shape struct {
	milliCPU, mebibytes int64
}

func (s shape) demand() demand { return demand{s.milliCPU, s.mebibytes << 20} }

// randomShape is anything from small to one that fills half a node of four processors, cpu-heavy and memory-heavy alike.
func randomShape(r *rand.Rand) shape {
	cpu := 50 * (1 + r.Int64N(30))
	return shape{milliCPU: cpu, mebibytes: cpu * (1 + r.Int64N(5)) / 64 * 32}
}

// deployment makes one whose pods go at once when they are told to.
func deployment(name string, replicas int, s shape, change func(*corev1.PodSpec)) *appsv1.Deployment {
	n, grace := int32(replicas), int64(0)
	labels := map[string]string{appLabel: name}
	spec := corev1.PodSpec{TerminationGracePeriodSeconds: &grace, Containers: []corev1.Container{{
		Name: "app", Image: "nginx", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU:    *resource.NewMilliQuantity(s.milliCPU, resource.DecimalSI),
			corev1.ResourceMemory: *resource.NewQuantity(s.mebibytes<<20, resource.BinarySI),
		}},
	}}}
	if change != nil {
		change(&spec)
	}
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{Replicas: &n, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: spec}},
	}
}

// onPool sends pods to the nodes of a NodePool.
func onPool(name string) func(*corev1.PodSpec) {
	return func(s *corev1.PodSpec) { s.NodeSelector = map[string]string{karpv1.NodePoolLabelKey: name} }
}

// spread keeps the pods of an app evenly over the domains of a topology.
func spread(app, topology string) func(*corev1.PodSpec) {
	return func(s *corev1.PodSpec) {
		s.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: topology, WhenUnsatisfiable: corev1.DoNotSchedule,
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{appLabel: app}}}}
	}
}

// apart keeps the pods of an app on nodes of their own.
func apart(app string) func(*corev1.PodSpec) {
	return func(s *corev1.PodSpec) {
		s.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{
			{TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{appLabel: app}}},
		}}}
	}
}

// mixed makes Deployments of twenty shapes with so many pods in all: most of them plain, some spread over zones, some over
// nodes, some that want a node of their own.
func mixed(r *rand.Rand, pods int) []*appsv1.Deployment {
	const shapes = 20
	var list []*appsv1.Deployment
	for i := range shapes {
		name := fmt.Sprintf("mix-%02d", i)
		replicas := pods*(i+1)/shapes - pods*i/shapes
		var change func(*corev1.PodSpec)
		switch i % 10 {
		case 3:
			change = spread(name, corev1.LabelTopologyZone)
		case 6:
			change = spread(name, corev1.LabelHostname)
		case 9: // each has a node of its own: few, and the rest as plain pods beside them
			few := replicas / 10
			list = append(list, deployment(name+"-apart", few, randomShape(r), apart(name+"-apart")))
			replicas -= few
		}
		list = append(list, deployment(name, replicas, randomShape(r), change))
	}
	return list
}

// nodePool makes the manifest of a NodePool for on-demand nodes.
func nodePool(name, consolidateAfter, budget string, requirements ...string) string {
	return fmt.Sprintf(`
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: %s}
spec:
  disruption: {consolidationPolicy: WhenEmptyOrUnderutilized, consolidateAfter: %s, budgets: [{nodes: %q}]}
  template:
    spec:
      nodeClassRef: {group: eks.amazonaws.com, kind: NodeClass, name: default}
      requirements:
      - {key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}
      - {key: eks.amazonaws.com/instance-generation, operator: Gt, values: ["4"]}
      - {key: kubernetes.io/arch, operator: In, values: [amd64]}
%s`, name, consolidateAfter, budget, strings.Join(requirements, "\n"))
}

// manifests writes Deployments as YAML, after what else is given.
func manifests(deployments []*appsv1.Deployment, more ...string) string {
	documents := more
	for _, d := range deployments {
		text, err := yaml.Marshal(d)
		if err != nil {
			panic(fmt.Sprintf("writing a Deployment: %v", err)) // of our own making
		}
		documents = append(documents, string(text))
	}
	return strings.Join(documents, "\n---\n")
}
