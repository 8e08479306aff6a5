package iam

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

func (r *Role) sdk(full bool) *types.Role {
	out := &types.Role{
		Arn: &r.ARN, CreateDate: &r.Created, Path: &r.Path, RoleId: &r.ID, RoleName: &r.Name,
		AssumeRolePolicyDocument: encodeDocument(r.Trust), MaxSessionDuration: &r.MaxSession,
	}
	if r.Description != "" {
		out.Description = &r.Description
	}
	if full {
		out.Tags, out.PermissionsBoundary, out.RoleLastUsed = sdkTags(r.Tags), r.boundary(), &types.RoleLastUsed{}
		if !r.LastUsed.IsZero() {
			out.RoleLastUsed.LastUsedDate, out.RoleLastUsed.Region = &r.LastUsed, &r.LastUsedRegion
		}
	}
	return out
}

// CreateRole makes a role; the trust policy is checked as on AWS, its principals of this account must exist.
func (s *Service) CreateRole(ctx context.Context, in *iam.CreateRoleInput) (*iam.CreateRoleOutput, error) {
	tags, err := newTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	r := &Role{Entity: s.newEntity("role", "AROA", *in.RoleName, in.Path, tags), Trust: *in.AssumeRolePolicyDocument, Description: aws.ToString(in.Description), MaxSession: 3600}
	r.Boundary = aws.ToString(in.PermissionsBoundary)
	if in.MaxSessionDuration != nil {
		r.MaxSession = *in.MaxSessionDuration
	}
	if strings.HasPrefix(r.Path, "/aws-service-role/") {
		return nil, wire.Errorf("ValidationError", "The specified value for path is invalid. It must not begin with /aws-service-role/.")
	}
	err = create(ctx, s, roles, r, "CreateRole", "Role with name %s already exists.", creationKeys(in.Tags, in.PermissionsBoundary), func(tx *store.Tx) error {
		if err := s.checkTrust(tx, r.Trust); err != nil {
			return err
		}
		return boundaryExists(tx, r.Boundary)
	})
	return &iam.CreateRoleOutput{Role: r.sdk(true)}, err
}

// checkTrust checks a trust policy and that the users and roles it names exist.
func (s *Service) checkTrust(tx *store.Tx, document string) error {
	if err := checkTrustPolicy(document); err != nil {
		return err
	}
	p, err := parse(document)
	if err != nil {
		return err
	}
	for _, st := range p.Statements {
		if st.Principal == nil {
			continue
		}
		for _, arn := range st.Principal.AWS {
			exists, err := s.principalExists(tx, arn)
			if err != nil {
				return err
			}
			if !exists {
				return malformed("Invalid principal in policy: \"AWS\":\"%s\"", arn)
			}
		}
	}
	return nil
}

// principalExists answers for users and roles of this account; other principals are taken as they are.
func (s *Service) principalExists(tx *store.Tx, arn string) (bool, error) {
	name := arn[strings.LastIndexByte(arn, '/')+1:]
	switch {
	case strings.HasPrefix(arn, s.arn("user", "/", "")):
		return users.exists(tx, name)
	case strings.HasPrefix(arn, s.arn("role", "/", "")):
		return roles.exists(tx, name)
	}
	return true, nil
}

// GetRole returns a role.
func (s *Service) GetRole(ctx context.Context, in *iam.GetRoleInput) (out *iam.GetRoleOutput, err error) {
	err = read(ctx, s, roles, *in.RoleName, "GetRole", func(_ *store.Tx, r *Role) error {
		out = &iam.GetRoleOutput{Role: r.sdk(true)}
		return nil
	})
	return out, err
}

// ListRoles lists roles under a path.
func (s *Service) ListRoles(ctx context.Context, in *iam.ListRolesInput) (out *iam.ListRolesOutput, err error) {
	out = &iam.ListRolesOutput{}
	err = list(ctx, s, roles, "ListRoles", s.arn("role", "/", ""), func(all []Role) (err error) {
		all = slices.DeleteFunc(all, func(r Role) bool { return !underPath(r.Path, in.PathPrefix) })
		all, out.Marker, out.IsTruncated, err = page(all, func(r Role) string { return r.Name }, in.Marker, in.MaxItems)
		out.Roles = convert(all, func(r Role) types.Role { return *r.sdk(false) })
		return err
	})
	return out, err
}

// UpdateRole changes description and longest session.
func (s *Service) UpdateRole(ctx context.Context, in *iam.UpdateRoleInput) (*iam.UpdateRoleOutput, error) {
	return nil, change(ctx, s, roles, *in.RoleName, "UpdateRole", nil, func(_ *store.Tx, r *Role) error {
		if in.Description != nil {
			r.Description = *in.Description
		}
		if in.MaxSessionDuration != nil {
			r.MaxSession = *in.MaxSessionDuration
		}
		return modifiable(r)
	})
}

// UpdateRoleDescription changes the description.
func (s *Service) UpdateRoleDescription(ctx context.Context, in *iam.UpdateRoleDescriptionInput) (out *iam.UpdateRoleDescriptionOutput, err error) {
	err = change(ctx, s, roles, *in.RoleName, "UpdateRoleDescription", nil, func(_ *store.Tx, r *Role) error {
		r.Description = *in.Description
		out = &iam.UpdateRoleDescriptionOutput{Role: r.sdk(true)}
		return nil
	})
	return out, err
}

// UpdateAssumeRolePolicy replaces the trust policy; sessions that exist go on.
func (s *Service) UpdateAssumeRolePolicy(ctx context.Context, in *iam.UpdateAssumeRolePolicyInput) (*iam.UpdateAssumeRolePolicyOutput, error) {
	return nil, change(ctx, s, roles, *in.RoleName, "UpdateAssumeRolePolicy", nil, func(tx *store.Tx, r *Role) error {
		if err := modifiable(r); err != nil {
			return err
		}
		r.Trust = *in.PolicyDocument
		return s.checkTrust(tx, r.Trust)
	})
}

// DeleteRole removes a role without policies and instance profiles; its sessions end with it.
func (s *Service) DeleteRole(ctx context.Context, in *iam.DeleteRoleInput) (*iam.DeleteRoleOutput, error) {
	return nil, s.db.Update(func(tx *store.Tx) error {
		r, err := load(ctx, tx, s, roles, *in.RoleName, "DeleteRole", nil)
		if err != nil {
			return err
		}
		if err := modifiable(r); err != nil {
			return err
		}
		using, err := profilesOf(tx, r.Name)
		if err != nil {
			return err
		}
		if len(using) > 0 {
			return wire.Errorf("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
		}
		if err := r.emptied(); err != nil {
			return err
		}
		return roles.delete(tx, r.Name)
	})
}

// FindRole returns a role by name or ARN; the error's code is NoSuchEntity when there is none.
func (s *Service) FindRole(nameOrARN string) (role Role, err error) {
	name := nameOrARN[strings.LastIndexByte(nameOrARN, '/')+1:]
	err = s.db.View(func(tx *store.Tx) error {
		r, err := roles.get(tx, name)
		if err != nil {
			return err
		}
		if strings.HasPrefix(nameOrARN, "arn:") && r.ARN != nameOrARN || s.tooNew(&r.Entity) {
			return roles.missing(name)
		}
		role = *r
		return nil
	})
	return role, err
}

// TrustPolicy returns the parsed trust policy.
func (r *Role) TrustPolicy() (*access.Policy, error) { return access.Parse(r.Trust) }
