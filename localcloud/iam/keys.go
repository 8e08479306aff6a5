package iam

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

func keysOf(tx *store.Tx, user string) ([]AccessKey, error) {
	all, err := store.List[AccessKey](tx, keysBucket)
	return slices.DeleteFunc(all, func(k AccessKey) bool { return !strings.EqualFold(k.User, user) }), err
}

func (k *AccessKey) status() types.StatusType {
	if k.Active {
		return types.StatusTypeActive
	}
	return types.StatusTypeInactive
}

// CreateAccessKey makes a key, by default of the caller; its secret is shown this once.
func (s *Service) CreateAccessKey(ctx context.Context, in *iam.CreateAccessKeyInput) (*iam.CreateAccessKeyOutput, error) {
	name, err := s.callerName(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	var k AccessKey
	err = change(ctx, s, users, *name, "CreateAccessKey", nil, func(tx *store.Tx, u *User) error {
		k = s.newKey(u.Name)
		have, err := keysOf(tx, u.Name)
		if err != nil {
			return err
		}
		if len(have) >= maxAccessKeysPerUser {
			return wire.Errorf("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: %d", maxAccessKeysPerUser)
		}
		return store.Put(tx, keysBucket, k.ID, k)
	})
	return &iam.CreateAccessKeyOutput{AccessKey: &types.AccessKey{
		AccessKeyId: &k.ID, SecretAccessKey: &k.Secret, Status: k.status(), UserName: &k.User, CreateDate: &k.Created,
	}}, err
}

func (s *Service) newKey(user string) AccessKey {
	return AccessKey{ID: newID("AKIA", 20), Secret: newSecret(), User: user, Active: true, Created: s.clock.Now().UTC().Truncate(time.Second)}
}

// ListAccessKeys lists the keys of a user, by default the caller.
func (s *Service) ListAccessKeys(ctx context.Context, in *iam.ListAccessKeysInput) (out *iam.ListAccessKeysOutput, err error) {
	name, err := s.callerName(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	out = &iam.ListAccessKeysOutput{}
	err = read(ctx, s, users, *name, "ListAccessKeys", func(tx *store.Tx, u *User) error {
		keys, err := keysOf(tx, u.Name)
		if err != nil {
			return err
		}
		keys, out.Marker, out.IsTruncated, err = page(keys, func(k AccessKey) string { return k.ID }, in.Marker, in.MaxItems)
		out.AccessKeyMetadata = convert(keys, func(k AccessKey) types.AccessKeyMetadata {
			return types.AccessKeyMetadata{AccessKeyId: &k.ID, Status: k.status(), UserName: &k.User, CreateDate: &k.Created}
		})
		return err
	})
	return out, err
}

// UpdateAccessKey activates or deactivates a key; signatures of an inactive key are refused.
func (s *Service) UpdateAccessKey(ctx context.Context, in *iam.UpdateAccessKeyInput) (*iam.UpdateAccessKeyOutput, error) {
	return nil, s.changeKey(ctx, in.UserName, *in.AccessKeyId, "UpdateAccessKey", func(tx *store.Tx, k *AccessKey) error {
		k.Active = in.Status == types.StatusTypeActive
		return store.Put(tx, keysBucket, k.ID, k)
	})
}

// DeleteAccessKey removes a key.
func (s *Service) DeleteAccessKey(ctx context.Context, in *iam.DeleteAccessKeyInput) (*iam.DeleteAccessKeyOutput, error) {
	return nil, s.changeKey(ctx, in.UserName, *in.AccessKeyId, "DeleteAccessKey", func(tx *store.Tx, k *AccessKey) error {
		return store.Delete(tx, keysBucket, k.ID)
	})
}

func (s *Service) changeKey(ctx context.Context, user *string, id, operation string, f func(*store.Tx, *AccessKey) error) error {
	name, err := s.callerName(ctx, user)
	if err != nil {
		return err
	}
	return change(ctx, s, users, *name, operation, nil, func(tx *store.Tx, u *User) error {
		k, ok, err := store.Get[AccessKey](tx, keysBucket, id)
		if err != nil {
			return err
		}
		if !ok || !strings.EqualFold(k.User, u.Name) {
			return wire.Errorf("NoSuchEntity", "The Access Key with id %s cannot be found.", id)
		}
		return f(tx, &k)
	})
}

// GetAccessKeyLastUsed says whose key it is; uses are not recorded.
func (s *Service) GetAccessKeyLastUsed(ctx context.Context, in *iam.GetAccessKeyLastUsedInput) (*iam.GetAccessKeyLastUsedOutput, error) {
	if err := authorize(ctx, "GetAccessKeyLastUsed", "*", nil); err != nil {
		return nil, err
	}
	out := &iam.GetAccessKeyLastUsedOutput{AccessKeyLastUsed: &types.AccessKeyLastUsed{Region: aws.String("N/A"), ServiceName: aws.String("N/A")}}
	err := s.db.View(func(tx *store.Tx) error {
		k, ok, err := store.Get[AccessKey](tx, keysBucket, *in.AccessKeyId)
		if err == nil && !ok {
			err = wire.Errorf("NoSuchEntity", "The Access Key with id %s cannot be found.", *in.AccessKeyId)
		}
		out.UserName = &k.User
		return err
	})
	return out, err
}
