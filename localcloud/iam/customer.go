package iam

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

func (p *ManagedPolicy) sdk(tx *store.Tx, full bool) (*types.Policy, error) {
	attached, bounded, err := uses(tx, p.ARN)
	if err != nil {
		return nil, err
	}
	out := &types.Policy{
		Arn: &p.ARN, CreateDate: &p.Created, UpdateDate: &p.Updated, DefaultVersionId: &p.Default, IsAttachable: true,
		Path: &p.Path, PolicyId: &p.ID, PolicyName: &p.Name,
		AttachmentCount: aws.Int32(int32(len(attached))), PermissionsBoundaryUsageCount: aws.Int32(int32(bounded)),
	}
	if full {
		out.Tags = sdkTags(p.Tags)
		if p.Description != "" {
			out.Description = &p.Description
		}
	}
	return out, nil
}

// use is an entity that a policy is attached to.
type use struct{ kind, name, id, path string }

// uses finds what a policy is attached to, and how many use it as boundary.
func uses(tx *store.Tx, arn string) (attached []use, bounded int, err error) {
	visit := func(kind string, e *Entity, p *Policies) {
		if slices.Contains(p.Attached, arn) {
			attached = append(attached, use{kind, e.Name, e.ID, e.Path})
		}
		if p.Boundary == arn {
			bounded++
		}
	}
	err = store.Each(tx, users.bucket, "", func(_ string, u User) error { visit("user", &u.Entity, &u.Policies); return nil })
	if err == nil {
		err = store.Each(tx, groups.bucket, "", func(_ string, g Group) error { visit("group", &g.Entity, &g.Policies); return nil })
	}
	if err == nil {
		err = store.Each(tx, roles.bucket, "", func(_ string, r Role) error { visit("role", &r.Entity, &r.Policies); return nil })
	}
	return attached, bounded, err
}

// CreatePolicy makes a customer managed policy.
func (s *Service) CreatePolicy(ctx context.Context, in *iam.CreatePolicyInput) (*iam.CreatePolicyOutput, error) {
	tags, err := newTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	p := &ManagedPolicy{Entity: s.newEntity("policy", "ANPA", *in.PolicyName, in.Path, tags), Description: aws.ToString(in.Description), Default: "v1", LastVersion: 1}
	p.Updated = p.Created
	p.Versions = []PolicyVersion{{ID: "v1", Document: *in.PolicyDocument, Created: p.Created}}
	out := &iam.CreatePolicyOutput{}
	err = create(ctx, s, policies, p, "CreatePolicy", "A policy called %s already exists. Duplicate names are not allowed.", requestTags(in.Tags), func(tx *store.Tx) (err error) {
		if err := checkManagedDocument(*in.PolicyDocument); err != nil {
			return err
		}
		if out.Policy, err = p.sdk(tx, true); err == nil {
			out.Policy.Description = nil // as on AWS, which shows it in GetPolicy alone
		}
		return err
	})
	return out, err
}

func checkManagedDocument(document string) error {
	if p, err := parse(document); err != nil || p.Version != "2012-10-17" {
		return cmpErr(err, malformed("Policy document must be version 2012-10-17 or greater."))
	}
	if err := checkIdentityPolicy(document); err != nil {
		return err
	}
	if size(document) > maxManagedDocument {
		return wire.Errorf("LimitExceeded", "Cannot exceed quota for PolicySize: %d", maxManagedDocument)
	}
	return nil
}

// readPolicy authorises and loads a policy of AWS or of the account.
func (s *Service) readPolicy(ctx context.Context, arn, operation string, f func(tx *store.Tx, p *ManagedPolicy) error) error {
	return s.db.View(func(tx *store.Tx) error {
		p, err := policy(tx, arn)
		keys := map[string][]string{}
		if err == nil {
			keys = p.conditionKeys(nil)
		}
		if err := authorize(ctx, operation, arn, keys); err != nil {
			return err
		}
		if err != nil {
			return err
		}
		return f(tx, p)
	})
}

