package eks

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

type associatedPolicy = types.AssociatedAccessPolicy

// AssociateAccessPolicy gives an access entry a policy, or changes the scope
// of one that it has.
func (s *Service) AssociateAccessPolicy(ctx context.Context, in *eks.AssociateAccessPolicyInput) (*eks.AssociateAccessPolicyOutput, error) {
	scope, err := validateScope(in.AccessScope)
	if err != nil {
		return nil, err
	}
	arn := aws.ToString(in.PolicyArn)
	var p associatedPolicy
	keys := map[string][]string{
		"eks:policyArn": {arn}, "eks:accessScope": {string(scope.Type)}, "eks:namespaces": scope.Namespaces,
	}
	_, err = s.editEntry(ctx, "AssociateAccessPolicy", in.ClusterName, in.PrincipalArn, func(e *entryRecord) error {
		if err := validatePolicyFor(e, arn); err != nil {
			return err
		}
		now := s.o.Clock.Now().UTC()
		p = associatedPolicy{PolicyArn: &arn, AccessScope: scope, AssociatedAt: &now, ModifiedAt: &now}
		if i := e.policy(arn); i >= 0 {
			p.AssociatedAt = e.Policies[i].AssociatedAt
			e.Policies[i] = p
			return nil
		}
		e.Policies = append(e.Policies, p)
		return nil
	}, keys)
	if err != nil {
		return nil, err
	}
	return &eks.AssociateAccessPolicyOutput{ClusterName: in.ClusterName, PrincipalArn: in.PrincipalArn, AssociatedAccessPolicy: &p}, nil
}

// DisassociateAccessPolicy takes a policy from an access entry.
func (s *Service) DisassociateAccessPolicy(ctx context.Context, in *eks.DisassociateAccessPolicyInput) (*eks.DisassociateAccessPolicyOutput, error) {
	arn := aws.ToString(in.PolicyArn)
	_, err := s.editEntry(ctx, "DisassociateAccessPolicy", in.ClusterName, in.PrincipalArn, func(e *entryRecord) error {
		i := e.policy(arn)
		if i < 0 {
			return notFound("The specified policyArn is not associated with the access entry: %s", arn)
		}
		e.Policies = slices.Delete(e.Policies, i, i+1)
		return nil
	}, map[string][]string{"eks:policyArn": {arn}})
	return &eks.DisassociateAccessPolicyOutput{}, err
}

// ListAssociatedAccessPolicies lists the policies of an access entry.
func (s *Service) ListAssociatedAccessPolicies(ctx context.Context, in *eks.ListAssociatedAccessPoliciesInput) (*eks.ListAssociatedAccessPoliciesOutput, error) {
	e, err := s.entry(ctx, "ListAssociatedAccessPolicies", in.ClusterName, in.PrincipalArn)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(e.Policies, func(a, b associatedPolicy) int {
		return strings.Compare(aws.ToString(a.PolicyArn), aws.ToString(b.PolicyArn))
	})
	arns := make([]string, len(e.Policies))
	for i, p := range e.Policies {
		arns[i] = aws.ToString(p.PolicyArn)
	}
	page, next, err := paginate(arns, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &eks.ListAssociatedAccessPoliciesOutput{
		ClusterName: in.ClusterName, PrincipalArn: in.PrincipalArn, NextToken: next, AssociatedAccessPolicies: []associatedPolicy{},
	}
	for _, arn := range page {
		out.AssociatedAccessPolicies = append(out.AssociatedAccessPolicies, e.Policies[e.policy(arn)])
	}
	return out, nil
}
