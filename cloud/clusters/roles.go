package clusters

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// The roles that the EKS documentation suggests for Auto Mode, and the managed policies they need. They are shared by all
// clusters of an account.
const (
	ClusterRole = "AmazonEKSAutoClusterRole"
	NodeRole    = "AmazonEKSAutoNodeRole"
)

type role struct {
	name, trust string
	policies    []string
}

var roles = []role{
	{
		name:  ClusterRole,
		trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`,
		policies: []string{"AmazonEKSClusterPolicy", "AmazonEKSComputePolicy", "AmazonEKSBlockStoragePolicyV2",
			"AmazonEKSLoadBalancingPolicy", "AmazonEKSNetworkingPolicy"},
	},
	{
		name:     NodeRole,
		trust:    `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
		policies: []string{"AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly"},
	},
}

// Roles are the ARNs of the two roles.
type Roles struct {
	Cluster string
	Node    string
}

// EnsureRoles makes the cluster role and the node role with their policies where they are missing.
func (c *Client) EnsureRoles(ctx context.Context) (Roles, error) {
	var arns [2]string
	for i, r := range roles {
		arn, err := c.ensureRole(ctx, r)
		if err != nil {
			return Roles{}, err
		}
		arns[i] = arn
	}
	return Roles{Cluster: arns[0], Node: arns[1]}, nil
}

func (c *Client) ensureRole(ctx context.Context, r role) (string, error) {
	arn, err := c.getOrCreateRole(ctx, r)
	if err != nil {
		return "", err
	}
	for _, policy := range r.policies {
		_, err := c.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &r.name, PolicyArn: str("arn:aws:iam::aws:policy/" + policy)})
		if err != nil {
			return "", fmt.Errorf("attaching policy %s to role %s: %w", policy, r.name, err)
		}
	}
	return arn, nil
}

func (c *Client) getOrCreateRole(ctx context.Context, r role) (string, error) {
	got, err := c.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &r.name})
	if err == nil {
		return *got.Role.Arn, nil
	}
	if !hasCode(err, "NoSuchEntity") {
		return "", fmt.Errorf("looking for role %s: %w", r.name, err)
	}
	made, err := c.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &r.name, AssumeRolePolicyDocument: &r.trust,
		Tags: []types.Tag{{Key: str("automode.dev/managed"), Value: str("true")}}})
	if err != nil {
		return "", fmt.Errorf("creating role %s: %w", r.name, err)
	}
	return *made.Role.Arn, nil
}
