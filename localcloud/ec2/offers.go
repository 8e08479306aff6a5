package ec2

import (
	"cmp"
	"context"
	"errors"
	"hash/fnv"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/automode-dev/automode/localcloud/wire"
)

// offer is one way for a fleet to launch: a launch template with one override.
type offer struct {
	order    int // as in the request
	template *types.FleetLaunchTemplateSpecification
	override types.FleetLaunchTemplateOverridesRequest
	l        *launch // nil when err is set
	err      error   // why the offering cannot be launched at all
	weight   float64
}

// fleetOffers resolves every override of every template. A template that is not there fails the call; an override that
// cannot work only fails itself.
func (s *Service) fleetOffers(ctx context.Context, r *region, in *ec2.CreateFleetInput) (offers []*offer, err error) {
	for _, config := range in.LaunchTemplateConfigs {
		spec := config.LaunchTemplateSpecification
		var t *templateRow
		var v *types.LaunchTemplateVersion
		r.view(func() {
			if t, err = r.template(spec.LaunchTemplateId, spec.LaunchTemplateName); err == nil {
				v, err = t.version(str(spec.Version))
			}
		})
		if err != nil {
			return nil, err
		}
		ref := &types.FleetLaunchTemplateSpecification{LaunchTemplateId: t.LaunchTemplateId, Version: new(strconv.FormatInt(*v.VersionNumber, 10))}
		base := launch{template: t, in: new(overlay[ec2.RunInstancesInput](v.LaunchTemplateData, nil))}
		base.fromTemplate(v)
		base.in.TagSpecifications = launchSpecs(in.TagSpecifications)
		overrides := config.Overrides
		if len(overrides) == 0 {
			overrides = []types.FleetLaunchTemplateOverridesRequest{{}}
		}
		for _, o := range overrides {
			out := &offer{order: len(offers), template: ref, override: o, weight: or(o.WeightedCapacity, 1)}
			if out.weight <= 0 {
				out.weight = 1
			}
			out.l, out.err = s.fleetLaunch(ctx, r, base, o)
			offers = append(offers, out)
		}
	}
	for _, o := range offers {
		if o.l != nil {
			return offers, nil
		}
	}
	return offers, callError(offers)
}

// callError is the error of a fleet none of whose offerings makes sense because of something they have in common.
func callError(offers []*offer) error {
	switch wire.Code(offers[0].err) {
	case "InvalidParameterValue", "InvalidAMIID.NotFound", "InvalidAMIID.Malformed", "MissingParameter", "InvalidUserData.Malformed":
		return offers[0].err
	}
	return nil
}

// launchSpecs are the tags that a fleet gives to what it launches.
func launchSpecs(specs []types.TagSpecification) (list []types.TagSpecification) {
	for _, spec := range specs {
		if slices.Contains(taggableAtLaunch, spec.ResourceType) {
			list = append(list, spec)
		}
	}
	return list
}

// fleetLaunch is the launch of a template with one override laid over it.
func (s *Service) fleetLaunch(ctx context.Context, r *region, l launch, o types.FleetLaunchTemplateOverridesRequest) (*launch, error) {
	run := *l.in
	run.NetworkInterfaces = slices.Clone(run.NetworkInterfaces)
	l.in = &run
	lay(&run.ImageId, o.ImageId)
	lay(&run.KeyName, o.KeyName)
	lay(&run.Placement, o.Placement)
	lay(&run.MetadataOptions, reshape[*types.InstanceMetadataOptionsRequest](o.MetadataOptions))
	lay(&run.IamInstanceProfile, reshape[*types.IamInstanceProfileSpecification](o.IamInstanceProfile))
	if o.InstanceType != "" {
		run.InstanceType = o.InstanceType
	}
	if len(o.BlockDeviceMappings) > 0 {
		run.BlockDeviceMappings = reshape[[]types.BlockDeviceMapping](o.BlockDeviceMappings)
	}
	switch nic := l.nic(); {
	case o.SubnetId != nil && nic != nil:
		nic.SubnetId = o.SubnetId
	case o.SubnetId != nil:
		run.SubnetId = o.SubnetId
	case o.AvailabilityZone != nil:
		run.Placement = &types.Placement{AvailabilityZone: o.AvailabilityZone}
	}
	if err := s.check(ctx, r, &l); err != nil {
		return nil, err
	}
	if zone := str(o.AvailabilityZone); zone != "" && zone != *l.subnet.AvailabilityZone {
		return nil, invalid("The availability zone '%s' does not match the zone of subnet '%s'.", zone, *l.subnet.SubnetId)
	}
	return &l, nil
}

// lay sets what an override names.
func lay[T any](to **T, from *T) {
	if from != nil {
		*to = from
	}
}

