package provisioning

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	karpscheduling "sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/automode-dev/automode/compute/solver"
)

// NodeClaim writes a planned claim as the object that asks for the node. The types are those of the pool.
func NodeClaim(pool *karpv1.NodePool, planned solver.Claim, types []*cloudprovider.InstanceType) (*karpv1.NodeClaim, error) {
	template := scheduling.NewNodeClaimTemplate(pool)
	for _, r := range planned.Requirements {
		if r.Key == corev1.LabelHostname {
			continue // which node it is nobody can ask for
		}
		template.Requirements.Add(karpscheduling.NewNodeSelectorRequirementsWithMinValues(karpv1.NodeSelectorRequirementWithMinValues{
			Key: r.Key, Operator: r.Operator, Values: r.Values}).Values()...)
	}
	byName := make(map[string]*cloudprovider.InstanceType, len(types))
	for _, it := range types {
		byName[it.Name] = it
	}
	for _, name := range planned.Types {
		if it := byName[name]; it != nil {
			template.InstanceTypeOptions = append(template.InstanceTypeOptions, it)
		}
	}
	if len(template.InstanceTypeOptions) == 0 {
		return nil, fmt.Errorf("writing a NodeClaim of NodePool %q: none of its %d planned instance types is known any more", pool.Name, len(planned.Types))
	}
	template.Spec.Resources.Requests = planned.Requests
	claim := template.ToNodeClaim()
	controllerutil.AddFinalizer(claim, karpv1.TerminationFinalizer) // its first controller would do it, with one more request
	if planned.MinValuesRelaxed {
		claim.Annotations[karpv1.NodeClaimMinValuesRelaxedAnnotationKey] = "true"
	}
	return claim, nil
}
