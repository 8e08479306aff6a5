// Package transport is the HTTP client of every AWS client here. It is the SDK's own but for one thing, and never decides
// what is sent or retried.
package transport

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// Client returns an HTTP client for the SDK's option HTTPClient.
func Client() *http.Client {
	return &http.Client{Transport: keepBody{awshttp.NewBuildableClient().GetTransport()}}
}

// keepBody shields the transport from the SDK, which closes the request's body as soon as the answer begins. A server on the
// same machine answers so fast that the transport may still be looking whether the body has ended; it then drops the
// connection in the middle of the answer, and the SDK waits before it tries again.
type keepBody struct{ http.RoundTripper }

func (k keepBody) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return k.RoundTripper.RoundTrip(r)
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the request's body: %w", err)
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(data))
	return k.RoundTripper.RoundTrip(r)
}
