package eks

import (
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"

	"github.com/automode-dev/automode/localcloud"
	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/cloudtest"
	"github.com/automode-dev/automode/localcloud/wire"
)

// as authenticates every request as one caller.
type as struct{ *access.Caller }

func (a as) Authenticate(*http.Request, []byte, wire.Scope) (*access.Caller, error) {
	return a.Caller, nil
}

// clientOf is a client of the same service whose caller has a policy.
func (c *cloud) clientOf(name, policy string) *eks.Client {
	c.t.Helper()
	caller := user(name)
	caller.Identity = []*access.Policy{access.MustParse(policy)}
	server, err := localcloud.New(localcloud.Options{Home: c.t.TempDir()})
	if err != nil {
		c.t.Fatal(err)
	}
	server.Authenticate(as{caller})
	server.Mount(c.svc.Wire())
	return eks.NewFromConfig(cloudtest.Serve(c.t, server))
}

func TestRights(t *testing.T) {
	c := newCloud(t)
	c.expectCreated(autoCluster("one", func(in *eks.CreateClusterInput) { in.Tags = map[string]string{"team": "a"} }))
	jo := c.clientOf("jo", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"eks:Create*","Resource":"*"},
		{"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::111122223333:role/ClusterRole","Condition":{"StringEquals":{"iam:PassedToService":"eks.amazonaws.com"}}},
		{"Effect":"Allow","Action":"eks:DescribeCluster","Resource":"arn:aws:eks:us-east-1:111122223333:cluster/*","Condition":{"StringEquals":{"aws:ResourceTag/team":"a"}}}]}`)
	ctx := t.Context()

	if _, err := jo.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: aws.String("one")}); err != nil {
		t.Error(err)
	}
	_, err := jo.DeleteCluster(ctx, &eks.DeleteClusterInput{Name: aws.String("one")})
	expectError(t, err, "AccessDeniedException", "User: arn:aws:iam::111122223333:user/jo is not authorized to perform: eks:DeleteCluster on resource: arn:aws:eks:us-east-1:111122223333:cluster/one because no identity-based policy allows the eks:DeleteCluster action")
	_, err = jo.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: aws.String("two")})
	expectError(t, err, "AccessDeniedException", "User: arn:aws:iam::111122223333:user/jo is not authorized to perform: eks:DescribeCluster on resource: arn:aws:eks:us-east-1:111122223333:cluster/two because no identity-based policy allows the eks:DescribeCluster action")
	_, err = jo.CreateCluster(ctx, autoCluster("two"))
	expectError(t, err, "AccessDeniedException", "User: arn:aws:iam::111122223333:user/jo is not authorized to perform: iam:PassRole on resource: arn:aws:iam::111122223333:role/NodeRole because no identity-based policy allows the iam:PassRole action")
}