// GetPolicy returns a managed policy of AWS or the account.
func (s *Service) GetPolicy(ctx context.Context, in *iam.GetPolicyInput) (out *iam.GetPolicyOutput, err error) {
	out = &iam.GetPolicyOutput{}
	err = s.readPolicy(ctx, *in.PolicyArn, "GetPolicy", func(tx *store.Tx, p *ManagedPolicy) (err error) {
		if out.Policy, err = p.sdk(tx, true); err == nil && out.Policy.Tags == nil {
			out.Policy.Tags = []types.Tag{}
		}
		return err
	})
	return out, err
}

// ListPolicies lists the managed policies of AWS (those that the local cloud knows) and the account.
func (s *Service) ListPolicies(ctx context.Context, in *iam.ListPoliciesInput) (out *iam.ListPoliciesOutput, err error) {
	out = &iam.ListPoliciesOutput{}
	if err := authorize(ctx, "ListPolicies", "*", nil); err != nil {
		return nil, err
	}
	err = s.db.View(func(tx *store.Tx) error {
		var all []ManagedPolicy
		if in.Scope != types.PolicyScopeTypeAws {
			if all, err = store.List[ManagedPolicy](tx, policies.bucket); err != nil {
				return err
			}
		}
		if in.Scope != types.PolicyScopeTypeLocal {
			for _, arn := range slices.Sorted(maps.Keys(awsPolicies())) {
				all = append(all, *awsPolicies()[arn])
			}
		}
		var shown []types.Policy
		for i := range all {
			p, err := all[i].sdk(tx, false)
			if err != nil {
				return err
			}
			used := *p.AttachmentCount > 0 || *p.PermissionsBoundaryUsageCount > 0
			if underPath(*p.Path, in.PathPrefix) && (!in.OnlyAttached || used) {
				shown = append(shown, *p)
			}
		}
		out.Policies, out.Marker, out.IsTruncated, err = page(shown, func(p types.Policy) string { return *p.Arn }, in.Marker, in.MaxItems)
		return err
	})
	return out, err
}

// DeletePolicy removes a policy that is attached nowhere and has no further versions.
func (s *Service) DeletePolicy(ctx context.Context, in *iam.DeletePolicyInput) (*iam.DeletePolicyOutput, error) {
	return nil, s.db.Update(func(tx *store.Tx) error {
		p, err := load(ctx, tx, s, policies, *in.PolicyArn, "DeletePolicy", nil)
		if err != nil {
			return err
		}
		attached, bounded, err := uses(tx, p.ARN)
		switch {
		case err != nil:
			return err
		case len(attached) > 0 || bounded > 0:
			return wire.Errorf("DeleteConflict", "Cannot delete a policy attached to entities.")
		case len(p.Versions) > 1:
			return wire.Errorf("DeleteConflict", "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
		}
		return policies.delete(tx, p.ARN)
	})
}

// ListEntitiesForPolicy lists users, groups and roles that a policy is attached to.
func (s *Service) ListEntitiesForPolicy(ctx context.Context, in *iam.ListEntitiesForPolicyInput) (out *iam.ListEntitiesForPolicyOutput, err error) {
	out = &iam.ListEntitiesForPolicyOutput{}
	err = s.readPolicy(ctx, *in.PolicyArn, "ListEntitiesForPolicy", func(tx *store.Tx, p *ManagedPolicy) error {
		all, _, err := uses(tx, p.ARN)
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(u use) bool {
			return !underPath(u.path, in.PathPrefix) || in.EntityFilter != "" && !strings.EqualFold(string(in.EntityFilter), u.kind)
		})
		all, out.Marker, out.IsTruncated, err = page(all, func(u use) string { return u.kind + "/" + u.name }, in.Marker, in.MaxItems)
		for _, u := range all {
			switch u.kind {
			case "user":
				out.PolicyUsers = append(out.PolicyUsers, types.PolicyUser{UserName: &u.name, UserId: &u.id})
			case "group":
				out.PolicyGroups = append(out.PolicyGroups, types.PolicyGroup{GroupName: &u.name, GroupId: &u.id})
			default:
				out.PolicyRoles = append(out.PolicyRoles, types.PolicyRole{RoleName: &u.name, RoleId: &u.id})
			}
		}
		return err
	})
	return out, err
}

func (p *ManagedPolicy) sdkVersion(v *PolicyVersion, withDocument bool) types.PolicyVersion {
	out := types.PolicyVersion{VersionId: &v.ID, CreateDate: &v.Created, IsDefaultVersion: v.ID == p.Default}
	if withDocument {
		out.Document = encodeDocument(v.Document)
	}
	return out
}

