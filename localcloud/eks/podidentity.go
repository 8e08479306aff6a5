package eks

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

// associationRecord is one pod identity association.
type associationRecord struct {
	Association types.PodIdentityAssociation
	Region      string
	Token       string `json:",omitempty"`
}

func (a *associationRecord) key() string {
	return recordKey(a.Region, aws.ToString(a.Association.ClusterName)) + "/" + aws.ToString(a.Association.AssociationId)
}

// CreatePodIdentityAssociation records which role the pods of a service
// account get.
func (s *Service) CreatePodIdentityAssociation(ctx context.Context, in *eks.CreatePodIdentityAssociationInput) (*eks.CreatePodIdentityAssociationOutput, error) {
	if err := validateAssociation(in); err != nil {
		return nil, err
	}
	r, err := s.authorized(ctx, "CreatePodIdentityAssociation", in.ClusterName, requestTags(in.Tags))
	if err != nil {
		return nil, err
	}
	if err := authorizePassTo(ctx, in.RoleArn, "pods.eks.amazonaws.com"); err != nil {
		return nil, err
	}
	now := s.o.Clock.Now().UTC()
	id := "a-" + strings.ToLower(rand.Text()[:17])
	a := associationRecord{Region: r.Region, Token: aws.ToString(in.ClientRequestToken), Association: types.PodIdentityAssociation{
		AssociationId: &id, AssociationArn: aws.String(fmt.Sprintf("arn:aws:eks:%s:%s:podidentityassociation/%s/%s", r.Region, r.Account, r.name(), id)),
		ClusterName: in.ClusterName, Namespace: in.Namespace, ServiceAccount: in.ServiceAccount, RoleArn: in.RoleArn, TargetRoleArn: in.TargetRoleArn,
		DisableSessionTags: aws.Bool(aws.ToBool(in.DisableSessionTags)), Policy: in.Policy, Tags: in.Tags, CreatedAt: &now, ModifiedAt: &now,
	}}
	a.setExternalID(r)
	err = s.db.Update(func(tx *store.Tx) error {
		all, err := store.ListPrefix[associationRecord](tx, bucketAssociations, r.key()+"/")
		if err != nil {
			return err
		}
		for _, b := range all {
			if *b.Association.Namespace != *in.Namespace || *b.Association.ServiceAccount != *in.ServiceAccount {
				continue
			}
			if a.Token != "" && a.Token == b.Token {
				a = b
				return nil
			}
			return inUse("Association already exists: %s", *b.Association.AssociationId).With("clusterName", r.name())
		}
		return store.Put(tx, bucketAssociations, a.key(), a)
	})
	if err != nil {
		return nil, err
	}
	return &eks.CreatePodIdentityAssociationOutput{Association: &a.Association}, nil
}

// setExternalID gives chained roles the external id that their trust policy
// may ask for.
func (a *associationRecord) setExternalID(r *record) {
	if aws.ToString(a.Association.TargetRoleArn) == "" {
		a.Association.ExternalId = nil
		return
	}
	a.Association.ExternalId = aws.String(fmt.Sprintf("%s/%s/%s/%s/%s", r.Region, r.Account, r.name(), *a.Association.Namespace, *a.Association.ServiceAccount))
}

func validateAssociation(in *eks.CreatePodIdentityAssociationInput) error {
	if !roleARN.MatchString(aws.ToString(in.RoleArn)) {
		return invalidParameter("Role provided in the request does not exist or is not valid: %s", aws.ToString(in.RoleArn))
	}
	if t := aws.ToString(in.TargetRoleArn); t != "" && !roleARN.MatchString(t) {
		return invalidParameter("The targetRoleArn is not valid: %s", t)
	}
	if err := validateSessionPolicy(in.Policy, in.DisableSessionTags); err != nil {
		return err
	}
	return validateTags(in.Tags)
}

func validateSessionPolicy(policy *string, disableTags *bool) error {
	if aws.ToString(policy) == "" {
		return nil
	}
	if !json.Valid([]byte(*policy)) {
		return invalidParameter("The policy is not valid JSON")
	}
	if !aws.ToBool(disableTags) {
		return invalidParameter("A policy can only be specified when disableSessionTags is true")
	}
	return nil
}

// DescribePodIdentityAssociation shows one association.
func (s *Service) DescribePodIdentityAssociation(ctx context.Context, in *eks.DescribePodIdentityAssociationInput) (*eks.DescribePodIdentityAssociationOutput, error) {
	a, err := s.association(ctx, "DescribePodIdentityAssociation", in.ClusterName, in.AssociationId)
	if err != nil {
		return nil, err
	}
	return &eks.DescribePodIdentityAssociationOutput{Association: &a.Association}, nil
}

