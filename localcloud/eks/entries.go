package eks

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"

	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

// CreateAccessEntry lets a principal log in to a cluster.
func (s *Service) CreateAccessEntry(ctx context.Context, in *eks.CreateAccessEntryInput) (*eks.CreateAccessEntryOutput, error) {
	if err := validateEntry(in); err != nil {
		return nil, err
	}
	keys := withKeys(requestTags(in.Tags), map[string][]string{
		"eks:principalArn": {*in.PrincipalArn}, "eks:accessEntryType": {orDefault(in.Type, typeStandard)},
		"eks:clusterName": {*in.ClusterName}, "eks:username": {aws.ToString(in.Username)}, "eks:kubernetesGroups": in.KubernetesGroups,
	})
	if _, err := s.authorized(ctx, "CreateAccessEntry", in.ClusterName, keys); err != nil {
		return nil, err
	}
	if err := s.checkPrincipal(ctx, *in.PrincipalArn); err != nil {
		return nil, err
	}
	var e entryRecord
	err := s.editEntries(ctx, *in.ClusterName, func(tx *store.Tx, r *record) error {
		have, found, err := findExact(tx, r, *in.PrincipalArn)
		switch token := aws.ToString(in.ClientRequestToken); {
		case err != nil:
			return err
		case found && token != "" && token == have.Token:
			e = have
			return nil
		case found:
			return inUse("The specified access entry resource is already in use on this cluster.").With("clusterName", r.name())
		}
		e = s.newEntry(r, *in.PrincipalArn, orDefault(in.Type, typeStandard))
		e.Token = aws.ToString(in.ClientRequestToken)
		if in.Username != nil {
			e.Entry.Username = in.Username
		}
		if in.KubernetesGroups != nil {
			e.Entry.KubernetesGroups = in.KubernetesGroups
		}
		if in.Tags != nil {
			e.Entry.Tags = in.Tags
		}
		return store.Put(tx, bucketEntries, e.key(), e)
	})
	if err != nil {
		return nil, err
	}
	return &eks.CreateAccessEntryOutput{AccessEntry: &e.Entry}, nil
}

// checkPrincipal refuses principals of this account that do not exist.
func (s *Service) checkPrincipal(ctx context.Context, arn string) error {
	if principalARN.FindStringSubmatch(arn)[1] != wire.CallFrom(ctx).Account {
		return nil
	}
	ok, err := s.o.Roles.PrincipalExists(ctx, arn)
	if err != nil {
		return fmt.Errorf("looking up %s: %w", arn, err)
	}
	if !ok {
		return invalidParameter("The specified principalArn is invalid: invalid principal.")
	}
	return nil
}

// DescribeAccessEntry shows one access entry.
func (s *Service) DescribeAccessEntry(ctx context.Context, in *eks.DescribeAccessEntryInput) (*eks.DescribeAccessEntryOutput, error) {
	e, err := s.entry(ctx, "DescribeAccessEntry", in.ClusterName, in.PrincipalArn)
	if err != nil {
		return nil, err
	}
	return &eks.DescribeAccessEntryOutput{AccessEntry: &e.Entry}, nil
}

