package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/automode-dev/automode/localcloud/access"
)

// Authenticator finds out who signed a request, or returns an *Error.
type Authenticator interface {
	// Authenticate gets the request, its body and the scope that it claims.
	Authenticate(r *http.Request, body []byte, scope Scope) (*access.Caller, error)
}

// Middleware wraps the execution of every call: throttling, logging, delays. It returns the output struct.
type Middleware func(next Invoke) Invoke

// Invoke runs one decoded call and returns a pointer to the SDK's output struct.
type Invoke func(ctx context.Context, call *Call, input any) (output any, err error)

// Mux routes AWS requests of any service and protocol on one listener.
type Mux struct {
	Auth   Authenticator
	Region string // when the request names none
	Now    func() time.Time
	// MaxBody limits request bodies; 0 means 16 MiB.
	MaxBody int64

	services map[string]*Service // by name
	signing  map[string]*Service // by name in the credential scope
	invoke   Invoke
}

// NewMux returns a Mux without services.
func NewMux(auth Authenticator, region string, now func() time.Time, middleware ...Middleware) *Mux {
	m := &Mux{Auth: auth, Region: region, Now: now, services: map[string]*Service{}, signing: map[string]*Service{}}
	m.invoke = func(ctx context.Context, call *Call, input any) (any, error) {
		s := m.services[call.Service]
		out, err := s.ops[call.Operation].call(ctx, input)
		if err != nil {
			return nil, asError(s.model, err) // what the client will see, also for middleware
		}
		return out, nil
	}
	for i := len(middleware) - 1; i >= 0; i-- {
		m.invoke = middleware[i](m.invoke)
	}
	return m
}

// Mount adds a service. Operations may still be registered until the first request.
func (m *Mux) Mount(s *Service) {
	m.services[s.Name] = s
	m.signing[s.model.Signing] = s
}

// Services returns the mounted services by name.
func (m *Mux) Services() map[string]*Service { return m.services }

// request is one HTTP request on its way through the Mux.
type request struct {
	http   *http.Request
	body   []byte
	form   url.Values // of query protocols
	scope  Scope
	svc    *Service
	action string // operation name, or "" for REST until matched
	op     *operation
	labels map[string]string
	id     string
}

// ServeHTTP serves one AWS request.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req := &request{http: r, id: uuid.NewString()}
	out, err := m.serve(req)
	if req.svc == nil {
		writeUnrouted(w, req, err)
		return
	}
	if err != nil {
		writeError(w, req, asError(req.svc.model, err))
		return
	}
	writeOutput(w, req, out)
}

func (m *Mux) serve(req *request) (out any, err error) {
	if err := m.read(req); err != nil {
		return nil, err
	}
	if err := m.route(req); err != nil {
		return nil, err
	}
	caller, err := m.authenticate(req)
	if err != nil {
		return nil, err
	}
	if req.op == nil {
		return nil, unknownOperation(req)
	}
	input := reflect.New(req.op.input)
	if err := req.decode(input.Elem()); err != nil {
		return nil, err
	}
	if err := check(req.svc.model, req.op.in, input.Elem()); err != nil {
		return nil, err
	}
	call := m.call(req, caller)
	ctx := access.WithEnvironment(WithCall(req.http.Context(), call), call.environment())
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("serving %s of %s: %v", call.Operation, call.Service, p)
			reportPanic(err)
		}
	}()
	return m.invoke(ctx, call, input.Interface())
}

func (m *Mux) call(req *request, caller *access.Caller) *Call {
	region := req.scope.Region
	if region == "" {
		region = m.Region
	}
	ip, _, err := net.SplitHostPort(req.http.RemoteAddr)
	if err != nil {
		ip = "127.0.0.1" // a unix socket has no address
	}
	return &Call{
		Service: req.svc.Name, Operation: req.op.name, Region: region, Account: caller.Account, RequestID: req.id,
		SourceIP: ip, UserAgent: req.http.UserAgent(), Time: m.Now(), Caller: caller,
	}
}

