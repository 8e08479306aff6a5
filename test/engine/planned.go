package engine

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	requirements "sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/automode-dev/automode/compute/solver"
)

// nodeFor makes the node that a claim's cheapest choice would become.
func (c *Case) nodeFor(claim *solver.Claim, i int) (*corev1.Node, error) {
	pool := c.pool(claim.Pool)
	t, o := c.offering(claim)
	if pool == nil || pool.Spec.Replicas != nil || o == nil {
		return nil, fmt.Errorf("claim %d: no pool %q that gets nodes, or no offering %+v", i, claim.Pool, claim.Cheapest)
	}
	name := fmt.Sprintf("planned-%d", i)
	labels := labelsOf(t, o)
	maps.Copy(labels, pool.Spec.Template.Labels)
	for _, r := range claim.Requirements {
		if r.Operator == corev1.NodeSelectorOpIn && !defines(pool, r.Key) {
			return nil, fmt.Errorf("claim %d: pool %s does not define label %s", i, pool.Name, r.Key)
		}
		c.settle(labels, r.Key, r.Operator, r.Values)
	}
	for _, r := range pool.Spec.Template.Spec.Requirements {
		c.settle(labels, r.Key, r.Operator, r.Values)
	}
	maps.Copy(labels, map[string]string{corev1.LabelHostname: name, v1.NodePoolLabelKey: pool.Name, v1.NodeRegisteredLabelKey: "true", v1.NodeInitializedLabelKey: "true"})
	if requirements.NewLabelRequirements(labels).Compatible(requirements.NewNodeSelectorRequirementsWithMinValues(pool.Spec.Template.Spec.Requirements...)) != nil {
		return nil, fmt.Errorf("claim %d: %s does not meet the requirements of pool %s", i, claim.Cheapest.Type, pool.Name)
	}
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, Spec: corev1.NodeSpec{ProviderID: "test:///" + name, Taints: pool.Spec.Template.Spec.Taints}}
	n.Status.Allocatable, n.Status.Capacity = t.Allocatable(), t.Capacity
	return n, nil
}

// defines tells whether nodes of a pool may have a label.
func defines(p *v1.NodePool, key string) bool {
	_, ok := p.Spec.Template.Labels[key]
	return ok || v1.WellKnownLabels.Has(key) || slices.ContainsFunc(p.Spec.Template.Spec.Requirements,
		func(r v1.NodeSelectorRequirementWithMinValues) bool { return r.Key == key })
}

// settle gives a label that is still open a value that a requirement allows;
// where any would do, one that pods select, since both sides count on that.
func (c *Case) settle(labels map[string]string, key string, op corev1.NodeSelectorOperator, values []string) {
	if _, ok := labels[key]; ok {
		return
	}
	switch op {
	case corev1.NodeSelectorOpIn, solver.OpGte, solver.OpLte:
		labels[key] = values[0]
	case corev1.NodeSelectorOpExists, corev1.NodeSelectorOpNotIn:
		labels[key] = "5"
		for _, p := range c.Pods {
			if v, ok := p.Spec.NodeSelector[key]; ok && (op == corev1.NodeSelectorOpExists || !slices.Contains(values, v)) {
				labels[key] = v
				return
			}
		}
	}
}

func (c *Case) pool(name string) *v1.NodePool {
	for _, p := range c.Pools {
		if p.Name == name {
			return p
		}
	}
	return nil
}

func (c *Case) offering(claim *solver.Claim) (*cloudprovider.InstanceType, *cloudprovider.Offering) {
	for _, t := range c.Types {
		if t.Name != claim.Cheapest.Type {
			continue
		}
		for _, o := range t.Offerings {
			if o.Available && o.Zone() == claim.Cheapest.Zone && o.CapacityType() == claim.Cheapest.CapacityType && o.Price == claim.Cheapest.Price {
				return t, o
			}
		}
	}
	return nil, nil
}
