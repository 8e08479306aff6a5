package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strconv"
)

// decodeJSON reads a request body of the JSON protocols. Members that the model does not know are ignored.
func decodeJSON(p *plan, body []byte, v reflect.Value) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var doc any
	if err := dec.Decode(&doc); err != nil {
		return Errorf("SerializationException", "parsing the request body: %s", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return Errorf("SerializationException", "parsing the request body: more than one JSON value")
	}
	return jsonValue(p, doc, v, "")
}

func jsonValue(p *plan, doc any, v reflect.Value, path string) error {
	if doc == nil {
		return nil
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch p.kind {
	case kindStructure:
		object, ok := doc.(map[string]any)
		if !ok {
			return badJSON(path, "an object", doc)
		}
		for _, f := range p.fields {
			if f.member.Location != "" {
				continue
			}
			if err := jsonValue(f.plan, object[f.wire], v.Field(f.index), join(path, f.wire)); err != nil {
				return err
			}
		}
		return nil
	case kindList:
		list, ok := doc.([]any)
		if !ok {
			return badJSON(path, "a list", doc)
		}
		v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
		for i := range list {
			if err := jsonValue(p.elem, list[i], v.Index(i), join(path, strconv.Itoa(i))); err != nil {
				return err
			}
		}
		return nil
	case kindMap:
		object, ok := doc.(map[string]any)
		if !ok {
			return badJSON(path, "an object", doc)
		}
		v.Set(reflect.MakeMapWithSize(v.Type(), len(object)))
		for name, item := range object {
			elem := reflect.New(v.Type().Elem()).Elem()
			if err := jsonValue(p.elem, item, elem, join(path, name)); err != nil {
				return err
			}
			v.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), elem)
		}
		return nil
	}
	return jsonScalar(p, doc, v, path)
}

func jsonScalar(p *plan, doc any, v reflect.Value, path string) error {
	switch x := doc.(type) {
	case string:
		switch p.kind {
		case kindString, kindTimestamp:
			if setScalar(p, x, v) == nil {
				return nil
			}
		case kindBlob:
			if b, err := base64.StdEncoding.DecodeString(x); err == nil {
				v.SetBytes(b)
				return nil
			}
		}
	case bool:
		if p.kind == kindBoolean {
			v.SetBool(x)
			return nil
		}
	case json.Number:
		switch p.kind {
		case kindInteger, kindFloat, kindTimestamp:
			if setScalar(p, x.String(), v) == nil {
				return nil
			}
		}
	}
	return badJSON(path, "a "+p.shape.Type, doc)
}

func badJSON(path, want string, got any) error {
	text, err := json.Marshal(got)
	if err != nil {
		text = []byte(fmt.Sprint(got))
	}
	return Errorf("SerializationException", "reading %s: expecting %s, got %s", path, want, text)
}
