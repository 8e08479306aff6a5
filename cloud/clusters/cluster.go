package clusters

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

// Spec is the cluster to make.
type Spec struct {
	Name      string
	Version   string   // Kubernetes minor, "1.35"; "" = the cloud's default
	Subnets   []string // for the control plane and for nodes of the default NodeClass
	Roles     Roles
	NodePools []string // of "general-purpose" and "system"
}

// Cluster is what the cloud says of a cluster.
type Cluster struct {
	Name                 string    `json:"name"`
	Status               string    `json:"status"`
	Version              string    `json:"version"`
	Endpoint             string    `json:"endpoint,omitempty"`
	CertificateAuthority []byte    `json:"certificateAuthority,omitempty"`
	AutoMode             bool      `json:"autoMode"`
	NodePools            []string  `json:"nodePools"`
	VPC                  string    `json:"vpc,omitempty"`
	Created              time.Time `json:"created"`
	Issues               []string  `json:"issues,omitempty"`
}

// Create asks for an Auto Mode cluster and says whether it is a new one. A cluster of that name that exists already is left
// as it is.
func (c *Client) Create(ctx context.Context, s Spec) (created bool, err error) {
	if _, err := c.Describe(ctx, s.Name); !IsNotFound(err) {
		return false, err
	}
	in := &eks.CreateClusterInput{
		Name:                       &s.Name,
		RoleArn:                    &s.Roles.Cluster,
		ResourcesVpcConfig:         &types.VpcConfigRequest{SubnetIds: s.Subnets, EndpointPublicAccess: aws.Bool(true), EndpointPrivateAccess: aws.Bool(true)},
		AccessConfig:               &types.CreateAccessConfigRequest{AuthenticationMode: types.AuthenticationModeApi},
		ComputeConfig:              &types.ComputeConfigRequest{Enabled: aws.Bool(true), NodePools: s.NodePools},
		KubernetesNetworkConfig:    &types.KubernetesNetworkConfigRequest{ElasticLoadBalancing: &types.ElasticLoadBalancing{Enabled: aws.Bool(true)}},
		StorageConfig:              &types.StorageConfigRequest{BlockStorage: &types.BlockStorage{Enabled: aws.Bool(true)}},
		BootstrapSelfManagedAddons: aws.Bool(false),
		Tags:                       map[string]string{ownerTag: s.Name},
	}
	if s.Version != "" {
		in.Version = &s.Version
	}
	if len(s.NodePools) > 0 {
		in.ComputeConfig.NodeRoleArn = &s.Roles.Node
	}
	if _, err := c.eks.CreateCluster(ctx, in); err != nil {
		return false, fmt.Errorf("creating cluster %q: %w", s.Name, err)
	}
	return true, nil
}

// Describe returns the cluster; IsNotFound tells when there is none.
func (c *Client) Describe(ctx context.Context, name string) (Cluster, error) {
	out, err := c.eks.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &name})
	if err != nil {
		return Cluster{}, fmt.Errorf("describing cluster %q: %w", name, err)
	}
	return convert(out.Cluster)
}

func convert(in *types.Cluster) (Cluster, error) {
	out := Cluster{Name: aws.ToString(in.Name), Status: string(in.Status), Version: aws.ToString(in.Version), Endpoint: aws.ToString(in.Endpoint),
		Created: aws.ToTime(in.CreatedAt), NodePools: []string{}}
	if compute := in.ComputeConfig; compute != nil {
		out.AutoMode = aws.ToBool(compute.Enabled)
		out.NodePools = append(out.NodePools, compute.NodePools...)
	}
	if vpc := in.ResourcesVpcConfig; vpc != nil {
		out.VPC = aws.ToString(vpc.VpcId)
	}
	if in.Health != nil {
		for _, issue := range in.Health.Issues {
			out.Issues = append(out.Issues, aws.ToString(issue.Message))
		}
	}
	if ca := in.CertificateAuthority; ca != nil && ca.Data != nil {
		data, err := base64.StdEncoding.DecodeString(*ca.Data)
		if err != nil {
			return Cluster{}, fmt.Errorf("decoding the certificate authority of cluster %q: %w", out.Name, err)
		}
		out.CertificateAuthority = data
	}
	return out, nil
}

// List returns all clusters of the region, by name.
func (c *Client) List(ctx context.Context) ([]Cluster, error) {
	clusters := []Cluster{}
	pages := eks.NewListClustersPaginator(c.eks, &eks.ListClustersInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing clusters: %w", err)
		}
		for _, name := range page.Clusters {
			cluster, err := c.Describe(ctx, name)
			if IsNotFound(err) {
				continue // deleted since it was listed
			}
			if err != nil {
				return nil, err
			}
			clusters = append(clusters, cluster)
		}
	}
	return clusters, nil
}

// poll is how often a cluster's state is asked for while waiting.
const poll = 200 * time.Millisecond

// WaitActive waits until the cluster is ACTIVE. The function is told what is being waited for.
func (c *Client) WaitActive(ctx context.Context, name string, waiting func(string)) (Cluster, error) {
	for {
		cluster, err := c.Describe(ctx, name)
		if err != nil {
			return Cluster{}, err
		}
		switch types.ClusterStatus(cluster.Status) {
		case types.ClusterStatusActive:
			return cluster, nil
		case types.ClusterStatusFailed:
			return cluster, fmt.Errorf("cluster %q is FAILED: %s", name, strings.Join(cluster.Issues, "; "))
		}
		waiting(strings.Join(append([]string{cluster.Status}, cluster.Issues...), ": "))
		if err := sleep(ctx, poll); err != nil {
			return cluster, fmt.Errorf("waiting for cluster %q, which is %s: %w", name, cluster.Status, err)
		}
	}
}

// Delete deletes the cluster and waits until it is gone. Deleting one that does not exist is an error for IsNotFound.
func (c *Client) Delete(ctx context.Context, name string, waiting func(string)) error {
	if _, err := c.eks.DeleteCluster(ctx, &eks.DeleteClusterInput{Name: &name}); err != nil {
		return fmt.Errorf("deleting cluster %q: %w", name, err)
	}
	for {
		cluster, err := c.Describe(ctx, name)
		if IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		waiting(strings.Join(append([]string{cluster.Status}, cluster.Issues...), ": "))
		if err := sleep(ctx, poll); err != nil {
			return fmt.Errorf("waiting for cluster %q to go, which is %s: %w", name, cluster.Status, err)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
