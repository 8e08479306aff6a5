package wire

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/automode-dev/automode/localcloud/wire/models"
)

// The SDK modules ship a golden request for every operation with the Go input that gives it, and the Go output
// that a golden response must give. Both are read out of the modules' own test files.

// TestGoldenRequests decodes the SDK's golden requests and expects the inputs of the SDK's tests.
func TestGoldenRequests(t *testing.T) {
	for service := range clients {
		t.Run(service, func(t *testing.T) {
			t.Parallel()
			m, ops := testOperations(t, service)
			dir := moduleDir(t, service)
			file := parseTests(t, filepath.Join(dir, "request_snapshot_test.go"))
			for name, op := range ops {
				literal := file.literal("TestCheckRequestSnapshot_"+name, "input")
				snapshot, err := os.ReadFile(filepath.Join(dir, "request_snapshot", name+".request.snap"))
				if literal == nil || err != nil {
					t.Errorf("%s: the SDK has no golden request", name)
					continue
				}
				want := reflect.New(op.input)
				if err := evalLiteral(literal, want); err != nil {
					if !errors.Is(err, errUnion) {
						t.Errorf("%s: %v", name, err)
					}
					continue
				}
				got, err := decodeSnapshot(m, op, snapshot)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				if d := sdkDiff(want.Interface(), got.Interface()); d != "" {
					t.Errorf("%s (-want +got):\n%s", name, d)
				}
			}
		})
	}
}

// TestGoldenResponses encodes the outputs of the SDK's response tests and lets the SDK read them back.
func TestGoldenResponses(t *testing.T) {
	for service := range clients {
		t.Run(service, func(t *testing.T) {
			t.Parallel()
			m, ops := testOperations(t, service)
			file := parseTests(t, filepath.Join(moduleDir(t, service), "response_snapshot_test.go"))
			requests := parseTests(t, filepath.Join(moduleDir(t, service), "request_snapshot_test.go"))
			for name, op := range ops {
				literal := file.literal("TestCheckResponseSnapshot_"+name, "want")
				if literal == nil {
					t.Errorf("%s: the SDK has no golden response", name)
					continue
				}
				want := reflect.New(op.out.typ)
				if err := evalLiteral(literal, want); err != nil {
					if !errors.Is(err, errUnion) {
						t.Errorf("%s: %v", name, err)
					}
					continue
				}
				input := reflect.New(op.input)
				if err := evalLiteral(requests.literal("TestCheckRequestSnapshot_"+name, "input"), input); err != nil && !errors.Is(err, errUnion) {
					t.Errorf("%s: %v", name, err)
					continue
				}
				rec := &responseRecorder{header: http.Header{}}
				writeOutput(rec, &request{svc: &Service{Name: service, model: m}, op: op, id: "id"}, want.Interface())
				got, err := callSDK(service, name, rec, input)
				if err != nil {
					t.Errorf("%s: the SDK does not read our response: %v\n%s", name, err, rec.body.Bytes())
					continue
				}
				if d := cmp.Diff(want.Interface(), got, sdkOptions...); d != "" {
					t.Errorf("%s (-want +got):\n%s\n%s", name, d, rec.body.Bytes())
				}
			}
		})
	}
}

var sdkOptions = []cmp.Option{
	cmpopts.IgnoreTypes(middleware.Metadata{}),
	cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".noSmithyDocumentSerde" }, cmp.Ignore()),
}

func sdkDiff(want, got any) string {
	return cmp.Diff(want, got, append(slices.Clone(sdkOptions), cmpopts.EquateEmpty())...)
}

// testOperations compiles every operation of a model.
func testOperations(t *testing.T, service string) (*models.Service, map[string]*operation) {
	m, err := models.Load(service)
	if err != nil {
		t.Fatal(err)
	}
	c := compilerFor(m)
	ops := map[string]*operation{}
	for name, o := range m.Operations {
		in, out := sdkTypes(t, service, name)
		ops[name] = &operation{name: name, model: o, in: c.compile(o.In, in, ""), out: c.compile(o.Out, out, ""), input: in}
	}
	return m, ops
}

