package imds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Address is where an instance finds its metadata service, on port 80.
var Address = netip.MustParseAddr("169.254.169.254")

// Source tells the facts of the instance. It is asked for every request.
type Source interface {
	Document(ctx context.Context) (Document, error)
}

// Server answers the requests of one instance.
type Server struct {
	source Source
	log    *slog.Logger
	tokens *tokens
}

// NewServer returns a server of the facts of a source.
func NewServer(source Source, log *slog.Logger) *Server {
	return &Server{source: source, log: log, tokens: newTokens(time.Now)}
}

// Serve answers requests on the listener until ctx ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) {
	server := &http.Server{
		Handler: s, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) && ctx.Err() == nil {
		s.log.Error("serving metadata failed", "error", err)
	}
}

// Header names of the protocol.
const (
	tokenHeader = "X-Aws-Ec2-Metadata-Token"
	ttlHeader   = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
)

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "EC2ws")
	doc, err := s.source.Document(r.Context())
	if err != nil {
		s.log.Warn("metadata is not available", "error", err)
		s.fail(w, http.StatusServiceUnavailable)
		return
	}
	switch {
	case doc.EndpointOff:
		s.fail(w, http.StatusForbidden)
	case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token":
		s.issueToken(w, r, doc)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		s.fail(w, http.StatusMethodNotAllowed)
	default:
		s.get(w, r, doc)
	}
}

// issueToken answers PUT /latest/api/token. Its answer travels no further than the hop limit: with 1, whoever is behind
// the instance's own network, as pods are, waits for it in vain.
func (s *Server) issueToken(w http.ResponseWriter, r *http.Request, doc Document) {
	if doc.HopLimit <= 1 && !fromInstance(doc, r.RemoteAddr) {
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // ends the connection without an answer
	}
	if r.Header.Get("X-Forwarded-For") != "" {
		s.fail(w, http.StatusForbidden)
		return
	}
	seconds, err := strconv.Atoi(r.Header.Get(ttlHeader))
	if err != nil || seconds < 1 || seconds > 21600 {
		s.fail(w, http.StatusBadRequest)
		return
	}
	w.Header().Set(ttlHeader, strconv.Itoa(seconds))
	s.write(w, s.tokens.issue(time.Duration(seconds)*time.Second))
}

// fromInstance reports whether the caller is the instance itself, host network included, and not a pod on it.
func fromInstance(doc Document, remote string) bool {
	caller, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	a := caller.Addr().Unmap()
	if a.IsLoopback() || a.IsLinkLocalUnicast() {
		return true
	}
	for _, i := range doc.Interfaces {
		if len(i.Addresses) > 0 && i.Addresses[0] == a {
			return true
		}
	}
	return false
}

// versionPath splits the version off a path: the newest, a date, or 1.0.
var versionPath = regexp.MustCompile(`^/(latest|1\.0|\d{4}-\d{2}-\d{2})(/.*)?$`)

func (s *Server) get(w http.ResponseWriter, r *http.Request, doc Document) {
	left, ok := s.tokens.valid(r.Header.Get(tokenHeader))
	if !ok {
		s.fail(w, http.StatusUnauthorized)
		return
	}
	w.Header().Set(ttlHeader, strconv.Itoa(int(left.Seconds())))
	if r.URL.Path == "/" {
		s.write(w, "1.0\n2021-03-23\nlatest")
		return
	}
	parts := versionPath.FindStringSubmatch(r.URL.Path)
	if parts == nil {
		s.fail(w, http.StatusNotFound)
		return
	}
	text, found := Render(doc).Lookup(parts[2])
	if !found {
		s.fail(w, http.StatusNotFound)
		return
	}
	if strings.HasPrefix(strings.TrimPrefix(parts[2], "/"), "user-data") {
		w.Header().Set("Content-Type", "application/octet-stream")
	}
	s.write(w, text)
}

func (s *Server) write(w http.ResponseWriter, text string) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "text/plain")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = io.WriteString(w, text) // a caller that is gone does not care
}

// fail answers with the small page that the service sends.
func (s *Server) fail(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	text := fmt.Sprintf("%d - %s", status, http.StatusText(status))
	fmt.Fprintf(w, "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n<html><head><title>%s</title></head><body><h1>%s</h1></body></html>\n", text, text)
}
