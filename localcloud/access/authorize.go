package access

import (
	"context"
	"errors"
	"fmt"
)

// Request is one question: may the caller perform the action on the resource?
type Request struct {
	Action   string // "ec2:RunInstances"
	Resource string // ARN, or "*" for actions without resources
	// Context holds condition keys of the request and the resource, in lower or original case:
	// "aws:RequestTag/k", "aws:ResourceTag/k", "aws:TagKeys", "ec2:CreateAction", …
	Context map[string][]string
	// ResourcePolicy is attached to the resource itself: a trust policy, or the protection of managed resources.
	ResourcePolicy *Policy
	// NeedsResourcePolicy is set where nothing is allowed that the resource's policy does not allow: trust policies.
	NeedsResourcePolicy bool
}

// DeniedError says that a request is not allowed and which kind of policy decided so.
type DeniedError struct {
	Caller   *Caller
	Request  Request
	Decision Decision
}

// Error is AWS's text: User: … is not authorized to perform: … on resource: … because ….
func (e *DeniedError) Error() string {
	on := ""
	if e.Request.Resource != "" && e.Request.Resource != "*" {
		on = " on resource: " + e.Request.Resource
	}
	return fmt.Sprintf("User: %s is not authorized to perform: %s%s %s", e.Caller.ARN, e.Request.Action, on, e.Decision.Reason(e.Request.Action))
}

// ErrNoCaller means that the context has no caller: a call that was never authenticated.
var ErrNoCaller = errors.New("authorizing a call without a caller")

// Authorize returns nil when the caller of the context may do all of the requests, else the *DeniedError of the
// first that it may not do.
func Authorize(ctx context.Context, requests ...Request) error {
	caller := CallerFrom(ctx)
	if caller == nil {
		return ErrNoCaller
	}
	env := environment(ctx)
	record, _ := ctx.Value(recorderKey{}).(func(Request, Decision))
	for _, r := range requests {
		d := Evaluate(caller, env, r)
		if record != nil {
			record(r, d)
		}
		if !d.Allowed {
			return &DeniedError{Caller: caller, Request: r, Decision: d}
		}
	}
	return nil
}

type recorderKey struct{}

// WithRecorder returns a context in which f hears of every decision, for logs of calls.
func WithRecorder(ctx context.Context, f func(Request, Decision)) context.Context {
	return context.WithValue(ctx, recorderKey{}, f)
}

// Encode returns the encoded authorization failure message that EC2 appends; Decode turns it back.
func (e *DeniedError) Encode() string { return encodeFailure(e) }
