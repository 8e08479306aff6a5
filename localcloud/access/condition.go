package access

import (
	"encoding/base64"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// operator is a parsed condition operator.
type operator struct {
	base     func(e *evaluation, want, got string) bool
	negated  bool // true when no value of the policy may match
	ifExists bool
	forAll   bool
	forAny   bool
	null     bool
}

// comparisons are the positive operators; the negated ones are their complements.
var comparisons = map[string]func(e *evaluation, want, got string) bool{
	"stringequals":             (*evaluation).stringEquals,
	"stringequalsignorecase":   (*evaluation).stringEqualsIgnoreCase,
	"stringlike":               (*evaluation).stringLike,
	"arnequals":                (*evaluation).matchARN,
	"arnlike":                  (*evaluation).matchARN,
	"bool":                     (*evaluation).stringEqualsIgnoreCase,
	"binaryequals":             binaryEquals,
	"ipaddress":                ipAddress,
	"numericequals":            number(func(a, b float64) bool { return a == b }),
	"numericlessthan":          number(func(a, b float64) bool { return a < b }),
	"numericlessthanequals":    number(func(a, b float64) bool { return a <= b }),
	"numericgreaterthan":       number(func(a, b float64) bool { return a > b }),
	"numericgreaterthanequals": number(func(a, b float64) bool { return a >= b }),
	"dateequals":               date(func(a, b time.Time) bool { return a.Equal(b) }),
	"datelessthan":             date(func(a, b time.Time) bool { return a.Before(b) }),
	"datelessthanequals":       date(func(a, b time.Time) bool { return !a.After(b) }),
	"dategreaterthan":          date(func(a, b time.Time) bool { return a.After(b) }),
	"dategreaterthanequals":    date(func(a, b time.Time) bool { return !a.Before(b) }),
}

// complements names the positive operator of each negated one.
var complements = map[string]string{
	"stringnotequals": "stringequals", "stringnotequalsignorecase": "stringequalsignorecase", "stringnotlike": "stringlike",
	"arnnotequals": "arnequals", "arnnotlike": "arnlike", "notipaddress": "ipaddress", "numericnotequals": "numericequals",
	"datenotequals": "dateequals",
}

// parseOperator reads an operator; base is nil when there is no such operator.
func parseOperator(name string) operator {
	var op operator
	name = strings.ToLower(name)
	if rest, ok := strings.CutPrefix(name, "forallvalues:"); ok {
		op.forAll, name = true, rest
	} else if rest, ok := strings.CutPrefix(name, "foranyvalue:"); ok {
		op.forAny, name = true, rest
	}
	if rest, ok := strings.CutSuffix(name, "ifexists"); ok {
		op.ifExists, name = true, rest
	}
	if name == "null" {
		op.null, op.base = true, (*evaluation).stringEqualsIgnoreCase
		return op
	}
	if positive, ok := complements[name]; ok {
		op.negated, name = true, positive
	}
	op.base = comparisons[name]
	return op
}

// holds evaluates one condition.
func (e *evaluation) holds(c Condition) bool {
	op := parseOperator(c.Operator)
	got, exists := e.keys[strings.ToLower(c.Key)]
	exists = exists && len(got) > 0
	switch {
	case op.null:
		for _, want := range c.Values {
			if strings.EqualFold(want, "true") == !exists {
				return true
			}
		}
		return false
	case !exists:
		return op.ifExists || op.forAll || op.negated && !op.forAny
	}
	satisfied := func(value string) bool {
		for _, want := range c.Values {
			if op.base(e, want, value) {
				return !op.negated
			}
		}
		return op.negated
	}
	every := op.forAll || op.negated && !op.forAny
	for _, value := range got {
		if satisfied(value) != every {
			return !every
		}
	}
	return every
}

func (e *evaluation) stringEquals(want, got string) bool {
	text, ok := e.literalText(want)
	return ok && text == got
}

func (e *evaluation) stringEqualsIgnoreCase(want, got string) bool {
	text, ok := e.literalText(want)
	return ok && strings.EqualFold(text, got)
}

func (e *evaluation) stringLike(want, got string) bool {
	p, ok := e.pattern(want)
	return ok && matches(p, got)
}

func binaryEquals(_ *evaluation, want, got string) bool {
	a, err1 := base64.StdEncoding.DecodeString(want)
	b, err2 := base64.StdEncoding.DecodeString(got)
	return err1 == nil && err2 == nil && string(a) == string(b)
}

func ipAddress(e *evaluation, want, got string) bool {
	text, ok := e.literalText(want)
	if !ok {
		return false
	}
	addr, err := netip.ParseAddr(got)
	if err != nil {
		return false
	}
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix.Contains(addr)
	}
	single, err := netip.ParseAddr(text)
	return err == nil && single == addr
}

func number(compare func(got, want float64) bool) func(*evaluation, string, string) bool {
	return func(e *evaluation, want, got string) bool {
		text, ok := e.literalText(want)
		w, err1 := strconv.ParseFloat(text, 64)
		g, err2 := strconv.ParseFloat(got, 64)
		return ok && err1 == nil && err2 == nil && compare(g, w)
	}
}

func date(compare func(got, want time.Time) bool) func(*evaluation, string, string) bool {
	return func(e *evaluation, want, got string) bool {
		text, ok := e.literalText(want)
		w, ok1 := parseDate(text)
		g, ok2 := parseDate(got)
		return ok && ok1 && ok2 && compare(g, w)
	}
}

func parseDate(s string) (time.Time, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && len(s) > 4 {
		return time.Unix(n, 0), true
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02", "2006-01", "2006"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