// ListAccessEntries lists the principals of a cluster's access entries.
func (s *Service) ListAccessEntries(ctx context.Context, in *eks.ListAccessEntriesInput) (*eks.ListAccessEntriesOutput, error) {
	r, err := s.authorized(ctx, "ListAccessEntries", in.ClusterName)
	if err != nil {
		return nil, err
	}
	if err := needEntries(r); err != nil {
		return nil, err
	}
	var principals []string
	err = s.db.View(func(tx *store.Tx) error {
		entries, err := entriesOf(tx, r.Region, r.name())
		for _, e := range entries {
			if in.AssociatedPolicyArn == nil || e.policy(*in.AssociatedPolicyArn) >= 0 {
				principals = append(principals, aws.ToString(e.Entry.PrincipalArn))
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	page, next, err := paginate(principals, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &eks.ListAccessEntriesOutput{AccessEntries: page, NextToken: next}, nil
}

// UpdateAccessEntry changes the groups and the user name of an entry.
func (s *Service) UpdateAccessEntry(ctx context.Context, in *eks.UpdateAccessEntryInput) (*eks.UpdateAccessEntryOutput, error) {
	if err := validateNames(in.Username, in.KubernetesGroups); err != nil {
		return nil, err
	}
	e, err := s.editEntry(ctx, "UpdateAccessEntry", in.ClusterName, in.PrincipalArn, func(e *entryRecord) error {
		if kind := aws.ToString(e.Entry.Type); kind != typeStandard {
			return invalidRequest("The username and kubernetesGroups cannot be changed for an access entry of type %s.", kind)
		}
		if in.Username != nil {
			e.Entry.Username = in.Username
		}
		if in.KubernetesGroups != nil {
			e.Entry.KubernetesGroups = in.KubernetesGroups
		}
		e.Entry.ModifiedAt = aws.Time(s.o.Clock.Now().UTC())
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &eks.UpdateAccessEntryOutput{AccessEntry: &e.Entry}, nil
}

// DeleteAccessEntry ends a principal's access.
func (s *Service) DeleteAccessEntry(ctx context.Context, in *eks.DeleteAccessEntryInput) (*eks.DeleteAccessEntryOutput, error) {
	e, err := s.entry(ctx, "DeleteAccessEntry", in.ClusterName, in.PrincipalArn)
	if err != nil {
		return nil, err
	}
	if e.Managed {
		return nil, errManaged(e)
	}
	err = s.editEntries(ctx, *in.ClusterName, func(tx *store.Tx, _ *record) error {
		return store.Delete(tx, bucketEntries, e.key())
	})
	return &eks.DeleteAccessEntryOutput{}, err
}

// entry loads an access entry and checks the caller for an action on it.
func (s *Service) entry(ctx context.Context, action string, cluster, principal *string, more ...map[string][]string) (*entryRecord, error) {
	call := wire.CallFrom(ctx)
	r, missing := s.load(call.Region, aws.ToString(cluster))
	var e entryRecord
	var found bool
	if missing == nil {
		if err := s.db.View(func(tx *store.Tx) (err error) {
			e, found, err = findExact(tx, r, aws.ToString(principal))
			return err
		}); err != nil {
			return nil, err
		}
	}
	if err := authorizeEntry(ctx, call, action, aws.ToString(cluster), &e, more...); err != nil {
		return nil, err
	}
	switch {
	case missing != nil:
		return nil, missing
	case !found:
		if err := needEntries(r); err != nil {
			return nil, err
		}
		return nil, noEntry()
	}
	return &e, needEntries(r)
}

// authorizeEntry checks the caller for an action on an entry that may not be
// there, in which case the resource is any entry of the cluster.
func authorizeEntry(ctx context.Context, call *wire.Call, action, cluster string, e *entryRecord, more ...map[string][]string) error {
	arn := fmt.Sprintf("arn:aws:eks:%s:%s:access-entry/%s/*", call.Region, call.Account, cluster)
	if e.Entry.AccessEntryArn != nil {
		arn = *e.Entry.AccessEntryArn
	}
	keys := withKeys(append(more, resourceTags(e.Entry.Tags), map[string][]string{
		"eks:accessEntryType": {aws.ToString(e.Entry.Type)}, "eks:principalArn": {aws.ToString(e.Entry.PrincipalArn)},
	})...)
	return access.Authorize(ctx, access.Request{Action: "eks:" + action, Resource: arn, Context: keys})
}

// editEntry changes one entry that is not managed, and wakes the cluster.
func (s *Service) editEntry(ctx context.Context, action string, cluster, principal *string, change func(*entryRecord) error, more ...map[string][]string) (*entryRecord, error) {
	e, err := s.entry(ctx, action, cluster, principal, more...)
	if err != nil {
		return nil, err
	}
	if e.Managed {
		return nil, errManaged(e)
	}
	err = s.editEntries(ctx, *cluster, func(tx *store.Tx, r *record) error {
		now, found, err := findExact(tx, r, *principal)
		if err != nil {
			return err
		}
		if !found {
			return noEntry()
		}
		*e = now
		if err := change(e); err != nil {
			return err
		}
		return store.Put(tx, bucketEntries, e.key(), e)
	})
	return e, err
}

// editEntries changes access entries in one transaction and wakes the cluster.
func (s *Service) editEntries(ctx context.Context, cluster string, change func(*store.Tx, *record) error) error {
	region := wire.CallFrom(ctx).Region
	err := s.db.Update(func(tx *store.Tx) error {
		r, err := getCluster(tx, region, cluster)
		if err == nil {
			err = needEntries(r)
		}
		if err != nil {
			return err
		}
		return change(tx, r)
	})
	if err == nil {
		s.wake(region, cluster)
	}
	return err
}

// needEntries refuses clusters whose mode has no access entries.
func needEntries(r *record) error {
	if accessEntriesOn(authenticationMode(&r.Cluster)) {
		return nil
	}
	return invalidRequest("The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation.").With("clusterName", r.name())
}

func noEntry() error {
	return notFound("The specified principalArn could not be found. You can view your available access entries with 'list-access-entries'.")
}

func errManaged(e *entryRecord) error {
	return invalidRequest("The access entry for %s is managed by Amazon EKS and cannot be modified.", aws.ToString(e.Entry.PrincipalArn))
}

// findExact finds an entry by the very ARN it was made with.
func findExact(tx *store.Tx, r *record, principal string) (entryRecord, bool, error) {
	return store.Get[entryRecord](tx, bucketEntries, r.key()+"/"+principal)
}

// policy is the index of an associated policy, or -1.
func (e *entryRecord) policy(arn string) int {
	return slices.IndexFunc(e.Policies, func(p associatedPolicy) bool { return aws.ToString(p.PolicyArn) == arn })
}
