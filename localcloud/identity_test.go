package localcloud_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/automode-dev/automode/localcloud"
	"github.com/automode-dev/automode/localcloud/cloudtest"
)

// world is a cloud with the admin's clients.
type world struct {
	t      *testing.T
	server *localcloud.Server
	core   *localcloud.Core
	cfg    aws.Config
	iam    *iam.Client
	sts    *sts.Client
}

func newWorld(t *testing.T) *world {
	server, core, cfg := cloudtest.Core(t)
	return &world{t, server, core, cfg, iam.NewFromConfig(cfg), sts.NewFromConfig(cfg)}
}

// as returns the configuration of other credentials.
func (w *world) as(key, secret, token string) aws.Config {
	return cloudtest.Config(*w.cfg.BaseEndpoint, key, secret, token)
}

// user makes a user with an inline policy, if any, and returns its configuration.
func (w *world) user(name, policy string) aws.Config {
	w.t.Helper()
	must(w.iam.CreateUser(w.t.Context(), &iam.CreateUserInput{UserName: &name}))(w.t)
	if policy != "" {
		must(w.iam.PutUserPolicy(w.t.Context(), &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("p"), PolicyDocument: &policy}))(w.t)
	}
	k := must(w.iam.CreateAccessKey(w.t.Context(), &iam.CreateAccessKeyInput{UserName: &name}))(w.t).AccessKey
	return w.as(*k.AccessKeyId, *k.SecretAccessKey, "")
}

func (w *world) role(name, trust, policy string) *iamtypes.Role {
	w.t.Helper()
	r := must(w.iam.CreateRole(w.t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}))(w.t).Role
	if policy != "" {
		must(w.iam.PutRolePolicy(w.t.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("p"), PolicyDocument: &policy}))(w.t)
	}
	return r
}

// must fails the test on an error: must(call())(t).
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func allow(actions ...string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["%s"],"Resource":"*"}]}`, strings.Join(actions, `","`))
}

const trustAccount = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`

