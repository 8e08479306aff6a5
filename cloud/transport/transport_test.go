package transport

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// closing tells whether it was closed before it was read to its end.
type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

func TestTheBodyIsSentWholeWhateverBecomesOfIt(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		_, _ = w.Write(data) // what is missing shows below
	}))
	defer server.Close()
	for name, cfg := range map[string]aws.Config{"a client of one's own": {HTTPClient: http.DefaultClient}, "none": {}} {
		t.Run(name, func(t *testing.T) {
			text := strings.Repeat("x", 100_000)
			body := &closing{Reader: strings.NewReader(text)}
			request, err := http.NewRequest(http.MethodPost, server.URL, body)
			if err != nil {
				t.Fatal(err)
			}
			response, err := Shield(cfg).HTTPClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			echo, err := io.ReadAll(response.Body)
			if err != nil || string(echo) != text {
				t.Errorf("got %d bytes back and %v", len(echo), err)
			}
			if body.closed {
				t.Error("the transport got the body itself")
			}
		})
	}
}
