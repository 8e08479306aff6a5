package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/automode-dev/automode/network/ipam"
)

// Socket is where the CNI plugin finds the agent.
const Socket = "/run/automode/ipamd.sock"

// AttachRequest asks for the address of one interface of a pod.
type AttachRequest struct {
	ipam.Key
	ipam.Owner
	HostPorts []ipam.PortMapping `json:"hostPorts,omitempty"`
}

// AttachReply says how to connect it.
type AttachReply struct {
	Address netip.Addr `json:"address"`
	MTU     int        `json:"mtu"`
}

// KeepRequest lists the attachments that are still valid.
type KeepRequest struct {
	Attachments []ipam.Key `json:"attachments"`
}

// Serve answers the plugin on the socket until the context ends.
func (a *Agent) Serve(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Dir(a.Socket), 0o755); err != nil {
		return fmt.Errorf("making the directory of socket %s: %w", a.Socket, err)
	}
	if err := os.Remove(a.Socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the old socket: %w", err)
	}
	listener, err := net.Listen("unix", a.Socket)
	if err != nil {
		return fmt.Errorf("listening for the CNI plugin: %w", err)
	}
	if err := os.Chmod(a.Socket, 0o600); err != nil {
		return fmt.Errorf("protecting socket %s: %w", a.Socket, err)
	}
	return serve(ctx, listener, a.handler())
}

// ServeIntrospection answers people on the port the VPC CNI uses, on the node's loopback.
func (a *Agent) ServeIntrospection(ctx context.Context, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listening for introspection: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/enis", func(w http.ResponseWriter, _ *http.Request) { answer(w, a.enis(), nil) })
	mux.HandleFunc("GET /v1/pods", func(w http.ResponseWriter, _ *http.Request) { answer(w, a.attachments(), nil) })
	return serve(ctx, listener, mux)
}

func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving on %s: %w", listener.Addr(), err)
	}
	return nil
}

func (a *Agent) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/attach", func(w http.ResponseWriter, r *http.Request) {
		handle(w, r, func(request AttachRequest) (any, error) { return a.Attach(r.Context(), request) })
	})
	mux.HandleFunc("POST /v1/detach", func(w http.ResponseWriter, r *http.Request) {
		handle(w, r, func(key ipam.Key) (any, error) { return struct{}{}, a.Detach(r.Context(), key) })
	})
	mux.HandleFunc("POST /v1/keep", func(w http.ResponseWriter, r *http.Request) {
		handle(w, r, func(request KeepRequest) (any, error) { return struct{}{}, a.Keep(r.Context(), request.Attachments) })
	})
	mux.HandleFunc("POST /v1/get", func(w http.ResponseWriter, r *http.Request) {
		handle(w, r, func(key ipam.Key) (any, error) { return a.get(key) })
	})
	mux.HandleFunc("GET /v1/ready", func(w http.ResponseWriter, _ *http.Request) { answer(w, struct{}{}, a.Ready()) })
	return mux
}

func handle[T any](w http.ResponseWriter, r *http.Request, do func(T) (any, error)) {
	var request T
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&request); err != nil {
		http.Error(w, "reading request: "+err.Error(), http.StatusBadRequest)
		return
	}
	reply, err := do(request)
	answer(w, reply, err)
}

func answer(w http.ResponseWriter, reply any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(reply)
}

func (a *Agent) get(key ipam.Key) (AttachReply, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	attachment, ok := a.pool.Get(key)
	if !ok {
		return AttachReply{}, fmt.Errorf("container %s has no address on %s", key.ContainerID, key.IfName)
	}
	return AttachReply{Address: attachment.Address, MTU: a.Uplink.MTU}, nil
}

func (a *Agent) attachments() []ipam.Attachment {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pool.Attachments()
}

// enis is the answer of /v1/enis: the node's interfaces, its ranges and how full they are.
func (a *Agent) enis() any {
	a.mu.Lock()
	defer a.mu.Unlock()
	return struct {
		Interfaces []Interface   `json:"interfaces"`
		Sources    []ipam.Source `json:"sources"`
		Addresses  ipam.Stats    `json:"addresses"`
	}{a.picture.Interfaces, a.pool.Sources(), a.pool.Stats(a.Clock.Now())}
}

// Client calls an agent.
type Client struct {
	http http.Client
}

// NewClient returns a client of the agent that listens on a unix socket.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &Client{http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Attach asks for an address for a pod; it may take as long as the controller needs to bring one.
func (c *Client) Attach(ctx context.Context, r AttachRequest) (reply AttachReply, err error) {
	err = c.call(ctx, "POST", "attach", r, &reply)
	return reply, err
}

// Detach releases an attachment.
func (c *Client) Detach(ctx context.Context, key ipam.Key) error {
	return c.call(ctx, "POST", "detach", key, nil)
}

// Keep releases everything but the given attachments.
func (c *Client) Keep(ctx context.Context, keys []ipam.Key) error {
	return c.call(ctx, "POST", "keep", KeepRequest{keys}, nil)
}

// Get returns how an attachment is connected.
func (c *Client) Get(ctx context.Context, key ipam.Key) (reply AttachReply, err error) {
	err = c.call(ctx, "POST", "get", key, &reply)
	return reply, err
}

// Ready fails when pods can not be connected.
func (c *Client) Ready(ctx context.Context) error { return c.call(ctx, "GET", "ready", nil, nil) }

// call retries while nothing listens, because the agent may be restarting.
func (c *Client) call(ctx context.Context, method, path string, request, reply any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("encoding request: %w", err)
	}
	for {
		err := c.once(ctx, method, path, body, reply)
		var dial *net.OpError
		if !errors.As(err, &dial) || dial.Op != "dial" {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("calling the node's address manager: %w", err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (c *Client) once(ctx context.Context, method, path string, body []byte, reply any) error {
	request, err := http.NewRequestWithContext(ctx, method, "http://ipamd/v1/"+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("calling the node's address manager: %w", err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("calling the node's address manager: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
		return errors.New(string(bytes.TrimSpace(text)))
	}
	if reply == nil {
		return nil
	}
	if err := json.NewDecoder(response.Body).Decode(reply); err != nil {
		return fmt.Errorf("reading the answer of the node's address manager: %w", err)
	}
	return nil
}
