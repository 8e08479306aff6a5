package ec2

import (
	"context"
	"math"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// fleetRow is a fleet and what came of it.
type fleetRow struct {
	types.FleetData
	Launched []types.CreateFleetInstance
	Failed   []types.CreateFleetError
}

var fleetKind = register(&kind[fleetRow]{
	prefix: "fleet", resource: types.ResourceTypeFleet,
	absent: func(ids []string) error {
		return errorf("InvalidFleetId.NotFound", "%s", notExist("fleet", ids))
	},
	table: func(r *region) *table[fleetRow] { return r.fleets },
	tags:  func(f *fleetRow) []types.Tag { return f.Tags },
	retag: func(f *fleetRow, tags []types.Tag) { f.Tags = tags },
	filters: map[string]func(*region, *fleetRow) []string{
		"fleet-state":     func(_ *region, f *fleetRow) []string { return []string{string(f.FleetState)} },
		"activity-status": func(_ *region, f *fleetRow) []string { return []string{string(f.ActivityStatus)} },
		"type":            func(_ *region, f *fleetRow) []string { return []string{string(f.Type)} },
	},
})

// CreateFleet launches instances out of the given offerings, cheapest or best first. What could not be launched is told
// per offering in the answer, which is a success even then.
func (s *Service) CreateFleet(ctx context.Context, in *ec2.CreateFleetInput) (*ec2.CreateFleetOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkFleet(in); err != nil {
		return nil, err
	}
	offers, err := s.fleetOffers(ctx, r, in)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, in.DryRun, fleetTargets(r, in, offers)...); err != nil {
		return nil, err
	}
	if in.Type == "" || in.Type == types.FleetTypeMaintain {
		return nil, errorf("UnsupportedOperation", "This cloud offers fleets of type instant and request only.")
	}
	id, err := r.once(str(in.ClientToken), "CreateFleet", in, func(tx *txn) (string, error) {
		f := s.newFleet(in)
		for _, o := range offers {
			if o.l != nil {
				o.l.fleetID = *f.FleetId
			}
		}
		onDemand, spot := capacity(in.TargetCapacitySpecification)
		r.launchFleet(tx, f, in, offers, onDemand, spot)
		r.fleets.put(tx, *f.FleetId, f)
		return *f.FleetId, nil
	})
	if err != nil {
		return nil, err
	}
	f, err := fleetKind.get(r, id)
	if err != nil {
		return nil, err
	}
	out := &ec2.CreateFleetOutput{FleetId: f.FleetId}
	if f.Type == types.FleetTypeInstant {
		out.Instances, out.Errors = f.Launched, f.Failed
	}
	return out, nil
}

func checkFleet(in *ec2.CreateFleetInput) error {
	switch in.Type {
	case "", types.FleetTypeMaintain, types.FleetTypeInstant, types.FleetTypeRequest:
	default:
		return invalid("Value (%s) for parameter Type is invalid.", in.Type)
	}
	c := in.TargetCapacitySpecification
	if c == nil || c.TotalTargetCapacity == nil {
		return missing("TargetCapacitySpecification.TotalTargetCapacity")
	}
	if *c.TotalTargetCapacity < 0 || value(c.OnDemandTargetCapacity)+value(c.SpotTargetCapacity) > *c.TotalTargetCapacity {
		return errorf("InvalidTargetCapacitySpecification", "The target capacities (on-demand %d, spot %d) do not fit the total (%d).",
			value(c.OnDemandTargetCapacity), value(c.SpotTargetCapacity), *c.TotalTargetCapacity)
	}
	if len(in.LaunchTemplateConfigs) == 0 {
		return missing("LaunchTemplateConfigs")
	}
	for _, config := range in.LaunchTemplateConfigs {
		if config.LaunchTemplateSpecification == nil {
			return missing("LaunchTemplateConfigs.LaunchTemplateSpecification")
		}
		for _, o := range config.Overrides {
			if o.InstanceRequirements != nil {
				return errorf("UnsupportedOperation", "This cloud does not select instance types by InstanceRequirements; name them in overrides.")
			}
		}
	}
	return checkSpecs(in.TagSpecifications, types.ResourceTypeFleet, types.ResourceTypeInstance, types.ResourceTypeVolume,
		types.ResourceTypeNetworkInterface, types.ResourceTypeSpotInstancesRequest, types.ResourceTypeLaunchTemplate)
}

// capacity splits the target into on-demand and spot units.
func capacity(c *types.TargetCapacitySpecificationRequest) (onDemand, spot int) {
	onDemand, spot = int(value(c.OnDemandTargetCapacity)), int(value(c.SpotTargetCapacity))
	rest := int(*c.TotalTargetCapacity) - onDemand - spot
	if c.DefaultTargetCapacityType == types.DefaultTargetCapacityTypeSpot {
		return onDemand, spot + rest
	}
	return onDemand + rest, spot
}

