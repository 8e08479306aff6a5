package ec2

import (
	"cmp"
	"context"
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// spotStep is how long a spot price stays the same.
const spotStep = 6 * time.Hour

// spotPrice is the price of an offering at a time: the catalogue's typical price, moved by a walk that is the same on
// every machine and every run. It stays within 15 per cent of the typical price and below the on-demand price.
func (s *Service) spotPrice(region, zone, shape string, at time.Time) (float64, bool) {
	typical, ok := s.catalog.Spot(region, zone, shape)
	if !ok {
		return 0, false
	}
	step := at.Unix() / int64(spotStep/time.Second)
	move := 0.0
	for _, period := range []int64{1, 4, 16} { // three walks of different pace added up
		from, to := noise(zone, shape, period, step/period), noise(zone, shape, period, step/period+1)
		part := float64(step%period) / float64(period)
		move += from + (to-from)*part
	}
	price := typical * (1 + 0.05*move)
	if onDemand, ok := s.catalog.OnDemand(region, shape); ok {
		price = min(price, onDemand)
	}
	return math.Round(price*1e4) / 1e4, true
}

// noise is between -1 and 1, always the same for the same arguments.
func noise(zone, shape string, period, step int64) float64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(strings.Join([]string{zone, shape, strconv.FormatInt(period, 10), strconv.FormatInt(step, 10)}, "/")))
	return float64(h.Sum64()>>11)/float64(1<<52) - 1
}

func priceText(price float64) string { return strconv.FormatFloat(price, 'f', 6, 64) }

var spotKind = register(&kind[types.SpotInstanceRequest]{
	prefix: "sir", resource: types.ResourceTypeSpotInstancesRequest,
	absent: func(ids []string) error {
		return errorf("InvalidSpotInstanceRequestID.NotFound", "%s", notExist("spot instance request", ids))
	},
	table: func(r *region) *table[types.SpotInstanceRequest] { return r.spots },
	tags:  func(s *types.SpotInstanceRequest) []types.Tag { return s.Tags },
	retag: func(s *types.SpotInstanceRequest, tags []types.Tag) { s.Tags = tags },
	filters: map[string]func(*region, *types.SpotInstanceRequest) []string{
		"spot-instance-request-id":   func(_ *region, s *types.SpotInstanceRequest) []string { return one(s.SpotInstanceRequestId) },
		"instance-id":                func(_ *region, s *types.SpotInstanceRequest) []string { return one(s.InstanceId) },
		"state":                      func(_ *region, s *types.SpotInstanceRequest) []string { return []string{string(s.State)} },
		"status-code":                func(_ *region, s *types.SpotInstanceRequest) []string { return one(s.Status.Code) },
		"launched-availability-zone": func(_ *region, s *types.SpotInstanceRequest) []string { return one(s.LaunchedAvailabilityZone) },
	},
})

// DescribeSpotInstanceRequests lists the requests behind spot instances.
func (s *Service) DescribeSpotInstanceRequests(ctx context.Context, in *ec2.DescribeSpotInstanceRequestsInput) (*ec2.DescribeSpotInstanceRequestsOutput, error) {
	_, rows, next, err := describe(ctx, s, spotKind, query{ids: in.SpotInstanceRequestIds, filters: in.Filters,
		maxResults: in.MaxResults, nextToken: in.NextToken, dryRun: in.DryRun, min: 5, max: 1000})
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeSpotInstanceRequestsOutput{NextToken: next, SpotInstanceRequests: []types.SpotInstanceRequest{}}
	for _, sir := range rows {
		out.SpotInstanceRequests = append(out.SpotInstanceRequests, *sir)
	}
	return out, nil
}

// closeSpot ends a spot request with a status code.
func (r *region) closeSpot(tx *txn, id, code string) {
	sir := r.spots.get(id)
	if sir == nil || sir.State != types.SpotInstanceStateActive {
		return
	}
	r.spots.put(tx, id, with(sir, func(s *types.SpotInstanceRequest) {
		s.State = types.SpotInstanceStateClosed
		s.Status = &types.SpotInstanceStatus{Code: new(code), Message: new("Your Spot Instance was terminated."), UpdateTime: new(r.svc.now())}
	}))
}

// interruptionNotice is how long before its end a spot instance is told.
const interruptionNotice = 2 * time.Minute

