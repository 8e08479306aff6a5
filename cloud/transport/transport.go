// Package transport mends how the SDK's HTTP client treats a fast server. It never decides what is sent or retried.
package transport

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// Shield returns the configuration with an HTTP client that sends the same and hears every answer whole. The SDK closes the
// request's body as soon as the answer begins; a server on the same machine answers so fast that the client may still be
// looking whether the body has ended, and then drops the connection in the middle of the answer.
func Shield(cfg aws.Config) aws.Config {
	cfg = cfg.Copy()
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = awshttp.NewBuildableClient() // what the SDK takes where there is none
	}
	cfg.HTTPClient = shielded{cfg.HTTPClient}
	return cfg
}

type shielded struct{ aws.HTTPClient }

func (s shielded) Do(r *http.Request) (*http.Response, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return s.HTTPClient.Do(r)
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the request's body: %w", err)
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(data))
	return s.HTTPClient.Do(r)
}
