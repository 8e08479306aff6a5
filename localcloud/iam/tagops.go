package iam

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// TagUser adds or changes tags of a user.
func (s *Service) TagUser(ctx context.Context, in *iam.TagUserInput) (*iam.TagUserOutput, error) {
	return nil, tag(ctx, s, users, in.UserName, "TagUser", in.Tags)
}

// UntagUser removes tags of a user.
func (s *Service) UntagUser(ctx context.Context, in *iam.UntagUserInput) (*iam.UntagUserOutput, error) {
	return nil, untag(ctx, s, users, in.UserName, "UntagUser", in.TagKeys)
}

// ListUserTags lists the tags of a user.
func (s *Service) ListUserTags(ctx context.Context, in *iam.ListUserTagsInput) (out *iam.ListUserTagsOutput, err error) {
	out = &iam.ListUserTagsOutput{}
	out.Tags, out.Marker, out.IsTruncated, err = tagPage(ctx, s, users, in.UserName, "ListUserTags", in.Marker, in.MaxItems)
	return out, err
}

// TagRole adds or changes tags of a role.
func (s *Service) TagRole(ctx context.Context, in *iam.TagRoleInput) (*iam.TagRoleOutput, error) {
	return nil, tag(ctx, s, roles, in.RoleName, "TagRole", in.Tags)
}

// UntagRole removes tags of a role.
func (s *Service) UntagRole(ctx context.Context, in *iam.UntagRoleInput) (*iam.UntagRoleOutput, error) {
	return nil, untag(ctx, s, roles, in.RoleName, "UntagRole", in.TagKeys)
}

// ListRoleTags lists the tags of a role.
func (s *Service) ListRoleTags(ctx context.Context, in *iam.ListRoleTagsInput) (out *iam.ListRoleTagsOutput, err error) {
	out = &iam.ListRoleTagsOutput{}
	out.Tags, out.Marker, out.IsTruncated, err = tagPage(ctx, s, roles, in.RoleName, "ListRoleTags", in.Marker, in.MaxItems)
	return out, err
}

// TagPolicy adds or changes tags of a customer managed policy.
func (s *Service) TagPolicy(ctx context.Context, in *iam.TagPolicyInput) (*iam.TagPolicyOutput, error) {
	return nil, tag(ctx, s, policies, in.PolicyArn, "TagPolicy", in.Tags)
}

// UntagPolicy removes tags of a customer managed policy.
func (s *Service) UntagPolicy(ctx context.Context, in *iam.UntagPolicyInput) (*iam.UntagPolicyOutput, error) {
	return nil, untag(ctx, s, policies, in.PolicyArn, "UntagPolicy", in.TagKeys)
}

// ListPolicyTags lists the tags of a customer managed policy.
func (s *Service) ListPolicyTags(ctx context.Context, in *iam.ListPolicyTagsInput) (out *iam.ListPolicyTagsOutput, err error) {
	out = &iam.ListPolicyTagsOutput{}
	out.Tags, out.Marker, out.IsTruncated, err = tagPage(ctx, s, policies, in.PolicyArn, "ListPolicyTags", in.Marker, in.MaxItems)
	return out, err
}

// TagInstanceProfile adds or changes tags of an instance profile.
func (s *Service) TagInstanceProfile(ctx context.Context, in *iam.TagInstanceProfileInput) (*iam.TagInstanceProfileOutput, error) {
	return nil, tag(ctx, s, profiles, in.InstanceProfileName, "TagInstanceProfile", in.Tags)
}

// UntagInstanceProfile removes tags of an instance profile.
func (s *Service) UntagInstanceProfile(ctx context.Context, in *iam.UntagInstanceProfileInput) (*iam.UntagInstanceProfileOutput, error) {
	return nil, untag(ctx, s, profiles, in.InstanceProfileName, "UntagInstanceProfile", in.TagKeys)
}

// ListInstanceProfileTags lists the tags of an instance profile.
func (s *Service) ListInstanceProfileTags(ctx context.Context, in *iam.ListInstanceProfileTagsInput) (out *iam.ListInstanceProfileTagsOutput, err error) {
	out = &iam.ListInstanceProfileTagsOutput{}
	out.Tags, out.Marker, out.IsTruncated, err = tagPage(ctx, s, profiles, in.InstanceProfileName, "ListInstanceProfileTags", in.Marker, in.MaxItems)
	return out, err
}

// TagOpenIDConnectProvider adds or changes tags of an identity provider.
func (s *Service) TagOpenIDConnectProvider(ctx context.Context, in *iam.TagOpenIDConnectProviderInput) (*iam.TagOpenIDConnectProviderOutput, error) {
	return nil, tag(ctx, s, providers, in.OpenIDConnectProviderArn, "TagOpenIDConnectProvider", in.Tags)
}

// UntagOpenIDConnectProvider removes tags of an identity provider.
func (s *Service) UntagOpenIDConnectProvider(ctx context.Context, in *iam.UntagOpenIDConnectProviderInput) (*iam.UntagOpenIDConnectProviderOutput, error) {
	return nil, untag(ctx, s, providers, in.OpenIDConnectProviderArn, "UntagOpenIDConnectProvider", in.TagKeys)
}

// ListOpenIDConnectProviderTags lists the tags of an identity provider.
func (s *Service) ListOpenIDConnectProviderTags(ctx context.Context, in *iam.ListOpenIDConnectProviderTagsInput) (out *iam.ListOpenIDConnectProviderTagsOutput, err error) {
	out = &iam.ListOpenIDConnectProviderTagsOutput{}
	out.Tags, out.Marker, out.IsTruncated, err = tagPage(ctx, s, providers, in.OpenIDConnectProviderArn, "ListOpenIDConnectProviderTags", in.Marker, in.MaxItems)
	return out, err
}
