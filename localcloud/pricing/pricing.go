// Package pricing is the price list service of the local cloud: on-demand prices of instance types and the fees of EKS
// from the catalog, in the documents that AWS's price list API gives. Reserved, dedicated and non-Linux prices are
// not in the catalog and so not offered.
package pricing

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	"github.com/aws/aws-sdk-go-v2/service/pricing/types"

	"github.com/automode-dev/automode/compute/catalog"
	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/wire"
)

// Service answers from a catalog.
type Service struct {
	catalog *catalog.Catalog
	wire    *wire.Service
}

// New returns the service over a catalog.
func New(c *catalog.Catalog) *Service {
	s := &Service{catalog: c, wire: wire.NewService("pricing")}
	wire.Handle(s.wire, "DescribeServices", s.DescribeServices)
	wire.Handle(s.wire, "GetAttributeValues", s.GetAttributeValues)
	wire.Handle(s.wire, "GetProducts", s.GetProducts)
	return s
}

// Wire returns the operations for mounting.
func (s *Service) Wire() *wire.Service { return s.wire }

func authorize(ctx context.Context, operation string) error {
	return access.Authorize(ctx, access.Request{Action: "pricing:" + operation, Resource: "*"})
}

// GetProducts lists on-demand Linux prices (AmazonEC2, shared tenancy) and fees of EKS (AmazonEKS) by any filter.
func (s *Service) GetProducts(ctx context.Context, in *pricing.GetProductsInput) (*pricing.GetProductsOutput, error) {
	if err := authorize(ctx, "GetProducts"); err != nil {
		return nil, err
	}
	max := int(aws.ToInt32(in.MaxResults))
	if max == 0 {
		max = 100
	}
	if max < 1 || max > 100 {
		return nil, wire.Errorf("InvalidParameterException", "MaxResults must be between 1 and 100")
	}
	skip, err := readToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &pricing.GetProductsOutput{FormatVersion: aws.String("aws_v1"), PriceList: []string{}}
	n := 0
	for p := range s.products(*in.ServiceCode, in.Filters) {
		if !matchesAll(p, in.Filters) {
			continue
		}
		if n++; n <= skip {
			continue
		}
		if len(out.PriceList) == max {
			out.NextToken = aws.String(base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(n - 1))))
			break
		}
		document, err := json.Marshal(p.document(s.catalog.Updated()))
		if err != nil {
			return nil, fmt.Errorf("encoding product %s: %w", p.sku(), err)
		}
		out.PriceList = append(out.PriceList, string(document))
	}
	return out, nil
}

func readToken(token *string) (int, error) {
	if token == nil || *token == "" {
		return 0, nil
	}
	data, err := base64.StdEncoding.DecodeString(*token)
	n, err2 := strconv.Atoi(string(data))
	if err != nil || err2 != nil || n < 0 {
		return 0, wire.Errorf("InvalidNextTokenException", "The NextToken value is invalid.")
	}
	return n, nil
}

// services are the service codes with prices here.
var services = []string{ec2Code, eksCode}

// DescribeServices lists AmazonEC2 and AmazonEKS with their attribute names.
func (s *Service) DescribeServices(ctx context.Context, in *pricing.DescribeServicesInput) (*pricing.DescribeServicesOutput, error) {
	if err := authorize(ctx, "DescribeServices"); err != nil {
		return nil, err
	}
	out := &pricing.DescribeServicesOutput{FormatVersion: aws.String("aws_v1")}
	for _, code := range services {
		if in.ServiceCode != nil && *in.ServiceCode != code {
			continue
		}
		names := map[string]bool{}
		for p := range s.products(code, nil) {
			for name := range p.attributes {
				names[name] = true
			}
			if len(names) > 30 || code == ec2Code {
				break // all products of a service have the same attributes
			}
		}
		out.Services = append(out.Services, types.Service{ServiceCode: aws.String(code), AttributeNames: slices.Sorted(maps.Keys(names))})
	}
	if in.ServiceCode != nil && len(out.Services) == 0 {
		return nil, wire.Errorf("NotFoundException", "The serviceCode %s does not exist", *in.ServiceCode)
	}
	return out, nil
}

// GetAttributeValues lists the values that an attribute has over all products.
func (s *Service) GetAttributeValues(ctx context.Context, in *pricing.GetAttributeValuesInput) (*pricing.GetAttributeValuesOutput, error) {
	if err := authorize(ctx, "GetAttributeValues"); err != nil {
		return nil, err
	}
	skip, err := readToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	values := map[string]bool{}
	for p := range s.products(*in.ServiceCode, nil) {
		if v, ok := p.attributes[*in.AttributeName]; ok {
			values[v] = true
		}
	}
	if len(values) == 0 {
		return nil, wire.Errorf("NotFoundException", "The attribute %s of service %s does not exist", *in.AttributeName, *in.ServiceCode)
	}
	max := int(aws.ToInt32(in.MaxResults))
	if max == 0 {
		max = 100
	}
	out := &pricing.GetAttributeValuesOutput{}
	sorted := slices.Sorted(maps.Keys(values))
	sorted = sorted[min(skip, len(sorted)):]
	if len(sorted) > max {
		sorted = sorted[:max]
		out.NextToken = aws.String(base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(skip + max))))
	}
	for _, v := range sorted {
		out.AttributeValues = append(out.AttributeValues, types.AttributeValue{Value: &v})
	}
	return out, nil
}
