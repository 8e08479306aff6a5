package access

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// ValidateStatements checks what AWS checks of every kind of policy when it is stored, beyond the grammar: spelling of
// Effect and dates, unique statement ids, actions. The error is a *MalformedError.
func (p *Policy) ValidateStatements() error {
	var sids []string
	for i := range p.Statements {
		s := &p.Statements[i]
		if s.legacy || slices.ContainsFunc(s.allResources(), brokenARN) {
			return malformed(legacyParsing)
		}
		if s.Sid != "" && slices.Contains(sids, s.Sid) {
			return malformed("Statement IDs (SID) in a single policy must be unique.")
		}
		sids = append(sids, s.Sid)
	}
	for i := range p.Statements {
		actions := p.Statements[i].allActions()
		if len(actions) == 0 {
			return malformed("Policy statement must contain actions.")
		}
		for _, a := range actions {
			if a != "*" && !strings.Contains(a, ":") {
				return malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
			}
		}
	}
	return nil
}

// ValidateIdentity checks that the document can be an identity-based policy.
func (p *Policy) ValidateIdentity() error {
	for i := range p.Statements {
		if s := &p.Statements[i]; s.Principal != nil || s.NotPrincipal != nil {
			return malformed("Policy document should not specify a principal.")
		}
	}
	if err := p.ValidateStatements(); err != nil {
		return err
	}
	for i := range p.Statements {
		resources := p.Statements[i].allResources()
		if len(resources) == 0 {
			return malformed("Policy statement must contain resources.")
		}
		for _, r := range resources {
			if problem := resourceProblem(r); problem != "" {
				return malformed("%s", problem)
			}
		}
	}
	return p.validateVendors()
}

var vendor = regexp.MustCompile(`^[a-zA-Z0-9\-.]+$`)

func (p *Policy) validateVendors() error {
	for i := range p.Statements {
		for _, a := range p.Statements[i].allActions() {
			name, _, isAction := strings.Cut(a, ":")
			switch {
			case !isAction: // "*"
			case strings.Count(a, ":") > 1:
				return malformed("Actions/Condition can contain only one colon.")
			case !vendor.MatchString(name):
				return malformed("Vendor %s is not valid", name)
			}
		}
	}
	return nil
}

func (s *Statement) allActions() []string { return append(slices.Clone(s.Actions), s.NotActions...) }
func (s *Statement) allResources() []string {
	return append(slices.Clone(s.Resources), s.NotResources...)
}

// brokenARN says whether a resource of this partition lacks parts that the oldest of AWS's parsers insists on.
func brokenARN(resource string) bool {
	parts := strings.Split(resource, ":")
	if len(parts) < 3 || parts[0] != "arn" || parts[1] != "aws" {
		return false
	}
	return parts[2] == "" || len(parts) > 3 && len(parts) < 6 && !strings.HasSuffix(resource, "*")
}

// iamResources are the resource types that the IAM service has.
var iamResources = []string{
	"user/", "federated-user/", "role/", "group/", "instance-profile/", "mfa/", "server-certificate/", "policy/", "sms-mfa/",
	"saml-provider/", "oidc-provider/", "report/", "access-report/",
}

// resourceProblem says what is wrong with a resource of an identity-based policy, "" when nothing is.
func resourceProblem(resource string) string {
	if resource == "*" {
		return ""
	}
	parts := strings.Split(resource, ":")
	if len(parts) < 2 {
		return fmt.Sprintf("Resource %s must be in ARN format or \"*\".", resource)
	}
	if partition := parts[1]; partition != "*" && partition != "aws" && !strings.HasPrefix(partition, "aws-") && !strings.HasPrefix(partition, "${") {
		shown := append([]string{"arn"}, parts[1:]...)
		for len(shown) < 6 {
			shown = append(shown, "*")
		}
		return fmt.Sprintf("Partition \"%s\" is not valid for resource \"%s\".", partition, strings.Join(shown, ":"))
	}
	if len(parts) < 3 || strings.ContainsAny(parts[2], "*?") && len(parts) < 6 {
		return "Resource vendor must be fully qualified and cannot contain regexes."
	}
	if len(parts) < 6 {
		return ""
	}
	return serviceProblem(resource, parts[2], parts[3], strings.Join(parts[5:], ":"))
}

func serviceProblem(resource, service, region, rest string) string {
	switch service {
	case "iam":
		if region != "" && region != "*" {
			return fmt.Sprintf("IAM resource %s cannot contain region information.", resource)
		}
		known := func(kind string) bool { return strings.HasPrefix(rest, kind) }
		if !slices.ContainsFunc(iamResources, known) && !strings.ContainsAny(rest, "*?$") && rest != "root" {
			return `IAM resource path must either be "*" or start with ` + strings.Join(iamResources, ", ") + "."
		}
	case "s3":
		if region != "" && region != "*" && !strings.HasPrefix(rest, "accesspoint") {
			return fmt.Sprintf("Resource %s can not contain region information.", resource)
		}
	}
	return ""
}
