package eks

import (
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

var entryTypes = []string{typeStandard, typeEC2, typeEC2Linux, "EC2_WINDOWS", "FARGATE_LINUX", "HYBRID_LINUX", "HYPERPOD_LINUX"}

var (
	principalARN     = regexp.MustCompile(`^arn:aws[a-z-]*:iam::(\d{12}):(role|user)/[\w+=,.@/-]+$`)
	namespacePattern = regexp.MustCompile(`^[a-z0-9*]([a-z0-9*-]*[a-z0-9*])?$`)
)

// reserved are the prefixes of names that users may not hand out.
var reserved = []string{"system:", "eks:", "aws:", "amazon:", "iam:"}

func isReserved(name string) bool {
	return slices.ContainsFunc(reserved, func(p string) bool { return strings.HasPrefix(name, p) })
}

// validateEntry checks a new access entry.
func validateEntry(in *eks.CreateAccessEntryInput) error {
	if !principalARN.MatchString(aws.ToString(in.PrincipalArn)) {
		return invalidParameter("The specified principalArn is invalid: invalid principal.")
	}
	kind := orDefault(in.Type, typeStandard)
	if !slices.Contains(entryTypes, kind) {
		return invalidParameter("The specified type %s is invalid. Valid types are: [%s]", kind, strings.Join(entryTypes, ", "))
	}
	if kind != typeStandard {
		if !strings.Contains(*in.PrincipalArn, ":role/") {
			return invalidParameter("The specified principalArn is invalid: an access entry of type %s must be for an IAM role.", kind)
		}
		if in.Username != nil || len(in.KubernetesGroups) > 0 {
			return invalidParameter("The username and kubernetesGroups cannot be specified for an access entry of type %s.", kind)
		}
	}
	if err := validateNames(in.Username, in.KubernetesGroups); err != nil {
		return err
	}
	return validateTags(in.Tags)
}

func validateNames(username *string, groups []string) error {
	if name := aws.ToString(username); isReserved(name) {
		return invalidParameter("The username %s is invalid. It cannot start with any of the reserved prefixes: [%s]", name, strings.Join(reserved, ", "))
	}
	for _, g := range groups {
		if g == "" || isReserved(g) {
			return invalidParameter("The kubernetes group name %s is invalid, it cannot start with any of the reserved prefixes: [%s]", g, strings.Join(reserved, ", "))
		}
	}
	return nil
}

// validateScope checks the scope of an association and returns it complete.
func validateScope(scope *types.AccessScope) (*types.AccessScope, error) {
	switch scope.Type {
	case types.AccessScopeTypeCluster:
		if len(scope.Namespaces) > 0 {
			return nil, invalidParameter("The namespaces parameter cannot be specified when the access scope type is cluster.")
		}
	case types.AccessScopeTypeNamespace:
		if len(scope.Namespaces) == 0 {
			return nil, invalidParameter("The namespaces parameter must be specified when the access scope type is namespace.")
		}
		for _, ns := range scope.Namespaces {
			if len(ns) > 63 || !namespacePattern.MatchString(ns) {
				return nil, invalidParameter("The namespace %q is invalid: it must be the name of a namespace, which may contain the wildcard *.", ns)
			}
		}
	default:
		return nil, invalidParameter("The access scope type %q is invalid. Valid types are: [cluster, namespace]", scope.Type)
	}
	return &types.AccessScope{Type: scope.Type, Namespaces: notNil(scope.Namespaces)}, nil
}

// validatePolicyFor checks that the policy exists and fits the entry's type.
func validatePolicyFor(e *entryRecord, arn string) error {
	name, ok := policyName(arn)
	if !ok {
		return invalidParameter("The specified policyArn is invalid: %s. You can view the available access policies with 'list-access-policies'.", arn)
	}
	switch kind := aws.ToString(e.Entry.Type); {
	case kind == typeEC2 && name != onlyForNodes:
		return invalidRequest("The access policy %s cannot be associated with an access entry of type EC2; only %s can.", name, onlyForNodes)
	case kind == typeStandard && name == onlyForNodes:
		return invalidRequest("The access policy %s can only be associated with an access entry of type EC2.", name)
	case kind != typeEC2 && kind != typeStandard:
		return invalidRequest("Access policies cannot be associated with an access entry of type %s.", kind)
	}
	return nil
}
