package iam

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

// SimulatePrincipalPolicy evaluates a user's or role's policies, plus those given, without doing anything.
// Matched statements are not listed.
func (s *Service) SimulatePrincipalPolicy(ctx context.Context, in *iam.SimulatePrincipalPolicyInput) (*iam.SimulatePrincipalPolicyOutput, error) {
	if err := authorize(ctx, "SimulatePrincipalPolicy", *in.PolicySourceArn, nil); err != nil {
		return nil, err
	}
	c, err := s.simulated(*in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	sim := simulation{c, in.ActionNames, in.ResourceArns, in.ContextEntries, in.ResourcePolicy}
	results, err := sim.run(in.PolicyInputList, in.PermissionsBoundaryPolicyInputList)
	return &iam.SimulatePrincipalPolicyOutput{EvaluationResults: results}, err
}

// SimulateCustomPolicy evaluates the given policies without doing anything.
func (s *Service) SimulateCustomPolicy(ctx context.Context, in *iam.SimulateCustomPolicyInput) (*iam.SimulateCustomPolicyOutput, error) {
	if err := authorize(ctx, "SimulateCustomPolicy", "*", nil); err != nil {
		return nil, err
	}
	c := &access.Caller{Type: access.TypeUser, Account: s.account, ARN: aws.ToString(in.CallerArn), PrincipalARN: aws.ToString(in.CallerArn)}
	sim := simulation{c, in.ActionNames, in.ResourceArns, in.ContextEntries, in.ResourcePolicy}
	results, err := sim.run(in.PolicyInputList, in.PermissionsBoundaryPolicyInputList)
	return &iam.SimulateCustomPolicyOutput{EvaluationResults: results}, err
}

func (s *Service) simulated(arn string) (*access.Caller, error) {
	name := arn[strings.LastIndexByte(arn, '/')+1:]
	switch {
	case strings.HasPrefix(arn, s.arn("user", "/", "")):
		return s.UserCaller(name)
	case strings.HasPrefix(arn, s.arn("role", "/", "")):
		r, err := s.FindRole(arn)
		if err != nil {
			return nil, err
		}
		c, err := s.RoleCaller(&r)
		if err == nil {
			c.ARN = r.ARN
		}
		return c, err
	case strings.HasPrefix(arn, s.arn("group", "/", "")):
		c := &access.Caller{Type: access.TypeUser, Account: s.account, ARN: arn, PrincipalARN: arn}
		return c, s.db.View(func(tx *store.Tx) error {
			g, err := groups.get(tx, name)
			if err != nil {
				return err
			}
			return collect(tx, c, &g.Policies)
		})
	}
	return nil, wire.Errorf("InvalidInput", "Invalid Entity Arn: %s does not clearly define entity type and name.", arn)
}

type simulation struct {
	caller    *access.Caller
	actions   []string
	resources []string
	context   []types.ContextEntry
	resource  *string
}

func (sim *simulation) run(identity, boundary []string) ([]types.EvaluationResult, error) {
	for _, document := range identity {
		p, err := parse(document)
		if err != nil {
			return nil, err
		}
		sim.caller.Identity = append(sim.caller.Identity, p)
	}
	for _, document := range boundary {
		p, err := parse(document)
		if err != nil {
			return nil, err
		}
		sim.caller.Boundary = p
	}
	request := access.Request{Context: map[string][]string{}}
	for _, e := range sim.context {
		request.Context[aws.ToString(e.ContextKeyName)] = e.ContextKeyValues
	}
	if sim.resource != nil {
		p, err := parse(*sim.resource)
		if err != nil {
			return nil, err
		}
		request.ResourcePolicy = p
	}
	resources := sim.resources
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	var results []types.EvaluationResult
	for _, action := range sim.actions {
		for _, resource := range resources {
			request.Action, request.Resource = action, resource
			results = append(results, result(action, resource, access.Evaluate(sim.caller, nil, request)))
		}
	}
	return results, nil
}

func result(action, resource string, d access.Decision) types.EvaluationResult {
	r := types.EvaluationResult{EvalActionName: &action, EvalResourceName: &resource, EvalDecision: types.PolicyEvaluationDecisionTypeImplicitDeny}
	switch {
	case d.Allowed:
		r.EvalDecision = types.PolicyEvaluationDecisionTypeAllowed
	case d.Explicit:
		r.EvalDecision = types.PolicyEvaluationDecisionTypeExplicitDeny
	}
	if d.Source == access.Boundary {
		r.PermissionsBoundaryDecisionDetail = &types.PermissionsBoundaryDecisionDetail{}
	}
	return r
}
