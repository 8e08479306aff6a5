package localcloud_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/automode-dev/automode/localcloud/cloudtest"
	"github.com/automode-dev/automode/localcloud/wire"
)

// recorder keeps the input that reached a handler and answers with a fixed output or error.
type recorder[In, Out any] struct {
	in  *In
	out *Out
	err error
}

func (r *recorder[In, Out]) handle(_ context.Context, in *In) (*Out, error) {
	r.in = in
	return r.out, r.err
}

func diff(t *testing.T, what string, want, got any) {
	t.Helper()
	sdkOnly := cmpopts.IgnoreTypes(middleware.Metadata{})
	noDocument := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".noSmithyDocumentSerde" }, cmp.Ignore())
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty(), sdkOnly, noDocument); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestEC2QueryRoundTrip(t *testing.T) {
	svc := wire.NewService("ec2")
	r := &recorder[ec2.CreateFleetInput, ec2.CreateFleetOutput]{out: &ec2.CreateFleetOutput{
		FleetId: aws.String("fleet-1"),
		Instances: []ec2types.CreateFleetInstance{{
			InstanceIds: []string{"i-1", "i-2"}, InstanceType: ec2types.InstanceTypeM5Large, Lifecycle: ec2types.InstanceLifecycleSpot,
			LaunchTemplateAndOverrides: &ec2types.LaunchTemplateAndOverridesResponse{
				Overrides: &ec2types.FleetLaunchTemplateOverrides{SubnetId: aws.String("subnet-1"), Priority: aws.Float64(1.5)},
			},
		}},
		Errors: []ec2types.CreateFleetError{{ErrorCode: aws.String("InsufficientInstanceCapacity"), ErrorMessage: aws.String("a <b> & \"c\"")}},
	}}
	wire.Handle(svc, "CreateFleet", r.handle)
	client := ec2.NewFromConfig(cloudtest.Start(t, svc))

	in := &ec2.CreateFleetInput{
		LaunchTemplateConfigs: []ec2types.FleetLaunchTemplateConfigRequest{{
			LaunchTemplateSpecification: &ec2types.FleetLaunchTemplateSpecificationRequest{LaunchTemplateName: aws.String("lt"), Version: aws.String("$Latest")},
			Overrides:                   []ec2types.FleetLaunchTemplateOverridesRequest{{InstanceType: "m5.large", AvailabilityZone: aws.String("us-east-1a")}},
		}},
		TargetCapacitySpecification: &ec2types.TargetCapacitySpecificationRequest{TotalTargetCapacity: aws.Int32(2), DefaultTargetCapacityType: "spot"},
		TagSpecifications:           []ec2types.TagSpecification{{ResourceType: "instance", Tags: []ec2types.Tag{{Key: aws.String("a.b/c"), Value: aws.String("")}}}},
		ClientToken:                 aws.String("token"),
		ValidUntil:                  aws.Time(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)),
		DryRun:                      aws.Bool(false),
	}
	out, err := client.CreateFleet(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "input", in, r.in)
	diff(t, "output", r.out, out)

	r.err = wire.Errorf("DryRunOperation", "Request would have succeeded, but DryRun flag is set.").WithStatus(412)
	_, err = client.CreateFleet(t.Context(), in)
	wantCode(t, err, "DryRunOperation")
}

func TestRESTJSONRoundTrip(t *testing.T) {
	svc := wire.NewService("eks")
	r := &recorder[eks.DescribeAccessEntryInput, eks.DescribeAccessEntryOutput]{out: &eks.DescribeAccessEntryOutput{AccessEntry: &ekstypes.AccessEntry{
		ClusterName: aws.String("c"), CreatedAt: aws.Time(time.Unix(1700000000, 0).UTC()), Tags: map[string]string{"k": "v"},
	}}}
	wire.Handle(svc, "DescribeAccessEntry", r.handle)
	client := eks.NewFromConfig(cloudtest.Start(t, svc))
	in := &eks.DescribeAccessEntryInput{ClusterName: aws.String("c"), PrincipalArn: aws.String("arn:aws:iam::111122223333:role/path/x")}
	out, err := client.DescribeAccessEntry(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "input", in, r.in)
	diff(t, "access entry", r.out.AccessEntry, out.AccessEntry)

	r.err = &ekstypes.ResourceNotFoundException{Message: aws.String("No cluster found for name: c.")}
	_, err = client.DescribeAccessEntry(t.Context(), in)
	if _, ok := errors.AsType[*ekstypes.ResourceNotFoundException](err); !ok {
		t.Errorf("error = %v, want ResourceNotFoundException", err)
	}
}

func TestQueryAndJSONRoundTrip(t *testing.T) {
	iamSvc, ssmSvc := wire.NewService("iam"), wire.NewService("ssm")
	roles := &recorder[iam.TagRoleInput, iam.TagRoleOutput]{}
	wire.Handle(iamSvc, "TagRole", roles.handle)
	params := &recorder[ssm.GetParametersInput, ssm.GetParametersOutput]{out: &ssm.GetParametersOutput{
		Parameters: []ssmtypes.Parameter{{Name: aws.String("n"), Version: 3, Type: "String", LastModifiedDate: aws.Time(time.Unix(1700000000, 5e8).UTC())}},
	}}
	wire.Handle(ssmSvc, "GetParameters", params.handle)
	cfg := cloudtest.Start(t, iamSvc, ssmSvc)

	in := &iam.TagRoleInput{RoleName: aws.String("r"), Tags: []iamtypes.Tag{{Key: aws.String("k"), Value: aws.String("é @=")}}}
	if _, err := iam.NewFromConfig(cfg).TagRole(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	diff(t, "iam input", in, roles.in)
	roles.err = wire.Errorf("NoSuchEntity", "The role with name r cannot be found.")
	_, err := iam.NewFromConfig(cfg).TagRole(t.Context(), in)
	if _, ok := errors.AsType[*iamtypes.NoSuchEntityException](err); !ok {
		t.Errorf("error = %v, want NoSuchEntityException", err)
	}
	_, err = iam.NewFromConfig(cfg).TagRole(t.Context(), &iam.TagRoleInput{RoleName: aws.String("no spaces"), Tags: in.Tags})
	wantCode(t, err, "ValidationError")

	out, err := ssm.NewFromConfig(cfg).GetParameters(t.Context(), &ssm.GetParametersInput{Names: []string{"n"}})
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "parameters", params.out.Parameters, out.Parameters)
	_, err = ssm.NewFromConfig(cfg).GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("n")})
	wantCode(t, err, "UnknownOperationException")
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != code {
		t.Errorf("error = %v, want code %s", err, code)
	}
}
