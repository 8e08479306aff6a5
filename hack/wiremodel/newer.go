package main

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/automode-dev/automode/localcloud/wire/models"
)

// clients are where input and output types of operations are found by name.
var clients = map[string]reflect.Type{
	"ec2": reflect.TypeFor[*ec2.Client](), "eks": reflect.TypeFor[*eks.Client](), "iam": reflect.TypeFor[*iam.Client](),
	"pricing": reflect.TypeFor[*pricing.Client](), "ssm": reflect.TypeFor[*ssm.Client](), "sts": reflect.TypeFor[*sts.Client](),
}

// addNewer adds what the SDK in go.mod has and the older botocore lacks: members, and operations whose list line
// gives method and path. Wire names follow each protocol's convention; the SDK's golden requests prove them.
func addNewer(m *models.Service, ops []string) error {
	client, ok := clients[m.Name]
	if !ok {
		return nil // no SDK client of this service in go.mod
	}
	a := &adder{m: m, seen: map[string]bool{}}
	for _, line := range ops {
		words := strings.Fields(line)
		method, ok := client.MethodByName(words[0])
		if !ok {
			return fmt.Errorf("operation %s: not in the SDK", words[0])
		}
		in, out := method.Type.In(2).Elem(), method.Type.Out(0).Elem()
		op := m.Operations[words[0]]
		if op == nil {
			op = &models.Operation{In: in.Name(), Out: out.Name()}
			if len(words) == 3 {
				op.Method, op.URI = words[1], words[2]
			} else if m.Protocol == "rest-json" {
				return fmt.Errorf("operation %s: newer than botocore, give its method and path on the line", words[0])
			}
			m.Operations[words[0]] = op
		}
		op.In, op.Out = a.top(op.In, in), a.top(op.Out, out)
		a.labels(op)
	}
	return nil
}

type adder struct {
	m    *models.Service
	seen map[string]bool
}

// top extends the shape of an input or output; an operation may come without one.
func (a *adder) top(shape string, typ reflect.Type) string {
	if shape == "" {
		if typ.NumField() <= 2 { // ResultMetadata and the document marker
			return ""
		}
		shape = typ.Name()
	}
	a.structure(shape, typ)
	return shape
}

// structure adds the missing members of a struct type and of all it reaches.
func (a *adder) structure(shape string, typ reflect.Type) {
	if a.seen[shape] {
		return
	}
	a.seen[shape] = true
	sh := a.m.Shapes[shape]
	if sh == nil {
		sh = &models.Shape{Type: "structure"}
		a.m.Shapes[shape] = sh
	}
	known := map[string]*models.Member{}
	for _, member := range sh.Members {
		known[strings.ToUpper(member.Name[:1])+member.Name[1:]] = member
	}
	for i := range typ.NumField() {
		f := typ.Field(i)
		if !f.IsExported() || f.Name == "ResultMetadata" {
			continue
		}
		if member := known[f.Name]; member != nil {
			a.visit(member.Shape, f.Type)
			continue
		}
		if hasUnion(f.Type) {
			continue // no operation of ours needs one yet
		}
		sh.Members = append(sh.Members, a.member(f))
	}
}

// visit goes into a known shape to find newer members below it.
func (a *adder) visit(shape string, typ reflect.Type) {
	typ = deref(typ)
	sh := a.m.Shapes[shape]
	switch {
	case sh == nil:
	case sh.Type == "structure":
		a.structure(shape, typ)
	case sh.Elem != nil:
		a.visit(sh.Elem.Shape, typ.Elem())
	}
}

// member describes a field that only the SDK knows.
func (a *adder) member(f reflect.StructField) *models.Member {
	m := &models.Member{Name: f.Name, Shape: a.shape(f.Type)}
	lower := strings.ToLower(f.Name[:1]) + f.Name[1:]
	isList := a.m.Shapes[m.Shape] != nil && a.m.Shapes[m.Shape].Type == "list"
	switch {
	case a.m.Protocol == "rest-json":
		m.Name = lower
	case a.m.Protocol == "ec2" && isList:
		m.Wire, m.Query = singular(lower)+"Set", singular(f.Name)
	case a.m.Protocol == "ec2":
		m.Wire = lower
	}
	return m
}

func singular(name string) string {
	if s, ok := strings.CutSuffix(name, "ies"); ok {
		return s + "y"
	}
	return strings.TrimSuffix(name, "s")
}

// shape names the shape of a Go type, adding it to the model where it is new.
func (a *adder) shape(typ reflect.Type) string {
	typ = deref(typ)
	switch {
	case typ == reflect.TypeFor[time.Time]():
		return "timestamp"
	case typ == reflect.TypeFor[[]byte]():
		return "blob"
	}
	switch typ.Kind() {
	case reflect.Struct:
		a.structure(typ.Name(), typ)
		return typ.Name()
	case reflect.Slice:
		elem := &models.Member{Shape: a.shape(typ.Elem())}
		if a.m.Protocol == "ec2" {
			elem.Wire = "item"
		}
		return a.add("ListOf"+elem.Shape, &models.Shape{Type: "list", Elem: elem})
	case reflect.Map:
		elem := &models.Member{Shape: a.shape(typ.Elem())}
		return a.add("MapOf"+elem.Shape, &models.Shape{Type: "map", Key: &models.Member{Shape: "string"}, Elem: elem})
	}
	return map[reflect.Kind]string{
		reflect.String: "string", reflect.Bool: "boolean", reflect.Int32: "integer", reflect.Int64: "long",
		reflect.Float64: "double", reflect.Float32: "float",
	}[typ.Kind()]
}

func (a *adder) add(name string, sh *models.Shape) string {
	if a.m.Shapes[name] == nil {
		a.m.Shapes[name] = sh
	}
	return name
}

// hasUnion says whether a field holds unions, which the SDK has as interfaces.
func hasUnion(typ reflect.Type) bool {
	switch typ = deref(typ); typ.Kind() {
	case reflect.Slice, reflect.Map:
		return hasUnion(typ.Elem())
	}
	return typ.Kind() == reflect.Interface
}

// labels marks the input members that stand in the path of a newer operation.
func (a *adder) labels(op *models.Operation) {
	sh := a.m.Shapes[op.In]
	if op.URI == "" || sh == nil {
		return
	}
	for _, member := range sh.Members {
		if strings.Contains(op.URI, "{"+member.Name+"}") {
			member.Location, member.Required = "uri", true
		}
	}
}

func deref(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}
