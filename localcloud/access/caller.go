// Package access decides whether a principal of the local cloud may do something: the IAM policy language and
// its evaluation, pure and without state. Who the principal is and which policies it has, package iam and sts
// say; the package never looks anything up.
package access

import (
	"context"
	"maps"
)

// Principal types as in the condition key aws:PrincipalType.
const (
	TypeRoot        = "Account"
	TypeUser        = "User"
	TypeAssumedRole = "AssumedRole"
	TypeFederated   = "FederatedUser"
	TypeService     = "Service"
)

// Caller is the authenticated principal of a call with everything its authorisation depends on.
type Caller struct {
	ARN     string // as in GetCallerIdentity, e.g. arn:aws:sts::111122223333:assumed-role/r/s
	Account string
	UserID  string // as in GetCallerIdentity, e.g. AROA…:s
	Type    string
	// PrincipalARN is what aws:PrincipalArn and policies call the principal: the role of a session, else ARN.
	PrincipalARN  string
	UserName      string            // of an IAM user
	SessionName   string            // of a role session
	AccessKeyID   string            // that signed the call
	PrincipalTags map[string]string // tags of user or role, overlaid with session tags
	// TransitiveTags are the keys of session tags that pass on to roles assumed from this session.
	TransitiveTags []string
	SourceIdentity string

	Identity []*Policy // identity-based policies
	Boundary *Policy   // permissions boundary, nil for none
	Session  []*Policy // session policies, nil for none
	// Keys are condition keys that the credentials themselves carry, e.g. those of a web identity.
	Keys map[string][]string
}

// Root returns the root user of an account, who may do everything that no resource denies.
func Root(account string) *Caller {
	arn := "arn:aws:iam::" + account + ":root"
	return &Caller{ARN: arn, PrincipalARN: arn, Account: account, UserID: account, Type: TypeRoot}
}

type callerKey struct{}
type environmentKey struct{}

// WithCaller returns a context whose calls are made by c.
func WithCaller(ctx context.Context, c *Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerFrom returns the caller of the context, or nil.
func CallerFrom(ctx context.Context) *Caller {
	c, _ := ctx.Value(callerKey{}).(*Caller)
	return c
}

// WithEnvironment adds condition keys that hold for every authorisation in the context (aws:SourceIp,
// aws:RequestedRegion, aws:CurrentTime, …).
func WithEnvironment(ctx context.Context, keys map[string][]string) context.Context {
	merged := maps.Clone(environment(ctx))
	if merged == nil {
		merged = map[string][]string{}
	}
	maps.Copy(merged, keys)
	return context.WithValue(ctx, environmentKey{}, merged)
}

func environment(ctx context.Context) map[string][]string {
	keys, _ := ctx.Value(environmentKey{}).(map[string][]string)
	return keys
}