// ListPodIdentityAssociations lists a cluster's associations.
func (s *Service) ListPodIdentityAssociations(ctx context.Context, in *eks.ListPodIdentityAssociationsInput) (*eks.ListPodIdentityAssociationsOutput, error) {
	r, err := s.authorized(ctx, "ListPodIdentityAssociations", in.ClusterName)
	if err != nil {
		return nil, err
	}
	byID := map[string]types.PodIdentityAssociationSummary{}
	var ids []string
	err = s.db.View(func(tx *store.Tx) error {
		return store.Each(tx, bucketAssociations, r.key()+"/", func(_ string, rec associationRecord) error {
			a := rec.Association
			if in.Namespace != nil && *in.Namespace != *a.Namespace || in.ServiceAccount != nil && *in.ServiceAccount != *a.ServiceAccount {
				return nil
			}
			ids = append(ids, *a.AssociationId)
			byID[*a.AssociationId] = types.PodIdentityAssociationSummary{
				AssociationArn: a.AssociationArn, AssociationId: a.AssociationId, ClusterName: a.ClusterName,
				Namespace: a.Namespace, OwnerArn: a.OwnerArn, ServiceAccount: a.ServiceAccount,
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	page, next, err := paginate(ids, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &eks.ListPodIdentityAssociationsOutput{NextToken: next, Associations: []types.PodIdentityAssociationSummary{}}
	for _, id := range page {
		out.Associations = append(out.Associations, byID[id])
	}
	return out, nil
}

// UpdatePodIdentityAssociation changes the role of an association.
func (s *Service) UpdatePodIdentityAssociation(ctx context.Context, in *eks.UpdatePodIdentityAssociationInput) (*eks.UpdatePodIdentityAssociationOutput, error) {
	a, err := s.association(ctx, "UpdatePodIdentityAssociation", in.ClusterName, in.AssociationId)
	if err != nil {
		return nil, err
	}
	if err := authorizePassTo(ctx, in.RoleArn, "pods.eks.amazonaws.com"); err != nil {
		return nil, err
	}
	overlay(&a.Association.RoleArn, in.RoleArn)
	overlay(&a.Association.TargetRoleArn, in.TargetRoleArn)
	overlay(&a.Association.Policy, in.Policy)
	overlay(&a.Association.DisableSessionTags, in.DisableSessionTags)
	if err := validateSessionPolicy(a.Association.Policy, a.Association.DisableSessionTags); err != nil {
		return nil, err
	}
	a.Association.ModifiedAt = aws.Time(s.o.Clock.Now().UTC())
	err = s.db.Update(func(tx *store.Tx) error {
		r, err := getCluster(tx, a.Region, aws.ToString(in.ClusterName))
		if err != nil {
			return err
		}
		a.setExternalID(r)
		return store.Put(tx, bucketAssociations, a.key(), a)
	})
	if err != nil {
		return nil, err
	}
	return &eks.UpdatePodIdentityAssociationOutput{Association: &a.Association}, nil
}

// overlay replaces what the request gives.
func overlay[T any](have **T, given *T) {
	if given != nil {
		*have = given
	}
}

// DeletePodIdentityAssociation removes an association.
func (s *Service) DeletePodIdentityAssociation(ctx context.Context, in *eks.DeletePodIdentityAssociationInput) (*eks.DeletePodIdentityAssociationOutput, error) {
	a, err := s.association(ctx, "DeletePodIdentityAssociation", in.ClusterName, in.AssociationId)
	if err != nil {
		return nil, err
	}
	err = s.db.Update(func(tx *store.Tx) error { return store.Delete(tx, bucketAssociations, a.key()) })
	return &eks.DeletePodIdentityAssociationOutput{Association: &a.Association}, err
}

// association loads an association and checks the caller for an action on it.
func (s *Service) association(ctx context.Context, action string, cluster, id *string) (*associationRecord, error) {
	call := wire.CallFrom(ctx)
	name, aid := aws.ToString(cluster), aws.ToString(id)
	var a associationRecord
	var found bool
	err := s.db.View(func(tx *store.Tx) (err error) {
		a, found, err = store.Get[associationRecord](tx, bucketAssociations, recordKey(call.Region, name)+"/"+aid)
		return err
	})
	if err != nil {
		return nil, err
	}
	arn := fmt.Sprintf("arn:aws:eks:%s:%s:podidentityassociation/%s/%s", call.Region, call.Account, name, aid)
	if err := authorize(ctx, action, arn, resourceTags(a.Association.Tags)); err != nil {
		return nil, err
	}
	if _, err := s.load(call.Region, name); err != nil {
		return nil, err
	}
	if !found {
		return nil, notFound("Association not found: %s", aid).With("clusterName", name)
	}
	return &a, nil
}
