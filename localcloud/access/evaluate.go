package access

import (
	"strings"
)

// Decision is the outcome of an evaluation and which kind of policy brought it about.
type Decision struct {
	Allowed  bool
	Explicit bool   // an explicit deny
	Source   string // the kind of policy that denied or did not allow: "identity-based policy", …
}

// Kinds of policies as AWS's messages call them.
const (
	IdentityPolicy = "identity-based policy"
	ResourcePolicy = "resource-based policy"
	SessionPolicy  = "session policy"
	Boundary       = "permissions boundary"
)

// Reason is the clause with which AWS ends its message.
func (d Decision) Reason(action string) string {
	if d.Explicit {
		return "with an explicit deny in " + article(d.Source) + " " + d.Source
	}
	return "because no " + d.Source + " allows the " + action + " action"
}

func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an"
	}
	return "a"
}

// Evaluate decides one request of a caller. An explicit deny anywhere wins; root needs nothing else; all others
// need an identity-based policy, or a resource-based policy that names them, and where the caller has a permissions
// boundary or session policies, these have to allow it too.
func Evaluate(caller *Caller, environment map[string][]string, r Request) Decision {
	e := newEvaluation(caller, environment, r)
	for _, kind := range e.kinds() {
		if e.denies(kind.policies) {
			return Decision{Explicit: true, Source: kind.name}
		}
	}
	grant := e.resourceGrant()
	switch {
	case r.NeedsResourcePolicy && grant == grantNone:
		return Decision{Source: ResourcePolicy}
	case grant == grantAll, caller.Type == TypeRoot:
		return Decision{Allowed: true}
	case grant != grantPrincipal && !e.allows(caller.Identity):
		return Decision{Source: IdentityPolicy}
	case caller.Boundary != nil && !e.allows([]*Policy{caller.Boundary}):
		return Decision{Source: Boundary}
	case caller.Session != nil && !e.allows(caller.Session):
		return Decision{Source: SessionPolicy}
	}
	return Decision{Allowed: true}
}

// evaluation is one request with all its condition keys.
type evaluation struct {
	caller  *Caller
	request Request
	keys    map[string][]string // by lower-case name
}

func newEvaluation(c *Caller, environment map[string][]string, r Request) *evaluation {
	e := &evaluation{caller: c, request: r, keys: map[string][]string{}}
	for k, v := range environment {
		e.keys[strings.ToLower(k)] = v
	}
	e.keys["aws:principalarn"] = []string{c.PrincipalARN}
	e.keys["aws:principalaccount"] = []string{c.Account}
	e.keys["aws:principaltype"] = []string{c.Type}
	e.keys["aws:userid"] = []string{c.UserID}
	if c.UserName != "" {
		e.keys["aws:username"] = []string{c.UserName}
	}
	if c.SourceIdentity != "" {
		e.keys["aws:sourceidentity"] = []string{c.SourceIdentity}
	}
	for k, v := range c.PrincipalTags {
		e.keys["aws:principaltag/"+strings.ToLower(k)] = []string{v}
	}
	for k, v := range c.Keys {
		e.keys[strings.ToLower(k)] = v
	}
	for k, v := range r.Context {
		e.keys[strings.ToLower(k)] = v
	}
	return e
}

type policyKind struct {
	name     string
	policies []*Policy
}

// kinds lists the policies in the order in which AWS reports explicit denies.
func (e *evaluation) kinds() []policyKind {
	c := e.caller
	return []policyKind{
		{ResourcePolicy, []*Policy{e.request.ResourcePolicy}},
		{IdentityPolicy, c.Identity},
		{Boundary, []*Policy{c.Boundary}},
		{SessionPolicy, c.Session},
	}
}

func (e *evaluation) denies(policies []*Policy) bool { return e.any(policies, false) }
func (e *evaluation) allows(policies []*Policy) bool { return e.any(policies, true) }

func (e *evaluation) any(policies []*Policy, allow bool) bool {
	for _, p := range policies {
		if p == nil {
			continue
		}
		for i := range p.Statements {
			if s := &p.Statements[i]; s.Allow == allow && e.applies(s) {
				return true
			}
		}
	}
	return false
}

// applies says whether a statement is about the request. Statements without principals are about everybody.
func (e *evaluation) applies(s *Statement) bool {
	switch {
	case s.Principal != nil && e.principal(s.Principal) == grantNone,
		s.NotPrincipal != nil && e.principal(s.NotPrincipal) != grantNone,
		len(s.Actions) > 0 && !e.someAction(s.Actions),
		len(s.NotActions) > 0 && e.someAction(s.NotActions),
		len(s.Resources) > 0 && !e.someResource(s.Resources),
		len(s.NotResources) > 0 && e.someResource(s.NotResources):
		return false
	}
	for _, c := range s.Conditions {
		if !e.holds(c) {
			return false
		}
	}
	return true
}

func (e *evaluation) someAction(patterns []string) bool {
	for _, p := range patterns {
		if e.matchAction(p, e.request.Action) {
			return true
		}
	}
	return false
}

func (e *evaluation) someResource(patterns []string) bool {
	for _, p := range patterns {
		if e.matchARN(p, e.request.Resource) {
			return true
		}
	}
	return false
}

// grant is how far a resource-based policy reaches.
type grant uint8

const (
	grantNone      grant = iota
	grantAccount         // the account may: its identity-based policies decide
	grantPrincipal       // this principal may, within its boundary and session policies
	grantAll             // this very user or session, a service or a federated identity may
)

func (e *evaluation) resourceGrant() grant {
	best := grantNone
	if e.request.ResourcePolicy == nil {
		return best
	}
	for i := range e.request.ResourcePolicy.Statements {
		s := &e.request.ResourcePolicy.Statements[i]
		if !s.Allow || !e.applies(s) {
			continue
		}
		g := grantPrincipal
		if s.Principal != nil {
			g = e.principal(s.Principal)
		}
		best = max(best, g)
	}
	return best
}

// principal says how a principal element names the caller.
func (e *evaluation) principal(p *Principals) grant {
	c := e.caller
	everybody := grantPrincipal
	if c.Type == TypeUser {
		everybody = grantAll // users have no session that could narrow what they are given by name
	}
	best := grantNone
	if p.Any {
		best = everybody
	}
	for _, name := range p.AWS {
		switch name {
		case c.ARN:
			best = max(best, grantAll)
		case "*":
			best = max(best, everybody)
		case c.PrincipalARN:
			best = max(best, grantPrincipal)
		case c.Account, "arn:aws:iam::" + c.Account + ":root":
			if c.Type != TypeService && c.Type != TypeFederated {
				best = max(best, grantAccount)
			}
		}
	}
	names := map[string][]string{TypeService: p.Service, TypeFederated: p.Federated}[c.Type]
	for _, name := range names {
		if name == c.PrincipalARN {
			best = grantAll
		}
	}
	return best
}