func (s *Service) newFleet(in *ec2.CreateFleetInput) *fleetRow {
	id := newID("fleet")
	c := in.TargetCapacitySpecification
	onDemand, spot := capacity(c)
	return &fleetRow{FleetData: types.FleetData{
		FleetId: new(id), ClientToken: in.ClientToken, CreateTime: new(s.now()), FleetState: types.FleetStateCodeActive,
		ActivityStatus: types.FleetActivityStatusFulfilled, Type: in.Type, Context: in.Context, ReplaceUnhealthyInstances: new(false),
		ExcessCapacityTerminationPolicy:  types.FleetExcessCapacityTerminationPolicy(orText(string(in.ExcessCapacityTerminationPolicy), "termination")),
		TerminateInstancesWithExpiration: new(value(in.TerminateInstancesWithExpiration)),
		Tags:                             specified(in.TagSpecifications, types.ResourceTypeFleet),
		TargetCapacitySpecification: &types.TargetCapacitySpecification{TotalTargetCapacity: c.TotalTargetCapacity,
			OnDemandTargetCapacity: new(int32(onDemand)), SpotTargetCapacity: new(int32(spot)), DefaultTargetCapacityType: c.DefaultTargetCapacityType},
		LaunchTemplateConfigs: reshape[[]types.FleetLaunchTemplateConfig](in.LaunchTemplateConfigs),
		OnDemandOptions:       reshape[*types.OnDemandOptions](in.OnDemandOptions),
		SpotOptions:           reshape[*types.SpotOptions](in.SpotOptions),
	}}
}

// fleetTargets are the resources of a CreateFleet call.
func fleetTargets(r *region, in *ec2.CreateFleetInput, offers []*offer) []target {
	list := []target{created(r, types.ResourceTypeFleet, specified(in.TagSpecifications, types.ResourceTypeFleet))}
	seen := map[string]bool{}
	for _, o := range offers {
		if o.l == nil {
			continue
		}
		for _, t := range o.l.targets(r) {
			if !seen[t.arn] {
				seen[t.arn] = true
				list = append(list, t)
			}
		}
	}
	return list
}

// launchFleet launches first on-demand, then spot units.
func (r *region) launchFleet(tx *txn, f *fleetRow, in *ec2.CreateFleetInput, offers []*offer, onDemand, spot int) {
	fulfilled, fulfilledOnDemand := 0.0, 0.0
	for _, part := range []struct {
		units int
		spot  bool
	}{{onDemand, false}, {spot, true}} {
		if part.units == 0 {
			continue
		}
		got := r.launchPart(tx, f, in, offers, float64(part.units), part.spot)
		fulfilled += got
		if !part.spot {
			fulfilledOnDemand = got
		}
	}
	f.FulfilledCapacity, f.FulfilledOnDemandCapacity = new(fulfilled), new(fulfilledOnDemand)
	if fulfilled < float64(onDemand+spot) {
		f.ActivityStatus = types.FleetActivityStatusError
	}
}

// launchPart launches units of one capacity type, offering by offering, and returns how many it got.
func (r *region) launchPart(tx *txn, f *fleetRow, in *ec2.CreateFleetInput, offers []*offer, units float64, spot bool) (got float64) {
	ranked := r.rank(in, offers, spot)
	point, launchedBefore := tx.save(), len(f.Launched)
	for _, o := range ranked {
		if got >= units {
			break
		}
		if o.err != nil {
			f.Failed = append(f.Failed, o.failure(o.err, spot))
			continue
		}
		l := *o.l
		l.spot = spot
		want := int(math.Ceil((units - got) / o.weight))
		started, err := r.startMany(tx, &l, newID("r"), want)
		if err != nil {
			f.Failed = append(f.Failed, o.failure(err, spot))
		}
		if len(started) > 0 {
			f.Launched = append(f.Launched, o.success(started, spot))
			got += float64(len(started)) * o.weight
		}
	}
	if least := minimum(in, spot); got < float64(least) {
		tx.rollbackTo(point)
		f.Launched = f.Launched[:launchedBefore]
		return 0
	}
	return got
}

// minimum is how many units must come up for any to come up.
func minimum(in *ec2.CreateFleetInput, spot bool) int32 {
	switch {
	case spot && in.SpotOptions != nil:
		return value(in.SpotOptions.MinTargetCapacity)
	case !spot && in.OnDemandOptions != nil:
		return value(in.OnDemandOptions.MinTargetCapacity)
	}
	return 0
}

// fleetLost drops a fleet's record when the last of its instances is forgotten.
func (r *region) fleetLost(tx *txn, fleetID string) {
	f := r.fleets.get(fleetID)
	if f == nil {
		return
	}
	for _, id := range f.ids() {
		if r.instances.get(id) != nil {
			return
		}
	}
	r.fleets.drop(tx, fleetID)
}
