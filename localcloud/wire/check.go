package wire

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/automode-dev/automode/localcloud/wire/models"
)

// check verifies what the model demands of an input: required members, lengths, ranges, patterns and
// enumerations. EC2 names the first missing parameter; the other services list all problems in one text.
func check(m *models.Service, p *plan, v reflect.Value) error {
	c := &checker{model: m}
	c.structure(p, v, "")
	switch {
	case c.missing != "":
		return Errorf("MissingParameter", "The request must contain the parameter %s", c.missing)
	case c.invalid != "":
		return Errorf("InvalidParameterValue", "%s", c.invalid)
	case len(c.problems) == 0:
		return nil
	}
	noun := "errors"
	if len(c.problems) == 1 {
		noun = "error"
	}
	text := fmt.Sprintf("%d validation %s detected: %s", len(c.problems), noun, strings.Join(c.problems, "; "))
	switch m.Protocol {
	case "query":
		return Errorf("ValidationError", "%s", text)
	case "rest-json":
		return Errorf("InvalidParameterException", "%s", text)
	}
	return Errorf("ValidationException", "%s", text)
}

type checker struct {
	model    *models.Service
	problems []string
	missing  string // first absent parameter, EC2
	invalid  string // first value out of range, EC2
}

func (c *checker) structure(p *plan, v reflect.Value, path string) {
	for _, f := range p.fields {
		at := join(path, c.pathName(f))
		fv := v.Field(f.index)
		if isUnset(f.plan, fv, false) {
			if f.member.Required {
				c.absent(at)
			}
			continue
		}
		c.value(f.plan, fv, at)
	}
}

// pathName is how error texts spell a member: as in the request for EC2, else in lower camel case.
func (c *checker) pathName(f *field) string {
	if c.model.Protocol == "ec2" {
		return f.query
	}
	return strings.ToLower(f.member.Name[:1]) + f.member.Name[1:]
}

func (c *checker) absent(at string) {
	if c.model.Protocol != "ec2" {
		c.problems = append(c.problems, fmt.Sprintf("Value null at '%s' failed to satisfy constraint: Member must not be null", at))
	} else if c.missing == "" {
		c.missing = at
	}
}

func (c *checker) value(p *plan, v reflect.Value, at string) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	switch p.kind {
	case kindStructure:
		c.structure(p, v, at)
	case kindList:
		c.limits(p, float64(v.Len()), v, at, "have length")
		for i := range v.Len() {
			c.value(p.elem, v.Index(i), c.item(at, i))
		}
	case kindMap:
		for it := v.MapRange(); it.Next(); {
			c.value(p.elem, it.Value(), join(at, it.Key().String()))
		}
	case kindString:
		c.text(p, v, at)
	case kindInteger:
		c.limits(p, float64(v.Int()), v, at, "have value")
	}
}

func (c *checker) item(at string, i int) string {
	if c.model.Protocol == "ec2" {
		return join(at, strconv.Itoa(i+1))
	}
	return join(at, strconv.Itoa(i+1)+".member")
}

func (c *checker) text(p *plan, v reflect.Value, at string) {
	if c.model.Protocol == "ec2" {
		return // EC2 checks the values itself, with texts per parameter
	}
	s := v.String()
	c.limits(p, float64(utf8.RuneCountInString(s)), v, at, "have length")
	if p.pattern != nil && !p.pattern.MatchString(s) {
		c.problem(v, at, "Member must satisfy regular expression pattern: "+p.shape.Pattern)
	}
	if p.enum != nil && !slices.Contains(p.enum, s) {
		c.problem(v, at, "Member must satisfy enum value set: ["+strings.Join(p.enum, ", ")+"]")
	}
}

func (c *checker) limits(p *plan, n float64, v reflect.Value, at, what string) {
	min, max := p.shape.Min, p.shape.Max
	low, high := min != nil && n < *min, max != nil && n > *max
	switch {
	case !low && !high:
	case c.model.Protocol == "ec2":
		c.outOfRange(low, n, p.shape, at)
	case low:
		c.problem(v, at, fmt.Sprintf("Member must %s greater than or equal to %v", what, *min))
	default:
		c.problem(v, at, fmt.Sprintf("Member must %s less than or equal to %v", what, *max))
	}
}

// outOfRange is EC2's text for a number out of range; its parameter names begin with a small letter there.
func (c *checker) outOfRange(low bool, n float64, sh *models.Shape, at string) {
	if c.invalid != "" {
		return
	}
	name := strings.ToLower(at[:1]) + at[1:]
	expect := fmt.Sprintf("smaller than %v", ptrValue(sh.Max))
	if low {
		expect = fmt.Sprintf("greater than %v", ptrValue(sh.Min))
	}
	c.invalid = fmt.Sprintf("Value ( %v ) for parameter %s is invalid. Expecting a value %s.", n, name, expect)
}

func ptrValue(f *float64) float64 {
	if f == nil {
		return 0
	}
	return *f
}

func (c *checker) problem(v reflect.Value, at, constraint string) {
	c.problems = append(c.problems, fmt.Sprintf("Value '%s' at '%s' failed to satisfy constraint: %s", shown(v), at, constraint))
}

// shown is a value as error texts print it.
func shown(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return "null"
		}
		return shown(v.Elem())
	case reflect.Slice:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = shown(v.Index(i))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case reflect.Struct:
		var members []string
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				members = append(members, strings.ToLower(f.Name[:1])+f.Name[1:]+"="+shown(v.Field(i)))
			}
		}
		return v.Type().Name() + "(" + strings.Join(members, ", ") + ")"
	}
	return fmt.Sprint(v.Interface())
}
