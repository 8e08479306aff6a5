package imds

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// fresh is how long an answer of the local cloud serves: real metadata lags by seconds too.
const fresh = time.Second

// SocketSource asks the local cloud's internal API on its unix socket.
type SocketSource struct {
	client http.Client
	url    string

	mu   sync.Mutex
	doc  Document
	asOf time.Time
}

// NewSocketSource returns the source of an instance's facts.
func NewSocketSource(socket, instanceID string) *SocketSource {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &SocketSource{
		url:    "http://cloud/_automode/machines/" + url.PathEscape(instanceID) + "/metadata",
		client: http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DialContext: dial, MaxIdleConns: 1, IdleConnTimeout: 10 * time.Second}},
	}
}

// Document asks for the facts, unless it did so a moment ago. While the local cloud is away the last ones are good.
func (s *SocketSource) Document(ctx context.Context) (Document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.asOf) < fresh {
		return s.doc, nil
	}
	doc, err := s.ask(ctx)
	if err != nil {
		if !s.asOf.IsZero() {
			return s.doc, nil
		}
		return Document{}, fmt.Errorf("asking the local cloud for metadata: %w", err)
	}
	s.doc, s.asOf = doc, time.Now()
	return doc, nil
}

func (s *SocketSource) ask(ctx context.Context) (doc Document, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return doc, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return doc, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
		return doc, fmt.Errorf("%s: %s", resp.Status, text)
	}
	return doc, json.NewDecoder(resp.Body).Decode(&doc)
}
