package iam

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

func (g *Group) sdk() *types.Group {
	return &types.Group{Arn: &g.ARN, CreateDate: &g.Created, GroupId: &g.ID, GroupName: &g.Name, Path: &g.Path}
}

// CreateGroup makes an empty group.
func (s *Service) CreateGroup(ctx context.Context, in *iam.CreateGroupInput) (*iam.CreateGroupOutput, error) {
	g := &Group{Entity: s.newEntity("group", "AGPA", *in.GroupName, in.Path, nil)}
	err := create(ctx, s, groups, g, "CreateGroup", "Group with name %s already exists.", nil, func(*store.Tx) error { return nil })
	return &iam.CreateGroupOutput{Group: g.sdk()}, err
}

// members are the users of a group.
func members(tx *store.Tx, group string) ([]User, error) {
	all, err := store.List[User](tx, users.bucket)
	return slices.DeleteFunc(all, func(u User) bool { return !slices.Contains(u.Groups, group) }), err
}

// GetGroup returns a group and its users.
func (s *Service) GetGroup(ctx context.Context, in *iam.GetGroupInput) (out *iam.GetGroupOutput, err error) {
	out = &iam.GetGroupOutput{}
	err = read(ctx, s, groups, *in.GroupName, "GetGroup", func(tx *store.Tx, g *Group) error {
		out.Group = g.sdk()
		all, err := members(tx, g.Name)
		if err != nil {
			return err
		}
		all, out.Marker, out.IsTruncated, err = page(all, func(u User) string { return u.Name }, in.Marker, in.MaxItems)
		out.Users = convert(all, func(u User) types.User { return *u.sdk(false) })
		return err
	})
	return out, err
}

// ListGroups lists groups under a path.
func (s *Service) ListGroups(ctx context.Context, in *iam.ListGroupsInput) (out *iam.ListGroupsOutput, err error) {
	out = &iam.ListGroupsOutput{}
	err = list(ctx, s, groups, "ListGroups", s.arn("group", "/", ""), func(all []Group) (err error) {
		all = slices.DeleteFunc(all, func(g Group) bool { return !underPath(g.Path, in.PathPrefix) })
		all, out.Marker, out.IsTruncated, err = page(all, func(g Group) string { return g.Name }, in.Marker, in.MaxItems)
		out.Groups = convert(all, func(g Group) types.Group { return *g.sdk() })
		return err
	})
	return out, err
}

// ListGroupsForUser lists the groups of a user.
func (s *Service) ListGroupsForUser(ctx context.Context, in *iam.ListGroupsForUserInput) (out *iam.ListGroupsForUserOutput, err error) {
	out = &iam.ListGroupsForUserOutput{}
	err = read(ctx, s, users, *in.UserName, "ListGroupsForUser", func(tx *store.Tx, u *User) error {
		var all []Group
		for _, name := range u.Groups {
			g, err := groups.get(tx, name)
			if err != nil {
				return err
			}
			all = append(all, *g)
		}
		all, out.Marker, out.IsTruncated, err = page(all, func(g Group) string { return g.Name }, in.Marker, in.MaxItems)
		out.Groups = convert(all, func(g Group) types.Group { return *g.sdk() })
		return err
	})
	return out, err
}

// UpdateGroup renames or moves a group.
func (s *Service) UpdateGroup(ctx context.Context, in *iam.UpdateGroupInput) (*iam.UpdateGroupOutput, error) {
	return nil, s.db.Update(func(tx *store.Tx) error {
		g, err := load(ctx, tx, s, groups, *in.GroupName, "UpdateGroup", nil)
		if err != nil {
			return err
		}
		old := g.Name
		if in.NewPath != nil {
			g.Path = *in.NewPath
		}
		if in.NewGroupName != nil {
			there, err := groups.exists(tx, *in.NewGroupName)
			if err != nil || there && !strings.EqualFold(*in.NewGroupName, old) {
				return cmpErr(err, wire.Errorf("EntityAlreadyExists", "Group with name %s already exists.", *in.NewGroupName))
			}
			g.Name = *in.NewGroupName
		}
		g.ARN = s.arn("group", g.Path, g.Name)
		all, err := members(tx, old)
		if err != nil {
			return err
		}
		for i := range all {
			all[i].Groups[slices.Index(all[i].Groups, old)] = g.Name
			if err := users.put(tx, &all[i]); err != nil {
				return err
			}
		}
		if err := groups.delete(tx, old); err != nil {
			return err
		}
		return groups.put(tx, g)
	})
}

// DeleteGroup removes a group without users and policies.
func (s *Service) DeleteGroup(ctx context.Context, in *iam.DeleteGroupInput) (*iam.DeleteGroupOutput, error) {
	return nil, s.db.Update(func(tx *store.Tx) error {
		g, err := load(ctx, tx, s, groups, *in.GroupName, "DeleteGroup", nil)
		if err != nil {
			return err
		}
		all, err := members(tx, g.Name)
		if err != nil {
			return err
		}
		if len(all) > 0 {
			return wire.Errorf("DeleteConflict", "Cannot delete entity, must remove users from group first.")
		}
		if err := g.emptied(); err != nil {
			return err
		}
		return groups.delete(tx, g.Name)
	})
}

// AddUserToGroup adds a user to a group; its policies hold from the next call.
func (s *Service) AddUserToGroup(ctx context.Context, in *iam.AddUserToGroupInput) (*iam.AddUserToGroupOutput, error) {
	return nil, s.membership(ctx, *in.GroupName, *in.UserName, "AddUserToGroup", func(u *User, g *Group) error {
		if !slices.Contains(u.Groups, g.Name) {
			u.Groups = append(u.Groups, g.Name)
		}
		return nil
	})
}

// RemoveUserFromGroup takes a user out of a group.
func (s *Service) RemoveUserFromGroup(ctx context.Context, in *iam.RemoveUserFromGroupInput) (*iam.RemoveUserFromGroupOutput, error) {
	return nil, s.membership(ctx, *in.GroupName, *in.UserName, "RemoveUserFromGroup", func(u *User, g *Group) error {
		i := slices.Index(u.Groups, g.Name)
		if i < 0 {
			return wire.Errorf("NoSuchEntity", "User %s not in group %s", u.Name, g.Name)
		}
		u.Groups = slices.Delete(u.Groups, i, i+1)
		return nil
	})
}

func (s *Service) membership(ctx context.Context, group, user, operation string, f func(*User, *Group) error) error {
	return s.db.Update(func(tx *store.Tx) error {
		g, err := load(ctx, tx, s, groups, group, operation, nil)
		if err != nil {
			return err
		}
		u, err := users.get(tx, user)
		if err != nil {
			return err
		}
		if err := f(u, g); err != nil {
			return err
		}
		return users.put(tx, u)
	})
}
