package ec2

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// DescribeFleets lists fleets as long as one of their instances is known.
func (s *Service) DescribeFleets(ctx context.Context, in *ec2.DescribeFleetsInput) (*ec2.DescribeFleetsOutput, error) {
	_, rows, next, err := describe(ctx, s, fleetKind, query{ids: in.FleetIds, filters: listedFleets(in),
		maxResults: in.MaxResults, nextToken: in.NextToken, dryRun: in.DryRun, min: 1, max: 1000})
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeFleetsOutput{NextToken: next, Fleets: []types.FleetData{}}
	for _, f := range rows {
		data := f.FleetData
		if f.Type == types.FleetTypeInstant {
			data.Instances = reshape[[]types.DescribeFleetsInstances](f.Launched)
			data.Errors = reshape[[]types.DescribeFleetError](f.Failed)
		}
		out.Fleets = append(out.Fleets, data)
	}
	return out, nil
}

// listedFleets are the filters of DescribeFleets. As on AWS, instant fleets show only where their ids are given.
func listedFleets(in *ec2.DescribeFleetsInput) []types.Filter {
	if len(in.FleetIds) > 0 {
		return in.Filters
	}
	return append(slices.Clip(in.Filters), types.Filter{Name: new("type"), Values: []string{string(types.FleetTypeRequest), string(types.FleetTypeMaintain)}})
}

// DescribeFleetInstances lists the instances of a fleet that have not ended.
func (s *Service) DescribeFleetInstances(ctx context.Context, in *ec2.DescribeFleetInstancesInput) (*ec2.DescribeFleetInstancesOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, in.DryRun, anything); err != nil {
		return nil, err
	}
	f, err := fleetKind.get(r, str(in.FleetId))
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeFleetInstancesOutput{FleetId: f.FleetId, ActiveInstances: []types.ActiveInstance{}}
	r.view(func() {
		for _, id := range f.ids() {
			if i := r.instances.get(id); i != nil && !i.ended() {
				out.ActiveInstances = append(out.ActiveInstances, types.ActiveInstance{InstanceId: i.InstanceId, InstanceType: new(string(i.InstanceType)),
					SpotInstanceRequestId: i.SpotInstanceRequestId, InstanceHealth: types.InstanceHealthStatusHealthyStatus})
			}
		}
	})
	return out, nil
}

// ids are the instances that the fleet launched.
func (f *fleetRow) ids() (ids []string) {
	for _, launched := range f.Launched {
		ids = append(ids, launched.InstanceIds...)
	}
	return ids
}

// DeleteFleets ends fleets, with their instances where asked; those of instant fleets always end with them.
func (s *Service) DeleteFleets(ctx context.Context, in *ec2.DeleteFleetsInput) (*ec2.DeleteFleetsOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if in.TerminateInstances == nil {
		return nil, missing("TerminateInstances")
	}
	targets := make([]target, 0, len(in.FleetIds))
	r.view(func() {
		for _, id := range in.FleetIds {
			if r.fleets.get(id) != nil {
				targets = append(targets, existing(r, fleetKind, id))
			}
		}
	})
	if err := s.authorize(ctx, in.DryRun, targets...); err != nil {
		return nil, err
	}
	out := &ec2.DeleteFleetsOutput{}
	err = r.update(func(tx *txn) error {
		for _, id := range in.FleetIds {
			r.deleteFleet(tx, id, *in.TerminateInstances, out)
		}
		return nil
	})
	return out, err
}

func (r *region) deleteFleet(tx *txn, id string, terminate bool, out *ec2.DeleteFleetsOutput) {
	fail := func(code types.DeleteFleetErrorCode, text string) {
		out.UnsuccessfulFleetDeletions = append(out.UnsuccessfulFleetDeletions,
			types.DeleteFleetErrorItem{FleetId: new(id), Error: &types.DeleteFleetError{Code: code, Message: new(text)}})
	}
	f := r.fleets.get(id)
	if f == nil {
		fail(types.DeleteFleetErrorCodeFleetIdDoesNotExist, "The fleet ID '"+id+"' does not exist")
		return
	}
	if f.Type == types.FleetTypeInstant && !terminate {
		fail(types.DeleteFleetErrorCodeFleetNotInDeletableState, "Instances of a fleet of type instant end with it: NoTerminateInstances is not supported.")
		return
	}
	next := types.FleetStateCodeDeletedRunning
	if terminate {
		next = types.FleetStateCodeDeletedTerminatingInstances
		for _, instanceID := range f.ids() {
			if i := r.instances.get(instanceID); i != nil {
				r.terminate(tx, i, "Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown", userReason(r.svc.now()))
			}
		}
	}
	out.SuccessfulFleetDeletions = append(out.SuccessfulFleetDeletions,
		types.DeleteFleetSuccessItem{FleetId: f.FleetId, PreviousFleetState: f.FleetState, CurrentFleetState: next})
	r.fleets.put(tx, id, with(f, func(f *fleetRow) { f.FleetState = next }))
}
