package iam

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

// linkedRole describes the service-linked role of a service.
type linkedRole struct{ name, policy, description string }

var linkedRoles = map[string]linkedRole{
	"eks.amazonaws.com":                  {"AWSServiceRoleForAmazonEKS", "AmazonEKSServiceRolePolicy", "Allows Amazon EKS to call AWS services on your behalf."},
	"eks-nodegroup.amazonaws.com":        {"AWSServiceRoleForAmazonEKSNodegroup", "AWSServiceRoleForAmazonEKSNodegroup", "This policy allows Amazon EKS to create and manage Nodegroups"},
	"spot.amazonaws.com":                 {"AWSServiceRoleForEC2Spot", "AWSEC2SpotServiceRolePolicy", "Default EC2 Spot Service Linked Role"},
	"ec2fleet.amazonaws.com":             {"AWSServiceRoleForEC2Fleet", "AWSEC2FleetServiceRolePolicy", "Default EC2 Fleet Service Linked Role"},
	"elasticloadbalancing.amazonaws.com": {"AWSServiceRoleForElasticLoadBalancing", "AWSElasticLoadBalancingServiceRolePolicy", "Allows ELB to call AWS services on your behalf."},
	"autoscaling.amazonaws.com":          {"AWSServiceRoleForAutoScaling", "AutoScalingServiceRolePolicy", "Default Service-Linked Role enables access to AWS Services and Resources used or managed by Auto Scaling"},
}

// CreateServiceLinkedRole makes the role of a service, with its name, trust and policy fixed by AWS.
func (s *Service) CreateServiceLinkedRole(ctx context.Context, in *iam.CreateServiceLinkedRoleInput) (*iam.CreateServiceLinkedRoleOutput, error) {
	service := *in.AWSServiceName
	l, ok := linkedRoles[service]
	if !ok {
		return nil, wire.Errorf("InvalidInput", "Service role template for %s does not exist.", service)
	}
	keys := map[string][]string{"iam:AWSServiceName": {service}}
	if err := authorize(ctx, "CreateServiceLinkedRole", s.linkedARN(service), keys); err != nil {
		return nil, err
	}
	if in.CustomSuffix != nil {
		return nil, wire.Errorf("InvalidInput", "Custom suffix is not allowed for %s", service)
	}
	if in.Description != nil {
		l.description = *in.Description
	}
	var r *Role
	err := s.db.Update(func(tx *store.Tx) (err error) {
		there, err := roles.exists(tx, l.name)
		if err != nil {
			return err
		}
		if there {
			return wire.Errorf("InvalidInput", "Service role name %s has been taken in this account, please try a different suffix.", l.name)
		}
		r, err = s.putLinked(tx, service, l)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &iam.CreateServiceLinkedRoleOutput{Role: r.sdk(false)}, nil
}

func (s *Service) linkedARN(service string) string {
	return s.arn("role", "/aws-service-role/"+service+"/", linkedRoles[service].name)
}

func (s *Service) putLinked(tx *store.Tx, service string, l linkedRole) (*Role, error) {
	path := "/aws-service-role/" + service + "/"
	r := &Role{
		Entity: s.newEntity("role", "AROA", l.name, &path, nil), Description: l.description, MaxSession: 3600, LinkedService: service,
		Trust: fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"%s"},"Action":"sts:AssumeRole"}]}`, service),
	}
	r.Attached = []string{"arn:aws:iam::aws:policy/aws-service-role/" + l.policy}
	return r, roles.put(tx, r)
}

// EnsureServiceLinkedRole returns the ARN of the service-linked role, making it where it is missing. Services
// call it for themselves, so nothing is authorised.
func (s *Service) EnsureServiceLinkedRole(service string) (arn string, err error) {
	l, ok := linkedRoles[service]
	if !ok {
		return "", fmt.Errorf("ensuring service-linked role: service %q has none", service)
	}
	err = s.db.Update(func(tx *store.Tx) error {
		there, err := roles.exists(tx, l.name)
		if err == nil && !there {
			_, err = s.putLinked(tx, service, l)
		}
		return err
	})
	return s.linkedARN(service), err
}

// HasServiceLinkedRole says whether the role of a service exists.
func (s *Service) HasServiceLinkedRole(service string) bool {
	_, err := s.FindRole(s.linkedARN(service))
	return err == nil
}

// DeleteServiceLinkedRole removes the role of a service at once; whether the service still needs it is not checked.
func (s *Service) DeleteServiceLinkedRole(ctx context.Context, in *iam.DeleteServiceLinkedRoleInput) (*iam.DeleteServiceLinkedRoleOutput, error) {
	task := ""
	err := s.db.Update(func(tx *store.Tx) error {
		r, err := load(ctx, tx, s, roles, *in.RoleName, "DeleteServiceLinkedRole", nil)
		if err != nil {
			return err
		}
		if r.LinkedService == "" {
			return wire.Errorf("InvalidInput", "Role %s is not a service-linked role.", r.Name)
		}
		task = "task" + r.Path + r.Name + "/" + strings.ToLower(r.ID)
		return roles.delete(tx, r.Name)
	})
	return &iam.DeleteServiceLinkedRoleOutput{DeletionTaskId: &task}, err
}

// GetServiceLinkedRoleDeletionStatus says SUCCEEDED: deletions are immediate.
func (s *Service) GetServiceLinkedRoleDeletionStatus(ctx context.Context, in *iam.GetServiceLinkedRoleDeletionStatusInput) (*iam.GetServiceLinkedRoleDeletionStatusOutput, error) {
	if err := authorize(ctx, "GetServiceLinkedRoleDeletionStatus", s.arn("role", strings.TrimPrefix(aws.ToString(in.DeletionTaskId), "task"), ""), nil); err != nil {
		return nil, err
	}
	return &iam.GetServiceLinkedRoleDeletionStatusOutput{Status: types.DeletionTaskStatusTypeSucceeded}, nil
}
