package eks

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

// This cloud has no node groups, Fargate profiles, add-ons and identity
// provider configurations. Tools that look for them find none.

func noneOf(what, name, cluster string) error {
	return notFound("No %s found for name: %s.", what, name).With("clusterName", cluster)
}

// ListNodegroups finds none: nodes come from Auto Mode.
func (s *Service) ListNodegroups(ctx context.Context, in *eks.ListNodegroupsInput) (*eks.ListNodegroupsOutput, error) {
	_, err := s.authorized(ctx, "ListNodegroups", in.ClusterName)
	return &eks.ListNodegroupsOutput{Nodegroups: []string{}}, err
}

// DescribeNodegroup finds none.
func (s *Service) DescribeNodegroup(ctx context.Context, in *eks.DescribeNodegroupInput) (*eks.DescribeNodegroupOutput, error) {
	if _, err := s.authorized(ctx, "DescribeNodegroup", in.ClusterName); err != nil {
		return nil, err
	}
	return nil, noneOf("node group", aws.ToString(in.NodegroupName), *in.ClusterName)
}

// ListFargateProfiles finds none.
func (s *Service) ListFargateProfiles(ctx context.Context, in *eks.ListFargateProfilesInput) (*eks.ListFargateProfilesOutput, error) {
	_, err := s.authorized(ctx, "ListFargateProfiles", in.ClusterName)
	return &eks.ListFargateProfilesOutput{FargateProfileNames: []string{}}, err
}

// DescribeFargateProfile finds none.
func (s *Service) DescribeFargateProfile(ctx context.Context, in *eks.DescribeFargateProfileInput) (*eks.DescribeFargateProfileOutput, error) {
	if _, err := s.authorized(ctx, "DescribeFargateProfile", in.ClusterName); err != nil {
		return nil, err
	}
	return nil, noneOf("Fargate Profile", aws.ToString(in.FargateProfileName), *in.ClusterName)
}

// ListAddons finds none: what Auto Mode clusters need is part of the nodes.
func (s *Service) ListAddons(ctx context.Context, in *eks.ListAddonsInput) (*eks.ListAddonsOutput, error) {
	_, err := s.authorized(ctx, "ListAddons", in.ClusterName)
	return &eks.ListAddonsOutput{Addons: []string{}}, err
}

// DescribeAddon finds none.
func (s *Service) DescribeAddon(ctx context.Context, in *eks.DescribeAddonInput) (*eks.DescribeAddonOutput, error) {
	if _, err := s.authorized(ctx, "DescribeAddon", in.ClusterName); err != nil {
		return nil, err
	}
	return nil, noneOf("addon", aws.ToString(in.AddonName), *in.ClusterName)
}

// DescribeAddonVersions lists the add-ons on offer: none.
func (s *Service) DescribeAddonVersions(ctx context.Context, _ *eks.DescribeAddonVersionsInput) (*eks.DescribeAddonVersionsOutput, error) {
	err := authorize(ctx, "DescribeAddonVersions", anyResource, nil)
	return &eks.DescribeAddonVersionsOutput{Addons: []types.AddonInfo{}}, err
}

// ListIdentityProviderConfigs finds none.
func (s *Service) ListIdentityProviderConfigs(ctx context.Context, in *eks.ListIdentityProviderConfigsInput) (*eks.ListIdentityProviderConfigsOutput, error) {
	_, err := s.authorized(ctx, "ListIdentityProviderConfigs", in.ClusterName)
	return &eks.ListIdentityProviderConfigsOutput{IdentityProviderConfigs: []types.IdentityProviderConfig{}}, err
}

// ListInsights finds none.
func (s *Service) ListInsights(ctx context.Context, in *eks.ListInsightsInput) (*eks.ListInsightsOutput, error) {
	_, err := s.authorized(ctx, "ListInsights", in.ClusterName)
	return &eks.ListInsightsOutput{Insights: []types.InsightSummary{}}, err
}
