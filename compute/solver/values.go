package solver

import (
	"math"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// valueSet is the set of values that a label may have: a list, or everything
// but a list, within bounds on its number. An empty list means that the label
// must not be there.
type valueSet struct {
	complement bool
	impossible bool     // conditions that no node meets, not even one without the label
	values     []string // sorted, unique
	gte, lte   int64    // inclusive; the extremes mean unbounded
}

const (
	unboundedLow  = math.MinInt64
	unboundedHigh = math.MaxInt64
)

func newValueSet(op corev1.NodeSelectorOperator, values []string) valueSet {
	s := valueSet{gte: unboundedLow, lte: unboundedHigh}
	switch op {
	case corev1.NodeSelectorOpIn:
		s.values = sortedUnique(values)
	case corev1.NodeSelectorOpNotIn:
		s.complement, s.values = true, sortedUnique(values)
	case corev1.NodeSelectorOpExists:
		s.complement = true
	case corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt, OpGte, OpLte:
		n, err := strconv.ParseInt(first(values), 10, 64)
		if err != nil {
			return s // admission refuses this; no value can satisfy it
		}
		s.complement = true
		switch op {
		case corev1.NodeSelectorOpGt:
			if n == math.MaxInt64 {
				return valueSet{gte: unboundedLow, lte: unboundedHigh}
			}
			s.gte = n + 1
		case corev1.NodeSelectorOpLt:
			if n == math.MinInt64 {
				return valueSet{gte: unboundedLow, lte: unboundedHigh}
			}
			s.lte = n - 1
		case OpGte:
			s.gte = n
		case OpLte:
			s.lte = n
		}
	}
	return s
}

func oneValue(v string) valueSet {
	return valueSet{values: []string{v}, gte: unboundedLow, lte: unboundedHigh}
}

func anyValue() valueSet {
	return valueSet{complement: true, gte: unboundedLow, lte: unboundedHigh}
}

func (s valueSet) bounded() bool { return s.gte != unboundedLow || s.lte != unboundedHigh }

func (s valueSet) within(v string) bool {
	if !s.bounded() {
		return true
	}
	n, err := strconv.ParseInt(v, 10, 64)
	return err == nil && n >= s.gte && n <= s.lte
}

// has tells whether the label may have value v.
func (s valueSet) has(v string) bool {
	_, listed := slices.BinarySearch(s.values, v)
	return listed != s.complement && s.within(v)
}

// absent tells that the label must not be there (DoesNotExist).
func (s valueSet) absent() bool { return !s.complement && len(s.values) == 0 && !s.impossible }

// negative tells that a node without the label satisfies the set (NotIn, DoesNotExist).
func (s valueSet) negative() bool { return s.complement == (len(s.values) > 0) && !s.impossible }

// single returns the only value, where there is just one.
func (s valueSet) single() (string, bool) {
	if s.complement || len(s.values) != 1 {
		return "", false
	}
	return s.values[0], true
}

// compatible tells whether a node limited to s can serve a pod that asks for o:
// there is a common value, or both do without the label.
func (s valueSet) compatible(o valueSet) bool {
	return s.overlaps(o) || (s.negative() && o.negative())
}

func (s valueSet) overlaps(o valueSet) bool {
	m := valueSet{gte: max(s.gte, o.gte), lte: min(s.lte, o.lte)}
	if m.gte > m.lte {
		return false
	}
	switch {
	case s.complement && o.complement:
		return true
	case s.complement:
		s, o = o, s
		fallthrough
	case o.complement:
		return slices.ContainsFunc(s.values, func(v string) bool { return o.has(v) && m.within(v) })
	}
	return slices.ContainsFunc(s.values, func(v string) bool {
		_, ok := slices.BinarySearch(o.values, v)
		return ok && m.within(v)
	})
}

// intersect is the set of values in both.
func (s valueSet) intersect(o valueSet) valueSet {
	m := s.common(o)
	m.impossible = m.absent() && !(s.negative() && o.negative())
	return m
}

func (s valueSet) common(o valueSet) valueSet {
	m := valueSet{complement: s.complement && o.complement, gte: max(s.gte, o.gte), lte: min(s.lte, o.lte)}
	if m.gte > m.lte {
		return valueSet{gte: unboundedLow, lte: unboundedHigh}
	}
	switch {
	case m.complement:
		m.values = sortedUnique(append(slices.Clone(s.values), o.values...))
		return m
	case s.complement:
		s, o = o, s
	}
	for _, v := range s.values {
		if o.has(v) && s.within(v) && m.within(v) {
			m.values = append(m.values, v)
		}
	}
	m.gte, m.lte = unboundedLow, unboundedHigh
	return m
}

// appendKey writes a text that is the same for equal sets only.
func (s valueSet) appendKey(b []byte) []byte {
	if s.complement {
		b = append(b, '!')
	}
	if s.impossible {
		b = append(b, '-')
	}
	for _, v := range s.values {
		b = append(strconv.AppendQuote(b, v), ',')
	}
	if s.gte != unboundedLow {
		b = strconv.AppendInt(append(b, '>'), s.gte, 10)
	}
	if s.lte != unboundedHigh {
		b = strconv.AppendInt(append(b, '<'), s.lte, 10)
	}
	return append(b, ';')
}

// requirements writes the set back as conditions on a key.
func (s valueSet) requirements(key string) []Requirement {
	var out []Requirement
	switch {
	case !s.complement && len(s.values) > 0:
		return []Requirement{{Key: key, Operator: corev1.NodeSelectorOpIn, Values: s.values}}
	case !s.complement:
		return []Requirement{{Key: key, Operator: corev1.NodeSelectorOpDoesNotExist}}
	case len(s.values) > 0:
		out = append(out, Requirement{Key: key, Operator: corev1.NodeSelectorOpNotIn, Values: s.values})
	}
	if s.gte != unboundedLow {
		out = append(out, Requirement{Key: key, Operator: OpGte, Values: []string{strconv.FormatInt(s.gte, 10)}})
	}
	if s.lte != unboundedHigh {
		out = append(out, Requirement{Key: key, Operator: OpLte, Values: []string{strconv.FormatInt(s.lte, 10)}})
	}
	if len(out) == 0 {
		out = append(out, Requirement{Key: key, Operator: corev1.NodeSelectorOpExists})
	}
	return out
}

// String is for reasons: "In [a, b]".
func (s valueSet) String() string {
	if s.impossible {
		return "conditions that exclude each other"
	}
	var parts []string
	for _, r := range s.requirements("") {
		word := string(r.Operator)
		if len(r.Values) > 0 {
			values := r.Values
			if len(values) > 5 {
				values = append(slices.Clone(values[:5]), "and "+strconv.Itoa(len(r.Values)-5)+" others")
			}
			word += " [" + strings.Join(values, ", ") + "]"
		}
		parts = append(parts, word)
	}
	return strings.Join(parts, " and ")
}

func sortedUnique(values []string) []string {
	out := slices.Clone(values)
	slices.Sort(out)
	return slices.Compact(out)
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
