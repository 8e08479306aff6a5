package iam

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// PutUserPolicy adds or replaces an inline policy of a user; documents are checked and limited as on AWS.
func (s *Service) PutUserPolicy(ctx context.Context, in *iam.PutUserPolicyInput) (*iam.PutUserPolicyOutput, error) {
	return nil, putInline(ctx, s, users, in.UserName, in.PolicyName, in.PolicyDocument, "PutUserPolicy")
}

// GetUserPolicy returns an inline policy of a user.
func (s *Service) GetUserPolicy(ctx context.Context, in *iam.GetUserPolicyInput) (*iam.GetUserPolicyOutput, error) {
	document, err := getInline(ctx, s, users, in.UserName, in.PolicyName, "GetUserPolicy")
	return &iam.GetUserPolicyOutput{UserName: in.UserName, PolicyName: in.PolicyName, PolicyDocument: document}, err
}

// DeleteUserPolicy removes an inline policy of a user.
func (s *Service) DeleteUserPolicy(ctx context.Context, in *iam.DeleteUserPolicyInput) (*iam.DeleteUserPolicyOutput, error) {
	return nil, deleteInline(ctx, s, users, in.UserName, in.PolicyName, "DeleteUserPolicy")
}

// ListUserPolicies lists the names of the inline policies of a user.
func (s *Service) ListUserPolicies(ctx context.Context, in *iam.ListUserPoliciesInput) (out *iam.ListUserPoliciesOutput, err error) {
	out = &iam.ListUserPoliciesOutput{}
	out.PolicyNames, out.Marker, out.IsTruncated, err = listInline(ctx, s, users, in.UserName, "ListUserPolicies", in.Marker, in.MaxItems)
	return out, err
}

// AttachUserPolicy attaches a managed policy to a user.
func (s *Service) AttachUserPolicy(ctx context.Context, in *iam.AttachUserPolicyInput) (*iam.AttachUserPolicyOutput, error) {
	return nil, attach(ctx, s, users, in.UserName, in.PolicyArn, "AttachUserPolicy")
}

// DetachUserPolicy detaches a managed policy from a user.
func (s *Service) DetachUserPolicy(ctx context.Context, in *iam.DetachUserPolicyInput) (*iam.DetachUserPolicyOutput, error) {
	return nil, detach(ctx, s, users, in.UserName, in.PolicyArn, "DetachUserPolicy")
}

// ListAttachedUserPolicies lists the managed policies of a user.
func (s *Service) ListAttachedUserPolicies(ctx context.Context, in *iam.ListAttachedUserPoliciesInput) (out *iam.ListAttachedUserPoliciesOutput, err error) {
	out = &iam.ListAttachedUserPoliciesOutput{}
	out.AttachedPolicies, out.Marker, out.IsTruncated, err = listAttached(ctx, s, users, in.UserName, "ListAttachedUserPolicies", in.PathPrefix, in.Marker, in.MaxItems)
	return out, err
}

// PutUserPermissionsBoundary sets the permissions boundary of a user; calls are limited by it from then on.
func (s *Service) PutUserPermissionsBoundary(ctx context.Context, in *iam.PutUserPermissionsBoundaryInput) (*iam.PutUserPermissionsBoundaryOutput, error) {
	return nil, setBoundary(ctx, s, users, in.UserName, in.PermissionsBoundary, "PutUserPermissionsBoundary")
}

// DeleteUserPermissionsBoundary removes the permissions boundary of a user.
func (s *Service) DeleteUserPermissionsBoundary(ctx context.Context, in *iam.DeleteUserPermissionsBoundaryInput) (*iam.DeleteUserPermissionsBoundaryOutput, error) {
	return nil, setBoundary(ctx, s, users, in.UserName, nil, "DeleteUserPermissionsBoundary")
}

// PutGroupPolicy adds or replaces an inline policy of a group; documents are checked and limited as on AWS.
func (s *Service) PutGroupPolicy(ctx context.Context, in *iam.PutGroupPolicyInput) (*iam.PutGroupPolicyOutput, error) {
	return nil, putInline(ctx, s, groups, in.GroupName, in.PolicyName, in.PolicyDocument, "PutGroupPolicy")
}

// GetGroupPolicy returns an inline policy of a group.
func (s *Service) GetGroupPolicy(ctx context.Context, in *iam.GetGroupPolicyInput) (*iam.GetGroupPolicyOutput, error) {
	document, err := getInline(ctx, s, groups, in.GroupName, in.PolicyName, "GetGroupPolicy")
	return &iam.GetGroupPolicyOutput{GroupName: in.GroupName, PolicyName: in.PolicyName, PolicyDocument: document}, err
}

// DeleteGroupPolicy removes an inline policy of a group.
func (s *Service) DeleteGroupPolicy(ctx context.Context, in *iam.DeleteGroupPolicyInput) (*iam.DeleteGroupPolicyOutput, error) {
	return nil, deleteInline(ctx, s, groups, in.GroupName, in.PolicyName, "DeleteGroupPolicy")
}

// ListGroupPolicies lists the names of the inline policies of a group.
func (s *Service) ListGroupPolicies(ctx context.Context, in *iam.ListGroupPoliciesInput) (out *iam.ListGroupPoliciesOutput, err error) {
	out = &iam.ListGroupPoliciesOutput{}
	out.PolicyNames, out.Marker, out.IsTruncated, err = listInline(ctx, s, groups, in.GroupName, "ListGroupPolicies", in.Marker, in.MaxItems)
	return out, err
}

