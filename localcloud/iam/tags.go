package iam

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

const maxTags = 50

// newTags checks the tags of a request against those that exist and returns the union.
func newTags(have []Tag, in []types.Tag) ([]Tag, error) {
	tags := slices.Clone(have)
	seen := map[string]bool{}
	for _, t := range in {
		key := aws.ToString(t.Key)
		if seen[strings.ToLower(key)] {
			return nil, wire.Errorf("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		seen[strings.ToLower(key)] = true
		if strings.HasPrefix(strings.ToLower(key), "aws:") {
			return nil, wire.Errorf("InvalidInput", "The tag keys with prefix aws: are reserved for AWS use.")
		}
		tag := Tag{key, aws.ToString(t.Value)}
		if i := slices.IndexFunc(tags, func(t Tag) bool { return strings.EqualFold(t.Key, key) }); i >= 0 {
			tags[i] = tag
		} else {
			tags = append(tags, tag)
		}
	}
	if len(tags) > maxTags {
		return nil, wire.Errorf("LimitExceeded", "The number of tags has reached the maximum limit.")
	}
	return tags, nil
}

// requestTags are the condition keys of tags in a request.
func requestTags(in []types.Tag) map[string][]string {
	keys := map[string][]string{}
	for _, t := range in {
		keys["aws:RequestTag/"+aws.ToString(t.Key)] = []string{aws.ToString(t.Value)}
		keys["aws:TagKeys"] = append(keys["aws:TagKeys"], aws.ToString(t.Key))
	}
	return keys
}

func sdkTags(tags []Tag) []types.Tag {
	if len(tags) == 0 {
		return nil
	}
	return convert(tags, func(t Tag) types.Tag { return types.Tag{Key: &t.Key, Value: &t.Value} })
}

func tag[T any, P holder[T]](ctx context.Context, s *Service, k kind[T], name *string, operation string, tags []types.Tag) error {
	return change[T, P](ctx, s, k, *name, operation, requestTags(tags), func(_ *store.Tx, e P) (err error) {
		e.base().Tags, err = newTags(e.base().Tags, tags)
		return err
	})
}

func untag[T any, P holder[T]](ctx context.Context, s *Service, k kind[T], name *string, operation string, tagKeys []string) error {
	keys := map[string][]string{"aws:TagKeys": tagKeys}
	return change[T, P](ctx, s, k, *name, operation, keys, func(_ *store.Tx, e P) error {
		e.base().Tags = slices.DeleteFunc(e.base().Tags, func(t Tag) bool {
			return slices.ContainsFunc(tagKeys, func(k string) bool { return strings.EqualFold(k, t.Key) })
		})
		return nil
	})
}

// tagPage lists the tags of an entity.
func tagPage[T any, P holder[T]](ctx context.Context, s *Service, k kind[T], name *string, operation string, marker *string, max *int32) (tags []types.Tag, next *string, truncated bool, err error) {
	err = read[T, P](ctx, s, k, *name, operation, func(_ *store.Tx, e P) (err error) {
		tags, next, truncated, err = page(sdkTags(e.base().Tags), func(t types.Tag) string { return *t.Key }, marker, max)
		return err
	})
	return tags, next, truncated, err
}
