package ec2

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// associationID is the id of an instance's association with its profile; it follows from both.
func associationID(i *instanceRow) string {
	return "iip-assoc-0" + hexOf(*i.InstanceId+*i.IamInstanceProfile.Arn, 16)
}

func profileAssociation(i *instanceRow) types.IamInstanceProfileAssociation {
	return types.IamInstanceProfileAssociation{AssociationId: new(associationID(i)), InstanceId: i.InstanceId, IamInstanceProfile: i.IamInstanceProfile,
		State: types.IamInstanceProfileAssociationStateAssociated}
}

// setProfile gives an instance another instance profile.
func (s *Service) setProfile(ctx context.Context, instanceID *string, spec *types.IamInstanceProfileSpecification, replace bool) (out *types.IamInstanceProfileAssociation, err error) {
	if spec == nil {
		return nil, missing("IamInstanceProfile")
	}
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	l := &launch{in: &ec2.RunInstancesInput{IamInstanceProfile: spec}}
	if err := s.findProfile(ctx, l); err != nil {
		return nil, err
	}
	if l.profile == nil {
		return nil, missing("IamInstanceProfile")
	}
	targets, err := s.instanceTargets(r, []string{str(instanceID)})
	if err != nil {
		return nil, err
	}
	if l.profile.RoleARN != "" {
		targets = append(targets, target{action: "iam:PassRole", arn: l.profile.RoleARN}.key("iam:PassedToService", "ec2.amazonaws.com"))
	}
	if err := s.authorize(ctx, nil, targets...); err != nil {
		return nil, err
	}
	err = r.update(func(tx *txn) error {
		i, err := instanceKind.find(r, *instanceID)
		if err != nil {
			return err
		}
		if i.IamInstanceProfile != nil && !replace {
			return incorrectState("There is an existing association for instance %s", *i.InstanceId)
		}
		i = with(i, func(i *instanceRow) {
			i.IamInstanceProfile = &types.IamInstanceProfile{Arn: new(l.profile.ARN), Id: new(l.profile.ID)}
			i.ProfileID, i.RoleARN, i.RoleName = l.profile.ID, l.profile.RoleARN, l.profile.RoleName
		})
		r.instances.put(tx, *i.InstanceId, i)
		out = new(profileAssociation(i))
		return nil
	})
	return out, err
}

// AssociateIamInstanceProfile gives an instance without one an instance profile.
func (s *Service) AssociateIamInstanceProfile(ctx context.Context, in *ec2.AssociateIamInstanceProfileInput) (*ec2.AssociateIamInstanceProfileOutput, error) {
	a, err := s.setProfile(ctx, in.InstanceId, in.IamInstanceProfile, false)
	return &ec2.AssociateIamInstanceProfileOutput{IamInstanceProfileAssociation: a}, err
}

// ReplaceIamInstanceProfileAssociation gives an instance another instance profile.
func (s *Service) ReplaceIamInstanceProfileAssociation(ctx context.Context, in *ec2.ReplaceIamInstanceProfileAssociationInput) (*ec2.ReplaceIamInstanceProfileAssociationOutput, error) {
	i, err := s.associated(ctx, str(in.AssociationId))
	if err != nil {
		return nil, err
	}
	a, err := s.setProfile(ctx, i.InstanceId, in.IamInstanceProfile, true)
	return &ec2.ReplaceIamInstanceProfileAssociationOutput{IamInstanceProfileAssociation: a}, err
}

// DisassociateIamInstanceProfile takes an instance's profile away.
func (s *Service) DisassociateIamInstanceProfile(ctx context.Context, in *ec2.DisassociateIamInstanceProfileInput) (*ec2.DisassociateIamInstanceProfileOutput, error) {
	i, err := s.associated(ctx, str(in.AssociationId))
	if err != nil {
		return nil, err
	}
	a := profileAssociation(i)
	a.State = types.IamInstanceProfileAssociationStateDisassociating
	err = s.onInstances(ctx, nil, []string{*i.InstanceId}, func(r *region, tx *txn, i *instanceRow) error {
		r.instances.put(tx, *i.InstanceId, with(i, func(i *instanceRow) {
			i.IamInstanceProfile, i.ProfileID, i.RoleARN, i.RoleName = nil, "", "", ""
		}))
		return nil
	})
	return &ec2.DisassociateIamInstanceProfileOutput{IamInstanceProfileAssociation: &a}, err
}

// associated finds the instance of an association.
func (s *Service) associated(ctx context.Context, id string) (found *instanceRow, err error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	r.view(func() {
		for _, i := range r.instances.rows {
			if i.IamInstanceProfile != nil && associationID(i) == id {
				found = i
			}
		}
	})
	if found == nil {
		return nil, errorf("InvalidAssociationID.NotFound", "An invalid association-id of '%s' was given", id)
	}
	return found, nil
}

var profileAssociationKind = &kind[types.IamInstanceProfileAssociation]{
	filters: map[string]func(*region, *types.IamInstanceProfileAssociation) []string{
		"instance-id": func(_ *region, a *types.IamInstanceProfileAssociation) []string { return one(a.InstanceId) },
		"state":       func(_ *region, a *types.IamInstanceProfileAssociation) []string { return []string{string(a.State)} },
	},
}

// DescribeIamInstanceProfileAssociations lists which instance has which profile.
func (s *Service) DescribeIamInstanceProfileAssociations(ctx context.Context, in *ec2.DescribeIamInstanceProfileAssociationsInput) (*ec2.DescribeIamInstanceProfileAssociationsOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	match, err := compile(profileAssociationKind, in.Filters)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, nil, anything); err != nil {
		return nil, err
	}
	list := []types.IamInstanceProfileAssociation{}
	r.view(func() {
		for _, i := range r.instances.rows {
			if i.IamInstanceProfile == nil || i.ended() {
				continue
			}
			a := profileAssociation(i)
			if (len(in.AssociationIds) == 0 || slices.Contains(in.AssociationIds, *a.AssociationId)) && match(r, &a) {
				list = append(list, a)
			}
		}
	})
	list, next, err := pageOf(query{maxResults: in.MaxResults, nextToken: in.NextToken, min: 5, max: 1000}, list,
		func(a types.IamInstanceProfileAssociation) string { return *a.AssociationId })
	return &ec2.DescribeIamInstanceProfileAssociationsOutput{IamInstanceProfileAssociations: list, NextToken: next}, err
}
