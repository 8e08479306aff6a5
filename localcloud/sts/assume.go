package sts

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/iam"
	"github.com/automode-dev/automode/localcloud/wire"
)

const (
	defaultDuration = time.Hour
	// sessionLimit is what packed session policies and tags may take, in characters.
	sessionLimit = 2048 + 50*384
)

// AssumeRole evaluates the trust policy (sts:AssumeRole, sts:TagSession, external id, source identity), session
// policies, tags and transitive tags.
func (s *Service) AssumeRole(ctx context.Context, in *sts.AssumeRoleInput) (*sts.AssumeRoleOutput, error) {
	caller := access.CallerFrom(ctx)
	if caller.Type == access.TypeRoot {
		return nil, wire.Errorf("AccessDenied", "Roles may not be assumed by root accounts.").WithStatus(403)
	}
	se := &session{Name: *in.RoleSessionName, Source: aws.ToString(in.SourceIdentity), Transitive: in.TransitiveTagKeys}
	if se.Source == "" {
		se.Source = caller.SourceIdentity
	}
	if err := se.setTags(caller, in.Tags); err != nil {
		return nil, err
	}
	if err := s.setPolicies(se, in.Policy, in.PolicyArns); err != nil {
		return nil, err
	}
	role, err := s.iam.FindRole(*in.RoleArn)
	if err != nil && wire.Code(err) != "NoSuchEntity" {
		return nil, err
	}
	keys := trustKeys(in)
	if err := s.trusted(ctx, caller, &role, *in.RoleArn, se, keys); err != nil {
		return nil, err
	}
	chained := caller.Type == access.TypeAssumedRole
	if se.Expires, err = s.expiry(in.DurationSeconds, &role, chained); err != nil {
		return nil, err
	}
	creds, err := s.start(ctx, &role, se)
	if err != nil {
		return nil, err
	}
	return &sts.AssumeRoleOutput{
		Credentials: creds.sdk(), AssumedRoleUser: &types.AssumedRoleUser{Arn: &creds.ARN, AssumedRoleId: &creds.UserID},
		SourceIdentity: in.SourceIdentity, PackedPolicySize: se.packed(),
	}, nil
}

func (c *Credentials) sdk() *types.Credentials {
	return &types.Credentials{AccessKeyId: &c.AccessKeyID, SecretAccessKey: &c.SecretAccessKey, SessionToken: &c.SessionToken, Expiration: &c.Expiration}
}

// packed is how much of the limit for policies and tags is used, in percent; nil when there are none.
func (se *session) packed() *int32 {
	n := 0
	for _, p := range se.Policies {
		n += len(p)
	}
	for k, v := range se.Tags {
		n += len(k) + len(v)
	}
	if n == 0 {
		return nil
	}
	return aws.Int32(int32(n*100/sessionLimit) + 1)
}

