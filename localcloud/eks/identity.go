package eks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/automode-dev/automode/localcloud/access"
)

// errNoEntry means that a caller is who it says but has no access.
var errNoEntry = errors.New("no access entry or mapping for this principal")

// identity is a Kubernetes user.
type identity struct {
	username string
	groups   []string
}

// samePrincipal compares ARNs of users and roles as EKS does: the path of a
// role does not count, because the ARN of its sessions lacks it.
func samePrincipal(a, b string) bool {
	return a == b || canonical(a) == canonical(b)
}

// canonical is the ARN of a user or role without its path, and the role's for
// the ARN of a session.
func canonical(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 {
		return arn
	}
	kind, name, ok := strings.Cut(parts[5], "/")
	switch {
	case ok && kind == "assumed-role":
		name, _, _ = strings.Cut(name, "/")
		return "arn:aws:iam::" + parts[4] + ":role/" + name
	case ok && kind == "role":
		return strings.Join(parts[:5], ":") + ":" + kind + "/" + lastPart(name)
	}
	return arn
}

// findEntry returns the access entry of a caller.
func findEntry(entries []entryRecord, c *access.Caller) (*entryRecord, bool) {
	i := slices.IndexFunc(entries, func(e entryRecord) bool {
		return samePrincipal(aws.ToString(e.Entry.PrincipalArn), principal(c))
	})
	if i < 0 {
		return nil, false
	}
	return &entries[i], true
}

// fromEntry is the Kubernetes user that an access entry makes of a caller.
func (s *Service) fromEntry(ctx context.Context, e *entryRecord, c *access.Caller) (identity, error) {
	name, err := s.expand(ctx, aws.ToString(e.Entry.Username), e.Region, c)
	if err != nil {
		return identity{}, fmt.Errorf("making the user name of %s: %w", c.ARN, err)
	}
	id := identity{username: name, groups: slices.Clone(e.Entry.KubernetesGroups)}
	if slices.Contains(id.groups, "system:nodes") {
		id.groups = append(id.groups, "system:bootstrappers")
	}
	if len(e.Policies) > 0 {
		id.groups = append(id.groups, e.group())
	}
	return id, nil
}

// expand fills in the placeholders of a user name.
func (s *Service) expand(ctx context.Context, pattern, region string, c *access.Caller) (string, error) {
	session := c.SessionName
	values := map[string]string{
		"{{AccountID}}": c.Account, "{{AccessKeyID}}": c.AccessKeyID,
		"{{SessionName}}": strings.ReplaceAll(session, "@", "-"), "{{SessionNameRaw}}": session,
	}
	const dnsName = "{{EC2PrivateDNSName}}"
	if strings.Contains(pattern, dnsName) {
		name, err := s.o.Network.PrivateDNSName(ctx, region, session)
		if err != nil {
			return "", fmt.Errorf("looking up instance %q: %w", session, err)
		}
		values[dnsName] = name
	}
	for placeholder, value := range values {
		if strings.Contains(pattern, placeholder) && value == "" {
			return "", fmt.Errorf("filling in %s: the caller has none", placeholder)
		}
		pattern = strings.ReplaceAll(pattern, placeholder, value)
	}
	return pattern, nil
}
