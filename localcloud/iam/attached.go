package iam

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

// policied is a pointer to an entity that policies can be put on.
type policied[T any] interface {
	holder[T]
	policySet() *Policies
}

func (p *Policies) policySet() *Policies { return p }

// limits of inline policies per kind of entity.
var inlineLimits = map[string]struct {
	quota string
	size  int
}{
	"user": {"UserPolicySize", maxUserInline}, "group": {"GroupPolicySize", maxGroupInline}, "role": {"RolePolicySize", maxRoleInline},
}

// modifiable protects service-linked roles from everyone.
func modifiable(e any) error {
	if r, ok := e.(*Role); ok && r.LinkedService != "" {
		return wire.Errorf("UnmodifiableEntity", "Cannot perform the operation on the protected role '%s' - this role is only modifiable by AWS", r.Name).WithStatus(400)
	}
	return nil
}

func putInline[T any, P policied[T]](ctx context.Context, s *Service, k kind[T], entity, name, document *string, operation string) error {
	return change[T, P](ctx, s, k, *entity, operation, nil, func(_ *store.Tx, e P) error {
		if err := modifiable(e); err != nil {
			return err
		}
		if err := checkIdentityPolicy(*document); err != nil {
			return err
		}
		set := e.policySet()
		if set.Inline == nil {
			set.Inline = map[string]string{}
		}
		set.Inline[*name] = *document
		total := 0
		for _, d := range set.Inline {
			total += size(d)
		}
		if limit := inlineLimits[k.arn]; total > limit.size {
			return wire.Errorf("LimitExceeded", "Maximum policy size of %d bytes exceeded for %s %s", limit.size, k.arn, e.base().Name)
		}
		return nil
	})
}

func getInline[T any, P policied[T]](ctx context.Context, s *Service, k kind[T], entity, name *string, operation string) (document *string, err error) {
	err = read[T, P](ctx, s, k, *entity, operation, func(_ *store.Tx, e P) error {
		d, ok := e.policySet().Inline[*name]
		if !ok {
			return noInline(k.arn, *name)
		}
		document = encodeDocument(d)
		return nil
	})
	return document, err
}

func deleteInline[T any, P policied[T]](ctx context.Context, s *Service, k kind[T], entity, name *string, operation string) error {
	return change[T, P](ctx, s, k, *entity, operation, nil, func(_ *store.Tx, e P) error {
		if err := modifiable(e); err != nil {
			return err
		}
		if _, ok := e.policySet().Inline[*name]; !ok {
			return noInline(k.arn, *name)
		}
		delete(e.policySet().Inline, *name)
		return nil
	})
}

func noInline(kind, name string) error {
	return wire.Errorf("NoSuchEntity", "The %s policy with name %s cannot be found.", kind, name)
}

func listInline[T any, P policied[T]](ctx context.Context, s *Service, k kind[T], entity *string, operation string, marker *string, max *int32) (names []string, next *string, truncated bool, err error) {
	err = read[T, P](ctx, s, k, *entity, operation, func(_ *store.Tx, e P) (err error) {
		all := slices.Collect(maps.Keys(e.policySet().Inline))
		names, next, truncated, err = page(all, func(n string) string { return n }, marker, max)
		return err
	})
	return names, next, truncated, err
}

func attach[T any, P policied[T]](ctx context.Context, s *Service, k kind[T], entity, arn *string, operation string) error {
	keys := map[string][]string{"iam:PolicyARN": {*arn}}
	return change[T, P](ctx, s, k, *entity, operation, keys, func(tx *store.Tx, e P) error {
		if err := modifiable(e); err != nil {
			return err
		}
		p, err := policy(tx, *arn)
		if wire.Code(err) == "NoSuchEntity" {
			return wire.Errorf("NoSuchEntity", "Policy %s does not exist or is not attachable.", *arn)
		}
		if err != nil {
			return err
		}
		if p.AWS && len(p.Path) > 18 && p.Path[:18] == "/aws-service-role/" {
			return wire.Errorf("PolicyNotAttachable", "Cannot attach a Service Role Policy to a Customer Role.")
		}
		set := e.policySet()
		if slices.Contains(set.Attached, *arn) {
			return nil
		}
		if len(set.Attached) >= maxAttachedPolicies {
			return wire.Errorf("LimitExceeded", "Cannot exceed quota for PoliciesPer%s: %d", goTitle(k.arn), maxAttachedPolicies)
		}
		set.Attached = append(set.Attached, *arn)
		return nil
	})
}

func goTitle(s string) string { return string(s[0]-'a'+'A') + s[1:] }

func detach[T any, P policied[T]](ctx context.Context, s *Service, k kind[T], entity, arn *string, operation string) error {
	keys := map[string][]string{"iam:PolicyARN": {*arn}}
	return change[T, P](ctx, s, k, *entity, operation, keys, func(_ *store.Tx, e P) error {
		if err := modifiable(e); err != nil {
			return err
		}
		set := e.policySet()
		i := slices.Index(set.Attached, *arn)
		if i < 0 {
			return wire.Errorf("NoSuchEntity", "Policy %s was not found.", *arn)
		}
		set.Attached = slices.Delete(set.Attached, i, i+1)
		return nil
	})
}

func listAttached[T any, P policied[T]](ctx context.Context, s *Service, k kind[T], entity *string, operation string, prefix, marker *string, max *int32) (list []types.AttachedPolicy, next *string, truncated bool, err error) {
	err = read[T, P](ctx, s, k, *entity, operation, func(tx *store.Tx, e P) (err error) {
		var all []types.AttachedPolicy
		for _, arn := range e.policySet().Attached {
			p, err := policy(tx, arn)
			if err != nil {
				return err
			}
			if underPath(p.Path, prefix) {
				all = append(all, types.AttachedPolicy{PolicyArn: &p.ARN, PolicyName: &p.Name})
			}
		}
		list, next, truncated, err = page(all, func(a types.AttachedPolicy) string { return *a.PolicyName }, marker, max)
		return err
	})
	return list, next, truncated, err
}

// setBoundary sets the permissions boundary of a user or role; nil removes it.
func setBoundary[T any, P policied[T]](ctx context.Context, s *Service, k kind[T], entity, arn *string, operation string) error {
	var keys map[string][]string
	if arn != nil {
		keys = map[string][]string{"iam:PermissionsBoundary": {*arn}}
	}
	return change[T, P](ctx, s, k, *entity, operation, keys, func(tx *store.Tx, e P) error {
		if err := modifiable(e); err != nil {
			return err
		}
		if arn == nil {
			if e.policySet().Boundary == "" {
				return wire.Errorf("NoSuchEntity", "The %s %s does not have a permissions boundary.", k.arn, *entity)
			}
			e.policySet().Boundary = ""
			return nil
		}
		if _, err := policy(tx, *arn); err != nil {
			return err
		}
		e.policySet().Boundary = *arn
		return nil
	})
}

// emptied refuses the deletion of an entity that still has policies.
func (p *Policies) emptied() error {
	switch {
	case len(p.Attached) > 0:
		return wire.Errorf("DeleteConflict", "Cannot delete entity, must detach all policies first.")
	case len(p.Inline) > 0:
		return wire.Errorf("DeleteConflict", "Cannot delete entity, must delete policies first.")
	}
	return nil
}
