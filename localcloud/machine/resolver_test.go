package machine

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNameServers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if _, err := nameServers(path); err == nil {
		t.Error("no error without a file")
	}
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("search example.org\n")
	if _, err := nameServers(path); err == nil {
		t.Error("no error without a name server")
	}
	write("# comment\nnameserver 10.0.0.1\nnameserver fd00::1\noptions edns0\n")
	got, err := nameServers(path)
	if diff := cmp.Diff([]string{"10.0.0.1:53", "[fd00::1]:53"}, got); err != nil || diff != "" {
		t.Errorf("name servers (-want +got):\n%s%v", diff, err)
	}
}

func TestResolverAnswer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte("nameserver 10.0.0.1\nnameserver 10.0.0.2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &resolver{conf: path, log: slog.New(slog.DiscardHandler)}
	query := []byte("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00question")
	second := func(server string, _ []byte) ([]byte, error) {
		if server != "10.0.0.2:53" {
			return nil, errors.New("away")
		}
		return []byte("reply"), nil
	}
	if got := r.answer(query, second); string(got) != "reply" {
		t.Errorf("answer %q, want that of the second server", got)
	}
	got := r.answer(query, func(string, []byte) ([]byte, error) { return nil, errors.New("away") })
	want := []byte("\x12\x34\x81\x02\x00\x01\x00\x00\x00\x00\x00\x00question")
	if !bytes.Equal(got, want) {
		t.Errorf("failure %q, want %q", got, want)
	}
	if got := r.answer([]byte("short"), second); got != nil {
		t.Errorf("a broken query is answered with %q", got)
	}
}

// TestResolverServes asks over both transports; nobody is behind it.
func TestResolverServes(t *testing.T) {
	packets, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	streams, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &resolver{conf: "/nonexistent", log: slog.New(slog.DiscardHandler)}
	go r.serve(t.Context(), packets, streams)
	query := []byte("\x12\x34\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	failure := []byte("\x12\x34\x81\x02\x00\x00\x00\x00\x00\x00\x00\x00")
	if got, err := r.exchange(packets.LocalAddr().String(), query); err != nil || !bytes.Equal(got, failure) {
		t.Errorf("over UDP: %q, %v", got, err)
	}
	if got, err := exchangeStream(streams.Addr().String(), query); err != nil || !bytes.Equal(got, failure) {
		t.Errorf("over TCP: %q, %v", got, err)
	}
}
