package eks

import (
	"context"
	"maps"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"

	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

// taggable is a record with an ARN and tags.
type taggable interface {
	arn() string
	tags() *map[string]string
	key() string
}

func (r *record) arn() string                   { return aws.ToString(r.Cluster.Arn) }
func (r *record) tags() *map[string]string      { return &r.Cluster.Tags }
func (e *entryRecord) arn() string              { return aws.ToString(e.Entry.AccessEntryArn) }
func (e *entryRecord) tags() *map[string]string { return &e.Entry.Tags }
func (a *associationRecord) arn() string        { return aws.ToString(a.Association.AssociationArn) }
func (a *associationRecord) tags() *map[string]string {
	return &a.Association.Tags
}

// findTaggable returns the resource with the ARN and its bucket.
func findTaggable(tx *store.Tx, arn string) (bucket string, found taggable, err error) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[2] != "eks" {
		return "", nil, wire.Errorf("BadRequestException", "The resource ARN %s is not valid", arn)
	}
	kind, rest, _ := strings.Cut(parts[5], "/")
	cluster, _, _ := strings.Cut(rest, "/")
	key := recordKey(parts[3], cluster)
	switch kind {
	case "cluster":
		bucket = bucketClusters
		found, err = firstWith[record](tx, bucket, key, arn)
	case "access-entry":
		bucket = bucketEntries
		found, err = firstWith[entryRecord](tx, bucket, key+"/", arn)
	case "podidentityassociation":
		bucket = bucketAssociations
		found, err = firstWith[associationRecord](tx, bucket, key+"/", arn)
	}
	if err == nil && found == nil {
		err = wire.Errorf("NotFoundException", "No resource found for ARN: %s", arn)
	}
	return bucket, found, err
}

// firstWith is the first record under the prefix with the ARN, or nil.
func firstWith[T any, P interface {
	*T
	taggable
}](tx *store.Tx, bucket, prefix, arn string) (taggable, error) {
	all, err := store.ListPrefix[T](tx, bucket, prefix)
	for i := range all {
		if p := P(&all[i]); p.arn() == arn {
			return p, err
		}
	}
	return nil, err
}

// editTags checks the caller and changes the tags of the resource.
func (s *Service) editTags(ctx context.Context, action, arn string, keys map[string][]string, change func(map[string]string) error) error {
	return s.db.Update(func(tx *store.Tx) error {
		bucket, found, err := findTaggable(tx, arn)
		if err != nil {
			return err
		}
		tags := *found.tags()
		if err := authorize(ctx, action, arn, withKeys(keys, resourceTags(tags))); err != nil {
			return err
		}
		tags = maps.Clone(tags)
		if tags == nil {
			tags = map[string]string{}
		}
		if err := change(tags); err != nil {
			return err
		}
		*found.tags() = tags
		if r, ok := found.(*record); ok && r.Target != nil {
			r.Target.Tags = tags
		}
		return store.Put(tx, bucket, found.key(), found)
	})
}

// TagResource adds tags to a cluster, access entry or pod identity association.
func (s *Service) TagResource(ctx context.Context, in *eks.TagResourceInput) (*eks.TagResourceOutput, error) {
	if err := validateTags(in.Tags); err != nil {
		return nil, wire.Errorf("BadRequestException", "%s", err.(*wire.Error).Message)
	}
	err := s.editTags(ctx, "TagResource", aws.ToString(in.ResourceArn), requestTags(in.Tags), func(tags map[string]string) error {
		maps.Copy(tags, in.Tags)
		if len(tags) > maxTags {
			return wire.Errorf("BadRequestException", "The number of tags exceeds the limit of %d", maxTags)
		}
		return nil
	})
	return &eks.TagResourceOutput{}, err
}

// UntagResource removes tags; a key that is not there is fine.
func (s *Service) UntagResource(ctx context.Context, in *eks.UntagResourceInput) (*eks.UntagResourceOutput, error) {
	err := s.editTags(ctx, "UntagResource", aws.ToString(in.ResourceArn), map[string][]string{"aws:TagKeys": in.TagKeys}, func(tags map[string]string) error {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
		return nil
	})
	return &eks.UntagResourceOutput{}, err
}

// ListTagsForResource lists the tags of a resource.
func (s *Service) ListTagsForResource(ctx context.Context, in *eks.ListTagsForResourceInput) (*eks.ListTagsForResourceOutput, error) {
	arn := aws.ToString(in.ResourceArn)
	var found taggable
	err := s.db.View(func(tx *store.Tx) (err error) {
		_, found, err = findTaggable(tx, arn)
		return err
	})
	if err != nil {
		return nil, err
	}
	tags := *found.tags()
	if err := authorize(ctx, "ListTagsForResource", arn, resourceTags(tags)); err != nil {
		return nil, err
	}
	return &eks.ListTagsForResourceOutput{Tags: tags}, nil
}
