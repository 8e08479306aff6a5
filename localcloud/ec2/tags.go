package ec2

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// maxTags is how many tags a resource may have, not counting those of AWS.
const maxTags = 50

func tagValues(tags []types.Tag, key string) []string {
	for _, t := range tags {
		if str(t.Key) == key {
			return []string{str(t.Value)}
		}
	}
	return nil
}

func tagKeys(tags []types.Tag) []string {
	keys := make([]string, 0, len(tags))
	for _, t := range tags {
		keys = append(keys, str(t.Key))
	}
	return keys
}

func tagValue(tags []types.Tag, key string) string {
	if v := tagValues(tags, key); v != nil {
		return v[0]
	}
	return ""
}

// merge returns tags with more laid over them, in order of keys.
func merge(tags, more []types.Tag) []types.Tag {
	out := slices.Clone(tags)
	for _, t := range more {
		t = types.Tag{Key: new(str(t.Key)), Value: new(str(t.Value))}
		if i := slices.IndexFunc(out, func(o types.Tag) bool { return str(o.Key) == str(t.Key) }); i >= 0 {
			out[i] = t
		} else {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b types.Tag) int { return strings.Compare(str(a.Key), str(b.Key)) })
	return out
}

// tagMap makes tags of a map.
func tagsFromMap(m map[string]string) []types.Tag {
	tags := make([]types.Tag, 0, len(m))
	for k, v := range m {
		tags = append(tags, types.Tag{Key: new(k), Value: new(v)})
	}
	return merge(nil, tags)
}

// specified returns the tags that a request gives to new resources of a type.
func specified(specs []types.TagSpecification, resource types.ResourceType) []types.Tag {
	var tags []types.Tag
	for _, spec := range specs {
		if spec.ResourceType == resource {
			tags = append(tags, spec.Tags...)
		}
	}
	return merge(nil, tags)
}

// checkSpecs refuses tag specifications for other resource types than the allowed ones, and bad tags.
func checkSpecs(specs []types.TagSpecification, allowed ...types.ResourceType) error {
	seen := map[types.ResourceType]bool{}
	for _, spec := range specs {
		switch {
		case spec.ResourceType == "":
			return missing("resourceType")
		case !slices.Contains(allowed, spec.ResourceType):
			return invalid("'%s' is not a valid taggable resource type for this operation.", spec.ResourceType)
		case seen[spec.ResourceType]:
			return invalid("Duplicate tag specification for resource type '%s'", spec.ResourceType)
		}
		seen[spec.ResourceType] = true
		if err := checkTags(spec.Tags); err != nil {
			return err
		}
	}
	return nil
}