// rank puts offerings in the order in which the fleet's strategy tries them.
func (r *region) rank(in *ec2.CreateFleetInput, offers []*offer, spot bool) []*offer {
	type scored struct {
		*offer
		score float64
		free  int // addresses of its subnet: of what is equal otherwise, the zones fill evenly
	}
	strategy := strategyOf(in, spot)
	list := make([]scored, 0, len(offers))
	for _, o := range offers {
		e := scored{offer: o}
		if o.l != nil {
			price, ok := r.price(o, spot)
			if !ok || spot && !slices.Contains(o.l.shape.UsageClasses, "spot") {
				o = with(o, func(o *offer) { o.err = noCapacity(r, with(o.l, func(l *launch) { l.spot = spot }), "") })
				e.offer = o
			} else if limit, err := strconv.ParseFloat(str(o.override.MaxPrice), 64); spot && err == nil && limit < price {
				e.offer = with(o, func(o *offer) {
					o.err = errorf("SpotMaxPriceTooLow", "Your Spot request price of %g is lower than the minimum required Spot request fulfillment price of %g.", limit, price)
				})
			}
			e.score, e.free = score(strategy, price/o.weight, o), r.index.pools[*o.l.subnet.SubnetId].free
		}
		list = append(list, e)
	}
	slices.SortStableFunc(list, func(a, b scored) int {
		return cmp.Or(cmp.Compare(a.score, b.score), cmp.Compare(b.free, a.free), cmp.Compare(a.order, b.order))
	})
	ranked := make([]*offer, 0, len(list))
	for _, e := range list {
		ranked = append(ranked, e.offer)
	}
	return ranked
}

func strategyOf(in *ec2.CreateFleetInput, spot bool) string {
	if spot {
		if in.SpotOptions == nil || in.SpotOptions.AllocationStrategy == "" {
			return "lowest-price"
		}
		return string(in.SpotOptions.AllocationStrategy)
	}
	if in.OnDemandOptions == nil || in.OnDemandOptions.AllocationStrategy == "" {
		return "lowest-price"
	}
	return string(in.OnDemandOptions.AllocationStrategy)
}

// score is lower for what is tried earlier.
func score(strategy string, price float64, o *offer) float64 {
	switch strategy {
	case "prioritized", "capacity-optimized-prioritized", "capacityOptimizedPrioritized":
		return or(o.override.Priority, 1e9)
	case "price-capacity-optimized": // a price advantage counts, a deep pool makes up for up to a fifth of it
		return price * (1.2 - 0.2*o.depth())
	case "capacity-optimized", "capacityOptimized", "diversified":
		return 1 - o.depth()
	}
	return price
}

// depth stands for how much spare capacity an offering has: between 0 and 1, the same on every run.
func (o *offer) depth() float64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(o.l.shape.Name + " " + *o.l.subnet.AvailabilityZone))
	return float64(h.Sum32()%1000) / 999
}

func (r *region) price(o *offer, spot bool) (float64, bool) {
	if spot {
		return r.svc.spotPrice(r.name, *o.l.subnet.AvailabilityZone, o.l.shape.Name, r.svc.now())
	}
	if price, ok := r.svc.catalog.OnDemand(r.name, o.l.shape.Name); ok {
		return price, true
	}
	return 1e6, true // sold, but nobody knows for how much: last
}

func lifecycleOf(spot bool) types.InstanceLifecycle {
	if spot {
		return types.InstanceLifecycleSpot
	}
	return types.InstanceLifecycleOnDemand
}

// echo repeats the template and the override in an answer.
func (o *offer) echo() *types.LaunchTemplateAndOverridesResponse {
	over := reshape[types.FleetLaunchTemplateOverrides](o.override)
	if o.l != nil {
		over.InstanceType = types.InstanceType(o.l.shape.Name)
		over.SubnetId, over.AvailabilityZone = o.l.subnet.SubnetId, o.l.subnet.AvailabilityZone
		over.AvailabilityZoneId = o.l.subnet.AvailabilityZoneId
		if over.ImageId == nil {
			over.ImageId = o.l.image.ImageId
		}
	}
	return &types.LaunchTemplateAndOverridesResponse{LaunchTemplateSpecification: o.template, Overrides: &over}
}

func (o *offer) success(started []*instanceRow, spot bool) types.CreateFleetInstance {
	out := types.CreateFleetInstance{InstanceType: types.InstanceType(o.l.shape.Name), Lifecycle: lifecycleOf(spot), LaunchTemplateAndOverrides: o.echo(),
		AvailabilityZone: o.l.subnet.AvailabilityZone, AvailabilityZoneId: o.l.subnet.AvailabilityZoneId, SubnetId: o.l.subnet.SubnetId}
	for _, i := range started {
		out.InstanceIds = append(out.InstanceIds, *i.InstanceId)
	}
	return out
}

func (o *offer) failure(err error, spot bool) types.CreateFleetError {
	out := types.CreateFleetError{ErrorCode: new("InternalError"), ErrorMessage: new(err.Error()), Lifecycle: lifecycleOf(spot), LaunchTemplateAndOverrides: o.echo()}
	var e *wire.Error
	if errors.As(err, &e) {
		out.ErrorCode, out.ErrorMessage = new(e.Code), new(e.Message)
	}
	return out
}