func TestUsersAreAuthorised(t *testing.T) {
	w := newWorld(t)
	bob := iam.NewFromConfig(w.user("bob", allow("iam:GetUser")))
	if u := must(bob.GetUser(t.Context(), &iam.GetUserInput{}))(t).User; *u.UserName != "bob" {
		t.Errorf("bob is %q", *u.UserName)
	}
	_, err := bob.ListUsers(t.Context(), &iam.ListUsersInput{})
	wantCode(t, err, "AccessDenied")
	want := "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: iam:ListUsers on resource: arn:aws:iam::111122223333:user/ because no identity-based policy allows the iam:ListUsers action"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error = %v, want text %q", err, want)
	}

	must(w.iam.CreateGroup(t.Context(), &iam.CreateGroupInput{GroupName: aws.String("readers")}))(t)
	must(w.iam.AttachGroupPolicy(t.Context(), &iam.AttachGroupPolicyInput{GroupName: aws.String("readers"), PolicyArn: aws.String("arn:aws:iam::aws:policy/IAMReadOnlyAccess")}))(t)
	must(w.iam.AddUserToGroup(t.Context(), &iam.AddUserToGroupInput{GroupName: aws.String("readers"), UserName: aws.String("bob")}))(t)
	must(bob.ListUsers(t.Context(), &iam.ListUsersInput{}))(t)

	must(w.iam.PutUserPermissionsBoundary(t.Context(), &iam.PutUserPermissionsBoundaryInput{UserName: aws.String("bob"), PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess")}))(t)
	_, err = bob.ListUsers(t.Context(), &iam.ListUsersInput{})
	if err == nil || !strings.Contains(err.Error(), "because no permissions boundary allows the iam:ListUsers action") {
		t.Errorf("error = %v, want the boundary named", err)
	}
}

func TestCredentialsAreVerified(t *testing.T) {
	w := newWorld(t)
	cfg := w.user("bob", "")
	key := must(cfg.Credentials.Retrieve(t.Context()))(t)
	identity := func(cfg aws.Config) error {
		_, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		return err
	}
	if err := identity(cfg); err != nil {
		t.Error(err)
	}
	wantCode(t, identity(w.as(key.AccessKeyID, "wrong", "")), "SignatureDoesNotMatch")
	wantCode(t, identity(w.as("AKIANOPE", key.SecretAccessKey, "")), "InvalidClientTokenId")
	anonymous := cfg
	anonymous.Credentials = aws.AnonymousCredentials{}
	wantCode(t, identity(anonymous), "MissingAuthenticationToken")

	must(w.iam.UpdateAccessKey(t.Context(), &iam.UpdateAccessKeyInput{UserName: aws.String("bob"), AccessKeyId: &key.AccessKeyID, Status: iamtypes.StatusTypeInactive}))(t)
	wantCode(t, identity(cfg), "InvalidClientTokenId")

	session := must(w.sts.GetSessionToken(t.Context(), &sts.GetSessionTokenInput{}))(t).Credentials
	if err := identity(w.as(*session.AccessKeyId, *session.SecretAccessKey, *session.SessionToken)); err != nil {
		t.Error(err)
	}
	wantCode(t, identity(w.as(*session.AccessKeyId, *session.SecretAccessKey, "")), "InvalidClientTokenId")
}

func TestAssumeRole(t *testing.T) {
	w := newWorld(t)
	role := w.role("worker", trustAccount, allow("iam:GetRole", "iam:ListUsers", "sts:AssumeRole", "sts:TagSession"))
	in := &sts.AssumeRoleInput{
		RoleArn: role.Arn, RoleSessionName: aws.String("job"), Policy: aws.String(allow("iam:GetRole", "sts:*")),
		Tags: []ststypes.Tag{{Key: aws.String("team"), Value: aws.String("red")}}, TransitiveTagKeys: []string{"team"},
	}
	_, err := sts.NewFromConfig(w.user("nobody", "")).AssumeRole(t.Context(), in)
	wantCode(t, err, "AccessDenied")

	out := must(w.sts.AssumeRole(t.Context(), in))(t)
	if want := "arn:aws:sts::111122223333:assumed-role/worker/job"; *out.AssumedRoleUser.Arn != want {
		t.Errorf("session is %s, want %s", *out.AssumedRoleUser.Arn, want)
	}
	cfg := w.as(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	client := iam.NewFromConfig(cfg)
	must(client.GetRole(t.Context(), &iam.GetRoleInput{RoleName: role.RoleName}))(t)
	_, err = client.ListUsers(t.Context(), &iam.ListUsersInput{})
	if err == nil || !strings.Contains(err.Error(), "because no session policy allows the iam:ListUsers action") {
		t.Errorf("error = %v, want the session policy named", err)
	}

	// The transitive tag reaches the second role, whose trust policy asks for it.
	w.role("chained", `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":["sts:AssumeRole","sts:TagSession"],"Condition":{"StringEquals":{"aws:RequestTag/team":"red"}}}]}`, "")
	next := must(sts.NewFromConfig(cfg).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::111122223333:role/chained"), RoleSessionName: aws.String("two")}))(t)
	if left := time.Until(*next.Credentials.Expiration); left > time.Hour {
		t.Errorf("a chained session lasts %s", left)
	}
	_, err = w.sts.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: aws.String("long"), DurationSeconds: aws.Int32(7200)})
	wantCode(t, err, "ValidationError")

	must(w.iam.DeleteRolePolicy(t.Context(), &iam.DeleteRolePolicyInput{RoleName: role.RoleName, PolicyName: aws.String("p")}))(t)
	must(w.iam.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: role.RoleName}))(t)
	_, err = sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	wantCode(t, err, "InvalidClientTokenId")
}

func TestExternalID(t *testing.T) {
	w := newWorld(t)
	role := w.role("partner", `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"secret"}}}]}`, "")
	in := &sts.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: aws.String("job")}
	_, err := w.sts.AssumeRole(t.Context(), in)
	wantCode(t, err, "AccessDenied")
	in.ExternalId = aws.String("secret")
	must(w.sts.AssumeRole(t.Context(), in))(t)
	in.Tags = []ststypes.Tag{{Key: aws.String("a"), Value: aws.String("b")}}
	_, err = w.sts.AssumeRole(t.Context(), in) // sts:TagSession is not trusted
	wantCode(t, err, "AccessDenied")
}

