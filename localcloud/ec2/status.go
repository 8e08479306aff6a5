package ec2

import (
	"context"
	"encoding/base64"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// statusKind knows the filters of DescribeInstanceStatus, which are fewer than those of DescribeInstances.
var statusKind = &kind[instanceRow]{
	prefix: instanceKind.prefix, absent: instanceKind.absent, badID: instanceKind.badID, table: instanceKind.table,
	tags: instanceKind.tags, operator: instanceKind.operator,
	filters: map[string]func(*region, *instanceRow) []string{
		"availability-zone":            instanceKind.filters["availability-zone"],
		"availability-zone-id":         instanceKind.filters["availability-zone-id"],
		"instance-state-name":          instanceKind.filters["instance-state-name"],
		"instance-state-code":          instanceKind.filters["instance-state-code"],
		"operator.managed":             instanceKind.filters["operator.managed"],
		"operator.principal":           instanceKind.filters["operator.principal"],
		"event.code":                   func(*region, *instanceRow) []string { return nil },
		"event.description":            func(*region, *instanceRow) []string { return nil },
		"event.not-before":             func(*region, *instanceRow) []string { return nil },
		"instance-status.status":       func(_ *region, i *instanceRow) []string { return []string{string(health(i).Status)} },
		"instance-status.reachability": func(_ *region, i *instanceRow) []string { return reachability(i) },
		"system-status.status":         func(_ *region, i *instanceRow) []string { return []string{string(health(i).Status)} },
		"system-status.reachability":   func(_ *region, i *instanceRow) []string { return reachability(i) },
	},
}

func reachability(i *instanceRow) []string {
	var list []string
	for _, d := range health(i).Details {
		list = append(list, string(d.Status))
	}
	return list
}

// health is what EC2's status checks say of an instance.
func health(i *instanceRow) *types.InstanceStatusSummary {
	if i.State.Name != types.InstanceStateNameRunning {
		return &types.InstanceStatusSummary{Status: types.SummaryStatusNotApplicable, Details: []types.InstanceStatusDetails{}}
	}
	return &types.InstanceStatusSummary{Status: types.SummaryStatusOk, Details: []types.InstanceStatusDetails{
		{Name: types.StatusNameReachability, Status: types.StatusTypePassed}}}
}

// DescribeInstanceStatus lists the health of running instances, or of all.
func (s *Service) DescribeInstanceStatus(ctx context.Context, in *ec2.DescribeInstanceStatusInput) (*ec2.DescribeInstanceStatusOutput, error) {
	filters := in.Filters
	if !value(in.IncludeAllInstances) {
		filters = append([]types.Filter{{Name: new("instance-state-name"), Values: []string{"running"}}}, filters...)
	}
	_, rows, next, err := describe(ctx, s, statusKind, query{ids: in.InstanceIds, filters: filters, managed: in.IncludeManagedResources,
		maxResults: in.MaxResults, nextToken: in.NextToken, dryRun: in.DryRun, min: 5, max: 1000})
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeInstanceStatusOutput{NextToken: next, InstanceStatuses: []types.InstanceStatus{}}
	for _, i := range rows {
		out.InstanceStatuses = append(out.InstanceStatuses, types.InstanceStatus{InstanceId: i.InstanceId, InstanceState: i.State, Operator: i.Operator,
			AvailabilityZone: i.Placement.AvailabilityZone, AvailabilityZoneId: i.Placement.AvailabilityZoneId,
			InstanceStatus: health(i), SystemStatus: health(i), Events: []types.InstanceStatusEvent{}})
	}
	return out, nil
}

// GetConsoleOutput returns what the machine wrote to its console.
func (s *Service) GetConsoleOutput(ctx context.Context, in *ec2.GetConsoleOutputInput) (*ec2.GetConsoleOutputOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := authorizeOn(ctx, s, r, in.DryRun, instanceKind, str(in.InstanceId)); err != nil {
		return nil, err
	}
	out := &ec2.GetConsoleOutputOutput{InstanceId: in.InstanceId, Timestamp: new(s.now())}
	if s.machines == nil {
		return out, nil
	}
	text, err := s.machines.Console(ctx, *in.InstanceId)
	if err != nil {
		return nil, err
	}
	out.Output = new(base64.StdEncoding.EncodeToString(text))
	return out, nil
}

// DescribeVolumeStatus lists the health of volumes, which is always good here.
func (s *Service) DescribeVolumeStatus(ctx context.Context, in *ec2.DescribeVolumeStatusInput) (*ec2.DescribeVolumeStatusOutput, error) {
	_, rows, next, err := describe(ctx, s, volumeStatusKind, query{ids: in.VolumeIds, filters: in.Filters, managed: in.IncludeManagedResources,
		maxResults: in.MaxResults, nextToken: in.NextToken, dryRun: in.DryRun, min: 5, max: 1000})
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeVolumeStatusOutput{NextToken: next, VolumeStatuses: []types.VolumeStatusItem{}}
	for _, v := range rows {
		out.VolumeStatuses = append(out.VolumeStatuses, types.VolumeStatusItem{VolumeId: v.VolumeId, AvailabilityZone: v.AvailabilityZone,
			AvailabilityZoneId: v.AvailabilityZoneId, Operator: v.Operator, Actions: []types.VolumeStatusAction{}, Events: []types.VolumeStatusEvent{},
			VolumeStatus: &types.VolumeStatusInfo{Status: types.VolumeStatusInfoStatusOk, Details: []types.VolumeStatusDetails{
				{Name: types.VolumeStatusNameIoEnabled, Status: new("passed")}, {Name: types.VolumeStatusNameIoPerformance, Status: new("not-applicable")}}}})
	}
	return out, nil
}

var volumeStatusKind = &kind[volumeRow]{
	prefix: volumeKind.prefix, absent: volumeKind.absent, badID: volumeKind.badID, table: volumeKind.table, tags: volumeKind.tags,
	operator: volumeKind.operator,
	filters: map[string]func(*region, *volumeRow) []string{
		"availability-zone":    volumeKind.filters["availability-zone"],
		"volume-status.status": func(*region, *volumeRow) []string { return []string{"ok"} },
		"action.code":          func(*region, *volumeRow) []string { return nil },
		"event.event-type":     func(*region, *volumeRow) []string { return nil },
	},
}
