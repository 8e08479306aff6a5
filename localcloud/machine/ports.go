package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"

	"github.com/automode-dev/automode/localcloud/vpc"
)

// hostPorts makes ports of the host's loopback answer on a machine's loopback.
type hostPorts struct {
	netNS string

	mu        sync.Mutex
	listeners map[int]net.Listener
}

// set opens and closes listeners so that exactly the given ports are forwarded.
func (h *hostPorts) set(ports []int) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.listeners == nil {
		h.listeners = map[int]net.Listener{}
	}
	want := map[int]bool{}
	var errs []error
	for _, p := range ports {
		want[p] = true
		if h.listeners[p] != nil {
			continue
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(p))
		l, err := listenIn(h.netNS, "tcp4", address)
		if err != nil {
			errs = append(errs, fmt.Errorf("forwarding port %d of the host: %w", p, err))
			continue
		}
		h.listeners[p] = l
		go forward(l, address)
	}
	for p, l := range h.listeners {
		if !want[p] {
			l.Close()
			delete(h.listeners, p)
		}
	}
	return errors.Join(errs...)
}

// forward connects everyone who comes to the listener with an address of this process's own network.
func forward(l net.Listener, address string) {
	for {
		from, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer from.Close()
			to, err := net.Dial("tcp4", address)
			if err != nil {
				return // nobody listens on the host: the caller sees its connection closed
			}
			defer to.Close()
			splice(from.(*net.TCPConn), to.(*net.TCPConn))
		}()
	}
}

// splice copies both ways until both sides have said all they had to say.
func splice(a, b *net.TCPConn) {
	var wg sync.WaitGroup
	for _, way := range []struct{ to, from *net.TCPConn }{{a, b}, {b, a}} {
		wg.Go(func() {
			if _, err := io.Copy(way.to, way.from); err != nil {
				way.from.Close() // broken on one side: end both
				way.to.Close()
				return
			}
			_ = way.to.CloseWrite()
		})
	}
	wg.Wait()
}

// listenIn listens in a network namespace; connections are accepted from anywhere.
func listenIn(netNS, network, address string) (l net.Listener, err error) {
	err = vpc.InNetNS(netNS, func() error {
		l, err = (&net.ListenConfig{}).Listen(context.Background(), network, address)
		return err
	})
	return l, err
}

// listenPacketIn is listenIn for datagrams.
func listenPacketIn(netNS, network, address string) (c net.PacketConn, err error) {
	err = vpc.InNetNS(netNS, func() error {
		c, err = (&net.ListenConfig{}).ListenPacket(context.Background(), network, address)
		return err
	})
	return c, err
}
