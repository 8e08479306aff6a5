package ec2

import (
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// kind is what the general operations (describe, filter, tag, authorize) must know of one sort of resource.
type kind[T any] struct {
	prefix   string             // of ids, without the dash
	resource types.ResourceType // also its word in ARNs
	absent   func(ids []string) error
	badID    func(id string) error

	table    func(*region) *table[T]
	tags     func(*T) []types.Tag
	retag    func(*T, []types.Tag)
	operator func(*T) *types.OperatorResponse // nil where nothing of the kind is ever managed
	filters  map[string]func(*region, *T) []string
}

// tagged is a kind whatever its row type.
type tagged interface {
	kindPrefix() string
	resourceType() types.ResourceType
	has(r *region, id string) bool
	tagsOf(r *region, id string) []types.Tag
	setTags(tx *txn, r *region, id string, tags []types.Tag)
	operatorOf(r *region, id string) *types.OperatorResponse
	missingIDs(ids ...string) error
	ids(r *region) []string
}

func (k *kind[T]) kindPrefix() string                      { return k.prefix }
func (k *kind[T]) resourceType() types.ResourceType        { return k.resource }
func (k *kind[T]) has(r *region, id string) bool           { return k.table(r).get(id) != nil }
func (k *kind[T]) missingIDs(ids ...string) error          { return k.absent(ids) }
func (k *kind[T]) tagsOf(r *region, id string) []types.Tag { return k.tags(k.table(r).get(id)) }

func (k *kind[T]) ids(r *region) []string {
	ids := make([]string, 0, len(k.table(r).rows))
	for id := range k.table(r).rows {
		ids = append(ids, id)
	}
	return ids
}

func (k *kind[T]) setTags(tx *txn, r *region, id string, tags []types.Tag) {
	k.table(r).put(tx, id, with(k.table(r).get(id), func(row *T) { k.retag(row, tags) }))
}

func (k *kind[T]) operatorOf(r *region, id string) *types.OperatorResponse {
	if k.operator == nil {
		return nil
	}
	return k.operator(k.table(r).get(id))
}

// idsName is how EC2 calls the ids of a Describe request in its messages.
func (k *kind[T]) idsName() string {
	if k.prefix == "i" {
		return "instancesSet"
	}
	return string(k.resource) + "Ids"
}

// find returns the row with the id, or the kind's own error for a malformed or unknown id.
func (k *kind[T]) find(r *region, id string) (*T, error) {
	if row := k.table(r).get(id); row != nil {
		return row, nil
	}
	if k.badID != nil && !wellFormed(k.prefix, id) {
		return nil, k.badID(id)
	}
	return nil, k.absent([]string{id})
}

// get is find under the region's lock.
func (k *kind[T]) get(r *region, id string) (row *T, err error) {
	r.view(func() { row, err = k.find(r, id) })
	return row, err
}

// kinds are all that can be tagged.
var kinds = map[string]tagged{}

func register[T any](k *kind[T]) *kind[T] {
	kinds[k.prefix] = k
	return k
}
