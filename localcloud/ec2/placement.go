package ec2

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// maxSpread is how many running instances a spread placement group takes per zone.
const maxSpread = 7

var placementKind = register(&kind[types.PlacementGroup]{
	prefix: "pg", resource: types.ResourceTypePlacementGroup,
	absent: func(ids []string) error {
		return errorf("InvalidPlacementGroupId.NotFound", "%s", notExist("placement group", ids))
	},
	table: func(r *region) *table[types.PlacementGroup] { return r.placements },
	tags:  func(g *types.PlacementGroup) []types.Tag { return g.Tags },
	retag: func(g *types.PlacementGroup, tags []types.Tag) { g.Tags = tags },
	filters: map[string]func(*region, *types.PlacementGroup) []string{
		"group-name": func(_ *region, g *types.PlacementGroup) []string { return one(g.GroupName) },
		"group-arn":  func(_ *region, g *types.PlacementGroup) []string { return one(g.GroupArn) },
		"state":      func(_ *region, g *types.PlacementGroup) []string { return []string{string(g.State)} },
		"strategy":   func(_ *region, g *types.PlacementGroup) []string { return []string{string(g.Strategy)} },
	},
})

func (r *region) placementNamed(name string) *types.PlacementGroup {
	for _, g := range r.placements.rows {
		if *g.GroupName == name {
			return g
		}
	}
	return nil
}

// CreatePlacementGroup makes a placement group.
func (s *Service) CreatePlacementGroup(ctx context.Context, in *ec2.CreatePlacementGroupInput) (*ec2.CreatePlacementGroupOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if str(in.GroupName) == "" {
		return nil, missing("groupName")
	}
	if !slices.Contains(in.Strategy.Values(), in.Strategy) {
		return nil, invalid("Value (%s) for parameter strategy is invalid.", in.Strategy)
	}
	if err := checkSpecs(in.TagSpecifications, types.ResourceTypePlacementGroup); err != nil {
		return nil, err
	}
	tags := specified(in.TagSpecifications, types.ResourceTypePlacementGroup)
	if err := s.authorize(ctx, in.DryRun, created(r, types.ResourceTypePlacementGroup, tags)); err != nil {
		return nil, err
	}
	g := &types.PlacementGroup{GroupId: new(newID("pg")), GroupName: in.GroupName, GroupArn: new(r.arn("placement-group", *in.GroupName)),
		Strategy: in.Strategy, State: types.PlacementGroupStateAvailable, Tags: tags, PartitionCount: in.PartitionCount, Operator: operatorFor(in.Operator)}
	if in.Strategy == types.PlacementStrategySpread {
		g.SpreadLevel = types.SpreadLevel(orText(string(in.SpreadLevel), string(types.SpreadLevelRack)))
	}
	err = r.update(func(tx *txn) error {
		if r.placementNamed(*in.GroupName) != nil {
			return errorf("InvalidPlacementGroup.Duplicate", "The placement group '%s' already exists.", *in.GroupName)
		}
		r.placements.put(tx, *g.GroupId, g)
		return nil
	})
	return &ec2.CreatePlacementGroupOutput{PlacementGroup: g}, err
}

// DescribePlacementGroups lists placement groups.
func (s *Service) DescribePlacementGroups(ctx context.Context, in *ec2.DescribePlacementGroupsInput) (*ec2.DescribePlacementGroupsOutput, error) {
	_, rows, _, err := describe(ctx, s, placementKind, query{ids: in.GroupIds, filters: in.Filters, dryRun: in.DryRun})
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribePlacementGroupsOutput{PlacementGroups: []types.PlacementGroup{}}
	for _, g := range rows {
		if len(in.GroupNames) == 0 || slices.Contains(in.GroupNames, *g.GroupName) {
			out.PlacementGroups = append(out.PlacementGroups, *g)
		}
	}
	for _, name := range in.GroupNames {
		if !slices.ContainsFunc(out.PlacementGroups, func(g types.PlacementGroup) bool { return *g.GroupName == name }) {
			return nil, unknownPlacement(name)
		}
	}
	return out, nil
}

func unknownPlacement(name string) error {
	return errorf("InvalidPlacementGroup.Unknown", "The Placement Group '%s' is unknown.", name)
}

// DeletePlacementGroup removes a placement group without instances.
func (s *Service) DeletePlacementGroup(ctx context.Context, in *ec2.DeletePlacementGroupInput) (*ec2.DeletePlacementGroupOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, in.DryRun, target{arn: r.arn("placement-group", str(in.GroupName))}); err != nil {
		return nil, err
	}
	err = r.update(func(tx *txn) error {
		g := r.placementNamed(str(in.GroupName))
		if g == nil {
			return unknownPlacement(str(in.GroupName))
		}
		for _, i := range r.instances.rows {
			if str(i.Placement.GroupName) == *g.GroupName && i.State.Name != types.InstanceStateNameTerminated {
				return errorf("InvalidPlacementGroup.InUse", "The placement group '%s' is in use and may not be deleted.", *g.GroupName)
			}
		}
		r.placements.drop(tx, *g.GroupId)
		return nil
	})
	return &ec2.DeletePlacementGroupOutput{}, err
}

// resolvePlacement finds the placement group of a launch and checks that one more instance fits.
func (r *region) resolvePlacement(l *launch, p *types.Placement) error {
	asked := l.in.Placement
	if asked == nil || str(asked.GroupName) == "" && asked.GroupId == nil {
		return nil
	}
	g := r.placementNamed(str(asked.GroupName))
	if asked.GroupId != nil {
		g = r.placements.get(*asked.GroupId)
	}
	if g == nil {
		return unknownPlacement(str(asked.GroupName) + str(asked.GroupId))
	}
	p.GroupName, p.GroupId, p.PartitionNumber = g.GroupName, g.GroupId, asked.PartitionNumber
	here := 0
	for _, i := range r.instances.rows {
		if str(i.Placement.GroupName) == *g.GroupName && !i.ended() && *i.Placement.AvailabilityZone == *p.AvailabilityZone {
			here++
		}
	}
	if g.Strategy == types.PlacementStrategySpread && here >= maxSpread {
		return errorf("InsufficientInstanceCapacity", "You have reached the limit of instances in this spread placement group in %s.", *p.AvailabilityZone)
	}
	return nil
}
