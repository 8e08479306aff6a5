package wire

import (
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
)

// route matches the method and path of one restJson operation.
type route struct {
	op       *operation
	segments []string          // "{name}" for a label, "{name+}" for the rest of the path
	query    map[string]string // fixed query parameters in the URI
	literals int               // how specific the route is
}

func newRoute(op *operation) *route {
	r := &route{op: op, query: map[string]string{}}
	path, query, _ := strings.Cut(op.model.URI, "?")
	for s := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		r.segments = append(r.segments, s)
		if !strings.HasPrefix(s, "{") {
			r.literals++
		}
	}
	if query != "" {
		for name, values := range must(url.ParseQuery(query)) {
			r.query[name] = values[0]
			r.literals++
		}
	}
	return r
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// match returns the labels of the path, unescaped.
func (r *route) match(req *http.Request) (labels map[string]string, ok bool) {
	if req.Method != r.op.model.Method {
		return nil, false
	}
	parts := strings.Split(strings.Trim(req.URL.EscapedPath(), "/"), "/")
	labels = map[string]string{}
	for i, s := range r.segments {
		if i >= len(parts) {
			return nil, false
		}
		name, isLabel := strings.CutPrefix(s, "{")
		if !isLabel {
			if s != parts[i] {
				return nil, false
			}
			continue
		}
		name = strings.TrimSuffix(name, "}")
		value := parts[i]
		if greedy, isGreedy := strings.CutSuffix(name, "+"); isGreedy {
			name, value = greedy, strings.Join(parts[i:], "/")
			parts = parts[:i+1]
		}
		unescaped, err := url.PathUnescape(value)
		if err != nil || unescaped == "" {
			return nil, false
		}
		labels[name] = unescaped
	}
	return labels, len(parts) == len(r.segments)
}

func (s *Service) matchREST(req *http.Request) (*operation, map[string]string) {
	for _, r := range s.rest {
		if labels, ok := r.match(req); ok {
			return r.op, labels
		}
	}
	return nil, nil
}

// decodeREST fills the input from path labels, query string, headers and body.
func decodeREST(op *operation, req *http.Request, labels map[string]string, body []byte, v reflect.Value) error {
	if err := decodeJSON(op.in, body, v); err != nil {
		return err
	}
	query := req.URL.Query()
	for _, f := range op.in.fields {
		var values []string
		switch f.member.Location {
		case "uri":
			values = []string{labels[f.wire]}
		case "querystring":
			values = query[f.wire]
			if f.plan.kind == kindMap {
				setQueryMap(query, v.Field(f.index))
				continue
			}
		case "header":
			values = req.Header.Values(f.wire)
		default:
			continue
		}
		if len(values) == 0 {
			continue
		}
		if err := setStrings(f, values, v.Field(f.index)); err != nil {
			return Errorf("SerializationException", "reading %s: %s", f.wire, Message(err))
		}
	}
	return nil
}

func setStrings(f *field, values []string, v reflect.Value) error {
	if f.plan.kind == kindList {
		v.Set(reflect.MakeSlice(v.Type(), len(values), len(values)))
		for i, text := range values {
			if err := setScalar(f.plan.elem, text, v.Index(i)); err != nil {
				return err
			}
		}
		return nil
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	return setScalar(f.plan, values[0], v)
}

func setQueryMap(query url.Values, v reflect.Value) {
	v.Set(reflect.MakeMap(v.Type()))
	for name, values := range query {
		if v.Type().Elem().Kind() == reflect.String {
			v.SetMapIndex(reflect.ValueOf(name), reflect.ValueOf(values[0]))
		} else {
			v.SetMapIndex(reflect.ValueOf(name), reflect.ValueOf(values))
		}
	}
}

// writeRESTHeaders sets the output members that travel outside the body and returns the status.
func writeRESTHeaders(op *operation, out reflect.Value, h http.Header) int {
	status := op.model.Status
	for _, f := range op.out.fields {
		v := out.Field(f.index)
		if f.member.Location == "" || isUnset(f.plan, v, false) {
			continue
		}
		if v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		switch {
		case f.member.Location == "statusCode":
			status = int(v.Int())
		case f.plan.kind == kindString:
			h.Set(f.wire, v.String())
		case f.plan.kind == kindInteger:
			h.Set(f.wire, strconv.FormatInt(v.Int(), 10))
		case f.plan.kind == kindBoolean:
			h.Set(f.wire, strconv.FormatBool(v.Bool()))
		}
	}
	return status
}
