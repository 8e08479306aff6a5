package access

import "strings"

// token is one position of a wildcard pattern. Text that came out of a policy variable is literal even where it
// contains wildcard characters.
type token struct {
	char byte
	kind uint8
}

const (
	literal uint8 = iota
	anyOne
	anyMany
)

// pattern compiles a pattern with * and ?, replacing variables; ok is false when a variable has no value.
func (e *evaluation) pattern(text string) (p []token, ok bool) {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '*':
			p = append(p, token{kind: anyMany})
		case text[i] == '?':
			p = append(p, token{kind: anyOne})
		case strings.HasPrefix(text[i:], "${"):
			end := strings.IndexByte(text[i:], '}')
			if end < 0 {
				p = append(p, token{char: text[i]})
				continue
			}
			value, found := e.variable(text[i+2 : i+end])
			if !found {
				return nil, false
			}
			for j := range len(value) {
				p = append(p, token{char: value[j]})
			}
			i += end
		default:
			p = append(p, token{char: text[i]})
		}
	}
	return p, true
}

// variable returns the value of ${name} or ${name, 'default'}.
func (e *evaluation) variable(name string) (string, bool) {
	switch name {
	case "*", "?", "$":
		return name, true
	}
	name, fallback, hasFallback := strings.Cut(name, ",")
	values := e.keys[strings.ToLower(strings.TrimSpace(name))]
	if len(values) == 1 {
		return values[0], true
	}
	return strings.Trim(strings.TrimSpace(fallback), "'"), hasFallback && len(values) == 0
}

// literalText replaces variables in a value that is compared as it is.
func (e *evaluation) literalText(text string) (string, bool) {
	if !strings.Contains(text, "${") {
		return text, true
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		b.WriteString(before)
		if !found {
			return b.String(), true
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return b.String() + "${" + rest, true
		}
		value, ok := e.variable(name)
		if !ok {
			return "", false
		}
		b.WriteString(value)
		text = after
	}
}

// matches says whether s is an instance of the pattern, in time proportional to the product of their lengths.
func matches(p []token, s string) bool {
	star, retry := -1, 0
	i, j := 0, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i].kind == anyMany:
			star, retry = i, j
			i++
		case i < len(p) && (p[i].kind == anyOne || p[i].kind == literal && p[i].char == s[j]):
			i, j = i+1, j+1
		case star >= 0:
			retry++
			i, j = star+1, retry
		default:
			return false
		}
	}
	for i < len(p) && p[i].kind == anyMany {
		i++
	}
	return i == len(p)
}

// matchAction compares without regard to case.
func (e *evaluation) matchAction(pattern, action string) bool {
	p, ok := e.pattern(strings.ToLower(pattern))
	return ok && matches(p, strings.ToLower(action))
}

// matchARN compares the colon-separated parts of an ARN one by one; a wildcard in the last part of the pattern
// also matches beyond a colon.
func (e *evaluation) matchARN(pattern, arn string) bool {
	if pattern == "*" {
		return true
	}
	patterns := splitARN(pattern)
	parts := strings.SplitN(arn, ":", len(patterns))
	if len(parts) != len(patterns) {
		return false
	}
	for i := range patterns {
		p, ok := e.pattern(patterns[i])
		if !ok || !matches(p, parts[i]) {
			return false
		}
	}
	return true
}

// splitARN cuts a pattern at its first five colons, leaving those inside variables alone.
func splitARN(pattern string) []string {
	var parts []string
	start, depth := 0, 0
	for i := 0; i < len(pattern) && len(parts) < 5; i++ {
		switch {
		case strings.HasPrefix(pattern[i:], "${"):
			depth++
		case pattern[i] == '}' && depth > 0:
			depth--
		case pattern[i] == ':' && depth == 0:
			parts = append(parts, pattern[start:i])
			start = i + 1
		}
	}
	return append(parts, pattern[start:])
}
