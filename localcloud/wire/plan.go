package wire

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/automode-dev/automode/localcloud/wire/models"
)

type kind uint8

const (
	kindStructure kind = iota
	kindList
	kindMap
	kindString
	kindInteger
	kindFloat
	kindBoolean
	kindBlob
	kindTimestamp
)

// plan joins one shape of the model with the Go type that holds it, so that requests and responses are walked
// without looking anything up by name.
type plan struct {
	kind      kind
	shape     *models.Shape
	typ       reflect.Type // the Go type, without pointer
	fields    []*field
	elem, key *plan
	elemName  string // element name of list items or map values
	keyName   string
	format    string // of timestamps
	enum      []string
	pattern   *regexp.Regexp
}

// field is one member of a structure.
type field struct {
	member *models.Member
	index  int // in the Go struct
	plan   *plan
	query  string // name in query requests
	wire   string // name in responses and JSON
}

// compiler builds plans and remembers them, because shapes refer to themselves.
type compiler struct {
	model *models.Service
	done  map[planKey]*plan
}

type planKey struct {
	shape, format string
	typ           reflect.Type
}

var (
	compilersMu sync.Mutex
	compilers   = map[*models.Service]*compiler{}
)

// compilerFor is called while services register their operations, before anything is served.
func compilerFor(m *models.Service) *compiler {
	compilersMu.Lock()
	defer compilersMu.Unlock()
	c := compilers[m]
	if c == nil {
		c = &compiler{model: m, done: map[planKey]*plan{}}
		compilers[m] = c
	}
	return c
}

var timeType = reflect.TypeFor[time.Time]()

func (c *compiler) compile(shape string, typ reflect.Type, format string) *plan {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	key := planKey{shape, format, typ}
	if p := c.done[key]; p != nil {
		return p
	}
	p := &plan{shape: &models.Shape{Type: "structure"}, typ: typ, format: format}
	if shape != "" {
		p.shape = c.model.Resolve(shape)
	}
	c.done[key] = p
	if p.format == "" {
		p.format = p.shape.Format
	}
	switch p.shape.Type {
	case "structure":
		c.structure(p)
	case "list":
		p.kind = kindList
		c.want(p, shape, typ.Kind() == reflect.Slice)
		p.elem = c.compile(p.shape.Elem.Shape, typ.Elem(), p.shape.Elem.Format)
		p.elemName = p.shape.Elem.Wire
	case "map":
		p.kind = kindMap
		c.want(p, shape, typ.Kind() == reflect.Map)
		p.elem = c.compile(p.shape.Elem.Shape, typ.Elem(), p.shape.Elem.Format)
		p.key = c.compile(p.shape.Key.Shape, typ.Key(), "")
		p.elemName, p.keyName = p.shape.Elem.Wire, p.shape.Key.Wire
	default:
		c.scalar(p, shape)
	}
	return p
}

func (c *compiler) structure(p *plan) {
	p.kind = kindStructure
	for _, m := range p.shape.Members {
		sf, ok := p.typ.FieldByName(goName(m.Name))
		if !ok {
			continue // the SDK has dropped or renamed it: TestModelsMatchSDK lists such members
		}
		f := &field{member: m, index: sf.Index[0], plan: c.compile(m.Shape, sf.Type, m.Format)}
		f.wire, f.query = m.Wire, m.Wire
		if f.wire == "" {
			f.wire, f.query = m.Name, m.Name
		}
		if c.model.Protocol == "ec2" {
			f.query = strings.ToUpper(f.query[:1]) + f.query[1:]
		}
		if m.Query != "" {
			f.query = m.Query
		}
		p.fields = append(p.fields, f)
	}
}

var scalarKinds = map[string]kind{
	"string": kindString, "character": kindString, "integer": kindInteger, "long": kindInteger, "double": kindFloat,
	"float": kindFloat, "boolean": kindBoolean, "blob": kindBlob, "timestamp": kindTimestamp,
}

func (c *compiler) scalar(p *plan, shape string) {
	k, ok := scalarKinds[p.shape.Type]
	c.want(p, shape, ok)
	p.kind = k
	switch k {
	case kindString:
		c.want(p, shape, p.typ.Kind() == reflect.String)
		p.enum = enumOf(p.typ)
		p.pattern = compilePattern(p.shape.Pattern)
	case kindInteger:
		c.want(p, shape, p.typ.Kind() == reflect.Int32 || p.typ.Kind() == reflect.Int64)
	case kindFloat:
		c.want(p, shape, p.typ.Kind() == reflect.Float64 || p.typ.Kind() == reflect.Float32)
	case kindBoolean:
		c.want(p, shape, p.typ.Kind() == reflect.Bool)
	case kindBlob:
		c.want(p, shape, p.typ.Kind() == reflect.Slice && p.typ.Elem().Kind() == reflect.Uint8)
	case kindTimestamp:
		c.want(p, shape, p.typ == timeType)
	}
}

// want panics when model and SDK disagree on a type: a mistake that every test of the service shows.
func (c *compiler) want(p *plan, shape string, ok bool) {
	if !ok {
		panic(fmt.Sprintf("compiling shape %q (%s) of %s: the SDK has type %s for it", shape, p.shape.Type, c.model.Name, p.typ))
	}
}

// goName is the SDK's name of a member.
func goName(member string) string { return strings.ToUpper(member[:1]) + member[1:] }

// enumOf returns the values of an SDK enumeration, nil for other types. The SDK's list is used rather than the
// model's because it is the one that handlers are compiled with.
func enumOf(typ reflect.Type) []string {
	if typ == reflect.TypeFor[string]() {
		return nil
	}
	m, ok := typ.MethodByName("Values")
	if !ok || m.Type.NumIn() != 1 || m.Type.NumOut() != 1 {
		return nil
	}
	list := m.Func.Call([]reflect.Value{reflect.Zero(typ)})[0]
	values := make([]string, list.Len())
	for i := range values {
		values[i] = list.Index(i).String()
	}
	return values
}

var javaEscape = regexp.MustCompile(`\\u([0-9A-Fa-f]{4})`)

// compilePattern turns a pattern of the model (a Java expression) into one of Go, or nil where Go has no such.
func compilePattern(p string) *regexp.Regexp {
	if p == "" {
		return nil
	}
	re, err := regexp.Compile(`^(?:` + javaEscape.ReplaceAllString(p, `\x{$1}`) + `)$`)
	if err != nil {
		return nil
	}
	return re
}
