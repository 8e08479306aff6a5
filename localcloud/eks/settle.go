package eks

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/automode-dev/automode/localcloud/store"
)

// settle writes what a pass came to: a creation or an update that is complete,
// or one that has failed for good. It returns the error that asks for another
// pass.
func (w *work) settle(err error) error {
	switch w.r.Cluster.Status {
	case types.ClusterStatusCreating:
		return w.settleCreation(err)
	case types.ClusterStatusUpdating:
		return w.settleUpdate(err)
	case types.ClusterStatusActive:
		return errors.Join(err, w.noteHealth(err))
	}
	return err
}

// noteHealth shows in DescribeCluster what keeps an active cluster from being
// as it shall be.
func (w *work) noteHealth(err error) error {
	if errors.Is(err, context.Canceled) || isNotYet(err) {
		return nil
	}
	issues := []types.ClusterIssue{}
	if err != nil {
		issues = append(issues, types.ClusterIssue{
			Code: types.ClusterIssueCodeInternalFailure, Message: aws.String(err.Error()), ResourceIds: []string{w.r.name()},
		})
	}
	if h := w.r.Cluster.Health; h != nil && compact(h.Issues) == compact(issues) {
		return nil
	}
	return w.change(types.ClusterStatusActive, func(_ *store.Tx, r *record) error {
		r.Cluster.Health = &types.ClusterHealth{Issues: issues}
		return nil
	})
}

func (w *work) settleCreation(err error) error {
	if err != nil && !w.final(err) {
		return err
	}
	return w.change(types.ClusterStatusCreating, func(_ *store.Tx, r *record) error {
		if err == nil {
			r.Cluster.Status = types.ClusterStatusActive
			return nil
		}
		w.s.log.Error("cluster creation failed", "cluster", r.name(), "err", err)
		r.Cluster.Status = types.ClusterStatusFailed
		r.Cluster.Health = &types.ClusterHealth{Issues: []types.ClusterIssue{{
			Code: types.ClusterIssueCodeOther, Message: aws.String(err.Error()), ResourceIds: []string{r.name()},
		}}}
		return nil
	})
}

func (w *work) settleUpdate(err error) error {
	if err != nil && !w.final(err) {
		return err
	}
	settled := w.change(types.ClusterStatusUpdating, func(tx *store.Tx, r *record) error {
		if err == nil {
			r.Cluster = *r.Target
		}
		r.Cluster.Status = types.ClusterStatusActive
		return w.s.endUpdate(tx, r, err)
	})
	if settled == nil && err != nil {
		w.loop.nudge() // back to what the cluster was
	}
	return settled
}

// final says whether an error ends a creation or an update.
func (w *work) final(err error) bool {
	if _, ok := errors.AsType[permanent](err); ok {
		return true
	}
	return !w.s.o.Clock.Now().Before(w.deadline) && !errors.Is(err, context.Canceled)
}

// change edits the record provided that it still has the status.
func (w *work) change(status types.ClusterStatus, change func(*store.Tx, *record) error) error {
	_, err := w.s.edit(w.r.Region, w.r.name(), func(tx *store.Tx, r *record) error {
		if r.Cluster.Status != status {
			return nil
		}
		return change(tx, r)
	})
	return err
}

// endpoint is the URL of the API server, the same on the host and in machines.
func (s *Service) endpoint(r *record) string {
	return fmt.Sprintf("https://127.0.0.1:%d", r.HostPort)
}

func encode64(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

// digits is a number of up to ten digits that stands for the text.
func digits(text string) string {
	sum := sha256.Sum256([]byte(text))
	return fmt.Sprint(binary.BigEndian.Uint32(sum[:4]))
}
