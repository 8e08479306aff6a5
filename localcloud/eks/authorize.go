package eks

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/wire"
)

const (
	servicePrincipal = "eks.amazonaws.com"
	anyResource      = "*"
)

// clusterARN is the ARN of a cluster that may not exist yet.
func clusterARN(call *wire.Call, name string) string {
	return fmt.Sprintf("arn:aws:eks:%s:%s:cluster/%s", call.Region, call.Account, name)
}

// resourceTags are the condition keys of a resource's own tags.
func resourceTags(tags map[string]string) map[string][]string {
	keys := map[string][]string{}
	for k, v := range tags {
		keys["aws:ResourceTag/"+k] = []string{v}
	}
	return keys
}

// requestTags are the condition keys of the tags in a request.
func requestTags(tags map[string]string) map[string][]string {
	keys := map[string][]string{}
	for k, v := range tags {
		keys["aws:RequestTag/"+k] = []string{v}
	}
	if len(tags) > 0 {
		keys["aws:TagKeys"] = slices.Sorted(maps.Keys(tags))
	}
	return keys
}

// withKeys joins condition keys.
func withKeys(all ...map[string][]string) map[string][]string {
	out := map[string][]string{}
	for _, keys := range all {
		maps.Copy(out, keys)
	}
	return out
}

// authorizeCluster checks the caller for an action on a cluster by name. The
// record may be nil: a caller without the right learns nothing of existence.
func authorizeCluster(ctx context.Context, action, name string, r *record, more ...map[string][]string) error {
	keys := withKeys(more...)
	if r != nil {
		maps.Copy(keys, resourceTags(r.Cluster.Tags))
	}
	return authorize(ctx, action, clusterARN(wire.CallFrom(ctx), name), keys)
}

// authorizePassRole checks that the caller may hand the role to this service.
func authorizePassRole(ctx context.Context, role *string) error {
	return authorizePassTo(ctx, role, servicePrincipal)
}

// authorizePassTo checks that the caller may hand the role to a service; no
// role needs no right.
func authorizePassTo(ctx context.Context, role *string, service string) error {
	if aws.ToString(role) == "" {
		return nil
	}
	return access.Authorize(ctx, access.Request{
		Action: "iam:PassRole", Resource: *role,
		Context: map[string][]string{"iam:PassedToService": {service}},
	})
}

// authorized loads the cluster and checks the caller for an action on it.
func (s *Service) authorized(ctx context.Context, action string, name *string, more ...map[string][]string) (*record, error) {
	call := wire.CallFrom(ctx)
	r, missing := s.load(call.Region, aws.ToString(name))
	if err := authorizeCluster(ctx, action, aws.ToString(name), r, more...); err != nil {
		return nil, err
	}
	return r, missing
}
