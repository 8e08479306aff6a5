// Package catalogsource gathers the facts of compute/catalog from the AWS APIs: instance types, where they are offered and
// what they cost. It reads only, and knows nothing of clusters.
package catalogsource

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	"github.com/aws/smithy-go/logging"

	"github.com/automode-dev/automode/cloud/transport"
	"github.com/automode-dev/automode/compute/catalog"
	"github.com/automode-dev/automode/compute/catalog/ec2form"
)

// pricingRegion is one of the few regions that have the price list API.
const pricingRegion = "us-east-1"

// Source implements catalog.Source with the credentials and the endpoint of the environment.
type Source struct {
	config  aws.Config
	regions []string // empty for all that the account may use
	now     func() time.Time
}

var _ catalog.Source = (*Source)(nil)

// New returns a source for the given regions, all enabled ones when there are none.
func New(ctx context.Context, regions []string) (*Source, error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{}))
	if err != nil {
		return nil, fmt.Errorf("loading the AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		cfg.Region = pricingRegion
	}
	return &Source{config: transport.Shield(cfg), regions: regions, now: time.Now}, nil
}

// Day is today.
func (s *Source) Day() string { return s.now().UTC().Format(time.DateOnly) }

func (s *Source) ec2(region string) *ec2.Client {
	return ec2.NewFromConfig(s.config, func(o *ec2.Options) { o.Region = region })
}

func (s *Source) pricing() *pricing.Client {
	return pricing.NewFromConfig(s.config, func(o *pricing.Options) { o.Region = pricingRegion })
}

// Regions lists the regions with their availability zones; local zones and wavelength zones are left out.
func (s *Source) Regions(ctx context.Context) ([]catalog.Region, error) {
	out, err := s.ec2(s.config.Region).DescribeRegions(ctx, &ec2.DescribeRegionsInput{RegionNames: s.regions})
	if err != nil {
		return nil, err
	}
	var regions []catalog.Region
	for _, r := range out.Regions {
		region := catalog.Region{Name: aws.ToString(r.RegionName)}
		zones, err := s.ec2(region.Name).DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{
			Filters: []types.Filter{{Name: aws.String("zone-type"), Values: []string{"availability-zone"}}}})
		if err != nil {
			return nil, fmt.Errorf("zones of %s: %w", region.Name, err)
		}
		for _, z := range zones.AvailabilityZones {
			region.Zones = append(region.Zones, catalog.Zone{Name: aws.ToString(z.ZoneName), ID: aws.ToString(z.ZoneId)})
		}
		regions = append(regions, region)
	}
	return regions, nil
}

// Types lists the instance types of a region.
func (s *Source) Types(ctx context.Context, region string) ([]catalog.Type, error) {
	var all []catalog.Type
	pages := ec2.NewDescribeInstanceTypesPaginator(s.ec2(region), &ec2.DescribeInstanceTypesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, info := range page.InstanceTypes {
			all = append(all, ec2form.From(info))
		}
	}
	return all, nil
}

// Offerings maps each type to the ids of the zones that sell it.
func (s *Source) Offerings(ctx context.Context, region string) (map[string][]string, error) {
	offered := map[string][]string{}
	pages := ec2.NewDescribeInstanceTypeOfferingsPaginator(s.ec2(region), &ec2.DescribeInstanceTypeOfferingsInput{LocationType: types.LocationTypeAvailabilityZoneId})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.InstanceTypeOfferings {
			offered[string(o.InstanceType)] = append(offered[string(o.InstanceType)], aws.ToString(o.Location))
		}
	}
	return offered, nil
}
