package serve

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/ec2"
	"github.com/automode-dev/automode/localcloud/iam"
	"github.com/automode-dev/automode/localcloud/sts"
	"github.com/automode-dev/automode/localcloud/wire"
)

// Service principals: EKS assumes cluster roles and its service-linked role, EC2 the roles of instances.
const (
	eksService = "eks.amazonaws.com"
	ec2Service = "ec2.amazonaws.com"
)

// profiles gives EC2 the instance profiles of IAM and sessions of their roles.
type profiles struct {
	iam *iam.Service
	sts *sts.Service
	now func() time.Time

	mu       *sync.Mutex
	sessions map[string]ec2.Credentials // by role and instance
}

func newProfiles(i *iam.Service, s *sts.Service) profiles {
	return profiles{iam: i, sts: s, now: time.Now, mu: &sync.Mutex{}, sessions: map[string]ec2.Credentials{}}
}

func (p profiles) InstanceProfile(_ context.Context, nameOrARN string) (ec2.Profile, error) {
	found, role, err := p.iam.FindInstanceProfile(nameOrARN)
	if wire.Code(err) == "NoSuchEntity" {
		return ec2.Profile{}, ec2.ErrNoSuchProfile
	}
	if err != nil {
		return ec2.Profile{}, err
	}
	profile := ec2.Profile{ARN: found.ARN, ID: found.ID, Name: found.Name}
	if role != nil {
		profile.RoleARN, profile.RoleName = role.ARN, role.Name
	}
	return profile, nil
}

// RoleCredentials returns the instance's session, a new one when less than half an hour of it is left.
func (p profiles) RoleCredentials(ctx context.Context, roleARN, instanceID string) (ec2.Credentials, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := roleARN + " " + instanceID
	if c, ok := p.sessions[key]; ok && c.Expiration.Sub(p.now()) > 30*time.Minute {
		return c, nil
	}
	session, err := p.sts.AssumeServiceRole(ctx, roleARN, instanceID, ec2Service, nil)
	if err != nil {
		return ec2.Credentials{}, err
	}
	c := ec2.Credentials{AccessKeyID: session.AccessKeyID, SecretAccessKey: session.SecretAccessKey, Token: session.SessionToken,
		LastUpdated: p.now(), Expiration: session.Expiration}
	p.forgetOld()
	p.sessions[key] = c
	return c, nil
}

// forgetOld drops the sessions of instances that have stopped asking.
func (p profiles) forgetOld() {
	for key, c := range p.sessions {
		if c.Expiration.Before(p.now()) {
			delete(p.sessions, key)
		}
	}
}

// roles gives the EKS service what it must know of IAM.
type roles struct {
	iam     *iam.Service
	account string
}

func (r roles) Trusts(ctx context.Context, roleARN, service string, actions ...string) (bool, error) {
	role, err := r.iam.FindRole(roleARN)
	if wire.Code(err) == "NoSuchEntity" {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	trust, err := role.TrustPolicy()
	if err != nil {
		return false, fmt.Errorf("reading the trust policy of %s: %w", roleARN, err)
	}
	caller := &access.Caller{ARN: service, PrincipalARN: service, Type: access.TypeService, Account: r.account}
	for _, action := range actions {
		if !access.Evaluate(caller, nil, access.Request{Action: action, Resource: roleARN, ResourcePolicy: trust, NeedsResourcePolicy: true}).Allowed {
			return false, nil
		}
	}
	return true, nil
}

func (r roles) PrincipalExists(_ context.Context, arn string) (bool, error) {
	var err error
	name := arn[strings.LastIndexByte(arn, '/')+1:]
	if strings.Contains(arn, ":user/") {
		_, err = r.iam.UserCaller(name)
	} else {
		_, err = r.iam.FindRole(arn)
	}
	if wire.Code(err) == "NoSuchEntity" {
		return false, nil
	}
	return err == nil, err
}

func (r roles) EnsureServiceLinkedRole(context.Context) error {
	_, err := r.iam.EnsureServiceLinkedRole(eksService)
	return err
}

// RemoveInstanceProfiles deletes the profiles named eks-<region>-<cluster>-<hash>.
func (r roles) RemoveInstanceProfiles(ctx context.Context, region, cluster string) error {
	ctx = access.WithCaller(ctx, access.Root(r.account))
	prefix := fmt.Sprintf("eks-%s-%s-", region, cluster)
	in := &awsiam.ListInstanceProfilesInput{}
	for {
		page, err := r.iam.ListInstanceProfiles(ctx, in)
		if err != nil {
			return fmt.Errorf("listing instance profiles: %w", err)
		}
		for _, p := range page.InstanceProfiles {
			hash, ours := strings.CutPrefix(*p.InstanceProfileName, prefix)
			if !ours || strings.Contains(hash, "-") {
				continue // of a cluster whose name begins like this one's
			}
			if err := r.removeInstanceProfile(ctx, p); err != nil {
				return fmt.Errorf("deleting instance profile %s: %w", *p.InstanceProfileName, err)
			}
		}
		if !page.IsTruncated {
			return nil
		}
		in.Marker = page.Marker
	}
}

func (r roles) removeInstanceProfile(ctx context.Context, p types.InstanceProfile) error {
	for _, role := range p.Roles {
		if _, err := r.iam.RemoveRoleFromInstanceProfile(ctx, &awsiam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: p.InstanceProfileName, RoleName: role.RoleName}); err != nil {
			return err
		}
	}
	_, err := r.iam.DeleteInstanceProfile(ctx, &awsiam.DeleteInstanceProfileInput{InstanceProfileName: p.InstanceProfileName})
	return err
}

// tokens verifies the presigned URLs with which users and nodes log in to clusters.
type tokens struct{ sts *sts.Service }

func (t tokens) VerifyToken(ctx context.Context, presignedURL, clusterID string) (*access.Caller, error) {
	return t.sts.VerifyPresigned(ctx, presignedURL, http.Header{"X-K8s-Aws-Id": {clusterID}})
}
