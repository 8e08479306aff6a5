package builtin

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	"github.com/automode-dev/automode/compute"
	"github.com/automode-dev/automode/compute/labels"
)

// Names of the built-in objects.
const (
	GeneralPurpose = "general-purpose"
	System         = "system"
	NodeClassName  = "default"
)

// Settings are what the cluster's compute configuration decides about the built-in objects.
type Settings struct {
	// NodePools to have: any of general-purpose and system. None removes the default NodeClass too.
	NodePools []string
	// NodeRole is the name of the role of the default NodeClass.
	NodeRole string
	// SecurityGroup is the id of the cluster security group.
	SecurityGroup string
	// Subnets are the ids of the cluster's subnets.
	Subnets []string
}

// NodeClass is the default NodeClass.
func NodeClass(s Settings) *eksv1.NodeClass {
	iops, throughput := eksv1.DefaultEphemeralIOPS, eksv1.DefaultEphemeralThroughput
	class := &eksv1.NodeClass{ObjectMeta: owned(NodeClassName), Spec: eksv1.NodeClassSpec{
		Role:                       s.NodeRole,
		SecurityGroupSelectorTerms: []eksv1.SecurityGroupSelectorTerm{{ID: s.SecurityGroup}},
		SNATPolicy:                 eksv1.SNATRandom,
		NetworkPolicy:              eksv1.NetworkPolicyDefaultAllow,
		NetworkPolicyEventLogs:     eksv1.EventLogsDisabled,
		EphemeralStorage:           &eksv1.EphemeralStorage{Size: eksv1.DefaultEphemeralSize, IOPS: &iops, Throughput: &throughput},
	}}
	for _, subnet := range s.Subnets {
		class.Spec.SubnetSelectorTerms = append(class.Spec.SubnetSelectorTerms, eksv1.SubnetSelectorTerm{ID: subnet})
	}
	return class
}

// NodePool is the built-in pool of that name.
func NodePool(name string) *karpv1.NodePool {
	architectures := []string{karpv1.ArchitectureAmd64}
	var taints []corev1.Taint
	if name == System {
		architectures = append(architectures, karpv1.ArchitectureArm64)
		taints = []corev1.Taint{{Key: "CriticalAddonsOnly", Effect: corev1.TaintEffectNoSchedule}}
	}
	return &karpv1.NodePool{ObjectMeta: owned(name), Spec: karpv1.NodePoolSpec{
		Disruption: karpv1.Disruption{
			Budgets:             []karpv1.Budget{{Nodes: "10%"}},
			ConsolidateAfter:    karpv1.MustParseNillableDuration("30s"),
			ConsolidationPolicy: karpv1.ConsolidationPolicyWhenEmptyOrUnderutilized,
		},
		Template: karpv1.NodeClaimTemplate{Spec: karpv1.NodeClaimTemplateSpec{
			ExpireAfter:  karpv1.MustParseNillableDuration("336h"),
			NodeClassRef: &karpv1.NodeClassReference{Group: eksv1.Group, Kind: "NodeClass", Name: NodeClassName},
			Requirements: []karpv1.NodeSelectorRequirementWithMinValues{
				in(karpv1.CapacityTypeLabelKey, compute.OnDemand),
				in(labels.Category, "c", "m", "r"),
				{Key: labels.Generation, Operator: corev1.NodeSelectorOpGt, Values: []string{"4"}},
				in(corev1.LabelArchStable, architectures...),
				in(corev1.LabelOSStable, string(corev1.Linux)),
			},
			Taints:                 taints,
			TerminationGracePeriod: &metav1.Duration{Duration: 24 * time.Hour},
		}},
	}}
}

func owned(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Labels: map[string]string{labels.ManagedBy: labels.ManagedByValue}}
}

func in(key string, values ...string) karpv1.NodeSelectorRequirementWithMinValues {
	return karpv1.NodeSelectorRequirementWithMinValues{Key: key, Operator: corev1.NodeSelectorOpIn, Values: values}
}
