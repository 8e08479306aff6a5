package machine

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

// resolverAddress is where an instance finds the VPC's DNS server.
var resolverAddress = netip.MustParseAddr("169.254.169.253")

// resolver answers a machine's DNS queries with the answers of the host's name servers, byte by byte. It knows no names
// of its own; without a name server that answers, queries fail at once.
type resolver struct {
	conf string // resolv.conf of the host
	log  *slog.Logger
}

const (
	queryTimeout  = 3 * time.Second
	largestPacket = 65535
	rcodeServFail = 2
)

// serve answers until the sockets are closed.
func (r *resolver) serve(ctx context.Context, packets net.PacketConn, streams net.Listener) {
	context.AfterFunc(ctx, func() { packets.Close(); streams.Close() })
	go r.serveStreams(streams)
	buf := make([]byte, largestPacket)
	for {
		n, from, err := packets.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		query := append([]byte(nil), buf[:n]...)
		go func() {
			if answer := r.answer(query, r.exchange); answer != nil {
				_, _ = packets.WriteTo(answer, from) // a client that is gone does not care
			}
		}()
	}
}

// answer asks with the given transport; a query that nobody answers gets a failure.
func (r *resolver) answer(query []byte, exchange func(server string, query []byte) ([]byte, error)) []byte {
	const header = 12
	if len(query) < header {
		return nil
	}
	servers, err := nameServers(r.conf)
	for _, s := range servers {
		var reply []byte
		if reply, err = exchange(s, query); err == nil {
			return reply
		}
	}
	r.log.Debug("no name server of the host answers", "servers", servers, "error", err)
	failed := append([]byte(nil), query...)
	failed[2] |= 0x80 // a response
	failed[3] = failed[3]&0xf0 | rcodeServFail
	return failed
}

// exchange asks one server over UDP.
func (r *resolver) exchange(server string, query []byte) ([]byte, error) {
	c, err := net.DialTimeout("udp", server, queryTimeout)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(queryTimeout)); err != nil {
		return nil, err
	}
	if _, err := c.Write(query); err != nil {
		return nil, err
	}
	reply := make([]byte, largestPacket)
	n, err := c.Read(reply)
	return reply[:n], err
}

func (r *resolver) serveStreams(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			for {
				_ = c.SetDeadline(time.Now().Add(2 * queryTimeout))
				query, err := readMessage(c)
				if err != nil {
					return
				}
				if answer := r.answer(query, exchangeStream); answer == nil || writeMessage(c, answer) != nil {
					return
				}
			}
		}()
	}
}

// exchangeStream asks one server over TCP.
func exchangeStream(server string, query []byte) ([]byte, error) {
	c, err := net.DialTimeout("tcp", server, queryTimeout)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(queryTimeout)); err != nil {
		return nil, err
	}
	if err := writeMessage(c, query); err != nil {
		return nil, err
	}
	return readMessage(c)
}

// readMessage and writeMessage frame DNS messages on a stream: two bytes of length before each.
func readMessage(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, message)
	return message, err
}

func writeMessage(w io.Writer, message []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...))
	return err
}

// nameServers reads the host's name servers.
func nameServers(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the host's name servers: %w", err)
	}
	defer f.Close()
	var servers []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && fields[0] == "nameserver" {
			servers = append(servers, net.JoinHostPort(fields[1], "53"))
		}
	}
	if len(servers) == 0 {
		return nil, fmt.Errorf("reading the host's name servers: none in %s", path)
	}
	return servers, nil
}
