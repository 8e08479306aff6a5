package nodeclass

import (
	"context"
	"fmt"

	"github.com/mitchellh/hashstructure/v2"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	"github.com/automode-dev/automode/compute"
	"github.com/automode-dev/automode/compute/nodes"
)

func (c *Controller) subnets(ctx context.Context, class *eksv1.NodeClass) error {
	found, err := c.cloud.Subnets(ctx, subnetSelectors(class.Spec.SubnetSelectorTerms))
	if err != nil {
		return c.unknown(class, eksv1.ConditionSubnetsReady, err)
	}
	class.Status.Subnets = subnetStatus(found)
	if len(found) == 0 {
		class.StatusConditions().SetFalse(eksv1.ConditionSubnetsReady, "SubnetsNotFound", "SubnetSelector did not match any Subnets")
		return nil
	}
	class.StatusConditions().SetTrue(eksv1.ConditionSubnetsReady)
	return nil
}

func (c *Controller) securityGroups(ctx context.Context, class *eksv1.NodeClass) error {
	found, err := c.cloud.SecurityGroups(ctx, groupSelectors(class.Spec.SecurityGroupSelectorTerms))
	if err != nil {
		return c.unknown(class, eksv1.ConditionSecurityGroupsReady, err)
	}
	class.Status.SecurityGroups = groupStatus(found)
	if len(found) == 0 {
		class.StatusConditions().SetFalse(eksv1.ConditionSecurityGroupsReady, "SecurityGroupsNotFound", "SecurityGroupSelector did not match any SecurityGroups")
		return nil
	}
	class.StatusConditions().SetTrue(eksv1.ConditionSecurityGroupsReady)
	return nil
}

func (c *Controller) podNetwork(ctx context.Context, class *eksv1.NodeClass) error {
	if len(class.Spec.PodSubnetSelectorTerms) == 0 {
		class.Status.PodSubnets, class.Status.PodSecurityGroups = nil, nil
		class.StatusConditions().Clear(eksv1.ConditionPodNetworkReady)
		return nil
	}
	subnets, err := c.cloud.Subnets(ctx, subnetSelectors(class.Spec.PodSubnetSelectorTerms))
	if err != nil {
		return c.unknown(class, eksv1.ConditionPodNetworkReady, err)
	}
	groups, err := c.cloud.SecurityGroups(ctx, groupSelectors(class.Spec.PodSecurityGroupSelectorTerms))
	if err != nil {
		return c.unknown(class, eksv1.ConditionPodNetworkReady, err)
	}
	class.Status.PodSubnets, class.Status.PodSecurityGroups = subnetStatus(subnets), groupStatus(groups)
	switch {
	case len(subnets) == 0:
		class.StatusConditions().SetFalse(eksv1.ConditionPodNetworkReady, "PodSubnetsNotFound", "PodSubnetSelector did not match any Subnets")
	case len(groups) == 0:
		class.StatusConditions().SetFalse(eksv1.ConditionPodNetworkReady, "PodSecurityGroupsNotFound", "PodSecurityGroupSelector did not match any SecurityGroups")
	default:
		class.StatusConditions().SetTrue(eksv1.ConditionPodNetworkReady)
	}
	return nil
}

func (c *Controller) instanceProfile(ctx context.Context, class *eksv1.NodeClass) error {
	if class.Spec.InstanceProfile != "" {
		return c.givenProfile(ctx, class)
	}
	name := ProfileName(c.region, c.cluster, class)
	err := c.cloud.EnsureInstanceProfile(ctx, name, class.Spec.Role)
	if compute.IsNotFound(err) {
		class.StatusConditions().SetFalse(eksv1.ConditionInstanceProfileReady, "NodeRoleNotFound", "Failed to detect the node role: role "+class.Spec.Role+" does not exist")
		return nil
	}
	if err != nil {
		return c.unknown(class, eksv1.ConditionInstanceProfileReady, err)
	}
	class.Status.InstanceProfile = name
	class.StatusConditions().SetTrue(eksv1.ConditionInstanceProfileReady)
	return nil
}

func (c *Controller) givenProfile(ctx context.Context, class *eksv1.NodeClass) error {
	exists, err := c.cloud.InstanceProfileExists(ctx, class.Spec.InstanceProfile)
	if err != nil {
		return c.unknown(class, eksv1.ConditionInstanceProfileReady, err)
	}
	if !exists {
		class.StatusConditions().SetFalse(eksv1.ConditionInstanceProfileReady, "InstanceProfileNotFound", "Instance profile "+class.Spec.InstanceProfile+" does not exist")
		return nil
	}
	class.Status.InstanceProfile = class.Spec.InstanceProfile
	class.StatusConditions().SetTrue(eksv1.ConditionInstanceProfileReady)
	return nil
}

// unknown says in the condition that the cloud gave no answer, and hands the error on to be retried. A condition that
// was True stays so while the cloud is only busy: what it said before still holds.
func (c *Controller) unknown(class *eksv1.NodeClass, condition string, err error) error {
	conditions := class.StatusConditions()
	if compute.KindOf(err) == compute.Unauthorized || !conditions.Get(condition).IsTrue() {
		reason, message := nodes.Reason(err)
		if reason == "LaunchFailed" {
			reason = "LookupFailed"
		}
		conditions.SetUnknownWithReason(condition, reason, message)
	}
	return fmt.Errorf("reconciling node class %q: %w", class.Name, err)
}

// ProfileName is the name of the instance profile made for a NodeClass: the number is the hash of its role, the cluster
// and its name, which gives the names seen on EKS.
func ProfileName(region, cluster string, class *eksv1.NodeClass) string {
	hash, err := hashstructure.Hash(class.Spec.Role+cluster+class.Name, hashstructure.FormatV2, nil)
	if err != nil {
		panic(fmt.Sprintf("hashing a string: %v", err))
	}
	return fmt.Sprintf("eks-%s-%s-%d", region, cluster, hash)
}

func subnetSelectors(terms []eksv1.SubnetSelectorTerm) []compute.Selector {
	var selectors []compute.Selector
	for _, term := range terms {
		selectors = append(selectors, compute.Selector{ID: term.ID, Tags: term.Tags})
	}
	return selectors
}

func groupSelectors(terms []eksv1.SecurityGroupSelectorTerm) []compute.Selector {
	var selectors []compute.Selector
	for _, term := range terms {
		selectors = append(selectors, compute.Selector{ID: term.ID, Name: term.Name, Tags: term.Tags})
	}
	return selectors
}

func subnetStatus(found []compute.Subnet) []eksv1.Subnet {
	var subnets []eksv1.Subnet
	for _, subnet := range found {
		subnets = append(subnets, eksv1.Subnet{ID: subnet.ID, Zone: subnet.Zone, ZoneID: subnet.ZoneID})
	}
	return subnets
}

func groupStatus(found []compute.SecurityGroup) []eksv1.SecurityGroup {
	var groups []eksv1.SecurityGroup
	for _, group := range found {
		groups = append(groups, eksv1.SecurityGroup{ID: group.ID, Name: group.Name})
	}
	return groups
}
