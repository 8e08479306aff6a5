package eks

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

const policyPrefix = "arn:aws:eks::aws:cluster-access-policy/"

// policyRoles maps each access policy to the ClusterRole with its rights. The
// roles with a colon are the service's own (objects/manifests).
var policyRoles = map[string]string{
	"AmazonEKSClusterAdminPolicy":         "cluster-admin",
	"AmazonEKSAdminPolicy":                "admin",
	"AmazonEKSEditPolicy":                 "edit",
	"AmazonEKSViewPolicy":                 "view",
	"AmazonEKSAdminViewPolicy":            "eks:AmazonEKSAdminViewPolicy",
	"AmazonEKSSecretReaderPolicy":         "eks:AmazonEKSSecretReaderPolicy",
	"AmazonEKSAutoNodePolicy":             "eks:AmazonEKSAutoNodePolicy",
	"AmazonEKSComputePolicy":              "eks:leader-election",
	"AmazonEKSComputeClusterPolicy":       "eks:AmazonEKSComputeClusterPolicy",
	"AmazonEKSLoadBalancingPolicy":        "eks:leader-election",
	"AmazonEKSLoadBalancingClusterPolicy": "eks:AmazonEKSLoadBalancingClusterPolicy",
	"AmazonEKSNetworkingPolicy":           "eks:leader-election",
	"AmazonEKSNetworkingClusterPolicy":    "eks:AmazonEKSNetworkingClusterPolicy",
	"AmazonEKSBlockStoragePolicy":         "eks:leader-election",
	"AmazonEKSBlockStorageClusterPolicy":  "eks:AmazonEKSBlockStorageClusterPolicy",
}

// clusterRolePolicies are those of the automatic entry of a cluster role.
var clusterRolePolicies = []string{
	"AmazonEKSBlockStoragePolicy", "AmazonEKSBlockStorageClusterPolicy",
	"AmazonEKSLoadBalancingPolicy", "AmazonEKSLoadBalancingClusterPolicy",
	"AmazonEKSNetworkingPolicy", "AmazonEKSNetworkingClusterPolicy",
	"AmazonEKSComputePolicy", "AmazonEKSComputeClusterPolicy",
}

// onlyForNodes is the policy that only entries of type EC2 may have, and the
// only one that they may have.
const onlyForNodes = "AmazonEKSAutoNodePolicy"

// policyName is the last part of an access policy's ARN; ok says whether there
// is such a policy.
func policyName(arn string) (name string, ok bool) {
	name, ok = strings.CutPrefix(arn, policyPrefix)
	return name, ok && policyRoles[name] != ""
}

// ListAccessPolicies lists the access policies that this cloud realises.
func (s *Service) ListAccessPolicies(ctx context.Context, in *eks.ListAccessPoliciesInput) (*eks.ListAccessPoliciesOutput, error) {
	if err := authorize(ctx, "ListAccessPolicies", anyResource, nil); err != nil {
		return nil, err
	}
	var names []string
	for name := range policyRoles {
		names = append(names, name)
	}
	slices.Sort(names)
	page, next, err := paginate(names, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &eks.ListAccessPoliciesOutput{NextToken: next}
	for _, name := range page {
		out.AccessPolicies = append(out.AccessPolicies, types.AccessPolicy{Name: aws.String(name), Arn: aws.String(policyPrefix + name)})
	}
	return out, nil
}
