// Package localcloud is the AWS-compatible cloud of one machine: an HTTP server on one loopback port that routes
// AWS calls to the services mounted on it, an internal API on a unix socket, and their durable state.
//
// It never calls AWS and contains no service: each lives in a folder of its own and is mounted by the wiring.
package localcloud

//go:generate sh -c "cd .. && go run ./hack/coverage"

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/utils/clock"

	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

// Defaults of a cloud.
const (
	DefaultAddress = "127.0.0.1:4566"
	DefaultAccount = "111122223333"
	DefaultRegion  = "us-east-1"
)

// Options of a Server. Only Home is required.
type Options struct {
	Home    string // the home directory; the cloud keeps to <home>/cloud
	Address string // host:port of the listener
	Account string
	Region  string // of requests that name none
	Clock   clock.PassiveClock
	Log     *slog.Logger
}

// Server is the local cloud.
type Server struct {
	opts     Options
	db       *store.DB
	mux      *wire.Mux
	auth     switchableAuth
	internal *http.ServeMux // behind the admin's token or the socket
	public   *http.ServeMux // handlers that authenticate by themselves
	token    string
	control  *Control
}

// New opens the state and returns a server without services.
func New(o Options) (*Server, error) {
	o.setDefaults()
	dir := filepath.Join(o.Home, "cloud")
	db, err := store.Open(filepath.Join(dir, "state.db"))
	if err != nil {
		return nil, err
	}
	token, err := loadToken(filepath.Join(dir, "token"))
	if err != nil {
		db.Close()
		return nil, err
	}
	s := &Server{opts: o, db: db, token: token, internal: http.NewServeMux(), public: http.NewServeMux()}
	if s.control, err = newControl(db, o.Clock); err != nil {
		db.Close()
		return nil, err
	}
	s.mux = wire.NewMux(&s.auth, o.Region, o.Clock.Now, s.control.middleware()...)
	s.control.register(s)
	return s, nil
}

func (o *Options) setDefaults() {
	if o.Address == "" {
		o.Address = DefaultAddress
	}
	if o.Account == "" {
		o.Account = DefaultAccount
	}
	if o.Region == "" {
		o.Region = DefaultRegion
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
}

// DB is the state that all services share, each in buckets named after it.
func (s *Server) DB() *store.DB { return s.db }

// Options returns the options with defaults filled in.
func (s *Server) Options() Options { return s.opts }

// Control is the cloud's knobs: delays, failures, the call log.
func (s *Server) Control() *Control { return s.control }

// Token is the bearer token of the internal API over TCP.
func (s *Server) Token() string { return s.token }

// Mount adds an AWS service.
func (s *Server) Mount(svc *wire.Service) { s.mux.Mount(svc) }

// Authenticate sets who verifies signatures. Until then every call is refused.
func (s *Server) Authenticate(a wire.Authenticator) { s.auth.set(a) }

// HandleInternal adds a handler under /_automode/ that only the admin's bearer token and the unix socket reach.
// The pattern is one of http.ServeMux, e.g. "GET /_automode/machines/{id}/metadata".
func (s *Server) HandleInternal(pattern string, h http.Handler) { s.internal.Handle(pattern, h) }

// HandlePublic adds a handler that authenticates its callers itself: the image registry under /v2/, token review,
// credential endpoints.
func (s *Server) HandlePublic(pattern string, h http.Handler) { s.public.Handle(pattern, h) }

// ServeHTTP serves a request that came over TCP.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.serve(w, r, s.hasToken(r)) }

func (s *Server) serve(w http.ResponseWriter, r *http.Request, trusted bool) {
	if _, pattern := s.public.Handler(r); pattern != "" {
		s.public.ServeHTTP(w, r)
		return
	}
	if !strings.HasPrefix(r.URL.Path, "/_automode/") {
		s.mux.ServeHTTP(w, r)
		return
	}
	if !trusted {
		http.Error(w, "this needs the bearer token in <home>/cloud/token", http.StatusUnauthorized)
		return
	}
	s.internal.ServeHTTP(w, r)
}

func (s *Server) hasToken(r *http.Request) bool {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && subtle.ConstantTimeCompare([]byte(given), []byte(s.token)) == 1
}

// SocketPath is the unix socket of the internal API.
func (s *Server) SocketPath() string { return filepath.Join(s.opts.Home, "cloud", "cloud.sock") }

// Run listens and serves until the context ends, then closes the state.
func (s *Server) Run(ctx context.Context) error {
	tcp, err := net.Listen("tcp", s.opts.Address)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", s.opts.Address, err)
	}
	if err := os.Remove(s.SocketPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		tcp.Close()
		return fmt.Errorf("removing old socket: %w", err)
	}
	unix, err := net.Listen("unix", s.SocketPath())
	if err != nil {
		tcp.Close()
		return fmt.Errorf("listening on %s: %w", s.SocketPath(), err)
	}
	if err := os.Chmod(s.SocketPath(), 0o600); err != nil {
		return fmt.Errorf("protecting socket: %w", err)
	}
	return s.Serve(ctx, tcp, unix)
}

// Serve serves AWS and internal calls on the two listeners until the context ends. Calls on unix are trusted.
func (s *Server) Serve(ctx context.Context, tcp, unix net.Listener) error {
	base := func(net.Listener) context.Context { return ctx }
	servers := []*http.Server{{Handler: s, BaseContext: base, ReadHeaderTimeout: time.Minute}}
	listeners := []net.Listener{tcp}
	if unix != nil {
		trusted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, true) })
		servers = append(servers, &http.Server{Handler: trusted, BaseContext: base, ReadHeaderTimeout: time.Minute})
		listeners = append(listeners, unix)
	}
	failed := make(chan error, len(servers))
	for i := range servers {
		go func() { failed <- servers[i].Serve(listeners[i]) }()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	for _, srv := range servers {
		stop, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		if srv.Shutdown(stop) != nil {
			srv.Close()
		}
		cancel()
	}
	return errors.Join(err, s.db.Close())
}

// Close closes the state of a server that is not running.
func (s *Server) Close() error { return s.db.Close() }

// loadToken reads the bearer token of the internal API, making one at first start.
func loadToken(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err == nil && len(strings.TrimSpace(string(data))) >= 32 {
		return strings.TrimSpace(string(data)), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("reading token: %w", err)
	}
	var b [24]byte
	rand.Read(b[:])
	token := hex.EncodeToString(b[:])
	if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("writing token: %w", err)
	}
	return token, nil
}
