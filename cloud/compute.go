package cloud

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/automode-dev/automode/compute"
)

// Compute is what node autoscaling needs from AWS. It is safe for concurrent use.
type Compute struct {
	region  string
	cluster string

	ec2     *ec2.Client // as the cluster role
	iam     *iam.Client
	ssm     *ssm.Client
	service struct { // as the service-linked role
		ec2     *ec2.Client
		iam     *iam.Client
		pricing *pricing.Client
	}
}

// NewCompute connects to AWS for one cluster.
func NewCompute(identities Identities, cluster string) *Compute {
	c := &Compute{
		region:  identities.Cluster.Region,
		cluster: cluster,
		ec2:     ec2.NewFromConfig(identities.Cluster),
		iam:     iam.NewFromConfig(identities.Cluster),
		ssm:     ssm.NewFromConfig(identities.Cluster),
	}
	c.service.ec2 = ec2.NewFromConfig(identities.Service)
	c.service.iam = iam.NewFromConfig(identities.Service)
	c.service.pricing = pricing.NewFromConfig(identities.Service, func(o *pricing.Options) { o.Region = pricingRegion(identities.Service.Region) })
	return c
}

// Subnets finds the subnets that any of the selectors chooses, each once.
func (c *Compute) Subnets(ctx context.Context, selectors []compute.Selector) ([]compute.Subnet, error) {
	found := map[string]compute.Subnet{}
	for _, filters := range filterSets(selectors, "subnet-id", "") {
		pages := ec2.NewDescribeSubnetsPaginator(c.service.ec2, &ec2.DescribeSubnetsInput{Filters: filters, MaxResults: aws.Int32(500)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, fmt.Errorf("describing subnets: %w", classify(err))
			}
			for _, s := range page.Subnets {
				found[aws.ToString(s.SubnetId)] = compute.Subnet{
					ID: aws.ToString(s.SubnetId), VPCID: aws.ToString(s.VpcId), CIDR: aws.ToString(s.CidrBlock),
					Zone: aws.ToString(s.AvailabilityZone), ZoneID: aws.ToString(s.AvailabilityZoneId),
					FreeAddresses: int(aws.ToInt32(s.AvailableIpAddressCount)), PublicByDefault: aws.ToBool(s.MapPublicIpOnLaunch),
				}
			}
		}
	}
	return sortedByKey(found), nil
}

// SecurityGroups finds the security groups that any of the selectors chooses, each once.
func (c *Compute) SecurityGroups(ctx context.Context, selectors []compute.Selector) ([]compute.SecurityGroup, error) {
	found := map[string]compute.SecurityGroup{}
	for _, filters := range filterSets(selectors, "group-id", "group-name") {
		pages := ec2.NewDescribeSecurityGroupsPaginator(c.service.ec2, &ec2.DescribeSecurityGroupsInput{Filters: filters, MaxResults: aws.Int32(500)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, fmt.Errorf("describing security groups: %w", classify(err))
			}
			for _, g := range page.SecurityGroups {
				found[aws.ToString(g.GroupId)] = compute.SecurityGroup{ID: aws.ToString(g.GroupId), Name: aws.ToString(g.GroupName)}
			}
		}
	}
	return sortedByKey(found), nil
}

// filterSets makes one set of filters per call: all ids together, all names together, each set of tags alone.
func filterSets(selectors []compute.Selector, idFilter, nameFilter string) [][]ec2types.Filter {
	var ids, names []string
	var sets [][]ec2types.Filter
	for _, selector := range selectors {
		switch {
		case selector.ID != "":
			ids = append(ids, selector.ID)
		case selector.Name != "":
			names = append(names, selector.Name)
		default:
			sets = append(sets, tagFilters(selector.Tags))
		}
	}
	if len(ids) > 0 {
		sets = append(sets, []ec2types.Filter{filter(idFilter, ids...)})
	}
	if len(names) > 0 {
		sets = append(sets, []ec2types.Filter{filter(nameFilter, names...)})
	}
	return sets
}

func tagFilters(tags map[string]string) []ec2types.Filter {
	var filters []ec2types.Filter
	for key, value := range tags {
		if value == "*" {
			filters = append(filters, filter("tag-key", key))
		} else {
			filters = append(filters, filter("tag:"+key, value))
		}
	}
	return filters
}

func filter(name string, values ...string) ec2types.Filter {
	return ec2types.Filter{Name: &name, Values: values}
}

// Image reads the id of a public image from an SSM parameter.
func (c *Compute) Image(ctx context.Context, parameter string) (string, error) {
	out, err := c.ssm.GetParameter(ctx, &ssm.GetParameterInput{Name: &parameter})
	if err != nil {
		return "", fmt.Errorf("reading image parameter %s: %w", parameter, classify(err))
	}
	return strings.TrimSpace(aws.ToString(out.Parameter.Value)), nil
}
