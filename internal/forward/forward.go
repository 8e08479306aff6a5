// Package forward joins TCP ports of different network namespaces: what
// connects to one address in one namespace talks to another address in another.
// It never looks at the bytes, and it never listens where it was not told to.
package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"
)

// dialTimeout bounds how long a client waits for the other side.
const dialTimeout = 10 * time.Second

// Endpoint is a TCP address in a network namespace.
type Endpoint struct {
	// Addr is "address:port" with a numeric address.
	Addr string
	// NetNS is the file of the namespace, the process's own when empty.
	NetNS string
}

// String is the form that Parse reads: ADDRESS:PORT[@NETNS].
func (e Endpoint) String() string {
	if e.NetNS == "" {
		return e.Addr
	}
	return e.Addr + "@" + e.NetNS
}

// Rule says what listens where and leads where.
type Rule struct {
	Listen Endpoint
	Dial   Endpoint
}

// Args returns the command-line arguments that Parse reads back.
func Args(rules ...Rule) []string {
	var args []string
	for _, rule := range rules {
		args = append(args, rule.Listen.String(), rule.Dial.String())
	}
	return args
}

// Parse reads rules from arguments: pairs of LISTEN and DIAL, each of the form
// ADDRESS:PORT[@NETNS].
func Parse(args []string) ([]Rule, error) {
	if len(args) == 0 || len(args)%2 != 0 {
		return nil, fmt.Errorf("parsing forwarding rules: want pairs of LISTEN and DIAL, got %d arguments", len(args))
	}
	var rules []Rule
	for i := 0; i < len(args); i += 2 {
		listen, err := parseEndpoint(args[i])
		if err != nil {
			return nil, err
		}
		dial, err := parseEndpoint(args[i+1])
		if err != nil {
			return nil, err
		}
		rules = append(rules, Rule{Listen: listen, Dial: dial})
	}
	return rules, nil
}

func parseEndpoint(text string) (Endpoint, error) {
	addr, ns, _ := strings.Cut(text, "@")
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return Endpoint{}, fmt.Errorf("parsing endpoint %q: %w", text, err)
	}
	// A name would be looked up on whichever thread the resolver runs, that is in
	// whichever namespace.
	if net.ParseIP(host) == nil {
		return Endpoint{}, fmt.Errorf("parsing endpoint %q: host %q is not a numeric address", text, host)
	}
	return Endpoint{Addr: addr, NetNS: ns}, nil
}

// Run listens for all rules and forwards until ctx ends. It fails when it
// cannot listen for one of them.
func Run(ctx context.Context, rules []Rule) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var listeners []net.Listener
	for _, rule := range rules {
		listener, err := Listen(rule.Listen)
		if err != nil {
			closeAll(listeners)
			return err
		}
		listeners = append(listeners, listener)
	}
	context.AfterFunc(ctx, func() { closeAll(listeners) })
	var wg sync.WaitGroup
	failed := make([]error, len(rules))
	for i, rule := range rules {
		wg.Go(func() {
			failed[i] = serve(ctx, listeners[i], rule.Dial)
			cancel()
		})
	}
	wg.Wait()
	return errors.Join(failed...)
}

func closeAll(listeners []net.Listener) {
	for _, listener := range listeners {
		listener.Close()
	}
}

// serve forwards every connection that the listener accepts until ctx ends.
func serve(ctx context.Context, listener net.Listener, target Endpoint) error {
	for {
		client, err := listener.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && isTemporary(err):
			time.Sleep(50 * time.Millisecond)
		case err != nil:
			return fmt.Errorf("accepting on %s: %w", listener.Addr(), err)
		default:
			go connect(ctx, client.(*net.TCPConn), target)
		}
	}
}

// connect joins one client with the target.
func connect(ctx context.Context, client *net.TCPConn, target Endpoint) {
	defer client.Close()
	dialing, cancel := context.WithTimeout(ctx, dialTimeout)
	server, err := Dial(dialing, target)
	cancel()
	if err != nil {
		slog.Warn("forwarding connection", "client", client.RemoteAddr().String(), "error", err)
		_ = client.SetLinger(0) // the client sees a reset, not an orderly end
		return
	}
	defer server.Close()
	stop := context.AfterFunc(ctx, func() { client.Close(); server.Close() })
	defer stop()
	join(client, server.(*net.TCPConn))
}

// join copies both ways. The end of one direction is passed on as such, so that
// a peer which has finished sending still gets its answer. A direction that
// breaks breaks the other.
func join(a, b *net.TCPConn) {
	var wg sync.WaitGroup
	for _, way := range [][2]*net.TCPConn{{a, b}, {b, a}} {
		wg.Go(func() {
			from, to := way[0], way[1]
			_, err := io.Copy(to, from) // spliced in the kernel
			if err == nil {
				err = to.CloseWrite()
			}
			if err != nil {
				for _, conn := range way {
					_ = conn.SetLinger(0)
					conn.Close()
				}
			}
		})
	}
	wg.Wait()
}
