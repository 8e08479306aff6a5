package images

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
)

// Seed puts the sandbox image, made from the pause program's static binary, into a registry of the same process.
// What the registry has already is not written again.
func Seed(ctx context.Context, registry http.Handler, pause string) error {
	image, err := Pause(pause)
	if err != nil {
		return err
	}
	// The host is a name only: requests go straight to the handler.
	if _, err := Push(ctx, image, PauseName, Target{Host: "localhost", Transport: inProcess{registry}}); err != nil {
		return fmt.Errorf("seeding the image registry: %w", err)
	}
	return nil
}

// inProcess hands requests to a handler without a connection.
type inProcess struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (p inProcess) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Body == nil {
		request.Body = http.NoBody
	}
	answer := httptest.NewRecorder()
	p.handler.ServeHTTP(answer, request)
	response := answer.Result()
	response.Request = request
	return response, nil
}
