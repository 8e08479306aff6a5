package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
)

// Policy is a parsed policy document.
type Policy struct {
	// Kind is how messages call it when it is not what its place says, e.g. a "VPC endpoint policy"; mostly empty.
	Kind       string
	Version    string
	Statements []Statement
}

// Statement is one statement of a policy.
type Statement struct {
	Sid          string
	Allow        bool
	Principal    *Principals // nil in identity-based policies
	NotPrincipal *Principals
	Actions      []string
	NotActions   []string
	Resources    []string
	NotResources []string
	Conditions   []Condition

	legacy bool // Effect or dates are not written as they must be
}

// Principals are the principals of a statement by kind; Any is "*".
type Principals struct {
	Any       bool
	AWS       []string
	Service   []string
	Federated []string
}

// Condition compares one context key with values.
type Condition struct {
	Operator string // as written, with IfExists and ForAllValues:/ForAnyValue:
	Key      string
	Values   []string
}

// MalformedError says what is wrong with a policy document.
type MalformedError struct{ Problem string }

// Error returns the problem.
func (e *MalformedError) Error() string { return e.Problem }

func malformed(format string, args ...any) error {
	return &MalformedError{fmt.Sprintf(format, args...)}
}

var parsed sync.Map // document text -> *Policy: documents are few and read at every call

// Parse reads a policy document of any kind. The error is a *MalformedError.
func Parse(document string) (*Policy, error) {
	if p, ok := parsed.Load(document); ok {
		return p.(*Policy), nil
	}
	p, err := parse(document)
	if err != nil {
		return nil, err
	}
	parsed.Store(document, p)
	return p, nil
}

// MustParse is Parse for documents that are part of the program.
func MustParse(document string) *Policy {
	p, err := Parse(document)
	if err != nil {
		panic(err)
	}
	return p
}

// Problems of documents, in AWS's words.
const (
	syntaxErrors  = "Syntax errors in policy."
	legacyParsing = "The policy failed legacy parsing"
)

type rawPolicy struct {
	Version   string `json:"Version"`
	ID        string `json:"Id"`
	Statement oneOrMore[rawStatement]
}

type rawStatement struct {
	Sid          string
	Effect       string
	Principal    json.RawMessage
	NotPrincipal json.RawMessage
	Action       *oneOrMore[*string]
	NotAction    *oneOrMore[*string]
	Resource     *oneOrMore[*string]
	NotResource  *oneOrMore[*string]
	Condition    map[string]map[string]json.RawMessage
}

// oneOrMore is a JSON value or a list of such values.
type oneOrMore[T any] []T

// UnmarshalJSON implements json.Unmarshaler.
func (o *oneOrMore[T]) UnmarshalJSON(data []byte) error {
	if data = bytes.TrimSpace(data); len(data) > 0 && data[0] == '[' {
		return strict(data, (*[]T)(o))
	}
	var one T
	if err := strict(data, &one); err != nil {
		return err
	}
	*o = []T{one}
	return nil
}

func strict(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("text after the document")
	}
	return nil
}

func parse(document string) (*Policy, error) {
	var raw rawPolicy
	if strict([]byte(document), &raw) != nil || len(raw.Statement) == 0 {
		return nil, malformed(syntaxErrors)
	}
	switch raw.Version {
	case "", "2008-10-17", "2012-10-17":
	default:
		return nil, malformed(syntaxErrors)
	}
	p := &Policy{Version: raw.Version}
	for i := range raw.Statement {
		s, err := raw.Statement[i].statement()
		if err != nil {
			return nil, err
		}
		p.Statements = append(p.Statements, *s)
	}
	return p, nil
}

func (raw *rawStatement) statement() (*Statement, error) {
	s := &Statement{
		Sid: raw.Sid, Allow: strings.EqualFold(raw.Effect, "Allow"), Actions: values(raw.Action), NotActions: values(raw.NotAction),
		Resources: values(raw.Resource), NotResources: values(raw.NotResource),
	}
	isDeny := strings.EqualFold(raw.Effect, "Deny")
	bothActions, bothResources := raw.Action != nil && raw.NotAction != nil, raw.Resource != nil && raw.NotResource != nil
	if !s.Allow && !isDeny || bothActions || bothResources {
		return nil, malformed(syntaxErrors)
	}
	var err error
	if s.Principal, err = principals(raw.Principal); err != nil {
		return nil, err
	}
	if s.NotPrincipal, err = principals(raw.NotPrincipal); err != nil {
		return nil, err
	}
	if s.Conditions, err = conditions(raw.Condition); err != nil {
		return nil, err
	}
	s.legacy = raw.Effect != "Allow" && raw.Effect != "Deny" || !s.datesParse()
	return s, nil
}

// values drops the nulls of a list, which AWS overlooks.
func values(list *oneOrMore[*string]) []string {
	if list == nil {
		return nil
	}
	var all []string
	for _, v := range *list {
		if v != nil {
			all = append(all, *v)
		}
	}
	return all
}

func (s *Statement) datesParse() bool {
	for _, c := range s.Conditions {
		if !strings.HasPrefix(strings.ToLower(c.Operator), "date") {
			continue
		}
		for _, v := range c.Values {
			if !dateValue.MatchString(v) && !strings.Contains(v, "${") {
				return false
			}
		}
	}
	return true
}

// dateValue is what AWS takes for a date in a condition: seconds since 1970, or ISO 8601 cut off anywhere.
var dateValue = regexp.MustCompile(`^(\d{1,18}|\d{2,4}(-(0[1-9]|1[0-2])(-\d\d)?)?([Tt](\d{1,2}(:\d{1,2}(:\d{1,2}(\.\d{1,9})?)?)?)?([Zz]|[+-]\d\d(:?\d\d)?)?)?)$`)

func principals(data json.RawMessage) (*Principals, error) {
	if len(data) == 0 {
		return nil, nil
	}
	var star string
	if json.Unmarshal(data, &star) == nil {
		if star != "*" {
			return nil, malformed("Invalid principal in policy: %q", star)
		}
		return &Principals{Any: true}, nil
	}
	var kinds map[string]oneOrMore[string]
	if err := strict(data, &kinds); err != nil {
		return nil, malformed("Invalid principal in policy: %s", err)
	}
	p := &Principals{}
	for kind, names := range kinds {
		switch kind {
		case "AWS":
			p.AWS = names
		case "Service":
			p.Service = names
		case "Federated":
			p.Federated = names
		case "CanonicalUser":
		default:
			return nil, malformed("Invalid principal in policy: %q", kind)
		}
	}
	return p, nil
}

func conditions(raw map[string]map[string]json.RawMessage) ([]Condition, error) {
	var all []Condition
	for op, keys := range raw {
		if len(keys) > 0 && parseOperator(op).base == nil {
			return nil, malformed(syntaxErrors)
		}
		for key, data := range keys {
			values, err := conditionValues(data)
			if err != nil {
				return nil, malformed(syntaxErrors)
			}
			all = append(all, Condition{Operator: op, Key: key, Values: values})
		}
	}
	return all, nil
}

// conditionValues reads strings, numbers and booleans, one or a list.
func conditionValues(data json.RawMessage) ([]string, error) {
	var list oneOrMore[any]
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, err
	}
	values := make([]string, len(list))
	for i, v := range list {
		switch x := v.(type) {
		case string:
			values[i] = x
		case bool, float64:
			values[i] = strings.TrimSpace(fmt.Sprint(x))
		default:
			return nil, fmt.Errorf("value %v", v)
		}
	}
	return values, nil
}
