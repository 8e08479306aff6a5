package pricing_test

import (
	"encoding/json"
	"math"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	"github.com/aws/aws-sdk-go-v2/service/pricing/types"

	"github.com/automode-dev/automode/compute/catalog"
	"github.com/automode-dev/automode/localcloud/cloudtest"
)

func filter(field, value string) types.Filter {
	return types.Filter{Type: types.FilterTypeTermMatch, Field: &field, Value: &value}
}

// TestGetProducts asks as node autoscalers do: all on-demand Linux prices of a region, page by page.
func TestGetProducts(t *testing.T) {
	_, _, cfg := cloudtest.Core(t)
	client := pricing.NewFromConfig(cfg)
	pages := pricing.NewGetProductsPaginator(client, &pricing.GetProductsInput{ServiceCode: aws.String("AmazonEC2"), Filters: []types.Filter{
		filter("regionCode", "eu-west-1"), filter("serviceCode", "AmazonEC2"), filter("preInstalledSw", "NA"), filter("operatingSystem", "Linux"),
		filter("capacitystatus", "Used"), filter("marketoption", "OnDemand"), filter("tenancy", "Shared"), filter("productFamily", "Compute Instance"),
	}})
	prices := map[string]float64{}
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range page.PriceList {
			name, price := parse(t, document)
			prices[name] = price
		}
	}
	want, ok := catalog.Default().OnDemand("eu-west-1", "m5.large")
	if !ok || math.Abs(prices["m5.large"]-want) > 1e-9 {
		t.Errorf("m5.large costs %v, want %v", prices["m5.large"], want)
	}
	if len(prices) < 500 {
		t.Errorf("%d prices", len(prices))
	}
	if _, ok := prices["m5.metal"]; ok {
		t.Error("bare metal is in another product family")
	}
}

func parse(t *testing.T, document string) (string, float64) {
	var p struct {
		Product struct{ Attributes struct{ InstanceType string } }
		Terms   struct {
			OnDemand map[string]struct {
				PriceDimensions map[string]struct{ PricePerUnit map[string]string }
			}
		}
	}
	if err := json.Unmarshal([]byte(document), &p); err != nil {
		t.Fatal(err)
	}
	for _, term := range p.Terms.OnDemand {
		for _, d := range term.PriceDimensions {
			price, err := strconv.ParseFloat(d.PricePerUnit["USD"], 64)
			if err != nil {
				t.Fatal(err)
			}
			return p.Product.Attributes.InstanceType, price
		}
	}
	t.Fatalf("no price in %s", document)
	return "", 0
}

func TestServicesAndValues(t *testing.T) {
	_, _, cfg := cloudtest.Core(t)
	client := pricing.NewFromConfig(cfg)
	services, err := client.DescribeServices(t.Context(), &pricing.DescribeServicesInput{})
	if err != nil || len(services.Services) != 2 {
		t.Errorf("services: %v, %v", services, err)
	}
	values, err := client.GetAttributeValues(t.Context(), &pricing.GetAttributeValuesInput{ServiceCode: aws.String("AmazonEC2"), AttributeName: aws.String("tenancy")})
	if err != nil || len(values.AttributeValues) != 1 {
		t.Errorf("tenancies: %v, %v", values, err)
	}
}
