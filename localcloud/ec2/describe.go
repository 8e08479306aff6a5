package ec2

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// query is what the Describe calls have in common.
type query struct {
	ids        []string
	filters    []types.Filter
	maxResults *int32
	nextToken  *string
	dryRun     *bool
	min, max   int32 // limits of maxResults
	// managed asks for hidden managed resources too.
	managed *bool
}

// describe answers a Describe call of one kind: every id must exist, filters narrow, pages are in the order of ids.
func describe[T any](ctx context.Context, s *Service, k *kind[T], q query) (*region, []*T, *string, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	match, err := compile(k, q.filters)
	if err != nil {
		return nil, nil, nil, err
	}
	if q.maxResults != nil && len(q.ids) > 0 {
		return nil, nil, nil, combination("The parameter %s cannot be used with the parameter maxResults", k.idsName())
	}
	if err := q.check(); err != nil {
		return nil, nil, nil, err
	}
	if err := s.authorize(ctx, q.dryRun, anything); err != nil {
		return nil, nil, nil, err
	}
	var rows []*T
	var next *string
	r.view(func() {
		var ids []string
		if ids, err = pick(r, k, q, match); err != nil {
			return
		}
		if ids, next, err = q.page(ids); err != nil {
			return
		}
		rows = make([]*T, 0, len(ids))
		for _, id := range ids {
			rows = append(rows, k.table(r).get(id))
		}
	})
	return r, rows, next, err
}

// pick returns the ids of the rows that the query means, sorted. The region's lock is held.
func pick[T any](r *region, k *kind[T], q query, match func(*region, *T) bool) ([]string, error) {
	var ids, absent []string
	for _, id := range q.ids {
		row, err := k.find(r, id)
		switch {
		case err != nil && k.badID != nil && !wellFormed(k.prefix, id):
			return nil, err
		case err != nil:
			absent = append(absent, id)
		case match(r, row):
			ids = append(ids, id)
		}
	}
	if len(absent) > 0 {
		return nil, k.absent(absent)
	}
	if len(q.ids) == 0 {
		hide := hidden(r, k, q)
		for id, row := range k.table(r).rows {
			if match(r, row) && !hide(row) {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// hidden says which rows a list leaves out: managed ones where the account's default visibility is hidden.
func hidden[T any](r *region, k *kind[T], q query) func(*T) bool {
	settings := r.settings.get(settingsKey)
	if k.operator == nil || value(q.managed) || settings == nil ||
		settings.Visibility != types.ManagedResourceDefaultVisibilityHidden {
		return func(*T) bool { return false }
	}
	return func(row *T) bool { op := k.operator(row); return op != nil && value(op.HiddenByDefault) }
}

// check refuses page sizes out of range.
func (q query) check() error {
	if q.maxResults == nil || q.max == 0 {
		return nil
	}
	if n := *q.maxResults; n < q.min || n > q.max {
		return invalid("Value ( %d ) for parameter maxResults is invalid. Expecting a value between %d and %d.", n, q.min, q.max)
	}
	return nil
}

const tokenMark = "after:"

// page cuts one page out of sorted keys; the token is where the page before ended.
func (q query) page(keys []string) (page []string, next *string, err error) {
	if token := str(q.nextToken); token != "" {
		raw, err := base64.StdEncoding.DecodeString(token)
		last, ok := strings.CutPrefix(string(raw), tokenMark)
		if err != nil || !ok {
			return nil, nil, errorf("InvalidNextToken", "The token '%s' is invalid", token)
		}
		i, found := slices.BinarySearch(keys, last)
		if found {
			i++
		}
		keys = keys[i:]
	}
	if n := int(value(q.maxResults)); n > 0 && len(keys) > n {
		keys = keys[:n]
		next = new(base64.StdEncoding.EncodeToString([]byte(tokenMark + keys[n-1])))
	}
	return keys, next, nil
}

// pageOf is page for things that have no table of their own.
func pageOf[T any](q query, list []T, key func(T) string) ([]T, *string, error) {
	if err := q.check(); err != nil {
		return nil, nil, err
	}
	byKey := make(map[string]T, len(list))
	keys := make([]string, 0, len(list))
	for _, item := range list {
		k := key(item)
		byKey[k] = item
		keys = append(keys, k)
	}
	slices.Sort(keys)
	keys, next, err := q.page(keys)
	if err != nil {
		return nil, nil, err
	}
	out := make([]T, 0, len(keys))
	for _, k := range keys {
		out = append(out, byKey[k])
	}
	return out, next, nil
}
