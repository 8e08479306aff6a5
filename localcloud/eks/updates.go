package eks

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/google/uuid"

	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

// change is one kind of update: what it is called, what it tells DescribeUpdate
// and what it makes of the cluster.
type change struct {
	kind   types.UpdateType
	params []types.UpdateParam
	apply  func(*types.Cluster)
}

func param(t types.UpdateParamType, value string) types.UpdateParam {
	return types.UpdateParam{Type: t, Value: aws.String(value)}
}

// beginUpdate records the change decided by plan as the update in progress and
// wakes the loop that carries it out.
func (s *Service) beginUpdate(region, name string, plan func(*types.Cluster) (*change, error)) (*types.Update, error) {
	var u updateRecord
	_, err := s.edit(region, name, func(tx *store.Tx, r *record) error {
		c, err := plan(&r.Cluster)
		if err != nil {
			return err
		}
		if err := updatable(r, c.kind); err != nil {
			return err
		}
		now := s.o.Clock.Now().UTC()
		u = updateRecord{Region: region, Cluster: name, Update: types.Update{
			Id: aws.String(uuid.NewString()), Type: c.kind, Status: types.UpdateStatusInProgress,
			CreatedAt: &now, Params: c.params, Errors: []types.ErrorDetail{},
		}}
		if r.Target, err = clone(&r.Cluster); err != nil {
			return err
		}
		c.apply(r.Target)
		r.Update, r.Deadline = *u.Update.Id, now.Add(s.o.Timeout)
		r.Cluster.Status = types.ClusterStatusUpdating
		if err := s.putAutomaticEntries(tx, r, r.Target); err != nil {
			return err
		}
		return store.Put(tx, bucketUpdates, u.key(), u)
	})
	if err != nil {
		return nil, err
	}
	s.interrupt(region, name)
	return &u.Update, nil
}

// updatable says whether a change may begin now.
func updatable(r *record, kind types.UpdateType) error {
	switch r.Cluster.Status {
	case types.ClusterStatusActive:
		return nil
	case types.ClusterStatusUpdating:
		return inUse("Cannot %s because cluster %s currently has update %s in progress", kind, r.name(), r.Update).With("clusterName", r.name())
	}
	return inUse("Cannot %s because cluster %s is currently %s", kind, r.name(), r.Cluster.Status).With("clusterName", r.name())
}

// endUpdate closes the update in progress, as failed when err is not nil.
func (s *Service) endUpdate(tx *store.Tx, r *record, failure error) error {
	key := r.key() + "/" + r.Update
	r.Update, r.Target = "", nil
	u, ok, err := store.Get[updateRecord](tx, bucketUpdates, key)
	if err != nil || !ok {
		return err
	}
	u.Update.Status = types.UpdateStatusSuccessful
	if failure != nil {
		u.Update.Status = types.UpdateStatusFailed
		u.Update.Errors = []types.ErrorDetail{{
			ErrorCode: errorCode(failure), ErrorMessage: aws.String(failure.Error()), ResourceIds: []string{r.name()},
		}}
	}
	return store.Put(tx, bucketUpdates, key, u)
}

func errorCode(err error) types.ErrorCode {
	if p, ok := errors.AsType[permanent](err); ok {
		return p.code
	}
	return types.ErrorCodeUnknown
}

// DescribeUpdate shows one update of a cluster.
func (s *Service) DescribeUpdate(ctx context.Context, in *eks.DescribeUpdateInput) (*eks.DescribeUpdateOutput, error) {
	r, err := s.authorized(ctx, "DescribeUpdate", in.Name)
	if err != nil {
		return nil, err
	}
	var u updateRecord
	var ok bool
	err = s.db.View(func(tx *store.Tx) (err error) {
		u, ok, err = store.Get[updateRecord](tx, bucketUpdates, r.key()+"/"+aws.ToString(in.UpdateId))
		return err
	})
	if err == nil && !ok {
		err = notFound("No update found for ID: %s", aws.ToString(in.UpdateId)).With("clusterName", r.name())
	}
	if err != nil {
		return nil, err
	}
	return &eks.DescribeUpdateOutput{Update: &u.Update}, nil
}

// ListUpdates lists the ids of a cluster's updates, the newest first.
func (s *Service) ListUpdates(ctx context.Context, in *eks.ListUpdatesInput) (*eks.ListUpdatesOutput, error) {
	r, err := s.authorized(ctx, "ListUpdates", in.Name)
	if err != nil {
		return nil, err
	}
	var all []updateRecord
	err = s.db.View(func(tx *store.Tx) (err error) {
		all, err = store.ListPrefix[updateRecord](tx, bucketUpdates, r.key()+"/")
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b updateRecord) int { return b.Update.CreatedAt.Compare(*a.Update.CreatedAt) })
	ids := make([]string, len(all))
	for i, u := range all {
		ids[i] = *u.Update.Id
	}
	page, next, err := paginate(ids, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &eks.ListUpdatesOutput{UpdateIds: page, NextToken: next}, nil
}

// UpdateClusterVersion upgrades the control plane by one minor version.
func (s *Service) UpdateClusterVersion(ctx context.Context, in *eks.UpdateClusterVersionInput) (*eks.UpdateClusterVersionOutput, error) {
	if _, err := s.authorized(ctx, "UpdateClusterVersion", in.Name); err != nil {
		return nil, err
	}
	u, err := s.beginUpdate(wire.CallFrom(ctx).Region, aws.ToString(in.Name), func(c *types.Cluster) (*change, error) {
		return s.planVersion(c, aws.ToString(in.Version))
	})
	if err != nil {
		return nil, err
	}
	return &eks.UpdateClusterVersionOutput{Update: u}, nil
}

func (s *Service) planVersion(c *types.Cluster, version string) (*change, error) {
	from, err := minorOf(aws.ToString(c.Version))
	if err != nil {
		return nil, err
	}
	to, err := minorOf(version)
	if err != nil {
		return nil, invalidParameter("Invalid Kubernetes version: %s", version)
	}
	switch {
	case to == from:
		return nil, invalidRequest("Cluster is already at version: %s", version)
	case to != from+1:
		return nil, invalidParameter("Unsupported Kubernetes minor version update from %s to %s", aws.ToString(c.Version), version)
	case !slices.Contains(s.minors(), version):
		return nil, invalidParameter("unsupported Kubernetes version %s. The available versions are: %v", version, s.minors())
	}
	return &change{
		kind:   types.UpdateTypeVersionUpdate,
		params: []types.UpdateParam{param(types.UpdateParamTypeVersion, version), param(types.UpdateParamTypePlatformVersion, platformVersion)},
		apply:  func(c *types.Cluster) { c.Version = aws.String(version) },
	}, nil
}

// minorOf is 35 for "1.35".
func minorOf(version string) (int, error) {
	var minor int
	if n, err := fmt.Sscanf(version, "1.%d", &minor); n != 1 || err != nil || version != fmt.Sprintf("1.%d", minor) {
		return 0, fmt.Errorf("reading Kubernetes version %q: not of the form 1.x", version)
	}
	return minor, nil
}
