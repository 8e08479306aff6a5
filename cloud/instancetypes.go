package cloud

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	pricingtypes "github.com/aws/aws-sdk-go-v2/service/pricing/types"

	"github.com/automode-dev/automode/compute/catalog"
	"github.com/automode-dev/automode/compute/catalog/ec2form"
)

// InstanceTypes lists all instance types of the region.
func (c *Compute) InstanceTypes(ctx context.Context) ([]catalog.Type, error) {
	var all []catalog.Type
	pages := ec2.NewDescribeInstanceTypesPaginator(c.service.ec2, &ec2.DescribeInstanceTypesInput{
		MaxResults: aws.Int32(100),
		Filters: []ec2types.Filter{
			filter("supported-virtualization-type", "hvm"),
			filter("processor-info.supported-architecture", "x86_64", "arm64"),
		},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describing instance types: %w", classify(err))
		}
		for _, info := range page.InstanceTypes {
			all = append(all, ec2form.From(info))
		}
	}
	return all, nil
}

// Offerings lists the zones of every instance type of the region.
func (c *Compute) Offerings(ctx context.Context) (map[string][]string, error) {
	zones := map[string][]string{}
	pages := ec2.NewDescribeInstanceTypeOfferingsPaginator(c.service.ec2, &ec2.DescribeInstanceTypeOfferingsInput{
		LocationType: ec2types.LocationTypeAvailabilityZone,
		MaxResults:   aws.Int32(1000),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describing instance type offerings: %w", classify(err))
		}
		for _, o := range page.InstanceTypeOfferings {
			zones[string(o.InstanceType)] = append(zones[string(o.InstanceType)], aws.ToString(o.Location))
		}
	}
	return zones, nil
}

// SpotPrices gives the current spot prices of Linux in dollars per hour, by type and zone.
func (c *Compute) SpotPrices(ctx context.Context) (map[string]map[string]float64, error) {
	prices := map[string]map[string]float64{}
	pages := ec2.NewDescribeSpotPriceHistoryPaginator(c.service.ec2, &ec2.DescribeSpotPriceHistoryInput{
		ProductDescriptions: []string{"Linux/UNIX", "Linux/UNIX (Amazon VPC)"},
		StartTime:           aws.Time(time.Now()),
	})
	newest := map[string]time.Time{}
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describing spot price history: %w", classify(err))
		}
		for _, p := range page.SpotPriceHistory {
			price, err := strconv.ParseFloat(aws.ToString(p.SpotPrice), 64)
			if err != nil || price <= 0 {
				continue
			}
			name, zone := string(p.InstanceType), aws.ToString(p.AvailabilityZone)
			if at := aws.ToTime(p.Timestamp); !at.Before(newest[name+zone]) {
				newest[name+zone] = at
				if prices[name] == nil {
					prices[name] = map[string]float64{}
				}
				prices[name][zone] = price
			}
		}
	}
	return prices, nil
}

// OnDemandPrices gives the list prices of shared Linux instances in dollars per hour, by type.
func (c *Compute) OnDemandPrices(ctx context.Context) (map[string]float64, error) {
	prices := map[string]float64{}
	pages := pricing.NewGetProductsPaginator(c.service.pricing, &pricing.GetProductsInput{
		ServiceCode: aws.String("AmazonEC2"),
		MaxResults:  aws.Int32(100),
		Filters: []pricingtypes.Filter{
			term("regionCode", c.region), term("serviceCode", "AmazonEC2"), term("preInstalledSw", "NA"),
			term("operatingSystem", "Linux"), term("capacitystatus", "Used"), term("marketoption", "OnDemand"),
			term("tenancy", "Shared"), term("productFamily", "Compute Instance"),
		},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("getting on-demand prices: %w", classify(err))
		}
		for _, document := range page.PriceList {
			if name, price, ok := readProduct(document); ok {
				prices[name] = price
			}
		}
	}
	return prices, nil
}

func term(field, value string) pricingtypes.Filter {
	return pricingtypes.Filter{Type: pricingtypes.FilterTypeTermMatch, Field: &field, Value: &value}
}

// product is the part of a price list entry that holds the hourly price.
type product struct {
	Product struct {
		Attributes struct {
			InstanceType string `json:"instanceType"`
		} `json:"attributes"`
	} `json:"product"`
	Terms struct {
		OnDemand map[string]struct {
			PriceDimensions map[string]struct {
				PricePerUnit map[string]string `json:"pricePerUnit"`
			} `json:"priceDimensions"`
		} `json:"OnDemand"`
	} `json:"terms"`
}

func readProduct(document string) (name string, price float64, ok bool) {
	var p product
	if err := json.Unmarshal([]byte(document), &p); err != nil {
		return "", 0, false
	}
	for _, offer := range p.Terms.OnDemand {
		for _, dimension := range offer.PriceDimensions {
			for _, currency := range []string{"USD", "CNY"} {
				if price, err := strconv.ParseFloat(dimension.PricePerUnit[currency], 64); err == nil && price > 0 {
					return p.Product.Attributes.InstanceType, price, p.Product.Attributes.InstanceType != ""
				}
			}
		}
	}
	return "", 0, false
}

// pricingRegion is the region of the price list nearest to a region; it is served from a few only.
func pricingRegion(region string) string {
	switch {
	case len(region) >= 3 && region[:3] == "cn-":
		return "cn-northwest-1"
	case len(region) >= 3 && region[:3] == "ap-":
		return "ap-south-1"
	case len(region) >= 3 && region[:3] == "eu-":
		return "eu-central-1"
	}
	return "us-east-1"
}
