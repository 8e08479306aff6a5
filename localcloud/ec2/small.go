package ec2

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/automode-dev/automode/localcloud/wire"
)

func str(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// value is what p points to, or the zero value.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// or is what p points to, or a default.
func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// optional is a pointer to s, or nil for the empty string.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func boolText(b *bool) string { return strconv.FormatBool(value(b)) }

func intText[N int32 | int64](n *N) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(int64(*n), 10)
}

// one is a filter's values for something that may be absent.
func one(p *string) []string {
	if p == nil {
		return nil
	}
	return []string{*p}
}

// reshape copies the fields that two SDK structures have in common by name; the request and the response form of a
// launch template's data, for example, differ in their types only.
func reshape[To any](from any) (to To) {
	raw, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(raw, &to)
	}
	if err != nil {
		panic("reshaping SDK structures: " + err.Error()) // plain data on both sides
	}
	return to
}

// with returns a changed copy of a row.
func with[T any](row *T, change func(*T)) *T {
	c := *row
	change(&c)
	return &c
}

// without returns a copy of the slice less the elements that match.
func without[T any](list []T, match func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(list), match)
}

// callOf returns the call being served; calls that the cloud makes itself must carry one too.
func callOf(ctx context.Context) *wire.Call { return wire.CallFrom(ctx) }

// overlay is base with every member that over sets laid on top, in a structure that has the members of both by name.
func overlay[To any](base, over any) (to To) {
	members := map[string]json.RawMessage{}
	for _, from := range []any{base, over} {
		for name, raw := range reshape[map[string]json.RawMessage](from) {
			switch string(raw) {
			case "null", `""`, "[]":
			default:
				members[name] = raw
			}
		}
	}
	return reshape[To](members)
}