// setTags takes over the transitive tags of the caller's session and adds those of the request.
func (se *session) setTags(caller *access.Caller, tags []types.Tag) error {
	se.Tags = map[string]string{}
	for _, t := range tags {
		key := aws.ToString(t.Key)
		if _, ok := se.Tags[key]; ok {
			return wire.Errorf("InvalidParameterValue", "Duplicate session tag keys found. Please note that session tag keys are case insensitive.")
		}
		se.Tags[key] = aws.ToString(t.Value)
	}
	for _, key := range se.Transitive {
		if _, ok := se.Tags[key]; !ok {
			return wire.Errorf("InvalidParameterValue", "The specified transitive tag key must be included in the requested tags.")
		}
	}
	for _, key := range caller.TransitiveTags {
		if _, ok := se.Tags[key]; ok {
			return wire.Errorf("InvalidParameterValue", "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		}
		se.Tags[key] = caller.PrincipalTags[key]
		se.Transitive = append(se.Transitive, key)
	}
	return nil
}

func (s *Service) setPolicies(se *session, document *string, arns []types.PolicyDescriptorType) error {
	if document != nil {
		if _, err := access.Parse(*document); err != nil {
			return wire.Errorf("MalformedPolicyDocument", "%s", err)
		}
		se.Policies = []string{*document}
	}
	for _, p := range arns {
		if _, err := s.iam.ManagedPolicy(aws.ToString(p.Arn)); err != nil {
			return wire.Errorf("MalformedPolicyDocument", "Policy %s does not exist or is not attachable.", aws.ToString(p.Arn))
		}
		se.PolicyARNs = append(se.PolicyARNs, aws.ToString(p.Arn))
	}
	return nil
}

func trustKeys(in *sts.AssumeRoleInput) map[string][]string {
	keys := map[string][]string{"sts:RoleSessionName": {*in.RoleSessionName}}
	if in.ExternalId != nil {
		keys["sts:ExternalId"] = []string{*in.ExternalId}
	}
	if in.SourceIdentity != nil {
		keys["sts:SourceIdentity"] = []string{*in.SourceIdentity}
	}
	return keys
}

// trusted asks the role's trust policy, and the caller's own policies where the trust policy leaves it to them.
// A role that does not exist is refused the same way.
func (s *Service) trusted(ctx context.Context, caller *access.Caller, role *iam.Role, arn string, se *session, keys map[string][]string) error {
	request := access.Request{Action: "sts:AssumeRole", Resource: arn, Context: maps.Clone(keys), NeedsResourcePolicy: true}
	for k, v := range se.Tags {
		request.Context["aws:RequestTag/"+k] = []string{v}
		request.Context["aws:TagKeys"] = append(request.Context["aws:TagKeys"], k)
	}
	if len(se.Transitive) > 0 {
		request.Context["sts:TransitiveTagKeys"] = se.Transitive
	}
	requests := []access.Request{request}
	if role.ARN != "" {
		p, err := role.TrustPolicy()
		if err != nil {
			return fmt.Errorf("parsing trust policy of %s: %w", role.ARN, err)
		}
		requests[0].ResourcePolicy = p
	}
	if len(se.Tags) > 0 && (role.LinkedService == "" || role.LinkedService != caller.PrincipalARN) {
		tag := requests[0]
		tag.Action = "sts:TagSession"
		requests = append(requests, tag)
	}
	if keys["sts:SourceIdentity"] != nil {
		source := requests[0]
		source.Action = "sts:SetSourceIdentity"
		requests = append(requests, source)
	}
	for _, r := range requests {
		if err := access.Authorize(access.WithCaller(ctx, caller), r); err != nil {
			return wire.Errorf("AccessDenied", "User: %s is not authorized to perform: %s on resource: %s", caller.ARN, r.Action, arn).WithStatus(403)
		}
	}
	return nil
}

func (s *Service) expiry(seconds *int32, role *iam.Role, chained bool) (time.Time, error) {
	d := defaultDuration
	if seconds != nil {
		d = time.Duration(*seconds) * time.Second
	}
	switch {
	case chained && d > time.Hour:
		return time.Time{}, wire.Errorf("ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	case role.MaxSession > 0 && d > time.Duration(role.MaxSession)*time.Second:
		return time.Time{}, wire.Errorf("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return s.now().Add(d), nil
}

// start issues the credentials of a session that is allowed.
func (s *Service) start(ctx context.Context, role *iam.Role, se *session) (*Credentials, error) {
	se.Role, se.RoleID = role.ARN, role.ID
	if len(se.Tags) == 0 {
		se.Tags = nil
	}
	if err := s.iam.RoleUsed(role.Name, wire.CallFrom(ctx).Region); err != nil {
		return nil, err
	}
	return s.issue(se)
}

// AssumeServiceRole is how a service of this cloud gets a session of a role that trusts it: EKS of a cluster role,
// EC2 of an instance's role, a service of its service-linked role. The error's code is AccessDenied when the role
// does not exist or does not trust the service, NoSuchEntity never.
func (s *Service) AssumeServiceRole(ctx context.Context, roleARN, sessionName, service string, tags map[string]string) (*Credentials, error) {
	caller := &access.Caller{ARN: service, PrincipalARN: service, Type: access.TypeService, Account: s.account}
	role, err := s.iam.FindRole(roleARN)
	if err != nil && wire.Code(err) != "NoSuchEntity" {
		return nil, err
	}
	se := &session{Name: sessionName, Tags: maps.Clone(tags)}
	keys := map[string][]string{"sts:RoleSessionName": {sessionName}, "aws:SourceAccount": {s.account}}
	if err := s.trusted(ctx, caller, &role, roleARN, se, keys); err != nil {
		return nil, err
	}
	se.Expires = s.now().Add(defaultDuration)
	return s.start(ctx, &role, se)
}

// AssumePodRole is AssumeServiceRole for pods: the session's tags are transitive.
func (s *Service) AssumePodRole(ctx context.Context, roleARN, sessionName string, tags map[string]string, policy *string, duration time.Duration) (*Credentials, error) {
	const service = "pods.eks.amazonaws.com"
	caller := &access.Caller{ARN: service, PrincipalARN: service, Type: access.TypeService, Account: s.account}
	role, err := s.iam.FindRole(roleARN)
	if err != nil && wire.Code(err) != "NoSuchEntity" {
		return nil, err
	}
	se := &session{Name: sessionName, Tags: maps.Clone(tags), Transitive: slices.Sorted(maps.Keys(tags))}
	if err := s.setPolicies(se, policy, nil); err != nil {
		return nil, err
	}
	if err := s.trusted(ctx, caller, &role, roleARN, se, map[string][]string{"sts:RoleSessionName": {sessionName}}); err != nil {
		return nil, err
	}
	se.Expires = s.now().Add(duration)
	return s.start(ctx, &role, se)
}

// GetSessionToken returns a session of the calling user, by default for twelve hours; MFA is not checked.
func (s *Service) GetSessionToken(ctx context.Context, in *sts.GetSessionTokenInput) (*sts.GetSessionTokenOutput, error) {
	c := access.CallerFrom(ctx)
	if c.Type != access.TypeUser {
		return nil, wire.Errorf("AccessDenied", "Cannot call GetSessionToken with session credentials").WithStatus(403)
	}
	d := 12 * time.Hour
	if in.DurationSeconds != nil {
		d = time.Duration(*in.DurationSeconds) * time.Second
	}
	creds, err := s.issue(&session{User: c.UserName, Expires: s.now().Add(d)})
	if err != nil {
		return nil, err
	}
	return &sts.GetSessionTokenOutput{Credentials: creds.sdk()}, nil
}