func TestServiceRolesAndGrants(t *testing.T) {
	w := newWorld(t)
	trust := `{"Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`
	role := w.role("cluster", trust, allow("iam:GetRole"))
	grant := localcloud.Grant{Name: "c1", RoleARN: *role.Arn, SessionName: "aws-go-sdk-1", Service: "eks.amazonaws.com", Tags: map[string]string{"eks:eks-cluster-name": "c1"}}
	path, token, err := w.core.Grants.Put(grant)
	if err != nil {
		t.Fatal(err)
	}
	cfg := w.cfg
	cfg.Credentials = endpointcreds.New(*w.cfg.BaseEndpoint+path, func(o *endpointcreds.Options) { o.AuthorizationToken = token })
	out := must(sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
	if want := "arn:aws:sts::111122223333:assumed-role/cluster/aws-go-sdk-1"; *out.Arn != want {
		t.Errorf("grant is for %s, want %s", *out.Arn, want)
	}
	cfg.Credentials = endpointcreds.New(*w.cfg.BaseEndpoint+path, func(o *endpointcreds.Options) { o.AuthorizationToken = "wrong" })
	if _, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err == nil {
		t.Error("a wrong token gives credentials")
	}
	if _, err := w.core.STS.AssumeServiceRole(t.Context(), *role.Arn, "x", "ec2.amazonaws.com", nil); err == nil {
		t.Error("EC2 assumes a role that trusts EKS")
	}
	linked := must(w.core.IAM.EnsureServiceLinkedRole("eks.amazonaws.com"))(t)
	must(w.core.STS.AssumeServiceRole(t.Context(), linked, "x", "eks.amazonaws.com", map[string]string{"eks:eks-cluster-name": "c1"}))(t)
	name := "AWSServiceRoleForAmazonEKS"
	_, err = w.iam.DetachRolePolicy(t.Context(), &iam.DetachRolePolicyInput{RoleName: &name, PolicyArn: aws.String("arn:aws:iam::aws:policy/aws-service-role/AmazonEKSServiceRolePolicy")})
	wantCode(t, err, "UnmodifiableEntity")
}

func TestKubernetesToken(t *testing.T) {
	w := newWorld(t)
	url := must(sts.NewPresignClient(w.sts).PresignGetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}, func(o *sts.PresignOptions) {
		o.ClientOptions = append(o.ClientOptions, sts.WithAPIOptions(smithyhttp.SetHeaderValue("x-k8s-aws-id", "c1"), smithyhttp.SetHeaderValue("X-Amz-Expires", "60")))
	}))(t).URL
	caller := must(w.core.STS.VerifyPresigned(t.Context(), url, http.Header{"X-K8s-Aws-Id": {"c1"}}))(t)
	if want := "arn:aws:iam::111122223333:user/admin"; caller.ARN != want {
		t.Errorf("token of %s, want %s", caller.ARN, want)
	}
	if _, err := w.core.STS.VerifyPresigned(t.Context(), url, http.Header{"X-K8s-Aws-Id": {"c2"}}); err == nil {
		t.Error("a token for c1 is good for c2")
	}
}

