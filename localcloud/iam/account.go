package iam

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

const accountBucket = "iam.account"

func alias(tx *store.Tx) (string, error) {
	a, _, err := store.Get[string](tx, accountBucket, "alias")
	return a, err
}

// CreateAccountAlias sets the account's alias.
func (s *Service) CreateAccountAlias(ctx context.Context, in *iam.CreateAccountAliasInput) (*iam.CreateAccountAliasOutput, error) {
	if err := authorize(ctx, "CreateAccountAlias", "*", nil); err != nil {
		return nil, err
	}
	return nil, s.db.Update(func(tx *store.Tx) error { return store.Put(tx, accountBucket, "alias", *in.AccountAlias) })
}

// DeleteAccountAlias removes the account's alias.
func (s *Service) DeleteAccountAlias(ctx context.Context, in *iam.DeleteAccountAliasInput) (*iam.DeleteAccountAliasOutput, error) {
	if err := authorize(ctx, "DeleteAccountAlias", "*", nil); err != nil {
		return nil, err
	}
	return nil, s.db.Update(func(tx *store.Tx) error {
		a, err := alias(tx)
		if err != nil {
			return err
		}
		if a != *in.AccountAlias {
			return wire.Errorf("NoSuchEntity", "The account alias does not exist.")
		}
		return store.Delete(tx, accountBucket, "alias")
	})
}

// ListAccountAliases lists the account's alias.
func (s *Service) ListAccountAliases(ctx context.Context, _ *iam.ListAccountAliasesInput) (*iam.ListAccountAliasesOutput, error) {
	if err := authorize(ctx, "ListAccountAliases", "*", nil); err != nil {
		return nil, err
	}
	out := &iam.ListAccountAliasesOutput{}
	err := s.db.View(func(tx *store.Tx) error {
		a, err := alias(tx)
		if a != "" {
			out.AccountAliases = []string{a}
		}
		return err
	})
	return out, err
}

// GetAccountSummary counts entities and shows quotas.
func (s *Service) GetAccountSummary(ctx context.Context, _ *iam.GetAccountSummaryInput) (*iam.GetAccountSummaryOutput, error) {
	if err := authorize(ctx, "GetAccountSummary", "*", nil); err != nil {
		return nil, err
	}
	m := map[string]int32{
		"UsersQuota": 5000, "GroupsQuota": 300, "RolesQuota": 1000, "PoliciesQuota": 1500, "InstanceProfilesQuota": 1000,
		"AccessKeysPerUserQuota": maxAccessKeysPerUser, "VersionsPerPolicyQuota": maxPolicyVersions, "PolicySizeQuota": maxManagedDocument,
		"UserPolicySizeQuota": maxUserInline, "GroupPolicySizeQuota": maxGroupInline, "RolePolicySizeQuota": maxRoleInline,
		"AssumeRolePolicySizeQuota": maxTrustDocument, "AttachedPoliciesPerRoleQuota": maxAttachedPolicies,
		"AttachedPoliciesPerUserQuota": maxAttachedPolicies, "AttachedPoliciesPerGroupQuota": maxAttachedPolicies,
		"AccountAccessKeysPresent": 0, "AccountMFAEnabled": 0, "MFADevices": 0,
	}
	err := s.db.View(func(tx *store.Tx) error {
		for name, bucket := range map[string]string{"Users": users.bucket, "Groups": groups.bucket, "Roles": roles.bucket, "Policies": policies.bucket, "InstanceProfiles": profiles.bucket, "Providers": providers.bucket} {
			all, err := store.List[struct{}](tx, bucket)
			if err != nil {
				return err
			}
			m[name] = int32(len(all))
		}
		return nil
	})
	return &iam.GetAccountSummaryOutput{SummaryMap: m}, err
}