// Interrupt takes a spot instance away after the usual two minutes' notice.
func (s *Service) Interrupt(regionName, instanceID string) error {
	r, err := s.Region(regionName)
	if err != nil {
		return err
	}
	return r.update(func(tx *txn) error {
		i, err := instanceKind.find(r, instanceID)
		if err != nil {
			return err
		}
		if i.SpotInstanceRequestId == nil || i.State.Name != types.InstanceStateNameRunning {
			return incorrectState("The instance '%s' is not a running Spot Instance.", instanceID)
		}
		if !i.Interrupt.IsZero() {
			return nil
		}
		r.instances.put(tx, instanceID, with(i, func(i *instanceRow) { i.Interrupt = s.now().Add(interruptionNotice) }))
		sir := r.spots.get(*i.SpotInstanceRequestId)
		r.spots.put(tx, *i.SpotInstanceRequestId, with(sir, func(sir *types.SpotInstanceRequest) {
			sir.Status = &types.SpotInstanceStatus{Code: new("marked-for-termination"), UpdateTime: new(s.now()),
				Message: new("Your Spot Instance is marked for termination.")}
		}))
		tx.then(func() { s.lifecycle.instance(r, instanceID) })
		return nil
	})
}

// endSpot ends an interrupted instance.
func (r *region) endSpot(tx *txn, i *instanceRow) {
	r.closeSpot(tx, *i.SpotInstanceRequestId, "instance-terminated-no-capacity")
	r.terminate(tx, i, "Server.SpotInstanceTermination", "Server.SpotInstanceTermination: Spot instance termination",
		new("Server.SpotInstanceTermination"))
}

// DescribeSpotPriceHistory lists the prices of the last steps, newest first: without a start time only the present ones.
func (s *Service) DescribeSpotPriceHistory(ctx context.Context, in *ec2.DescribeSpotPriceHistoryInput) (*ec2.DescribeSpotPriceHistoryOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	match, err := compile(spotPriceKind, in.Filters)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, in.DryRun, anything); err != nil {
		return nil, err
	}
	if len(in.ProductDescriptions) > 0 && !slices.ContainsFunc(in.ProductDescriptions, func(d string) bool { return strings.HasPrefix(d, "Linux/UNIX") }) {
		return &ec2.DescribeSpotPriceHistoryOutput{SpotPriceHistory: []types.SpotPrice{}}, nil
	}
	list := s.spotHistory(r, in, match)
	q := query{maxResults: in.MaxResults, nextToken: in.NextToken, min: 1, max: 1000}
	if q.maxResults == nil {
		q.maxResults = new(int32(1000))
	}
	list, next, err := pageOf(q, list, func(p types.SpotPrice) string {
		return strconv.FormatInt(1e12-p.Timestamp.Unix(), 10) + " " + string(p.InstanceType) + " " + *p.AvailabilityZone
	})
	return &ec2.DescribeSpotPriceHistoryOutput{SpotPriceHistory: list, NextToken: next}, err
}

var spotPriceKind = &kind[types.SpotPrice]{
	filters: map[string]func(*region, *types.SpotPrice) []string{
		"availability-zone":    func(_ *region, p *types.SpotPrice) []string { return one(p.AvailabilityZone) },
		"availability-zone-id": func(_ *region, p *types.SpotPrice) []string { return one(p.AvailabilityZoneId) },
		"instance-type":        func(_ *region, p *types.SpotPrice) []string { return []string{string(p.InstanceType)} },
		"product-description":  func(_ *region, p *types.SpotPrice) []string { return []string{string(p.ProductDescription)} },
		"spot-price":           func(_ *region, p *types.SpotPrice) []string { return one(p.SpotPrice) },
	},
}

func (s *Service) spotHistory(r *region, in *ec2.DescribeSpotPriceHistoryInput, match func(*region, *types.SpotPrice) bool) []types.SpotPrice {
	end := or(in.EndTime, s.now())
	if end.After(s.now()) {
		end = s.now()
	}
	end = end.UTC().Truncate(spotStep)
	start := or(in.StartTime, s.now()).UTC().Truncate(spotStep)
	start = slices.MaxFunc([]time.Time{start, end.AddDate(0, 0, -90)}, func(a, b time.Time) int { return cmp.Compare(a.Unix(), b.Unix()) })
	var list []types.SpotPrice
	for _, shape := range s.catalog.Types() {
		if len(in.InstanceTypes) > 0 && !slices.Contains(in.InstanceTypes, types.InstanceType(shape.Name)) {
			continue
		}
		for _, z := range s.catalog.Zones(r.name) {
			if a := str(in.AvailabilityZone); a != "" && a != z.Name {
				continue
			}
			for at := end; !at.Before(start); at = at.Add(-spotStep) {
				price, ok := s.spotPrice(r.name, z.Name, shape.Name, at)
				if !ok {
					break
				}
				p := types.SpotPrice{AvailabilityZone: new(z.Name), AvailabilityZoneId: new(z.ID), InstanceType: types.InstanceType(shape.Name),
					ProductDescription: types.RIProductDescriptionLinuxUnix, SpotPrice: new(priceText(price)), Timestamp: new(at)}
				if match(r, &p) {
					list = append(list, p)
				}
			}
		}
	}
	return list
}
