package wire

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

// errUnion marks literals with unions, which no offered operation has.
var errUnion = errors.New("value of an interface type")

// moduleDir is where the Go tool keeps the source of an SDK module.
func moduleDir(t *testing.T, service string) string {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/"+service).Output()
	if err != nil {
		t.Skipf("finding the SDK module of %s: %v", service, err)
	}
	return strings.TrimSpace(string(out))
}

func parseTests(t *testing.T, file string) *testFile {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	f := &testFile{functions: map[string]*ast.FuncDecl{}}
	for _, d := range parsed.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			f.functions[fn.Name.Name] = fn
		}
	}
	return f
}

// evalLiteral evaluates the literals that the SDK's generated tests consist of; types come from v.
func evalLiteral(e ast.Expr, v reflect.Value) error {
	if v.Kind() == reflect.Interface {
		return errUnion
	}
	switch x := e.(type) {
	case *ast.UnaryExpr:
		if x.Op == token.AND {
			if v.IsNil() {
				v.Set(reflect.New(v.Type().Elem()))
			}
			return evalLiteral(x.X, v.Elem())
		}
		if lit, ok := x.X.(*ast.BasicLit); ok && x.Op == token.SUB {
			return setLiteral(&ast.BasicLit{Kind: lit.Kind, Value: "-" + lit.Value}, v)
		}
	case *ast.CompositeLit:
		return evalComposite(x, v)
	case *ast.CallExpr:
		return evalCall(x, v)
	case *ast.BasicLit:
		return setLiteral(x, v)
	case *ast.Ident:
		if x.Name == "nil" {
			return nil
		}
		v.SetBool(x.Name == "true")
		return nil
	}
	return fmt.Errorf("cannot evaluate %T", e)
}

func evalComposite(x *ast.CompositeLit, v reflect.Value) error {
	switch v.Kind() {
	case reflect.Struct:
		for _, elt := range x.Elts {
			kv := elt.(*ast.KeyValueExpr)
			if err := evalLiteral(kv.Value, v.FieldByName(kv.Key.(*ast.Ident).Name)); err != nil {
				return err
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), len(x.Elts), len(x.Elts)))
		for i, elt := range x.Elts {
			if err := evalLiteral(elt, v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for _, elt := range x.Elts {
			kv := elt.(*ast.KeyValueExpr)
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			if err := errors.Join(evalLiteral(kv.Key, key), evalLiteral(kv.Value, value)); err != nil {
				return err
			}
			v.SetMapIndex(key, value)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return evalComposite(x, v.Elem())
	}
	return nil
}

// evalCall evaluates ptr.String("x"), types.Enum("x"), []byte("x") and time.Date(…).
func evalCall(x *ast.CallExpr, v reflect.Value) error {
	if sel, ok := x.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Date" {
		n := make([]int, 7)
		for i := range n {
			n[i], _ = strconv.Atoi(x.Args[i].(*ast.BasicLit).Value)
		}
		v.Set(reflect.ValueOf(time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], n[6], time.UTC)))
		return nil
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	return evalLiteral(x.Args[0], v)
}

func setLiteral(x *ast.BasicLit, v reflect.Value) error {
	switch v.Kind() {
	case reflect.String:
		s, err := strconv.Unquote(x.Value)
		v.SetString(s)
		return err
	case reflect.Slice:
		s, err := strconv.Unquote(x.Value)
		v.SetBytes([]byte(s))
		return err
	case reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(x.Value, 10, 64)
		v.SetInt(n)
		return err
	case reflect.Float32, reflect.Float64:
		f, err := strconv.ParseFloat(x.Value, 64)
		v.SetFloat(f)
		return err
	}
	return fmt.Errorf("cannot set %s to %s", v.Type(), x.Value)
}
