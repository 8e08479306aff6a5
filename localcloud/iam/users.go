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

// CreateUser makes a user without credentials.
func (s *Service) CreateUser(ctx context.Context, in *iam.CreateUserInput) (*iam.CreateUserOutput, error) {
	tags, err := newTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	u := &User{Entity: s.newEntity("user", "AIDA", *in.UserName, in.Path, tags)}
	u.Boundary = aws.ToString(in.PermissionsBoundary)
	err = create(ctx, s, users, u, "CreateUser", "User with name %s already exists.", creationKeys(in.Tags, in.PermissionsBoundary), func(tx *store.Tx) error {
		return boundaryExists(tx, u.Boundary)
	})
	return &iam.CreateUserOutput{User: u.sdk(true)}, err
}

// create authorises and stores a new entity after the check.
func create[T any, P holder[T]](ctx context.Context, s *Service, k kind[T], e P, operation, exists string, keys map[string][]string, check func(*store.Tx) error) error {
	if err := authorize(ctx, operation, e.base().ARN, keys); err != nil {
		return err
	}
	return s.db.Update(func(tx *store.Tx) error {
		there, err := k.exists(tx, k.name((*T)(e)))
		if err != nil {
			return err
		}
		if there {
			return wire.Errorf("EntityAlreadyExists", exists, e.base().Name)
		}
		if err := check(tx); err != nil {
			return err
		}
		return k.put(tx, (*T)(e))
	})
}

func creationKeys(tags []types.Tag, boundary *string) map[string][]string {
	keys := requestTags(tags)
	if boundary != nil {
		keys["iam:PermissionsBoundary"] = []string{*boundary}
	}
	return keys
}

func boundaryExists(tx *store.Tx, arn string) error {
	if arn == "" {
		return nil
	}
	_, err := policy(tx, arn)
	return err
}

func (u *User) sdk(full bool) *types.User {
	out := &types.User{Arn: &u.ARN, CreateDate: &u.Created, Path: &u.Path, UserId: &u.ID, UserName: &u.Name}
	if full {
		out.Tags, out.PermissionsBoundary = sdkTags(u.Tags), u.boundary()
	}
	return out
}

func (p *Policies) boundary() *types.AttachedPermissionsBoundary {
	if p.Boundary == "" {
		return nil
	}
	return &types.AttachedPermissionsBoundary{PermissionsBoundaryArn: &p.Boundary, PermissionsBoundaryType: types.PermissionsBoundaryAttachmentTypePolicy}
}

// callerName is the user that operations without a user name mean.
func (s *Service) callerName(ctx context.Context, name *string) (*string, error) {
	if name != nil {
		return name, nil
	}
	if c := access.CallerFrom(ctx); c != nil && c.UserName != "" {
		return &c.UserName, nil
	}
	return nil, wire.Errorf("ValidationError", "Must specify userName when calling with non-User credentials")
}

// GetUser returns a user, by default the caller.
func (s *Service) GetUser(ctx context.Context, in *iam.GetUserInput) (out *iam.GetUserOutput, err error) {
	if c := access.CallerFrom(ctx); in.UserName == nil && c != nil && c.Type == access.TypeRoot {
		return &iam.GetUserOutput{User: &types.User{Arn: &c.ARN, UserId: &c.UserID, CreateDate: aws.Time(s.clock.Now()), UserName: aws.String("root"), Path: aws.String("/")}}, nil
	}
	name, err := s.callerName(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	err = read(ctx, s, users, *name, "GetUser", func(_ *store.Tx, u *User) error {
		out = &iam.GetUserOutput{User: u.sdk(true)}
		return nil
	})
	return out, err
}

// ListUsers lists users under a path.
func (s *Service) ListUsers(ctx context.Context, in *iam.ListUsersInput) (out *iam.ListUsersOutput, err error) {
	out = &iam.ListUsersOutput{}
	err = list(ctx, s, users, "ListUsers", s.arn("user", "/", ""), func(all []User) (err error) {
		all = slices.DeleteFunc(all, func(u User) bool { return !underPath(u.Path, in.PathPrefix) })
		all, out.Marker, out.IsTruncated, err = page(all, func(u User) string { return u.Name }, in.Marker, in.MaxItems)
		out.Users = convert(all, func(u User) types.User { return *u.sdk(false) })
		return err
	})
	return out, err
}

func underPath(path string, prefix *string) bool {
	return prefix == nil || strings.HasPrefix(path, *prefix)
}

// list authorises and hands over all entities of a kind.
func list[T any](ctx context.Context, s *Service, k kind[T], operation, arn string, f func([]T) error) error {
	if err := authorize(ctx, operation, arn, nil); err != nil {
		return err
	}
	return s.db.View(func(tx *store.Tx) error {
		all, err := store.List[T](tx, k.bucket)
		if err != nil {
			return err
		}
		return f(all)
	})
}

// UpdateUser renames or moves a user; access keys and groups stay with it.
func (s *Service) UpdateUser(ctx context.Context, in *iam.UpdateUserInput) (*iam.UpdateUserOutput, error) {
	return nil, s.db.Update(func(tx *store.Tx) error {
		u, err := load(ctx, tx, s, users, *in.UserName, "UpdateUser", nil)
		if err != nil {
			return err
		}
		old := u.Name
		if in.NewPath != nil {
			u.Path = *in.NewPath
		}
		if in.NewUserName != nil && *in.NewUserName != u.Name {
			if there, err := users.exists(tx, *in.NewUserName); err != nil || there && !strings.EqualFold(*in.NewUserName, old) {
				return cmpErr(err, wire.Errorf("EntityAlreadyExists", "User with name %s already exists.", *in.NewUserName))
			}
			u.Name = *in.NewUserName
		}
		u.ARN = s.arn("user", u.Path, u.Name)
		keys, err := keysOf(tx, old)
		if err != nil {
			return err
		}
		for _, k := range keys {
			k.User = u.Name
			if err := store.Put(tx, keysBucket, k.ID, k); err != nil {
				return err
			}
		}
		if err := users.delete(tx, old); err != nil {
			return err
		}
		return users.put(tx, u)
	})
}

func cmpErr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// DeleteUser removes a user that has no keys, policies and groups any more.
func (s *Service) DeleteUser(ctx context.Context, in *iam.DeleteUserInput) (*iam.DeleteUserOutput, error) {
	return nil, s.db.Update(func(tx *store.Tx) error {
		u, err := load(ctx, tx, s, users, *in.UserName, "DeleteUser", nil)
		if err != nil {
			return err
		}
		keys, err := keysOf(tx, u.Name)
		switch {
		case err != nil:
			return err
		case len(keys) > 0:
			return wire.Errorf("DeleteConflict", "Cannot delete entity, must delete access keys first.")
		case len(u.Groups) > 0:
			return wire.Errorf("DeleteConflict", "Cannot delete entity, must remove users from group first.")
		}
		if err := u.emptied(); err != nil {
			return err
		}
		return users.delete(tx, u.Name)
	})
}
