package wire

import (
	"encoding/base64"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/automode-dev/automode/localcloud/wire/models"
)

// xmlEncoder appends SDK outputs as the XML of the query protocols.
type xmlEncoder struct {
	buf []byte
	ec2 bool
}

// encodeQuery returns the whole response document of an operation.
func encodeQuery(m *models.Service, op *operation, out reflect.Value, requestID string) []byte {
	e := &xmlEncoder{buf: make([]byte, 0, 4096), ec2: m.Protocol == "ec2"}
	e.raw(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	e.raw("<" + op.name + `Response xmlns="` + m.Namespace)
	if e.ec2 {
		e.raw(`/"><requestId>` + requestID + `</requestId>`)
		e.members(op.out, out, true)
		e.raw("</" + op.name + "Response>")
		return e.buf
	}
	e.raw(`">`)
	if op.model.Out != "" {
		name := op.model.Wrapper
		if name == "" {
			name = op.name + "Result"
		}
		e.raw("<" + name + ">")
		e.members(op.out, out, true)
		e.raw("</" + name + ">")
	}
	e.raw("<ResponseMetadata><RequestId>" + requestID + "</RequestId></ResponseMetadata></" + op.name + "Response>")
	return e.buf
}

// encodeQueryError returns the error document of a query service.
func encodeQueryError(m *models.Service, err *Error, requestID string) []byte {
	e := &xmlEncoder{}
	e.raw(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	if m.Protocol == "ec2" {
		e.raw("<Response><Errors><Error>")
		e.text("Code", err.Code)
		e.text("Message", err.Message)
		e.raw("</Error></Errors>")
		e.text("RequestID", requestID)
		e.raw("</Response>")
		return e.buf
	}
	fault := "Sender"
	if err.Status >= 500 {
		fault = "Receiver"
	}
	e.raw(`<ErrorResponse xmlns="` + m.Namespace + `"><Error>`)
	e.text("Type", fault)
	e.text("Code", err.Code)
	e.text("Message", err.Message)
	e.raw("</Error>")
	e.text("RequestId", requestID)
	e.raw("</ErrorResponse>")
	return e.buf
}

func (e *xmlEncoder) raw(s string) { e.buf = append(e.buf, s...) }

func (e *xmlEncoder) open(name string) { e.buf = append(append(append(e.buf, '<'), name...), '>') }
func (e *xmlEncoder) close(name string) {
	e.buf = append(append(append(e.buf, '<', '/'), name...), '>')
}

func (e *xmlEncoder) text(name, s string) {
	e.open(name)
	e.escape(s)
	e.close(name)
}

// members writes the set members of a structure. At the top of a response an absent list is an empty element,
// as AWS writes it.
func (e *xmlEncoder) members(p *plan, v reflect.Value, top bool) {
	for _, f := range p.fields {
		e.member(f, v.Field(f.index), top)
	}
}

func (e *xmlEncoder) member(f *field, v reflect.Value, top bool) {
	switch {
	case v.Kind() == reflect.Pointer:
		if v.IsNil() {
			return
		}
		v = v.Elem()
	case v.Kind() == reflect.Slice || v.Kind() == reflect.Map:
		if v.IsNil() && !(top && f.plan.kind != kindBlob) {
			return
		}
	case v.Kind() == reflect.String && v.Len() == 0:
		return // an enumeration without a value
	}
	e.value(f.wire, f.plan, v)
}

func (e *xmlEncoder) value(name string, p *plan, v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	if p.kind == kindList && p.shape.Flattened {
		for i := range v.Len() {
			e.value(name, p.elem, v.Index(i))
		}
		return
	}
	e.open(name)
	switch p.kind {
	case kindStructure:
		e.members(p, v, false)
	case kindList:
		item := p.elemName
		if item == "" {
			item = "member"
		}
		for i := range v.Len() {
			e.value(item, p.elem, v.Index(i))
		}
	case kindMap:
		e.entries(p, v)
	default:
		e.scalar(p, v)
	}
	e.close(name)
}

func (e *xmlEncoder) entries(p *plan, v reflect.Value) {
	keyName, valueName := p.keyName, p.elemName
	if keyName == "" {
		keyName = "key"
	}
	if valueName == "" {
		valueName = "value"
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		if a.String() < b.String() {
			return -1
		}
		return 1
	})
	for _, k := range keys {
		e.open("entry")
		e.value(keyName, p.key, k)
		e.value(valueName, p.elem, v.MapIndex(k))
		e.close("entry")
	}
}

func (e *xmlEncoder) scalar(p *plan, v reflect.Value) {
	switch p.kind {
	case kindString:
		e.escape(v.String())
	case kindBoolean:
		e.buf = strconv.AppendBool(e.buf, v.Bool())
	case kindInteger:
		e.buf = strconv.AppendInt(e.buf, v.Int(), 10)
	case kindFloat:
		e.buf = strconv.AppendFloat(e.buf, v.Float(), 'f', -1, v.Type().Bits())
	case kindBlob:
		e.buf = base64.StdEncoding.AppendEncode(e.buf, v.Bytes())
	case kindTimestamp:
		t := v.Interface().(time.Time).UTC()
		if e.ec2 {
			e.buf = t.AppendFormat(e.buf, "2006-01-02T15:04:05.000Z")
		} else {
			e.buf = t.AppendFormat(e.buf, "2006-01-02T15:04:05Z")
		}
	}
}

// escape appends text; characters that XML cannot carry become U+FFFD.
func (e *xmlEncoder) escape(s string) {
	start := 0
	for i := 0; i < len(s); {
		c, size := rune(s[i]), 1
		if c >= utf8.RuneSelf {
			c, size = utf8.DecodeRuneInString(s[i:])
		}
		var esc string
		switch {
		case c == '&':
			esc = "&amp;"
		case c == '<':
			esc = "&lt;"
		case c == '>':
			esc = "&gt;"
		case c == '"':
			esc = "&quot;"
		case c == '\r':
			esc = "&#xD;"
		case c < 0x20 && c != '\t' && c != '\n', c == 0xFFFE, c == 0xFFFF, c == utf8.RuneError && size == 1:
			esc = "\uFFFD"
		default:
			i += size
			continue
		}
		e.buf = append(append(e.buf, s[start:i]...), esc...)
		i += size
		start = i
	}
	e.buf = append(e.buf, s[start:]...)
}
