package machine

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/automode-dev/automode/internal/forward"
	"github.com/automode-dev/automode/localcloud/vpc"
)

// hostPorts makes ports of the host's loopback answer on a machine's loopback.
type hostPorts struct {
	netNS  string
	log    *slog.Logger
	cancel map[int]context.CancelFunc
}

// set starts and ends forwards so that exactly the given ports are forwarded, until ctx ends.
func (h *hostPorts) set(ctx context.Context, ports []int) {
	if h.cancel == nil {
		h.cancel = map[int]context.CancelFunc{}
	}
	want := map[int]bool{}
	for _, p := range ports {
		want[p] = true
		if h.cancel[p] == nil {
			own, cancel := context.WithCancel(ctx)
			h.cancel[p] = cancel
			go h.keep(own, p)
		}
	}
	for p, cancel := range h.cancel {
		if !want[p] {
			cancel()
			delete(h.cancel, p)
		}
	}
}

// keep forwards one port, again after a failure.
func (h *hostPorts) keep(ctx context.Context, port int) {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	rule := forward.Rule{Listen: forward.Endpoint{Addr: address, NetNS: h.netNS}, Dial: forward.Endpoint{Addr: address}}
	for {
		err := forward.Run(ctx, []forward.Rule{rule})
		if ctx.Err() != nil {
			return
		}
		h.log.Error("forwarding a port of the host failed, trying again", "port", port, "error", err)
		if sleepUntil(ctx, time.Now().Add(time.Second)) != nil {
			return
		}
	}
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
