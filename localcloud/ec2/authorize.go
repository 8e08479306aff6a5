package ec2

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/automode-dev/automode/localcloud/access"
)

// target is one resource that a call touches, as authorisation sees it.
type target struct {
	action   string // operation, or action of another service with its prefix; that of the call where empty
	arn      string
	tags     []types.Tag // of the existing resource
	request  []types.Tag // given by the request to this resource
	tagging  bool        // the request names tags (aws:TagKeys is there, if empty)
	operator string      // principal that manages the resource
	guarded  bool        // users may not do this to a managed resource
	keys     map[string][]string
}

// anything is the target of calls that know no resources.
var anything = target{arn: "*"}

// existing is a resource that is already there. The region's lock is held.
func existing(r *region, k tagged, id string) target {
	t := target{arn: r.arn(arnWord(k.resourceType()), id), tags: k.tagsOf(r, id)}
	if op := k.operatorOf(r, id); op != nil {
		t.operator = str(op.Principal)
	}
	return t
}

// created is a resource that the call makes; its tags need ec2:CreateTags as well.
func created(r *region, resource types.ResourceType, tags []types.Tag) target {
	return target{arn: r.arn(arnWord(resource), "*"), request: tags, tagging: len(tags) > 0}
}

func (t target) requesting(tags []types.Tag) target {
	t.request, t.tagging = tags, true
	return t
}

func (t target) key(name string, values ...string) target {
	keys := map[string][]string{name: values}
	for k, v := range t.keys {
		keys[k] = v
	}
	t.keys = keys
	return t
}

// guard marks what users may not do to managed resources.
func (t target) guard() target {
	t.guarded = true
	return t
}

func (t target) as(action string) target {
	t.action = action
	return t
}

// arnWord is how a resource type is written in ARNs.
func arnWord(resource types.ResourceType) string {
	return string(resource)
}

// authorize asks whether the caller may do the call to all targets, in the order of AWS: parameters were checked
// before; a dry run that would be allowed ends in DryRunOperation.
func (s *Service) authorize(ctx context.Context, dryRun *bool, targets ...target) error {
	call := callOf(ctx)
	var requests []access.Request
	var tagging []access.Request
	for _, t := range targets {
		action := t.action
		if action == "" {
			action = call.Operation
		}
		q := t.question(call.Region, action)
		q.ResourcePolicy = protection(call.Caller, t)
		requests = append(requests, q)
		if len(t.request) > 0 && t.tags == nil && t.action == "" && call.Operation != "CreateTags" && call.Operation != "DeleteTags" {
			tagging = append(tagging, t.key("ec2:CreateAction", call.Operation).question(call.Region, "CreateTags"))
		}
	}
	if err := access.Authorize(ctx, append(requests, tagging...)...); err != nil {
		return err
	}
	if value(dryRun) {
		return errorf("DryRunOperation", "Request would have succeeded, but DryRun flag is set.").WithStatus(412)
	}
	return nil
}

// question puts a target into the words of the policy language.
func (t target) question(region, action string) access.Request {
	keys := map[string][]string{"ec2:Region": {region}}
	for k, v := range t.keys {
		keys[k] = v
	}
	for _, tag := range t.tags {
		keys["aws:ResourceTag/"+str(tag.Key)] = []string{str(tag.Value)}
		keys["ec2:ResourceTag/"+str(tag.Key)] = []string{str(tag.Value)}
	}
	for _, tag := range t.request {
		keys["aws:RequestTag/"+str(tag.Key)] = []string{str(tag.Value)}
	}
	if t.tagging {
		keys["aws:TagKeys"] = tagKeys(t.request)
	}
	if !strings.Contains(action, ":") {
		action = "ec2:" + action
	}
	q := access.Request{Action: action, Resource: t.arn, Context: keys}
	if t.operator != "" {
		keys["ec2:ManagedResourceOperator"] = []string{t.operator}
	}
	return q
}

// authorizeOn authorizes a call on existing resources of one kind, which must be there.
func authorizeOn[T any](ctx context.Context, s *Service, r *region, dryRun *bool, k *kind[T], ids ...string) error {
	targets, err := targetsOf(r, k, ids...)
	if err != nil {
		return err
	}
	return s.authorize(ctx, dryRun, targets...)
}

// targetsOf returns the targets of existing resources of one kind, which must be there.
func targetsOf[T any](r *region, k *kind[T], ids ...string) (targets []target, err error) {
	r.view(func() {
		for _, id := range ids {
			if _, err = k.find(r, id); err != nil {
				return
			}
			targets = append(targets, existing(r, k, id))
		}
	})
	return targets, err
}
