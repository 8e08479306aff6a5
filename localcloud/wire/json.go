package wire

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/automode-dev/automode/localcloud/wire/models"
)

// encodeJSON returns the response body of an operation of the JSON protocols. At the top of a response an
// absent list is [], as AWS writes it.
func encodeJSON(p *plan, out reflect.Value) []byte {
	return appendObject(make([]byte, 0, 1024), p, out, true)
}

func appendObject(buf []byte, p *plan, v reflect.Value, top bool) []byte {
	buf = append(buf, '{')
	first := true
	for _, f := range p.fields {
		if f.member.Location != "" {
			continue
		}
		fv := v.Field(f.index)
		if isUnset(f.plan, fv, top) {
			continue
		}
		if !first {
			buf = append(buf, ',')
		}
		first = false
		buf = append(appendString(buf, f.wire), ':')
		buf = appendJSON(buf, f.plan, fv)
	}
	return append(buf, '}')
}

func isUnset(p *plan, v reflect.Value, top bool) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Map:
		return v.IsNil()
	case reflect.Slice:
		return v.IsNil() && !(top && p.kind == kindList)
	case reflect.String:
		return v.Len() == 0
	}
	return false
}

func appendJSON(buf []byte, p *plan, v reflect.Value) []byte {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return append(buf, "null"...)
		}
		v = v.Elem()
	}
	switch p.kind {
	case kindStructure:
		return appendObject(buf, p, v, false)
	case kindList:
		buf = append(buf, '[')
		for i := range v.Len() {
			if i > 0 {
				buf = append(buf, ',')
			}
			buf = appendJSON(buf, p.elem, v.Index(i))
		}
		return append(buf, ']')
	case kindMap:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		buf = append(buf, '{')
		for i, k := range keys {
			if i > 0 {
				buf = append(buf, ',')
			}
			buf = append(appendString(buf, k.String()), ':')
			buf = appendJSON(buf, p.elem, v.MapIndex(k))
		}
		return append(buf, '}')
	case kindString:
		return appendString(buf, v.String())
	case kindBoolean:
		return strconv.AppendBool(buf, v.Bool())
	case kindInteger:
		return strconv.AppendInt(buf, v.Int(), 10)
	case kindFloat:
		return appendFloat(buf, v.Float(), v.Type().Bits())
	case kindBlob:
		buf = append(buf, '"')
		buf = base64.StdEncoding.AppendEncode(buf, v.Bytes())
		return append(buf, '"')
	}
	return appendTime(buf, v.Interface().(time.Time), p.format)
}

func appendFloat(buf []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(buf, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(buf, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(buf, `"-Infinity"`...)
	}
	return strconv.AppendFloat(buf, f, 'f', -1, bits)
}

// appendTime writes seconds since 1970 with milliseconds, or ISO 8601 where the model asks for it.
func appendTime(buf []byte, t time.Time, format string) []byte {
	if format == "iso8601" {
		return t.UTC().AppendFormat(buf, `"2006-01-02T15:04:05.999Z"`)
	}
	return strconv.AppendFloat(buf, float64(t.UnixMilli())/1000, 'f', -1, 64)
}

// appendString writes a JSON string without escaping for HTML.
func appendString(buf []byte, s string) []byte {
	const hex = "0123456789abcdef"
	buf = append(buf, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				buf = append(append(buf, s[start:i]...), "\uFFFD"...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		buf = append(buf, s[start:i]...)
		switch c {
		case '"', '\\':
			buf = append(buf, '\\', c)
		case '\n':
			buf = append(buf, '\\', 'n')
		case '\r':
			buf = append(buf, '\\', 'r')
		case '\t':
			buf = append(buf, '\\', 't')
		default:
			buf = append(buf, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xF])
		}
		i++
		start = i
	}
	return append(append(buf, s[start:]...), '"')
}

// encodeJSONError returns the error body of a JSON service. The shape's further members stand beside the message.
func encodeJSONError(m *models.Service, err *Error) []byte {
	body := map[string]any{"message": err.Message}
	if m.Protocol == "json" {
		body["__type"] = err.Code
		if err.Code == "SerializationException" || err.Code == "AccessDeniedException" {
			body["Message"] = err.Message
		}
	}
	for k, v := range err.Fields {
		body[k] = v
	}
	data, _ := json.Marshal(body) // a map of strings and plain values always encodes
	return data
}