func (c *Call) environment() map[string][]string {
	return map[string][]string{
		"aws:RequestedRegion": {c.Region},
		"aws:SourceIp":        {c.SourceIP},
		"aws:UserAgent":       {c.UserAgent},
		"aws:CurrentTime":     {c.Time.UTC().Format(time.RFC3339)},
		"aws:EpochTime":       {fmt.Sprint(c.Time.Unix())},
		"aws:SecureTransport": {"false"},
		"aws:ViaAWSService":   {"false"},
	}
}

func (m *Mux) read(req *request) error {
	limit := m.MaxBody
	if limit == 0 {
		limit = 16 << 20
	}
	body, err := io.ReadAll(io.LimitReader(req.http.Body, limit+1))
	if err != nil {
		return fmt.Errorf("reading request body: %w", err)
	}
	if int64(len(body)) > limit {
		return Errorf("RequestEntityTooLarge", "the request body is larger than %d bytes", limit).WithStatus(http.StatusRequestEntityTooLarge)
	}
	req.body = body
	req.scope = ScopeOf(req.http)
	return nil
}

func (req *request) decode(v reflect.Value) error {
	switch req.svc.model.Protocol {
	case "ec2", "query":
		return decodeQuery(req.svc.model, req.op.in, parseForm(req.form), v)
	case "json":
		return decodeJSON(req.op.in, req.body, v)
	}
	return decodeREST(req.op, req.http, req.labels, req.body, v)
}

// route finds service and operation by credential scope, then X-Amz-Target, then Action and Version, then path.
func (m *Mux) route(req *request) error {
	req.svc = m.signing[req.scope.Service]
	if target := req.http.Header.Get("X-Amz-Target"); target != "" {
		prefix, action, _ := strings.Cut(target, ".")
		for _, s := range m.services {
			if s.model.Target == prefix {
				req.svc = s
			}
		}
		req.action = action
	} else if err := req.readForm(); err != nil {
		return err
	}
	if req.svc == nil && req.action != "" {
		for _, s := range m.services {
			if s.model.Version == req.form.Get("Version") && s.ops[req.action] != nil {
				req.svc = s
			}
		}
	}
	if req.svc == nil {
		for _, s := range m.services {
			if op, labels := s.matchREST(req.http); op != nil {
				req.svc, req.op, req.labels = s, op, labels
				return nil
			}
		}
		return Errorf("UnknownEndpoint", "no service of the local cloud answers %s %s (credential scope service %q)", req.http.Method, req.http.URL.Path, req.scope.Service).WithStatus(http.StatusNotFound)
	}
	if req.svc.model.Protocol == "rest-json" {
		req.op, req.labels = req.svc.matchREST(req.http)
	} else {
		req.op = req.svc.ops[req.action]
	}
	return nil
}

// readForm takes Action and parameters from body and query string.
func (req *request) readForm() error {
	req.form = req.http.URL.Query()
	if strings.HasPrefix(req.http.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		form, err := url.ParseQuery(string(req.body))
		if err != nil {
			return Errorf("MalformedQueryString", "parsing the request body: %s", err)
		}
		for name, values := range form {
			req.form[name] = values
		}
	}
	req.action = req.form.Get("Action")
	return nil
}

func unknownOperation(req *request) error {
	name := req.action
	if name == "" {
		name = req.http.Method + " " + req.http.URL.Path
	}
	text := fmt.Sprintf("The action %s is not valid for this web service (local cloud: not offered by %s).", name, req.svc.Name)
	switch req.svc.model.Protocol {
	case "ec2", "query":
		return Errorf("InvalidAction", "%s", text)
	case "json":
		return Errorf("UnknownOperationException", "%s", text)
	}
	return Errorf("UnknownOperationException", "%s", text).WithStatus(http.StatusNotFound)
}

// authenticate returns who signed the request; failures get the code that the service uses for them.
func (m *Mux) authenticate(req *request) (*access.Caller, error) {
	caller, err := m.Auth.Authenticate(req.http, req.body, req.scope)
	if err == nil && req.scope.Service != "" && req.scope.Service != req.svc.model.Signing {
		err = Errorf("SignatureDoesNotMatch", "Credential should be scoped to correct service: '%s'. ", req.svc.model.Signing)
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return nil, e.forProtocol(req.svc.model.Protocol)
	}
	return caller, err
}