func checkTags(tags []types.Tag) error {
	seen := map[string]bool{}
	for _, t := range tags {
		key := str(t.Key)
		switch {
		case key == "":
			return invalid("Tag key cannot be empty")
		case len([]rune(key)) > 127+1:
			return invalid("Tag key exceeds the maximum length of 128 characters")
		case len([]rune(str(t.Value))) > 256:
			return invalid("Tag value exceeds the maximum length of 256 characters")
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return invalid("Tag keys starting with 'aws:' are reserved for internal use")
		case seen[key]:
			return invalid("Duplicate tag key '%s' specified.", key)
		}
		seen[key] = true
	}
	if len(tags) > maxTags {
		return errorf("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
	}
	return nil
}

// kindOf returns the kind of a resource by its id.
func kindOf(id string) (tagged, error) {
	prefix, _, _ := strings.Cut(id, "-")
	k, ok := kinds[prefix]
	if !ok {
		return nil, errorf("InvalidID", "The ID '%s' is not valid", id)
	}
	return k, nil
}

// taggable finds the resources of a tag call and what authorisation has to know of them.
func (r *region) taggable(ids []string, request []types.Tag) (targets []target, err error) {
	r.view(func() {
		for _, id := range ids {
			k, kindErr := kindOf(id)
			switch {
			case kindErr != nil:
				err = kindErr
			case !k.has(r, id):
				err = k.missingIDs(id)
			default:
				targets = append(targets, existing(r, k, id).requesting(request))
				continue
			}
			return
		}
	})
	return targets, err
}

// CreateTags adds or replaces tags of any resources that have tags.
func (s *Service) CreateTags(ctx context.Context, in *ec2.CreateTagsInput) (*ec2.CreateTagsOutput, error) {
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	err := s.changeTags(ctx, in.Resources, in.Tags, in.DryRun, func(old []types.Tag) []types.Tag { return merge(old, in.Tags) })
	return &ec2.CreateTagsOutput{}, err
}

// DeleteTags removes tags: the named ones, those whose value also equals where one is given, or all.
func (s *Service) DeleteTags(ctx context.Context, in *ec2.DeleteTagsInput) (*ec2.DeleteTagsOutput, error) {
	gone := func(t types.Tag) bool {
		if strings.HasPrefix(str(t.Key), "aws:") {
			return false
		}
		return len(in.Tags) == 0 || slices.ContainsFunc(in.Tags, func(d types.Tag) bool {
			return str(d.Key) == str(t.Key) && (d.Value == nil || *d.Value == str(t.Value))
		})
	}
	err := s.changeTags(ctx, in.Resources, in.Tags, in.DryRun, func(old []types.Tag) []types.Tag { return without(old, gone) })
	return &ec2.DeleteTagsOutput{}, err
}

func (s *Service) changeTags(ctx context.Context, ids []string, request []types.Tag, dryRun *bool, change func([]types.Tag) []types.Tag) error {
	r, err := s.regionOf(ctx)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return missing("resourceIdSet")
	}
	targets, err := r.taggable(ids, request)
	if err != nil {
		return err
	}
	if err := s.authorize(ctx, dryRun, targets...); err != nil {
		return err
	}
	return r.update(func(tx *txn) error {
		for _, id := range ids {
			k, _ := kindOf(id)
			if !k.has(r, id) {
				return k.missingIDs(id)
			}
			tags := change(k.tagsOf(r, id))
			user := without(tags, func(t types.Tag) bool { return strings.HasPrefix(str(t.Key), "aws:") })
			if len(user) > maxTags {
				return errorf("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
			}
			k.setTags(tx, r, id, tags)
		}
		return nil
	})
}

var tagFilters = map[string]func(*region, *types.TagDescription) []string{
	"key":           func(_ *region, t *types.TagDescription) []string { return one(t.Key) },
	"value":         func(_ *region, t *types.TagDescription) []string { return one(t.Value) },
	"resource-id":   func(_ *region, t *types.TagDescription) []string { return one(t.ResourceId) },
	"resource-type": func(_ *region, t *types.TagDescription) []string { return []string{string(t.ResourceType)} },
}

// DescribeTags lists tags across all kinds of resources.
func (s *Service) DescribeTags(ctx context.Context, in *ec2.DescribeTagsInput) (*ec2.DescribeTagsOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	k := &kind[types.TagDescription]{filters: tagFilters}
	var filters []types.Filter
	for _, f := range in.Filters { // tag:K here means key K with one of the values
		if key, ok := strings.CutPrefix(str(f.Name), "tag:"); ok {
			filters = append(filters, types.Filter{Name: new("key"), Values: []string{key}}, types.Filter{Name: new("value"), Values: f.Values})
			continue
		}
		filters = append(filters, f)
	}
	match, err := compile(k, filters)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, in.DryRun, anything); err != nil {
		return nil, err
	}
	var all []types.TagDescription
	r.view(func() {
		for _, k := range kinds {
			for _, id := range k.ids(r) {
				for _, t := range k.tagsOf(r, id) {
					d := types.TagDescription{Key: t.Key, Value: t.Value, ResourceId: new(id), ResourceType: k.resourceType()}
					if match(r, &d) {
						all = append(all, d)
					}
				}
			}
		}
	})
	q := query{maxResults: in.MaxResults, nextToken: in.NextToken, min: 5, max: 1000}
	out, next, err := pageOf(q, all, func(t types.TagDescription) string { return str(t.ResourceId) + " " + str(t.Key) })
	return &ec2.DescribeTagsOutput{Tags: out, NextToken: next}, err
}
