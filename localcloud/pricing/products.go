package pricing

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/pricing/types"

	"github.com/automode-dev/automode/compute/catalog"
)

// Service codes.
const (
	ec2Code = "AmazonEC2"
	eksCode = "AmazonEKS"
)

// clusterHour is the price of an EKS control plane in standard support, dollars per hour.
const clusterHour = 0.10

// product is one line of a price list.
type product struct {
	family     string
	attributes map[string]string
	price      float64 // dollars per hour
	text       string  // of the price dimension
}

// products generates the products of a service; those of regions that a filter excludes are left out early.
func (s *Service) products(code string, filters []types.Filter) iter.Seq[*product] {
	return func(yield func(*product) bool) {
		for _, region := range s.catalog.Regions() {
			if !matchesAll(&product{attributes: map[string]string{"regionCode": region.Name}}, only(filters, "regionCode")) {
				continue
			}
			if code == eksCode && !yield(clusterProduct(region.Name)) {
				return
			}
			for _, t := range s.catalog.Types() {
				price, ok := s.catalog.OnDemand(region.Name, t.Name)
				if !ok {
					continue
				}
				var p *product
				switch code {
				case ec2Code:
					p = instanceProduct(region.Name, &t, price)
				case eksCode:
					p = feeProduct(region.Name, &t, catalog.Fee(t.Name, price))
				default:
					return
				}
				if !yield(p) {
					return
				}
			}
		}
	}
}

func only(filters []types.Filter, field string) []types.Filter {
	return slices.DeleteFunc(slices.Clone(filters), func(f types.Filter) bool { return aws.ToString(f.Field) != field })
}

func instanceProduct(region string, t *catalog.Type, price float64) *product {
	family := "Compute Instance"
	if t.BareMetal {
		family = "Compute Instance (bare metal)"
	}
	generation := "No"
	if t.CurrentGeneration {
		generation = "Yes"
	}
	return &product{family: family, price: price, text: fmt.Sprintf("$%s per On Demand Linux %s Instance Hour", number(price), t.Name), attributes: map[string]string{
		"servicecode": ec2Code, "servicename": "Amazon Elastic Compute Cloud", "regionCode": region, "locationType": "AWS Region",
		"instanceType": t.Name, "instanceFamily": t.Family(), "currentGeneration": generation, "vcpu": strconv.Itoa(t.VCPUs),
		"memory": number(float64(t.MemoryMiB)/1024) + " GiB", "networkPerformance": t.Network.Performance,
		"operatingSystem": "Linux", "preInstalledSw": "NA", "licenseModel": "No License required", "tenancy": "Shared",
		"capacitystatus": "Used", "marketoption": "OnDemand", "operation": "RunInstances", "usagetype": "BoxUsage:" + t.Name,
	}}
}

func clusterProduct(region string) *product {
	return &product{family: "Compute", price: clusterHour, text: "$0.10 per hour for each EKS cluster", attributes: map[string]string{
		"servicecode": eksCode, "servicename": "Amazon Elastic Container Service for Kubernetes", "regionCode": region, "locationType": "AWS Region",
		"operation": "CreateOperation", "usagetype": "AmazonEKS-Hours:perCluster",
	}}
}

func feeProduct(region string, t *catalog.Type, fee float64) *product {
	return &product{family: "EKS Auto Mode", price: fee, text: fmt.Sprintf("$%s per hour for EKS Auto Mode on %s", number(fee), t.Name), attributes: map[string]string{
		"servicecode": eksCode, "servicename": "Amazon Elastic Container Service for Kubernetes", "regionCode": region, "locationType": "AWS Region",
		"operation": "AutoMode", "usagetype": "EKS-Auto:" + t.Name, "instanceType": t.Name,
	}}
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// sku is a stable id made of what tells the product from others.
func (p *product) sku() string {
	sum := sha256.Sum256([]byte(p.attributes["servicecode"] + p.attributes["regionCode"] + p.attributes["usagetype"]))
	return base32.StdEncoding.EncodeToString(sum[:])[:16]
}

// field returns what a filter looks at.
func (p *product) field(name string) (string, bool) {
	switch strings.ToLower(name) {
	case "servicecode":
		return p.attributes["servicecode"], true
	case "productfamily":
		return p.family, true
	}
	v, ok := p.attributes[name]
	return v, ok
}

func matchesAll(p *product, filters []types.Filter) bool {
	for _, f := range filters {
		value, ok := p.field(aws.ToString(f.Field))
		if !ok || !matches(f.Type, value, aws.ToString(f.Value)) {
			return false
		}
	}
	return true
}

func matches(kind types.FilterType, value, want string) bool {
	list := strings.Split(want, ",")
	equal := func(w string) bool { return strings.EqualFold(strings.TrimSpace(w), value) }
	switch kind {
	case types.FilterTypeContains:
		return strings.Contains(strings.ToLower(value), strings.ToLower(want))
	case types.FilterTypeAnyOf:
		return slices.ContainsFunc(list, equal)
	case types.FilterTypeNoneOf:
		return !slices.ContainsFunc(list, equal)
	}
	return strings.EqualFold(value, want)
}

// Codes of AWS's only kind of on-demand term.
const (
	onDemandTerm = "JRTCKXETXF"
	onDemandRate = "6YS6EN2CT7"
)

// document is the JSON document of a product.
func (p *product) document(day string) any {
	sku := p.sku()
	term, rate := sku+"."+onDemandTerm, sku+"."+onDemandTerm+"."+onDemandRate
	dimension := map[string]any{
		"unit": "Hrs", "beginRange": "0", "endRange": "Inf", "description": p.text, "appliesTo": []string{}, "rateCode": rate,
		"pricePerUnit": map[string]string{"USD": strconv.FormatFloat(p.price, 'f', 10, 64)},
	}
	return map[string]any{
		"product":     map[string]any{"productFamily": p.family, "attributes": p.attributes, "sku": sku},
		"serviceCode": p.attributes["servicecode"],
		"terms": map[string]any{"OnDemand": map[string]any{term: map[string]any{
			"priceDimensions": map[string]any{rate: dimension}, "sku": sku, "effectiveDate": day + "T00:00:00Z",
			"offerTermCode": onDemandTerm, "termAttributes": map[string]any{},
		}}},
		"version": strings.ReplaceAll(day, "-", ""), "publicationDate": day + "T00:00:00Z",
	}
}
