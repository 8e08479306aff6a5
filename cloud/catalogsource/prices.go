package catalogsource

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	"github.com/aws/aws-sdk-go-v2/service/pricing/types"
)

// priceListing is the part of a price list entry that holds the hourly price.
type priceListing struct {
	Product struct{ Attributes struct{ InstanceType string } }
	Terms   struct {
		OnDemand map[string]struct {
			PriceDimensions map[string]struct{ PricePerUnit map[string]string }
		}
	}
}

// OnDemand maps each type of a region to its Linux price with shared tenancy, in dollars per hour.
func (s *Source) OnDemand(ctx context.Context, region string) (map[string]float64, error) {
	prices := map[string]float64{}
	in := &pricing.GetProductsInput{ServiceCode: aws.String("AmazonEC2")}
	for field, value := range map[string]string{"regionCode": region, "operatingSystem": "Linux", "preInstalledSw": "NA", "capacitystatus": "Used",
		"marketoption": "OnDemand", "tenancy": "Shared", "productFamily": "Compute Instance"} {
		in.Filters = append(in.Filters, types.Filter{Type: types.FilterTypeTermMatch, Field: aws.String(field), Value: aws.String(value)})
	}
	pages := pricing.NewGetProductsPaginator(s.pricing(), in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, text := range page.PriceList {
			var listing priceListing
			if err := json.Unmarshal([]byte(text), &listing); err != nil {
				return nil, fmt.Errorf("reading a price list entry of %s: %w", region, err)
			}
			if price, ok := listing.hourly(); ok {
				prices[listing.Product.Attributes.InstanceType] = price
			}
		}
	}
	return prices, nil
}

// hourly returns the price in dollars; false for entries that cost nothing, which are not for sale.
func (l priceListing) hourly() (float64, bool) {
	for _, term := range l.Terms.OnDemand {
		for _, dimension := range term.PriceDimensions {
			if price, err := strconv.ParseFloat(dimension.PricePerUnit["USD"], 64); err == nil && price > 0 {
				return price, true
			}
		}
	}
	return 0, false
}

// Spot maps each type of a region to the median over its zones of the present Linux spot price, in dollars per hour.
func (s *Source) Spot(ctx context.Context, region string) (map[string]float64, error) {
	byType := map[string][]float64{}
	now := s.now()
	pages := ec2.NewDescribeSpotPriceHistoryPaginator(s.ec2(region), &ec2.DescribeSpotPriceHistoryInput{
		ProductDescriptions: []string{"Linux/UNIX", "Linux/UNIX (Amazon VPC)"}, StartTime: &now})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range page.SpotPriceHistory {
			if price, err := strconv.ParseFloat(aws.ToString(p.SpotPrice), 64); err == nil {
				byType[string(p.InstanceType)] = append(byType[string(p.InstanceType)], price)
			}
		}
	}
	median := map[string]float64{}
	for name, prices := range byType {
		slices.Sort(prices)
		median[name] = prices[len(prices)/2]
	}
	return median, nil
}
