package iam

import (
	"encoding/base64"
	"slices"

	"github.com/automode-dev/automode/localcloud/wire"
)

// page cuts one page out of a list sorted by key. The marker is the key of the last item given out, so that a page
// is right even when items come and go in between.
func page[T any](items []T, key func(T) string, marker *string, max *int32) (part []T, next *string, truncated bool, err error) {
	slices.SortStableFunc(items, func(a, b T) int {
		switch {
		case key(a) < key(b):
			return -1
		case key(a) > key(b):
			return 1
		}
		return 0
	})
	if marker != nil {
		after, err := base64.StdEncoding.DecodeString(*marker)
		if err != nil {
			return nil, nil, false, wire.Errorf("ValidationError", "Invalid Marker.")
		}
		i, found := slices.BinarySearchFunc(items, string(after), func(item T, k string) int {
			switch {
			case key(item) < k:
				return -1
			case key(item) > k:
				return 1
			}
			return 0
		})
		if found {
			i++
		}
		items = items[i:]
	}
	limit := 100
	if max != nil {
		limit = int(*max)
	}
	if len(items) <= limit {
		return items, nil, false, nil
	}
	m := base64.StdEncoding.EncodeToString([]byte(key(items[limit-1])))
	return items[:limit], &m, true, nil
}

// convert maps a slice.
func convert[A, B any](list []A, f func(A) B) []B {
	out := make([]B, len(list))
	for i := range list {
		out[i] = f(list[i])
	}
	return out
}
