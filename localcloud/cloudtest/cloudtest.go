// Package cloudtest starts a local cloud inside a test, on a free loopback port and with a state of its own.
// It is for tests only.
package cloudtest

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/automode-dev/automode/localcloud"
	"github.com/automode-dev/automode/localcloud/wire"
)

// Start serves the services as the account's root user may call them and returns the SDK configuration to reach
// them with. The cloud stops when the test ends.
func Start(t testing.TB, services ...*wire.Service) aws.Config {
	t.Helper()
	s, err := localcloud.New(localcloud.Options{Home: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	s.Authenticate(localcloud.AllowAll(localcloud.DefaultAccount))
	for _, svc := range services {
		s.Mount(svc)
	}
	return Serve(t, s)
}

// Serve runs a server of the test's own making until the test ends.
func Serve(t testing.TB, s *localcloud.Server) aws.Config {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l, nil) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return Config("http://"+l.Addr().String(), "AKIAIOSFODNN7EXAMPLE", "secret", "")
}

// Config returns an SDK configuration for an endpoint with fixed credentials and without retries.
func Config(endpoint, key, secret, session string) aws.Config {
	return aws.Config{
		Region:       localcloud.DefaultRegion,
		BaseEndpoint: aws.String(endpoint),
		HTTPClient:   &http.Client{Transport: keepBody{http.DefaultTransport}},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key, SecretAccessKey: secret, SessionToken: session}, nil
		}),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}
}

// Core starts a cloud with IAM, STS, SSM and Pricing and real authentication. It returns the server, its core and the
// SDK configuration of the admin user.
func Core(t testing.TB, services ...*wire.Service) (*localcloud.Server, *localcloud.Core, aws.Config) {
	t.Helper()
	s, err := localcloud.New(localcloud.Options{Home: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	core, err := s.MountCore()
	if err != nil {
		t.Fatal(err)
	}
	for _, svc := range services {
		s.Mount(svc)
	}
	cfg := Serve(t, s)
	return s, core, Config(*cfg.BaseEndpoint, core.Admin.AccessKeyID, core.Admin.SecretAccessKey, "")
}

// keepBody shields the transport from the SDK, which closes the request's body as soon as the answer begins. A local
// server answers so fast that the transport may still be looking whether the body has ended; it then drops the
// connection in the middle of the answer.
type keepBody struct{ http.RoundTripper }

func (k keepBody) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return k.RoundTripper.RoundTrip(r)
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(data))
	return k.RoundTripper.RoundTrip(r)
}
