package ec2

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/automode-dev/automode/compute/catalog"
)

var zoneKind = &kind[types.AvailabilityZone]{
	filters: map[string]func(*region, *types.AvailabilityZone) []string{
		"group-name":    func(_ *region, z *types.AvailabilityZone) []string { return one(z.GroupName) },
		"message":       func(_ *region, z *types.AvailabilityZone) []string { return nil },
		"opt-in-status": func(_ *region, z *types.AvailabilityZone) []string { return []string{string(z.OptInStatus)} },
		"region-name":   func(_ *region, z *types.AvailabilityZone) []string { return one(z.RegionName) },
		"state":         func(_ *region, z *types.AvailabilityZone) []string { return []string{string(z.State)} },
		"zone-id":       func(_ *region, z *types.AvailabilityZone) []string { return one(z.ZoneId) },
		"zone-name":     func(_ *region, z *types.AvailabilityZone) []string { return one(z.ZoneName) },
		"zone-type":     func(_ *region, z *types.AvailabilityZone) []string { return one(z.ZoneType) },
	},
}

// DescribeAvailabilityZones lists the zones of the region.
func (s *Service) DescribeAvailabilityZones(ctx context.Context, in *ec2.DescribeAvailabilityZonesInput) (*ec2.DescribeAvailabilityZonesOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	match, err := compile(zoneKind, in.Filters)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, in.DryRun, anything); err != nil {
		return nil, err
	}
	zones := s.catalog.Zones(r.name)
	for _, name := range append(slices.Clone(in.ZoneNames), in.ZoneIds...) {
		if !slices.ContainsFunc(zones, func(z catalog.Zone) bool { return z.Name == name || z.ID == name }) {
			return nil, invalid("Invalid availability zone: [%s]", name)
		}
	}
	out := &ec2.DescribeAvailabilityZonesOutput{}
	for _, z := range zones {
		if len(in.ZoneNames) > 0 && !slices.Contains(in.ZoneNames, z.Name) || len(in.ZoneIds) > 0 && !slices.Contains(in.ZoneIds, z.ID) {
			continue
		}
		zone := types.AvailabilityZone{ZoneName: new(z.Name), ZoneId: new(z.ID), RegionName: new(r.name), State: types.AvailabilityZoneStateAvailable,
			GroupName: new(r.name + "-zg-1"), NetworkBorderGroup: new(r.name), OptInStatus: types.AvailabilityZoneOptInStatusOptInNotRequired,
			ZoneType: new("availability-zone"), Messages: []types.AvailabilityZoneMessage{}}
		if match(r, &zone) {
			out.AvailabilityZones = append(out.AvailabilityZones, zone)
		}
	}
	return out, nil
}

var regionKind = &kind[types.Region]{
	filters: map[string]func(*region, *types.Region) []string{
		"endpoint":      func(_ *region, r *types.Region) []string { return one(r.Endpoint) },
		"opt-in-status": func(_ *region, r *types.Region) []string { return one(r.OptInStatus) },
		"region-name":   func(_ *region, r *types.Region) []string { return one(r.RegionName) },
	},
}

// DescribeRegions lists the regions of this cloud.
func (s *Service) DescribeRegions(ctx context.Context, in *ec2.DescribeRegionsInput) (*ec2.DescribeRegionsOutput, error) {
	match, err := compile(regionKind, in.Filters)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, in.DryRun, anything); err != nil {
		return nil, err
	}
	for _, name := range in.RegionNames {
		if _, ok := s.catalog.Region(name); !ok {
			return nil, invalid("Invalid region names: [%s]", name)
		}
	}
	out := &ec2.DescribeRegionsOutput{}
	for _, known := range s.catalog.Regions() {
		if len(in.RegionNames) > 0 && !slices.Contains(in.RegionNames, known.Name) || strings.Contains(known.Name, "-gov-") {
			continue
		}
		reg := types.Region{RegionName: new(known.Name), Endpoint: new("ec2." + known.Name + ".amazonaws.com"), OptInStatus: new("opt-in-not-required")}
		if match(nil, &reg) {
			out.Regions = append(out.Regions, reg)
		}
	}
	return out, nil
}