// AttachGroupPolicy attaches a managed policy to a group.
func (s *Service) AttachGroupPolicy(ctx context.Context, in *iam.AttachGroupPolicyInput) (*iam.AttachGroupPolicyOutput, error) {
	return nil, attach(ctx, s, groups, in.GroupName, in.PolicyArn, "AttachGroupPolicy")
}

// DetachGroupPolicy detaches a managed policy from a group.
func (s *Service) DetachGroupPolicy(ctx context.Context, in *iam.DetachGroupPolicyInput) (*iam.DetachGroupPolicyOutput, error) {
	return nil, detach(ctx, s, groups, in.GroupName, in.PolicyArn, "DetachGroupPolicy")
}

// ListAttachedGroupPolicies lists the managed policies of a group.
func (s *Service) ListAttachedGroupPolicies(ctx context.Context, in *iam.ListAttachedGroupPoliciesInput) (out *iam.ListAttachedGroupPoliciesOutput, err error) {
	out = &iam.ListAttachedGroupPoliciesOutput{}
	out.AttachedPolicies, out.Marker, out.IsTruncated, err = listAttached(ctx, s, groups, in.GroupName, "ListAttachedGroupPolicies", in.PathPrefix, in.Marker, in.MaxItems)
	return out, err
}

// PutRolePolicy adds or replaces an inline policy of a role; documents are checked and limited as on AWS.
func (s *Service) PutRolePolicy(ctx context.Context, in *iam.PutRolePolicyInput) (*iam.PutRolePolicyOutput, error) {
	return nil, putInline(ctx, s, roles, in.RoleName, in.PolicyName, in.PolicyDocument, "PutRolePolicy")
}

// GetRolePolicy returns an inline policy of a role.
func (s *Service) GetRolePolicy(ctx context.Context, in *iam.GetRolePolicyInput) (*iam.GetRolePolicyOutput, error) {
	document, err := getInline(ctx, s, roles, in.RoleName, in.PolicyName, "GetRolePolicy")
	return &iam.GetRolePolicyOutput{RoleName: in.RoleName, PolicyName: in.PolicyName, PolicyDocument: document}, err
}

// DeleteRolePolicy removes an inline policy of a role.
func (s *Service) DeleteRolePolicy(ctx context.Context, in *iam.DeleteRolePolicyInput) (*iam.DeleteRolePolicyOutput, error) {
	return nil, deleteInline(ctx, s, roles, in.RoleName, in.PolicyName, "DeleteRolePolicy")
}

// ListRolePolicies lists the names of the inline policies of a role.
func (s *Service) ListRolePolicies(ctx context.Context, in *iam.ListRolePoliciesInput) (out *iam.ListRolePoliciesOutput, err error) {
	out = &iam.ListRolePoliciesOutput{}
	out.PolicyNames, out.Marker, out.IsTruncated, err = listInline(ctx, s, roles, in.RoleName, "ListRolePolicies", in.Marker, in.MaxItems)
	return out, err
}

// AttachRolePolicy attaches a managed policy to a role.
func (s *Service) AttachRolePolicy(ctx context.Context, in *iam.AttachRolePolicyInput) (*iam.AttachRolePolicyOutput, error) {
	return nil, attach(ctx, s, roles, in.RoleName, in.PolicyArn, "AttachRolePolicy")
}

// DetachRolePolicy detaches a managed policy from a role.
func (s *Service) DetachRolePolicy(ctx context.Context, in *iam.DetachRolePolicyInput) (*iam.DetachRolePolicyOutput, error) {
	return nil, detach(ctx, s, roles, in.RoleName, in.PolicyArn, "DetachRolePolicy")
}

// ListAttachedRolePolicies lists the managed policies of a role.
func (s *Service) ListAttachedRolePolicies(ctx context.Context, in *iam.ListAttachedRolePoliciesInput) (out *iam.ListAttachedRolePoliciesOutput, err error) {
	out = &iam.ListAttachedRolePoliciesOutput{}
	out.AttachedPolicies, out.Marker, out.IsTruncated, err = listAttached(ctx, s, roles, in.RoleName, "ListAttachedRolePolicies", in.PathPrefix, in.Marker, in.MaxItems)
	return out, err
}

// PutRolePermissionsBoundary sets the permissions boundary of a role; calls are limited by it from then on.
func (s *Service) PutRolePermissionsBoundary(ctx context.Context, in *iam.PutRolePermissionsBoundaryInput) (*iam.PutRolePermissionsBoundaryOutput, error) {
	return nil, setBoundary(ctx, s, roles, in.RoleName, in.PermissionsBoundary, "PutRolePermissionsBoundary")
}

// DeleteRolePermissionsBoundary removes the permissions boundary of a role.
func (s *Service) DeleteRolePermissionsBoundary(ctx context.Context, in *iam.DeleteRolePermissionsBoundaryInput) (*iam.DeleteRolePermissionsBoundaryOutput, error) {
	return nil, setBoundary(ctx, s, roles, in.RoleName, nil, "DeleteRolePermissionsBoundary")
}
