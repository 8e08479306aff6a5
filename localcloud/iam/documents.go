package iam

import (
	"net/url"
	"strings"
	"unicode"

	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/wire"
)

// Size limits of policy documents, in characters without white space.
const (
	maxManagedDocument   = 6144
	maxUserInline        = 2048
	maxGroupInline       = 5120
	maxRoleInline        = 10240
	maxTrustDocument     = 2048
	maxAttachedPolicies  = 10
	maxAccessKeysPerUser = 2
	maxPolicyVersions    = 5
)

// checkIdentityPolicy refuses documents that cannot be identity-based policies.
func checkIdentityPolicy(document string) error {
	p, err := parse(document)
	if err != nil {
		return err
	}
	if err := p.ValidateIdentity(); err != nil {
		return malformed("%s", err)
	}
	return nil
}

// checkTrustPolicy refuses documents that cannot be trust policies.
func checkTrustPolicy(document string) error {
	p, err := parse(document)
	if err != nil {
		return err
	}
	if err := p.ValidateStatements(); err != nil {
		return malformed("%s", err)
	}
	if size(document) > maxTrustDocument*2 {
		return wire.Errorf("LimitExceeded", "Cannot exceed quota for ACLSizePerRole: %d", maxTrustDocument)
	}
	for _, s := range p.Statements {
		switch {
		case s.Principal == nil && s.NotPrincipal == nil:
			return malformed("Missing required field Principal")
		case len(s.Resources) > 0 || len(s.NotResources) > 0:
			return malformed("Has prohibited field Resource")
		}
		for _, a := range append(s.Actions, s.NotActions...) {
			if a != "*" && !strings.HasPrefix(strings.ToLower(a), "sts:") {
				return malformed("AssumeRole policy may only specify STS AssumeRole actions.")
			}
		}
		if s.Principal == nil {
			continue
		}
		for _, name := range s.Principal.AWS {
			if !validPrincipal(name) {
				return malformed("Invalid principal in policy: \"AWS\":\"%s\"", name)
			}
		}
		for _, name := range s.Principal.Service {
			if !strings.Contains(name, ".") {
				return malformed("Invalid principal in policy: \"SERVICE\":\"%s\"", name)
			}
		}
	}
	return nil
}

func validPrincipal(name string) bool {
	if name == "*" || len(name) == 12 && strings.IndexFunc(name, func(r rune) bool { return !unicode.IsDigit(r) }) < 0 {
		return true
	}
	return strings.HasPrefix(name, "arn:aws:iam::") || strings.HasPrefix(name, "arn:aws:sts::")
}

func parse(document string) (*access.Policy, error) {
	p, err := access.Parse(document)
	if err != nil {
		return nil, malformed("%s", err)
	}
	return p, nil
}

func malformed(format string, args ...any) error {
	return wire.Errorf("MalformedPolicyDocument", format, args...)
}

// size is what counts against limits.
func size(document string) int {
	return len(strings.Join(strings.Fields(document), ""))
}

// encodeDocument is how IAM shows documents: percent-encoded as in RFC 3986.
func encodeDocument(document string) *string {
	s := strings.ReplaceAll(url.QueryEscape(document), "+", "%20")
	return &s
}
