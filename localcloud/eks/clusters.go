package eks

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

// DescribeCluster shows the cluster as it is.
func (s *Service) DescribeCluster(ctx context.Context, in *eks.DescribeClusterInput) (*eks.DescribeClusterOutput, error) {
	r, err := s.authorized(ctx, "DescribeCluster", in.Name)
	if err != nil {
		return nil, err
	}
	return &eks.DescribeClusterOutput{Cluster: &r.Cluster}, nil
}

// ListClusters lists the names of the region's clusters, in order.
func (s *Service) ListClusters(ctx context.Context, in *eks.ListClustersInput) (*eks.ListClustersOutput, error) {
	if err := authorize(ctx, "ListClusters", anyResource, nil); err != nil {
		return nil, err
	}
	region := wire.CallFrom(ctx).Region
	var names []string
	err := s.db.View(func(tx *store.Tx) error {
		return store.Each(tx, bucketClusters, region+"/", func(_ string, r record) error {
			names = append(names, r.name())
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	page, next, err := paginate(names, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &eks.ListClustersOutput{Clusters: page, NextToken: next}, nil
}

// DeleteCluster marks the cluster DELETING; its loop takes it down.
func (s *Service) DeleteCluster(ctx context.Context, in *eks.DeleteClusterInput) (*eks.DeleteClusterOutput, error) {
	if _, err := s.authorized(ctx, "DeleteCluster", in.Name); err != nil {
		return nil, err
	}
	region := wire.CallFrom(ctx).Region
	r, err := s.edit(region, aws.ToString(in.Name), func(_ *store.Tx, r *record) error {
		if err := deletable(r); err != nil {
			return err
		}
		r.Cluster.Status = types.ClusterStatusDeleting
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.interrupt(region, r.name())
	return &eks.DeleteClusterOutput{Cluster: &r.Cluster}, nil
}

func deletable(r *record) error {
	switch {
	case aws.ToBool(r.Cluster.DeletionProtection):
		return invalidRequest("Cluster %s cannot be deleted because deletion protection is enabled. Disable deletion protection with UpdateClusterConfig and try again.", r.name())
	case r.Cluster.Status == types.ClusterStatusUpdating:
		return inUse("Cluster %s has an update in progress: %s", r.name(), r.Update)
	}
	return nil
}
