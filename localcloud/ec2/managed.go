package ec2

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/automode-dev/automode/localcloud/access"
)

// eksOperator is the principal of Auto Mode's managed resources.
const eksOperator = "eks.amazonaws.com"

// operatorFor is what a resource says of its operator; resources without one say that they are not managed.
func operatorFor(request *types.OperatorRequest) *types.OperatorResponse {
	if request == nil || str(request.Principal) == "" {
		return &types.OperatorResponse{Managed: new(false)}
	}
	return &types.OperatorResponse{Managed: new(true), Principal: request.Principal, HiddenByDefault: new(true)}
}

func managedBy(op *types.OperatorResponse) bool { return op != nil && value(op.Managed) }

func operatorManaged(op *types.OperatorResponse) []string {
	return []string{boolText(new(managedBy(op)))}
}

func operatorPrincipal(op *types.OperatorResponse) []string {
	if op == nil {
		return nil
	}
	return one(op.Principal)
}

// serviceRolePath is where the roles are that EKS and EC2 themselves act by.
const serviceRolePath = "/aws-service-role/"

// clusterTag ties resources and sessions of controllers to a cluster.
const clusterTag = "eks:eks-cluster-name"

// mayManage says whether the caller acts for the operator of a managed resource: as the service itself, by a
// service-linked role, or in the session that the service gave a cluster's controllers, for that cluster's resources.
func mayManage(caller *access.Caller, operator string, tags []types.Tag) bool {
	if caller == nil {
		return false
	}
	switch caller.Type {
	case access.TypeService:
		return true
	case access.TypeAssumedRole:
		if strings.Contains(caller.PrincipalARN, serviceRolePath+operator+"/") {
			return true
		}
		cluster := caller.PrincipalTags[clusterTag]
		return cluster != "" && cluster == tagValue(tags, clusterTag)
	}
	return false
}

// GetManagedResourceVisibility tells whether lists show managed resources by default; here they do unless changed.
func (s *Service) GetManagedResourceVisibility(ctx context.Context, in *ec2.GetManagedResourceVisibilityInput) (*ec2.GetManagedResourceVisibilityOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, in.DryRun, anything); err != nil {
		return nil, err
	}
	out := &ec2.GetManagedResourceVisibilityOutput{}
	r.view(func() { out.Visibility = r.visibility() })
	return out, nil
}

func (r *region) visibility() *types.ManagedResourceVisibilitySettings {
	v := types.ManagedResourceDefaultVisibilityVisible
	if settings := r.settings.get(settingsKey); settings != nil && settings.Visibility != "" {
		v = settings.Visibility
	}
	return &types.ManagedResourceVisibilitySettings{DefaultVisibility: v}
}

// ModifyManagedResourceVisibility changes whether lists show managed resources by default.
func (s *Service) ModifyManagedResourceVisibility(ctx context.Context, in *ec2.ModifyManagedResourceVisibilityInput) (*ec2.ModifyManagedResourceVisibilityOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	switch in.DefaultVisibility {
	case types.ManagedResourceDefaultVisibilityHidden, types.ManagedResourceDefaultVisibilityVisible:
	default:
		return nil, invalid("Value (%s) for parameter DefaultVisibility is invalid. Valid values are: hidden, visible.", in.DefaultVisibility)
	}
	if err := s.authorize(ctx, in.DryRun, anything); err != nil {
		return nil, err
	}
	out := &ec2.ModifyManagedResourceVisibilityOutput{}
	err = r.update(func(tx *txn) error {
		settings := with(r.settings.get(settingsKey), func(s *regionSettings) { s.Visibility = in.DefaultVisibility })
		r.settings.put(tx, settingsKey, settings)
		out.Visibility = r.visibility()
		return nil
	})
	return out, err
}

// hands stands at the resources that an AWS service manages: nobody else may touch them.
var hands = access.MustParse(`{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}]}`)

// protection is the policy of a managed resource towards a caller, nil for those who may manage it.
func protection(caller *access.Caller, t target) *access.Policy {
	if t.operator == "" || !t.guarded || mayManage(caller, t.operator, t.tags) {
		return nil
	}
	return hands
}
