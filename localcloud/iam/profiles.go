package iam

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

func (p *InstanceProfile) sdk(tx *store.Tx) (*types.InstanceProfile, error) {
	out := &types.InstanceProfile{
		Arn: &p.ARN, CreateDate: &p.Created, InstanceProfileId: &p.ID, InstanceProfileName: &p.Name, Path: &p.Path,
		Roles: []types.Role{}, Tags: sdkTags(p.Tags),
	}
	if p.Role != "" {
		r, err := roles.get(tx, p.Role)
		if err != nil {
			return nil, err
		}
		out.Roles = append(out.Roles, *r.sdk(false))
	}
	return out, nil
}

func profilesOf(tx *store.Tx, role string) ([]InstanceProfile, error) {
	all, err := store.List[InstanceProfile](tx, profiles.bucket)
	return slices.DeleteFunc(all, func(p InstanceProfile) bool { return p.Role != role }), err
}

// CreateInstanceProfile makes a profile without a role.
func (s *Service) CreateInstanceProfile(ctx context.Context, in *iam.CreateInstanceProfileInput) (*iam.CreateInstanceProfileOutput, error) {
	tags, err := newTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	p := &InstanceProfile{Entity: s.newEntity("instance-profile", "AIPA", *in.InstanceProfileName, in.Path, tags)}
	out := &iam.CreateInstanceProfileOutput{}
	err = create(ctx, s, profiles, p, "CreateInstanceProfile", "Instance Profile %s already exists.", requestTags(in.Tags), func(tx *store.Tx) (err error) {
		out.InstanceProfile, err = p.sdk(tx)
		return err
	})
	return out, err
}

// GetInstanceProfile returns a profile and its role.
func (s *Service) GetInstanceProfile(ctx context.Context, in *iam.GetInstanceProfileInput) (out *iam.GetInstanceProfileOutput, err error) {
	out = &iam.GetInstanceProfileOutput{}
	err = read(ctx, s, profiles, *in.InstanceProfileName, "GetInstanceProfile", func(tx *store.Tx, p *InstanceProfile) (err error) {
		out.InstanceProfile, err = p.sdk(tx)
		return err
	})
	return out, err
}

// ListInstanceProfiles lists profiles under a path.
func (s *Service) ListInstanceProfiles(ctx context.Context, in *iam.ListInstanceProfilesInput) (out *iam.ListInstanceProfilesOutput, err error) {
	out = &iam.ListInstanceProfilesOutput{}
	if err := authorize(ctx, "ListInstanceProfiles", s.arn("instance-profile", "/", ""), nil); err != nil {
		return nil, err
	}
	err = s.db.View(func(tx *store.Tx) error {
		all, err := store.List[InstanceProfile](tx, profiles.bucket)
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(p InstanceProfile) bool { return !underPath(p.Path, in.PathPrefix) })
		all, out.Marker, out.IsTruncated, err = page(all, func(p InstanceProfile) string { return p.Name }, in.Marker, in.MaxItems)
		if err != nil {
			return err
		}
		out.InstanceProfiles, err = sdkProfiles(tx, all)
		return err
	})
	return out, err
}

func sdkProfiles(tx *store.Tx, all []InstanceProfile) ([]types.InstanceProfile, error) {
	var shown []types.InstanceProfile
	for i := range all {
		p, err := all[i].sdk(tx)
		if err != nil {
			return nil, err
		}
		p.Tags = nil
		shown = append(shown, *p)
	}
	return shown, nil
}

// ListInstanceProfilesForRole lists the profiles that hand out a role.
func (s *Service) ListInstanceProfilesForRole(ctx context.Context, in *iam.ListInstanceProfilesForRoleInput) (out *iam.ListInstanceProfilesForRoleOutput, err error) {
	out = &iam.ListInstanceProfilesForRoleOutput{}
	err = read(ctx, s, roles, *in.RoleName, "ListInstanceProfilesForRole", func(tx *store.Tx, r *Role) error {
		all, err := profilesOf(tx, r.Name)
		if err != nil {
			return err
		}
		all, out.Marker, out.IsTruncated, err = page(all, func(p InstanceProfile) string { return p.Name }, in.Marker, in.MaxItems)
		if err != nil {
			return err
		}
		out.InstanceProfiles, err = sdkProfiles(tx, all)
		return err
	})
	return out, err
}

// AddRoleToInstanceProfile puts the one role into a profile; the caller must be allowed to pass it to EC2.
func (s *Service) AddRoleToInstanceProfile(ctx context.Context, in *iam.AddRoleToInstanceProfileInput) (*iam.AddRoleToInstanceProfileOutput, error) {
	return nil, change(ctx, s, profiles, *in.InstanceProfileName, "AddRoleToInstanceProfile", nil, func(tx *store.Tx, p *InstanceProfile) error {
		r, err := roles.get(tx, *in.RoleName)
		if err != nil {
			return err
		}
		pass := access.Request{Action: "iam:PassRole", Resource: r.ARN, Context: map[string][]string{"iam:PassedToService": {"ec2.amazonaws.com"}}}
		if err := access.Authorize(ctx, pass); err != nil {
			return err
		}
		if p.Role != "" {
			return wire.Errorf("LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
		}
		if err := modifiable(r); err != nil {
			return err
		}
		p.Role = r.Name
		return nil
	})
}

// RemoveRoleFromInstanceProfile takes the role out; instances with the profile lose their credentials.
func (s *Service) RemoveRoleFromInstanceProfile(ctx context.Context, in *iam.RemoveRoleFromInstanceProfileInput) (*iam.RemoveRoleFromInstanceProfileOutput, error) {
	return nil, change(ctx, s, profiles, *in.InstanceProfileName, "RemoveRoleFromInstanceProfile", nil, func(_ *store.Tx, p *InstanceProfile) error {
		if !strings.EqualFold(p.Role, *in.RoleName) {
			return wire.Errorf("NoSuchEntity", "The role with name %s cannot be found.", *in.RoleName)
		}
		p.Role = ""
		return nil
	})
}

// DeleteInstanceProfile removes a profile without a role; instances that have it are not looked for.
func (s *Service) DeleteInstanceProfile(ctx context.Context, in *iam.DeleteInstanceProfileInput) (*iam.DeleteInstanceProfileOutput, error) {
	return nil, s.db.Update(func(tx *store.Tx) error {
		p, err := load(ctx, tx, s, profiles, *in.InstanceProfileName, "DeleteInstanceProfile", nil)
		if err != nil {
			return err
		}
		if p.Role != "" {
			return wire.Errorf("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
		}
		return profiles.delete(tx, p.Name)
	})
}

// FindInstanceProfile returns a profile by name or ARN and its role, which is nil when the profile has none. The
// error's code is NoSuchEntity when there is no such profile.
func (s *Service) FindInstanceProfile(nameOrARN string) (profile InstanceProfile, role *Role, err error) {
	name := nameOrARN[strings.LastIndexByte(nameOrARN, '/')+1:]
	err = s.db.View(func(tx *store.Tx) error {
		p, err := profiles.get(tx, name)
		if err != nil {
			return err
		}
		if strings.HasPrefix(nameOrARN, "arn:") && p.ARN != nameOrARN || s.tooNew(&p.Entity) {
			return profiles.missing(name)
		}
		profile = *p
		if p.Role != "" {
			role, err = roles.get(tx, p.Role)
		}
		return err
	})
	return profile, role, err
}