// decodeSnapshot parses "METHOD target", headers, an empty line and a body.
func decodeSnapshot(m *models.Service, op *operation, snapshot []byte) (reflect.Value, error) {
	r := bufio.NewReader(bytes.NewReader(snapshot))
	line, _ := r.ReadString('\n')
	method, target, _ := strings.Cut(strings.TrimSpace(line), " ")
	u, err := url.Parse(target)
	if err != nil {
		return reflect.Value{}, err
	}
	rest, err := io.ReadAll(r)
	if err != nil {
		return reflect.Value{}, err
	}
	head, body, _ := strings.Cut(strings.TrimPrefix(string(rest), "\n"), "\n\n")
	hr := &http.Request{Method: method, URL: u, Header: http.Header{}}
	for h := range strings.Lines(head) {
		k, v, _ := strings.Cut(strings.TrimSpace(h), ": ")
		hr.Header.Add(k, v)
	}
	req := &request{http: hr, body: []byte(body), svc: &Service{Name: m.Name, model: m}, op: op}
	if m.Protocol == "rest-json" {
		labels, ok := newRoute(op).match(hr)
		if !ok {
			return reflect.Value{}, fmt.Errorf("%s %s does not match %s %s", method, target, op.model.Method, op.model.URI)
		}
		req.labels = labels
	} else if m.Protocol != "json" {
		if err := req.readForm(); err != nil {
			return reflect.Value{}, err
		}
	}
	v := reflect.New(op.input)
	return v, req.decode(v.Elem())
}

type responseRecorder struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (r *responseRecorder) Header() http.Header         { return r.header }
func (r *responseRecorder) WriteHeader(status int)      { r.status = status }
func (r *responseRecorder) Write(b []byte) (int, error) { return r.body.Write(b) }

// Do implements the SDK's HTTPClient.
func (r *responseRecorder) Do(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: r.status, Header: r.header, Request: req, ContentLength: int64(r.body.Len()),
		Body: io.NopCloser(bytes.NewReader(r.body.Bytes())),
	}, nil
}

// callSDK lets the SDK's client read a response.
func callSDK(service, op string, rec *responseRecorder, input reflect.Value) (any, error) {
	cfg := aws.Config{
		Region: "us-east-1", HTTPClient: rec, Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		APIOptions: []func(*middleware.Stack) error{func(s *middleware.Stack) error {
			s.Finalize.Clear()
			s.Initialize.Remove("OperationInputValidation")
			return nil
		}},
		BaseEndpoint: aws.String("http://test.example.com"),
	}
	var client any
	switch service {
	case "ec2":
		client = ec2.NewFromConfig(cfg)
	case "eks":
		client = eks.NewFromConfig(cfg)
	case "iam":
		client = iam.NewFromConfig(cfg)
	case "pricing":
		client = pricing.NewFromConfig(cfg)
	case "ssm":
		client = ssm.NewFromConfig(cfg)
	case "sts":
		client = sts.NewFromConfig(cfg)
	}
	results := reflect.ValueOf(client).MethodByName(op).Call([]reflect.Value{reflect.ValueOf(context.Background()), input})
	if err, _ := results[1].Interface().(error); err != nil {
		return nil, err
	}
	return results[0].Interface(), nil
}

type testFile struct{ functions map[string]*ast.FuncDecl }

// literal returns the value of "name := …" in a function, or nil.
func (f *testFile) literal(function, name string) ast.Expr {
	fn := f.functions[function]
	if fn == nil {
		return nil
	}
	for _, stmt := range fn.Body.List {
		if a, ok := stmt.(*ast.AssignStmt); ok && len(a.Lhs) == 1 {
			if id, ok := a.Lhs[0].(*ast.Ident); ok && id.Name == name {
				return a.Rhs[0]
			}
		}
	}
	return nil
}
