package nodes

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	"github.com/automode-dev/automode/compute"
)

// DryRunAPI asks whether the calls of a launch would be allowed; nil means yes. Nothing is created.
type DryRunAPI interface {
	DryRunLaunchTemplate(ctx context.Context, template compute.LaunchTemplate) error
	DryRunFleet(ctx context.Context, launch compute.Launch) error
	DryRunInstance(ctx context.Context, template compute.LaunchTemplate, o compute.Override) error
}

// Try makes dry runs of the calls that a launch with the NodeClass needs, with the cheapest type that one of its
// NodePools allows. Without a NodePool, or a type, there is nothing to try.
func (p *Provider) Try(ctx context.Context, class *eksv1.NodeClass) error {
	pools := &karpv1.NodePoolList{}
	if err := p.kube.List(ctx, pools, client.MatchingFields{"spec.template.spec.nodeClassRef.name": class.Name}); err != nil {
		return fmt.Errorf("listing node pools of node class %q: %w", class.Name, err)
	}
	for i := range pools.Items {
		claim := pools.Items[i].Spec.Template.ToNodeClaim()
		claim.Labels = map[string]string{karpv1.NodePoolLabelKey: pools.Items[i].Name}
		claim.Spec.Requirements = append(claim.Spec.Requirements, karpv1.NodeSelectorRequirementWithMinValues{
			Key: corev1.LabelOSStable, Operator: corev1.NodeSelectorOpIn, Values: []string{string(corev1.Linux)},
		})
		tried, err := p.tryClaim(ctx, class, claim)
		if tried || err != nil {
			return err
		}
	}
	return nil
}

// tryClaim reports false when no type fits the claim at the moment.
func (p *Provider) tryClaim(ctx context.Context, class *eksv1.NodeClass, claim *karpv1.NodeClaim) (bool, error) {
	types, err := p.types.List(class)
	if err != nil {
		return false, nil // not loaded yet; tried again later
	}
	for i := range claim.Spec.Requirements {
		claim.Spec.Requirements[i].MinValues = nil // one type is enough for a trial
	}
	selection, err := Select(ctx, claim, types)
	if err != nil || len(selection.Types) == 0 {
		return false, nil
	}
	subnets, err := p.launcher.subnets(ctx, class)
	if err != nil {
		return false, err
	}
	cheapest := selection.Types[0]
	overrides := selection.Overrides(cheapest, subnets)
	facts, known := p.types.Type(cheapest.Name)
	if len(overrides) == 0 || !known {
		return false, nil
	}
	cluster := p.cluster()
	image, err := p.images.forType(ctx, cluster, facts)
	if err != nil {
		return false, err
	}
	template, err := Template(cluster, class, claim, selection.CapacityType, image, facts)
	if err != nil {
		return false, err
	}
	return true, p.tryCalls(ctx, template, overrides[0], selection.CapacityType)
}

func (p *Provider) tryCalls(ctx context.Context, template compute.LaunchTemplate, o compute.Override, capacityType string) error {
	if err := p.cloud.DryRunLaunchTemplate(ctx, template); err != nil {
		return err
	}
	if err := p.cloud.DryRunInstance(ctx, template, o); err != nil {
		return err
	}
	err := p.cloud.DryRunFleet(ctx, compute.Launch{
		CapacityType: capacityType,
		Tags:         template.Tags,
		Groups:       []compute.LaunchGroup{{TemplateName: template.Name, Overrides: []compute.Override{o}}},
	})
	if compute.IsNotFound(err) {
		return nil // the template itself is not there, because nothing was created: the parameters came first
	}
	return err
}
