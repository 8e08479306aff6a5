package imds

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"testing"
	"time"
)

type fixed struct {
	doc Document
	err error
}

func (f fixed) Document(context.Context) (Document, error) { return f.doc, f.err }

func newTestServer(t *testing.T, source Source) *Server {
	t.Helper()
	return NewServer(source, slog.New(slog.DiscardHandler))
}

// ask sends a request as if from the instance itself.
func ask(s *Server, method, path string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, "http://169.254.169.254"+path, nil)
	r.RemoteAddr = "169.254.169.254:1234"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result()
}

func text(r *http.Response) string {
	b, _ := io.ReadAll(r.Body)
	return string(b)
}

func token(t *testing.T, s *Server, ttl string) string {
	t.Helper()
	r := ask(s, "PUT", "/latest/api/token", ttlHeader, ttl)
	if r.StatusCode != 200 || r.Header.Get(ttlHeader) != ttl {
		t.Fatalf("token: %d, ttl %q", r.StatusCode, r.Header.Get(ttlHeader))
	}
	return text(r)
}

func TestServer(t *testing.T) {
	s := newTestServer(t, fixed{doc: document()})
	good := token(t, s, "60")
	for name, c := range map[string]struct {
		method, path string
		headers      []string
		status       int
		body         string // "" is any
	}{
		"no token":           {"GET", "/latest/meta-data/instance-id", nil, 401, ""},
		"version 1 token":    {"GET", "/latest/meta-data/instance-id", []string{tokenHeader, "nonsense"}, 401, ""},
		"item":               {"GET", "/latest/meta-data/instance-id", []string{tokenHeader, good}, 200, "i-0123456789abcdef0"},
		"dated version":      {"GET", "/2021-03-23/meta-data/instance-type", []string{tokenHeader, good}, 200, "c6a.large"},
		"user data":          {"GET", "/latest/user-data", []string{tokenHeader, good}, 200, "hello"},
		"versions":           {"GET", "/", []string{tokenHeader, good}, 200, "1.0\n2021-03-23\nlatest"},
		"unknown item":       {"GET", "/latest/meta-data/nothing", []string{tokenHeader, good}, 404, ""},
		"unknown version":    {"GET", "/newest/meta-data/", []string{tokenHeader, good}, 404, ""},
		"token without ttl":  {"PUT", "/latest/api/token", nil, 400, ""},
		"token ttl too long": {"PUT", "/latest/api/token", []string{ttlHeader, "21601"}, 400, ""},
		"token by proxy":     {"PUT", "/latest/api/token", []string{ttlHeader, "60", "X-Forwarded-For", "10.0.0.1"}, 403, ""},
		"other method":       {"POST", "/latest/api/token", nil, 405, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := ask(s, c.method, c.path, c.headers...)
			if body := text(r); r.StatusCode != c.status || c.body != "" && body != c.body {
				t.Errorf("%d %q, want %d %q", r.StatusCode, body, c.status, c.body)
			}
		})
	}
}

func TestServerWithoutFacts(t *testing.T) {
	if r := ask(newTestServer(t, fixed{err: errors.New("away")}), "PUT", "/latest/api/token", ttlHeader, "60"); r.StatusCode != 503 {
		t.Errorf("without facts: %d, want 503", r.StatusCode)
	}
	doc := document()
	doc.EndpointOff = true
	if r := ask(newTestServer(t, fixed{doc: doc}), "PUT", "/latest/api/token", ttlHeader, "60"); r.StatusCode != 403 {
		t.Errorf("switched off: %d, want 403", r.StatusCode)
	}
	doc = document()
	doc.UserData = nil
	s := newTestServer(t, fixed{doc: doc})
	if r := ask(s, "GET", "/latest/user-data", tokenHeader, token(t, s, "60")); r.StatusCode != 404 {
		t.Errorf("no user data: %d, want 404", r.StatusCode)
	}
}

func TestFromInstance(t *testing.T) {
	for remote, want := range map[string]bool{
		"10.0.0.5:1": true, "169.254.169.254:1": true, "127.0.0.1:1": true, "10.0.0.7:1": true,
		"10.0.0.6:1": false, "10.0.0.17:1": false, "nonsense": false,
	} {
		if got := fromInstance(document(), remote); got != want {
			t.Errorf("fromInstance(%s) = %v, want %v", remote, got, want)
		}
	}
}

func TestTokenExpires(t *testing.T) {
	now := launched
	tk := newTokens(func() time.Time { return now })
	issued := tk.issue(time.Minute)
	if left, ok := tk.valid(issued); !ok || left != time.Minute {
		t.Errorf("fresh token: %v, %v", left, ok)
	}
	now = now.Add(time.Minute)
	if _, ok := tk.valid(issued); ok {
		t.Error("an expired token is valid")
	}
	if _, ok := newTokens(time.Now).valid(newTokens(time.Now).issue(time.Hour)); ok {
		t.Error("another server's token is valid")
	}
}

func TestSocketSource(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	source := NewSocketSource(socket, "i-1")
	if _, err := source.Document(t.Context()); err == nil {
		t.Error("no error without a local cloud")
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"instanceId":"`+r.URL.Path+`","vpcCidrs":["10.0.0.0/16"]}`)
	})}
	go server.Serve(l)
	doc, err := source.Document(t.Context())
	if err != nil || doc.InstanceID != "/_automode/machines/i-1/metadata" || len(doc.VPCCIDRs) != 1 || doc.VPCCIDRs[0] != netip.MustParsePrefix("10.0.0.0/16") {
		t.Errorf("document %+v, %v", doc, err)
	}
	server.Close()
	source.asOf = source.asOf.Add(-time.Hour)
	if again, err := source.Document(t.Context()); err != nil || again.InstanceID != doc.InstanceID {
		t.Errorf("while the local cloud is away: %+v, %v", again, err)
	}
}
