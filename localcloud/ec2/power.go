package ec2

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// onInstances authorizes a change of instances and makes it: for all of them or for none.
func (s *Service) onInstances(ctx context.Context, dryRun *bool, ids []string, f func(*region, *txn, *instanceRow) error) error {
	r, err := s.regionOf(ctx)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return combination("No instances specified")
	}
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	targets, err := s.instanceTargets(r, ids)
	if err != nil {
		return err
	}
	if err := s.authorize(ctx, dryRun, targets...); err != nil {
		return err
	}
	return r.update(func(tx *txn) error {
		for _, id := range ids {
			i, err := instanceKind.find(r, id)
			if err != nil {
				return err
			}
			if err := f(r, tx, i); err != nil {
				return err
			}
		}
		return nil
	})
}

// instanceTargets are the targets of instances, which must all be there.
func (s *Service) instanceTargets(r *region, ids []string) (targets []target, err error) {
	match := func(*region, *instanceRow) bool { return true }
	r.view(func() {
		if _, err = pick(r, instanceKind, query{ids: ids}, match); err != nil {
			return
		}
		for _, id := range ids {
			t := existing(r, instanceKind, id).guard().key("ec2:InstanceType", string(r.instances.get(id).InstanceType))
			if p := r.instances.get(id).IamInstanceProfile; p != nil {
				t = t.key("ec2:InstanceProfile", *p.Arn)
			}
			targets = append(targets, t)
		}
	})
	return targets, err
}

func stateChange(before, after *instanceRow) types.InstanceStateChange {
	return types.InstanceStateChange{InstanceId: after.InstanceId, PreviousState: before.State, CurrentState: after.State}
}

// userReason is what instances say that a user's call stopped or ended.
func userReason(now time.Time) *string {
	return new("User initiated (" + now.Format("2006-01-02 15:04:05 MST") + ")")
}

// TerminateInstances ends instances for good; ended ones stay as they are.
func (s *Service) TerminateInstances(ctx context.Context, in *ec2.TerminateInstancesInput) (*ec2.TerminateInstancesOutput, error) {
	out := &ec2.TerminateInstancesOutput{}
	err := s.onInstances(ctx, in.DryRun, in.InstanceIds, func(r *region, tx *txn, i *instanceRow) error {
		if i.NoTermination {
			return errorf("OperationNotPermitted", "The instance '%s' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.", *i.InstanceId)
		}
		after := r.terminate(tx, i, "Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown", userReason(s.now()))
		out.TerminatingInstances = append(out.TerminatingInstances, stateChange(i, after))
		return nil
	})
	return out, err
}

// terminate moves an instance to shutting-down, unless it is on its way already.
func (r *region) terminate(tx *txn, i *instanceRow, code, message string, transition *string) *instanceRow {
	if i.ended() {
		return i
	}
	if i.SpotInstanceRequestId != nil {
		r.closeSpot(tx, *i.SpotInstanceRequestId, "instance-terminated-by-user")
	}
	return r.to(tx, i, types.InstanceStateNameShuttingDown, func(i *instanceRow) {
		i.StateReason = &types.StateReason{Code: new(code), Message: new(message)}
		i.StateTransitionReason = transition
		i.NotBefore = r.svc.now().Add(r.svc.Timing().ShuttingDown)
	})
}

// StopInstances powers instances off; they keep their volumes and addresses.
func (s *Service) StopInstances(ctx context.Context, in *ec2.StopInstancesInput) (*ec2.StopInstancesOutput, error) {
	out := &ec2.StopInstancesOutput{}
	err := s.onInstances(ctx, in.DryRun, in.InstanceIds, func(r *region, tx *txn, i *instanceRow) error {
		switch {
		case i.SpotInstanceRequestId != nil:
			return errorf("UnsupportedOperation", "You can't stop the Spot Instance '%s' because it is associated with a one-time Spot Instance request. You can only stop Spot Instances associated with persistent Spot Instance requests.", *i.InstanceId)
		case i.NoStop:
			return errorf("OperationNotPermitted", "The instance '%s' may not be stopped. Modify its 'disableApiStop' instance attribute and try again.", *i.InstanceId)
		}
		after := i
		switch i.State.Name {
		case types.InstanceStateNameRunning, types.InstanceStateNamePending:
			after = r.to(tx, i, types.InstanceStateNameStopping, func(i *instanceRow) {
				i.StateReason = &types.StateReason{Code: new("Client.UserInitiatedShutdown"), Message: new("Client.UserInitiatedShutdown: User initiated shutdown")}
				i.StateTransitionReason, i.NotBefore = userReason(s.now()), s.now().Add(s.Timing().Stopping)
			})
		case types.InstanceStateNameStopping, types.InstanceStateNameStopped:
		default:
			return errorf("IncorrectInstanceState", "The instance '%s' is not in a state from which it can be stopped.", *i.InstanceId)
		}
		out.StoppingInstances = append(out.StoppingInstances, stateChange(i, after))
		return nil
	})
	return out, err
}

// StartInstances powers stopped instances on.
func (s *Service) StartInstances(ctx context.Context, in *ec2.StartInstancesInput) (*ec2.StartInstancesOutput, error) {
	out := &ec2.StartInstancesOutput{}
	err := s.onInstances(ctx, in.DryRun, in.InstanceIds, func(r *region, tx *txn, i *instanceRow) error {
		after := i
		switch i.State.Name {
		case types.InstanceStateNameStopped:
			after = r.to(tx, i, types.InstanceStateNamePending, func(i *instanceRow) {
				i.StateReason, i.StateTransitionReason = nil, new("")
				i.LaunchTime, i.NotBefore = new(s.now()), s.now().Add(s.Timing().Pending)
			})
		case types.InstanceStateNamePending, types.InstanceStateNameRunning:
		default:
			return errorf("IncorrectInstanceState", "The instance '%s' is not in a state from which it can be started.", *i.InstanceId)
		}
		out.StartingInstances = append(out.StartingInstances, stateChange(i, after))
		return nil
	})
	return out, err
}

// RebootInstances restarts what runs on instances; their state stays running.
func (s *Service) RebootInstances(ctx context.Context, in *ec2.RebootInstancesInput) (*ec2.RebootInstancesOutput, error) {
	err := s.onInstances(ctx, in.DryRun, in.InstanceIds, func(r *region, tx *txn, i *instanceRow) error {
		if i.State.Name != types.InstanceStateNameRunning {
			return errorf("IncorrectInstanceState", "The instance '%s' is not in a state from which it can be rebooted.", *i.InstanceId)
		}
		tx.then(func() { s.lifecycle.reboot(r, *i.InstanceId) })
		return nil
	})
	return &ec2.RebootInstancesOutput{}, err
}