func TestWebIdentity(t *testing.T) {
	w := newWorld(t)
	key := must(rsa.GenerateKey(rand.Reader, 2048))(t)
	const issuer = "https://oidc.eks.us-east-1.amazonaws.com/id/ABC"
	w.core.STS.IssuerKeys = func(context.Context, string) ([]byte, error) {
		return json.Marshal(map[string]any{"keys": []map[string]string{{"kty": "RSA", "kid": "1", "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())}}})
	}
	must(w.iam.CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{Url: aws.String(issuer), ClientIDList: []string{"sts.amazonaws.com"}}))(t)
	w.role("pod", `{"Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/ABC"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"oidc.eks.us-east-1.amazonaws.com/id/ABC:sub":"system:serviceaccount:default:app"}}}]}`, "")
	token := func(subject string, expires time.Time) *string {
		claims := must(json.Marshal(map[string]any{"iss": issuer, "sub": subject, "aud": []string{"sts.amazonaws.com"}, "exp": expires.Unix()}))(t)
		signed := b64([]byte(`{"alg":"RS256","kid":"1"}`)) + "." + b64(claims)
		sum := sha256.Sum256([]byte(signed))
		sig := must(rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:]))(t)
		return aws.String(signed + "." + b64(sig))
	}
	later := time.Now().Add(time.Hour)
	anonymous := w.cfg
	anonymous.Credentials = aws.AnonymousCredentials{}
	assume := func(token *string) (*sts.AssumeRoleWithWebIdentityOutput, error) {
		return sts.NewFromConfig(anonymous).AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
			RoleArn: aws.String("arn:aws:iam::111122223333:role/pod"), RoleSessionName: aws.String("app"), WebIdentityToken: token,
		})
	}
	out := must(assume(token("system:serviceaccount:default:app", later)))(t)
	if *out.SubjectFromWebIdentityToken != "system:serviceaccount:default:app" {
		t.Errorf("subject %q", *out.SubjectFromWebIdentityToken)
	}
	_, err := assume(token("system:serviceaccount:default:other", later))
	wantCode(t, err, "AccessDenied")
	_, err = assume(token("system:serviceaccount:default:app", time.Now().Add(-time.Minute)))
	wantCode(t, err, "ExpiredTokenException")
	forged := *token("system:serviceaccount:default:app", later)
	_, err = assume(aws.String(forged[:len(forged)-8] + "AAAAAAAA"))
	wantCode(t, err, "InvalidIdentityToken")
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func TestIAMPagesAndLimits(t *testing.T) {
	w := newWorld(t)
	for i := range 7 {
		w.role(fmt.Sprintf("r%d", i), trustAccount, "")
	}
	var names []string
	pages := iam.NewListRolesPaginator(w.iam, &iam.ListRolesInput{MaxItems: aws.Int32(3)})
	for pages.HasMorePages() {
		for _, r := range must(pages.NextPage(t.Context()))(t).Roles {
			names = append(names, *r.RoleName)
		}
	}
	if want := []string{"r0", "r1", "r2", "r3", "r4", "r5", "r6"}; !slices.Equal(names, want) {
		t.Errorf("roles %v, want %v", names, want)
	}
	_, err := w.iam.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("R0"), AssumeRolePolicyDocument: aws.String(trustAccount)})
	wantCode(t, err, "EntityAlreadyExists")
	_, err = w.iam.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("bad"), AssumeRolePolicyDocument: aws.String(`{"Statement":[{}]}`)})
	wantCode(t, err, "MalformedPolicyDocument")
	_, err = w.iam.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("bad"), AssumeRolePolicyDocument: aws.String(strings.Replace(trustAccount, ":root", ":user/missing", 1))})
	wantCode(t, err, "MalformedPolicyDocument")
	_, err = w.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("missing")})
	wantCode(t, err, "NoSuchEntity")

	must(w.iam.CreateInstanceProfile(t.Context(), &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("p")}))(t)
	add := func(role string) error {
		_, err := w.iam.AddRoleToInstanceProfile(t.Context(), &iam.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String("p"), RoleName: &role})
		return err
	}
	wantCode(t, add("missing"), "NoSuchEntity")
	if err := add("r0"); err != nil {
		t.Error(err)
	}
	wantCode(t, add("r1"), "LimitExceeded")
	_, err = w.iam.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("r0")})
	wantCode(t, err, "DeleteConflict")
}

func TestPolicyVersions(t *testing.T) {
	w := newWorld(t)
	p := must(w.iam.CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: aws.String("p"), PolicyDocument: aws.String(allow("iam:ListUsers"))}))(t).Policy
	bob := iam.NewFromConfig(w.user("bob", ""))
	must(w.iam.AttachUserPolicy(t.Context(), &iam.AttachUserPolicyInput{UserName: aws.String("bob"), PolicyArn: p.Arn}))(t)
	must(bob.ListUsers(t.Context(), &iam.ListUsersInput{}))(t)
	must(w.iam.CreatePolicyVersion(t.Context(), &iam.CreatePolicyVersionInput{PolicyArn: p.Arn, PolicyDocument: aws.String(allow("iam:ListRoles")), SetAsDefault: true}))(t)
	_, err := bob.ListUsers(t.Context(), &iam.ListUsersInput{})
	wantCode(t, err, "AccessDenied")
	_, err = w.iam.DeletePolicyVersion(t.Context(), &iam.DeletePolicyVersionInput{PolicyArn: p.Arn, VersionId: aws.String("v2")})
	wantCode(t, err, "DeleteConflict")
	_, err = w.iam.DeletePolicy(t.Context(), &iam.DeletePolicyInput{PolicyArn: p.Arn})
	wantCode(t, err, "DeleteConflict")
	used := must(w.iam.ListEntitiesForPolicy(t.Context(), &iam.ListEntitiesForPolicyInput{PolicyArn: p.Arn}))(t)
	if len(used.PolicyUsers) != 1 || *used.PolicyUsers[0].UserName != "bob" {
		t.Errorf("users of the policy: %v", used.PolicyUsers)
	}
}
