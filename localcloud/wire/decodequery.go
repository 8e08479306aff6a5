package wire

import (
	"encoding/base64"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/automode-dev/automode/localcloud/wire/models"
)

// queryDecoder fills SDK inputs from the tree of a query request.
type queryDecoder struct {
	model *models.Service
}

// decodeQuery reads the input; names that it does not know are an error in EC2 and ignored elsewhere.
func decodeQuery(m *models.Service, p *plan, root *node, v reflect.Value) error {
	d := &queryDecoder{model: m}
	delete(root.children, "Action")
	delete(root.children, "Version")
	for name := range root.children {
		if strings.HasPrefix(name, "X-Amz-") {
			delete(root.children, name)
		}
	}
	return d.structure(p, root, v, "")
}

func (d *queryDecoder) structure(p *plan, n *node, v reflect.Value, path string) error {
	for _, f := range p.fields {
		child := n.children[f.query]
		if child == nil {
			continue
		}
		if err := d.value(f.plan, child, v.Field(f.index), join(path, f.query)); err != nil {
			return err
		}
	}
	if d.model.Protocol != "ec2" {
		return nil
	}
	for name := range n.children {
		if !slices.ContainsFunc(p.fields, func(f *field) bool { return f.query == name }) {
			return Errorf("UnknownParameter", "The parameter %s is not recognized", join(path, name))
		}
	}
	return nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// value decodes into v, allocating the pointer when v is one.
func (d *queryDecoder) value(p *plan, n *node, v reflect.Value, path string) error {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch p.kind {
	case kindStructure:
		return d.structure(p, n, v, path)
	case kindList:
		return d.list(p, n, v, path)
	case kindMap:
		return d.entries(p, n, v, path)
	}
	if err := setScalar(p, n.value, v); err != nil {
		if d.model.Protocol == "ec2" {
			return Errorf("InvalidParameterValue", "Value (%s) for parameter %s is invalid. %s", n.value, path, Message(err))
		}
		return Errorf("MalformedInput", "Value '%s' at '%s' is invalid: %s", n.value, path, Message(err))
	}
	return nil
}

func (d *queryDecoder) list(p *plan, n *node, v reflect.Value, path string) error {
	if d.model.Protocol != "ec2" && !p.shape.Flattened {
		name := p.elemName
		if name == "" {
			name = "member"
		}
		if c := n.children[name]; c != nil {
			n = c
		} else {
			n = &node{}
		}
		path = join(path, name)
	}
	items := n.items()
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, item := range items {
		if err := d.value(p.elem, item, v.Index(i), join(path, strconv.Itoa(i+1))); err != nil {
			return err
		}
	}
	return nil
}

func (d *queryDecoder) entries(p *plan, n *node, v reflect.Value, path string) error {
	if c := n.children["entry"]; c != nil && !p.shape.Flattened {
		n = c
	}
	keyName, valueName := p.keyName, p.elemName
	if keyName == "" {
		keyName = "key"
	}
	if valueName == "" {
		valueName = "value"
	}
	v.Set(reflect.MakeMap(v.Type()))
	for i, item := range n.items() {
		key := reflect.New(v.Type().Key()).Elem()
		elem := reflect.New(v.Type().Elem()).Elem()
		at := join(path, strconv.Itoa(i+1))
		if err := d.value(p.key, item.child(keyName), key, join(at, keyName)); err != nil {
			return err
		}
		if err := d.value(p.elem, item.child(valueName), elem, join(at, valueName)); err != nil {
			return err
		}
		v.SetMapIndex(key, elem)
	}
	return nil
}

// setScalar parses text into v; used for forms, URIs, query strings and headers.
func setScalar(p *plan, text string, v reflect.Value) error {
	switch p.kind {
	case kindString:
		v.SetString(text)
	case kindBoolean:
		b, err := strconv.ParseBool(strings.ToLower(text))
		if err != nil {
			return Errorf("", "Expecting a boolean.")
		}
		v.SetBool(b)
	case kindInteger:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return Errorf("", "Expecting an integer.")
		}
		v.SetInt(n)
	case kindFloat:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return Errorf("", "Expecting a number.")
		}
		v.SetFloat(f)
	case kindBlob:
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return Errorf("", "Expecting base64.")
		}
		v.SetBytes(b)
	case kindTimestamp:
		t, err := parseTime(text)
		if err != nil {
			return Errorf("", "Expecting a timestamp.")
		}
		v.Set(reflect.ValueOf(t))
	}
	return nil
}

// parseTime reads ISO 8601, HTTP dates and seconds since 1970.
func parseTime(text string) (time.Time, error) {
	if s, err := strconv.ParseFloat(text, 64); err == nil {
		return secondsToTime(s), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02", time.RFC1123} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, Errorf("InvalidParameterValue", "%q is no timestamp", text)
}

func secondsToTime(s float64) time.Time {
	return time.UnixMilli(int64(s*1000 + 0.5)).UTC()
}
