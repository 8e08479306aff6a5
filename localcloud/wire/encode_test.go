package wire

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/automode-dev/automode/localcloud/access"
)

type anyone struct{}

func (anyone) Authenticate(*http.Request, []byte, Scope) (*access.Caller, error) {
	return access.Root("111122223333"), nil
}

// post sends a query request to a Mux and returns status and body.
func post(m *Mux, form string) (int, string) {
	values, _ := url.ParseQuery(form)
	r := httptest.NewRequest("POST", "/", strings.NewReader(values.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	w := httptest.NewRecorder()
	m.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func testMux() *Mux {
	m := NewMux(anyone{}, "us-east-1", time.Now)
	e, i := NewService("ec2"), NewService("iam")
	Handle(e, "DescribeInstances", func(context.Context, *ec2.DescribeInstancesInput) (*ec2.DescribeInstancesOutput, error) {
		return nil, nil
	})
	Handle(e, "TerminateInstances", func(ctx context.Context, _ *ec2.TerminateInstancesInput) (*ec2.TerminateInstancesOutput, error) {
		panic("out of range")
	})
	Handle(e, "DeleteVpc", func(ctx context.Context, _ *ec2.DeleteVpcInput) (*ec2.DeleteVpcOutput, error) {
		bob := &access.Caller{Type: access.TypeUser, ARN: "arn:aws:iam::111122223333:user/bob"}
		return nil, access.Authorize(access.WithCaller(ctx, bob), access.Request{Action: "ec2:DeleteVpc", Resource: "arn:aws:ec2:us-east-1:111122223333:vpc/vpc-1"})
	})
	Handle(i, "CreateUser", func(context.Context, *iam.CreateUserInput) (*iam.CreateUserOutput, error) { return nil, ErrThrottled })
	m.Mount(e)
	m.Mount(i)
	return m
}

// TestErrors sends requests that cannot succeed and expects AWS's codes, statuses and texts.
func TestErrors(t *testing.T) {
	m := testMux()
	cases := []struct {
		form   string
		status int
		want   string
	}{
		{"Action=DescribeInstances&Version=2016-11-15", 200, "<reservationSet></reservationSet>"},
		{"Action=DescribeInstances&Version=2016-11-15&InstanceIds.1=i-1", 400, "<Code>UnknownParameter</Code><Message>The parameter InstanceIds is not recognized</Message>"},
		{"Action=DescribeInstances&Version=2016-11-15&MaxResults=many", 400, "<Code>InvalidParameterValue</Code><Message>Value (many) for parameter MaxResults is invalid. Expecting an integer.</Message>"},
		{"Action=DescribeInstances&Version=2016-11-15&Filter.x.Name=a", 200, ""},
		{"Action=TerminateInstances&Version=2016-11-15", 400, "<Code>MissingParameter</Code><Message>The request must contain the parameter InstanceId</Message>"},
		{"Action=TerminateInstances&Version=2016-11-15&InstanceId.1=i-1", 500, "<Code>InternalError</Code>"},
		{"Action=DeleteVpc&Version=2016-11-15&VpcId=vpc-1", 403, "You are not authorized to perform this operation. User: arn:aws:iam::111122223333:user/bob is not authorized to perform: ec2:DeleteVpc on resource: arn:aws:ec2:us-east-1:111122223333:vpc/vpc-1 because no identity-based policy allows the ec2:DeleteVpc action. Encoded authorization failure message: "},
		{"Action=CreateUser&Version=2010-05-08", 400, "1 validation error detected: Value null at &apos;userName&apos; failed to satisfy constraint: Member must not be null"},
		{"Action=CreateUser&Version=2010-05-08&UserName=a&Tags.member.1.Key=k", 400, "Value null at &apos;tags.1.member.value&apos;"},
		{"Action=CreateUser&Version=2010-05-08&UserName=a", 400, "<Code>Throttling</Code><Message>Rate exceeded</Message>"},
		{"Action=Nothing&Version=2010-05-08", 404, "UnknownEndpoint"},
	}
	for _, c := range cases {
		status, body := post(m, c.form)
		body = strings.ReplaceAll(body, "'", "&apos;")
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s\nwant %d %s", c.form, status, body, c.status, c.want)
		}
	}
}

func TestRoutes(t *testing.T) {
	s := NewService("eks")
	Handle(s, "DescribeCluster", func(context.Context, *eks.DescribeClusterInput) (*eks.DescribeClusterOutput, error) { return nil, nil })
	Handle(s, "ListUpdates", func(context.Context, *eks.ListUpdatesInput) (*eks.ListUpdatesOutput, error) { return nil, nil })
	Handle(s, "ListTagsForResource", func(context.Context, *eks.ListTagsForResourceInput) (*eks.ListTagsForResourceOutput, error) {
		return nil, nil
	})
	Handle(s, "DescribeClusterVersions", func(context.Context, *eks.DescribeClusterVersionsInput) (*eks.DescribeClusterVersionsOutput, error) {
		return nil, nil
	})
	for target, want := range map[string]string{
		"GET /clusters/a":         "DescribeCluster name=a",
		"GET /clusters/a/updates": "ListUpdates name=a",
		"GET /clusters/a%2Fb":     "DescribeCluster name=a/b",
		"GET /cluster-versions":   "DescribeClusterVersions ",
		"GET /tags/arn%3Aaws%3Aeks%3Aus-east-1%3A1%3Acluster%2Fa": "ListTagsForResource resourceArn=arn:aws:eks:us-east-1:1:cluster/a",
		"POST /clusters/a":  "",
		"GET /clusters/":    "",
		"GET /clusters/a/b": "",
	} {
		method, path, _ := strings.Cut(target, " ")
		got := ""
		if op, labels := s.matchREST(httptest.NewRequest(method, path, nil)); op != nil {
			got = op.name + " "
			for k, v := range labels {
				got += k + "=" + v
			}
		}
		if got != want {
			t.Errorf("%s goes to %q, want %q", target, got, want)
		}
	}
}

// BenchmarkEncodeInstances writes the answer about 5,000 instances.
func BenchmarkEncodeInstances(b *testing.B) {
	out := &ec2.DescribeInstancesOutput{}
	for n := range 5000 {
		id := fmt.Sprintf("i-%017x", n)
		var tags []types.Tag
		for k := range 6 {
			tags = append(tags, types.Tag{Key: aws.String(fmt.Sprint("key", k)), Value: &id})
		}
		out.Reservations = append(out.Reservations, types.Reservation{ReservationId: &id, Instances: []types.Instance{{
			InstanceId: &id, ImageId: &id, LaunchTime: aws.Time(time.Now()), Tags: tags, State: &types.InstanceState{Name: "running", Code: aws.Int32(16)},
			NetworkInterfaces:   []types.InstanceNetworkInterface{{NetworkInterfaceId: &id, PrivateIpAddress: &id, Groups: []types.GroupIdentifier{{GroupId: &id, GroupName: &id}}}},
			BlockDeviceMappings: []types.InstanceBlockDeviceMapping{{DeviceName: &id, Ebs: &types.EbsInstanceBlockDevice{VolumeId: &id}}},
		}}})
	}
	s := NewService("ec2")
	Handle(s, "DescribeInstances", func(context.Context, *ec2.DescribeInstancesInput) (*ec2.DescribeInstancesOutput, error) {
		return nil, nil
	})
	for b.Loop() {
		b.SetBytes(int64(len(encodeQuery(s.model, s.ops["DescribeInstances"], reflect.ValueOf(out).Elem(), "id"))))
	}
}