// CreatePolicyVersion adds a version, up to five.
func (s *Service) CreatePolicyVersion(ctx context.Context, in *iam.CreatePolicyVersionInput) (out *iam.CreatePolicyVersionOutput, err error) {
	err = change(ctx, s, policies, *in.PolicyArn, "CreatePolicyVersion", nil, func(_ *store.Tx, p *ManagedPolicy) error {
		if err := checkManagedDocument(*in.PolicyDocument); err != nil {
			return err
		}
		if len(p.Versions) >= maxPolicyVersions {
			return wire.Errorf("LimitExceeded", "A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", maxPolicyVersions)
		}
		p.LastVersion++
		p.Updated = s.clock.Now().UTC()
		v := PolicyVersion{ID: fmt.Sprintf("v%d", p.LastVersion), Document: *in.PolicyDocument, Created: p.Updated}
		p.Versions = append(p.Versions, v)
		if in.SetAsDefault {
			p.Default = v.ID
		}
		shown := p.sdkVersion(&v, false)
		out = &iam.CreatePolicyVersionOutput{PolicyVersion: &shown}
		return nil
	})
	return out, err
}

func noVersion(arn, id string) error {
	return wire.Errorf("NoSuchEntity", "Policy %s version %s does not exist or is not attachable.", arn, id)
}

// GetPolicyVersion returns the document of a version.
func (s *Service) GetPolicyVersion(ctx context.Context, in *iam.GetPolicyVersionInput) (out *iam.GetPolicyVersionOutput, err error) {
	err = s.readPolicy(ctx, *in.PolicyArn, "GetPolicyVersion", func(_ *store.Tx, p *ManagedPolicy) error {
		v := p.version(*in.VersionId)
		if v == nil {
			return noVersion(p.ARN, *in.VersionId)
		}
		shown := p.sdkVersion(v, true)
		out = &iam.GetPolicyVersionOutput{PolicyVersion: &shown}
		return nil
	})
	return out, err
}

// ListPolicyVersions lists the versions of a policy; of AWS's policies only the latest exists here.
func (s *Service) ListPolicyVersions(ctx context.Context, in *iam.ListPolicyVersionsInput) (out *iam.ListPolicyVersionsOutput, err error) {
	out = &iam.ListPolicyVersionsOutput{}
	err = s.readPolicy(ctx, *in.PolicyArn, "ListPolicyVersions", func(_ *store.Tx, p *ManagedPolicy) (err error) {
		all := convert(p.Versions, func(v PolicyVersion) types.PolicyVersion { return p.sdkVersion(&v, false) })
		out.Versions, out.Marker, out.IsTruncated, err = page(all, func(v types.PolicyVersion) string { return *v.VersionId }, in.Marker, in.MaxItems)
		return err
	})
	return out, err
}

// DeletePolicyVersion removes a version that is not the default.
func (s *Service) DeletePolicyVersion(ctx context.Context, in *iam.DeletePolicyVersionInput) (*iam.DeletePolicyVersionOutput, error) {
	return nil, change(ctx, s, policies, *in.PolicyArn, "DeletePolicyVersion", nil, func(_ *store.Tx, p *ManagedPolicy) error {
		switch {
		case p.version(*in.VersionId) == nil:
			return noVersion(p.ARN, *in.VersionId)
		case p.Default == *in.VersionId:
			return wire.Errorf("DeleteConflict", "Cannot delete the default version of a policy.")
		}
		p.Versions = slices.DeleteFunc(p.Versions, func(v PolicyVersion) bool { return v.ID == *in.VersionId })
		return nil
	})
}

// SetDefaultPolicyVersion makes a version the one that counts.
func (s *Service) SetDefaultPolicyVersion(ctx context.Context, in *iam.SetDefaultPolicyVersionInput) (*iam.SetDefaultPolicyVersionOutput, error) {
	return nil, change(ctx, s, policies, *in.PolicyArn, "SetDefaultPolicyVersion", nil, func(_ *store.Tx, p *ManagedPolicy) error {
		if p.version(*in.VersionId) == nil {
			return noVersion(p.ARN, *in.VersionId)
		}
		p.Default, p.Updated = *in.VersionId, s.clock.Now().UTC()
		return nil
	})
}
