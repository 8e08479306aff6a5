package ec2

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// compile makes one predicate of a request's filters: names are joined by AND, values by OR.
func compile[T any](k *kind[T], filters []types.Filter) (func(*region, *T) bool, error) {
	tests := make([]func(*region, *T) bool, 0, len(filters))
	for _, f := range filters {
		values, err := filterValues(k, str(f.Name))
		if err != nil {
			return nil, err
		}
		if len(f.Values) == 0 {
			return nil, invalid("The filter '%s' has no values", str(f.Name))
		}
		matches := patterns(f.Values)
		tests = append(tests, func(r *region, row *T) bool { return slices.ContainsFunc(values(r, row), matches) })
	}
	return func(r *region, row *T) bool {
		for _, test := range tests {
			if !test(r, row) {
				return false
			}
		}
		return true
	}, nil
}

// filterValues returns how the values that a filter looks at are found.
func filterValues[T any](k *kind[T], name string) (func(*region, *T) []string, error) {
	if values, ok := k.filters[name]; ok {
		return values, nil
	}
	if k.tags != nil {
		if key, ok := strings.CutPrefix(name, "tag:"); ok && key != "" {
			return func(_ *region, row *T) []string { return tagValues(k.tags(row), key) }, nil
		}
		switch name {
		case "tag-key":
			return func(_ *region, row *T) []string { return tagKeys(k.tags(row)) }, nil
		case "tag-value":
			return func(_ *region, row *T) []string {
				var values []string
				for _, t := range k.tags(row) {
					values = append(values, str(t.Value))
				}
				return values
			}, nil
		}
	}
	return nil, invalid("The filter '%s' is invalid", name)
}

// patterns matches a value against any of the patterns of a filter, which know *, ? and \ as an escape.
func patterns(list []string) func(string) bool {
	exact := map[string]bool{}
	var wild []string
	for _, p := range list {
		if strings.ContainsAny(p, `*?\`) {
			wild = append(wild, p)
		} else {
			exact[p] = true
		}
	}
	return func(v string) bool {
		return exact[v] || slices.ContainsFunc(wild, func(p string) bool { return wildcard(p, v) })
	}
}

// wildcard matches * as any text, ? as any one character, and \ makes the character after it literal.
func wildcard(pattern, s string) bool {
	for pattern != "" {
		switch pattern[0] {
		case '*':
			rest := strings.TrimLeft(pattern, "*")
			for i := 0; i <= len(s); i++ {
				if wildcard(rest, s[i:]) {
					return true
				}
			}
			return false
		case '?':
			if s == "" {
				return false
			}
		case '\\':
			if len(pattern) > 1 {
				pattern = pattern[1:]
			}
			fallthrough
		default:
			if s == "" || s[0] != pattern[0] {
				return false
			}
		}
		pattern, s = pattern[1:], s[1:]
	}
	return s == ""
}
