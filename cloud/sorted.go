package cloud

import (
	"maps"
	"slices"
)

// sortedByKey lists the values of a map in order of its keys.
func sortedByKey[V any](m map[string]V) []V {
	values := make([]V, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		values = append(values, m[key])
	}
	return values
}

type pair struct{ key, value string }

func sortedPairs(m map[string]string) []pair {
	pairs := make([]pair, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		pairs = append(pairs, pair{key, m[key]})
	}
	return pairs
}
