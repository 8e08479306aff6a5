package wire

import (
	"context"
	"time"

	"github.com/automode-dev/automode/localcloud/access"
)

// Call is what a handler may know of the request besides its input.
type Call struct {
	Service   string // "ec2"
	Operation string // "RunInstances"
	Region    string // of the credential scope
	Account   string // of the caller
	RequestID string
	SourceIP  string
	UserAgent string
	Time      time.Time
	Caller    *access.Caller
}

type callKey struct{}

// WithCall returns a context that carries the call and its caller.
func WithCall(ctx context.Context, c *Call) context.Context {
	ctx = context.WithValue(ctx, callKey{}, c)
	return access.WithCaller(ctx, c.Caller)
}

// CallFrom returns the call that is being served. In a context without one (a test, a background task) it
// returns an empty call, never nil.
func CallFrom(ctx context.Context) *Call {
	if c, ok := ctx.Value(callKey{}).(*Call); ok {
		return c
	}
	return &Call{Caller: access.CallerFrom(ctx)}
}
