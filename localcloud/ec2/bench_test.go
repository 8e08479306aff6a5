package ec2_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// populate launches n instances in fleets of 100, four fleets at a time.
func (c *cloud) populate(subnetID, lt string, n int) {
	var wg sync.WaitGroup
	gate := make(chan struct{}, 4)
	for range n / 100 {
		wg.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			out, err := c.CreateFleet(c.t.Context(), c.fleet(lt, subnetID, 100, types.DefaultTargetCapacityTypeOnDemand, "c6a.large", "c6a.xlarge"))
			if err != nil || len(out.Instances) != 1 || len(out.Instances[0].InstanceIds) != 100 {
				c.t.Errorf("launching: %v, %+v", err, out)
			}
		})
	}
	wg.Wait()
}

// plainTemplate is a launch template without prefixes, so that a /16 holds many instances.
func (c *cloud) plainTemplate() string {
	out := must[*sdk.CreateLaunchTemplateOutput](c.t)(c.CreateLaunchTemplate(c.t.Context(), &sdk.CreateLaunchTemplateInput{LaunchTemplateName: new("plain"),
		LaunchTemplateData: &types.RequestLaunchTemplateData{ImageId: new(image(c.t, "x86_64"))}}))
	return *out.LaunchTemplate.LaunchTemplateId
}

// BenchmarkDescribe5000 is one DescribeInstances call for 5,000 instances over HTTP, the SDK's decoding included.
func BenchmarkDescribe5000(b *testing.B) {
	c := start(b)
	_, subnetID := c.network("10.0.0.0/16", "10.0.0.0/17")
	c.populate(subnetID, c.plainTemplate(), 5000)
	for b.Loop() {
		out := must[*sdk.DescribeInstancesOutput](b)(c.DescribeInstances(b.Context(), &sdk.DescribeInstancesInput{}))
		n := 0
		for _, r := range out.Reservations {
			n += len(r.Instances)
		}
		if n != 5000 {
			b.Fatalf("%d instances", n)
		}
	}
}

// BenchmarkAnswer5000 is the same call up to the last byte of the answer, without the SDK's decoding.
func BenchmarkAnswer5000(b *testing.B) {
	c := start(b)
	_, subnetID := c.network("10.0.0.0/16", "10.0.0.0/17")
	c.populate(subnetID, c.plainTemplate(), 5000)
	for b.Loop() {
		r := must[*http.Request](b)(http.NewRequest(http.MethodPost, *c.config.BaseEndpoint, strings.NewReader("Action=DescribeInstances&Version=2016-11-15")))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+root+"/20261121/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=0")
		answer := must[*http.Response](b)(http.DefaultClient.Do(r))
		n := must[int64](b)(io.Copy(io.Discard, answer.Body))
		answer.Body.Close()
		b.SetBytes(n)
	}
}

// BenchmarkDescribeOneOf5000 finds one of 5,000 instances by a tag filter.
func BenchmarkDescribeOneOf5000(b *testing.B) {
	c := start(b)
	_, subnetID := c.network("10.0.0.0/16", "10.0.0.0/17")
	c.populate(subnetID, c.plainTemplate(), 5000)
	id := c.run(subnetID)
	must[*sdk.CreateTagsOutput](b)(c.CreateTags(b.Context(), &sdk.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: new("the"), Value: new("one")}}}))
	for b.Loop() {
		must[*sdk.DescribeInstancesOutput](b)(c.DescribeInstances(b.Context(), &sdk.DescribeInstancesInput{Filters: []types.Filter{{Name: new("tag:the"), Values: []string{"one"}}}}))
	}
}

// BenchmarkLaunch1000 launches 1,000 instances in ten calls, acknowledged on disk.
func BenchmarkLaunch1000(b *testing.B) {
	c := start(b)
	_, subnetID := c.network("10.0.0.0/16", "10.0.0.0/16")
	lt := c.plainTemplate()
	for b.Loop() {
		c.populate(subnetID, lt, 1000)
	}
}

// BenchmarkLaunchSingly launches instances one by one from eight callers at a time, as a node autoscaler does.
func BenchmarkLaunchSingly(b *testing.B) {
	c := start(b)
	_, subnetID := c.network("10.0.0.0/16", "10.0.0.0/16")
	lt := c.plainTemplate()
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			must[*sdk.CreateFleetOutput](b)(c.CreateFleet(b.Context(), c.fleet(lt, subnetID, 1, types.DefaultTargetCapacityTypeOnDemand, "c6a.large")))
		}
	})
}

// BenchmarkLaunchOfMany launches one instance out of 180 offerings: 60 types in three zones, as Auto Mode asks.
func BenchmarkLaunchOfMany(b *testing.B) {
	c := start(b)
	lt := c.plainTemplate()
	in := c.fleet(lt, "", 1, types.DefaultTargetCapacityTypeOnDemand)
	subnets := must[*sdk.DescribeSubnetsOutput](b)(c.DescribeSubnets(b.Context(), &sdk.DescribeSubnetsInput{Filters: []types.Filter{
		{Name: new("availability-zone"), Values: []string{"us-east-1a", "us-east-1b", "us-east-1d"}}}}))
	kinds := must[*sdk.DescribeInstanceTypesOutput](b)(c.DescribeInstanceTypes(b.Context(), &sdk.DescribeInstanceTypesInput{Filters: []types.Filter{
		{Name: new("processor-info.supported-architecture"), Values: []string{"x86_64"}}, {Name: new("instance-type"), Values: []string{"c5*", "m5*", "r5*"}}}}))
	for _, kind := range kinds.InstanceTypes[:60] {
		for _, s := range subnets.Subnets {
			in.LaunchTemplateConfigs[0].Overrides = append(in.LaunchTemplateConfigs[0].Overrides,
				types.FleetLaunchTemplateOverridesRequest{InstanceType: kind.InstanceType, SubnetId: s.SubnetId})
		}
	}
	for b.Loop() {
		in.ClientToken = nil
		if out := must[*sdk.CreateFleetOutput](b)(c.CreateFleet(b.Context(), in)); len(out.Instances) != 1 {
			b.Fatalf("got %+v", out.Errors)
		}
	}
}
