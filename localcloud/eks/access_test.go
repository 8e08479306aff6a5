package eks

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/google/go-cmp/cmp"

	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/eks/objects"
)

func user(name string) *access.Caller {
	arn := "arn:aws:iam::111122223333:user/" + name
	return &access.Caller{ARN: arn, PrincipalARN: arn, Account: testAccount, UserID: "AIDA" + name, Type: access.TypeUser, UserName: name}
}

func session(role, name string) *access.Caller {
	return &access.Caller{
		ARN: "arn:aws:sts::111122223333:assumed-role/" + role + "/" + name, PrincipalARN: "arn:aws:iam::111122223333:role/" + role,
		Account: testAccount, UserID: "AROA" + role + ":" + name, Type: access.TypeAssumedRole, SessionName: name,
	}
}

// token is a token of the caller that the world's VerifyToken knows.
func (w *world) token(c *access.Caller) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	u := signedURL(time.Now(), c.ARN)
	w.callers[u] = c
	return tokenPrefix + base64.RawURLEncoding.EncodeToString([]byte(u))
}

func signedURL(at time.Time, signature string) string {
	q := url.Values{
		"Action": {"GetCallerIdentity"}, "Version": {"2011-06-15"}, "X-Amz-Algorithm": {"AWS4-HMAC-SHA256"},
		"X-Amz-Date": {at.UTC().Format("20060102T150405Z")}, "X-Amz-Expires": {"60"},
		"X-Amz-SignedHeaders": {"host;x-k8s-aws-id"}, "X-Amz-Signature": {signature},
	}
	return "http://127.0.0.1:4566/?" + q.Encode()
}

// expectEntry makes an access entry with one policy.
func (c *cloud) expectEntry(cluster, principal, policy string, scope *types.AccessScope) {
	c.t.Helper()
	if _, err := c.CreateAccessEntry(c.t.Context(), &eks.CreateAccessEntryInput{ClusterName: &cluster, PrincipalArn: &principal}); err != nil {
		c.t.Fatal(err)
	}
	_, err := c.AssociateAccessPolicy(c.t.Context(), &eks.AssociateAccessPolicyInput{
		ClusterName: &cluster, PrincipalArn: &principal, PolicyArn: aws.String(policyPrefix + policy), AccessScope: scope,
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

func TestAutomaticEntries(t *testing.T) {
	c := newCloud(t)
	c.expectCreated(autoCluster("one"))
	list, err := c.ListAccessEntries(t.Context(), &eks.ListAccessEntriesInput{ClusterName: aws.String("one")})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{testRole, testNodes, "arn:aws:iam::111122223333:root"}
	if diff := cmp.Diff(want, list.AccessEntries); diff != "" {
		t.Error(diff)
	}
	node, err := c.DescribeAccessEntry(t.Context(), &eks.DescribeAccessEntryInput{ClusterName: aws.String("one"), PrincipalArn: aws.String(testNodes)})
	if err != nil {
		t.Fatal(err)
	}
	if got := aws.ToString(node.AccessEntry.Type) + " " + aws.ToString(node.AccessEntry.Username); got != "EC2 system:node:{{SessionName}}" {
		t.Errorf("node entry is %s", got)
	}
	policies, err := c.ListAssociatedAccessPolicies(t.Context(), &eks.ListAssociatedAccessPoliciesInput{ClusterName: aws.String("one"), PrincipalArn: aws.String(testRole)})
	if err != nil || len(policies.AssociatedAccessPolicies) != 8 {
		t.Errorf("policies of the cluster role: %+v, %v", policies, err)
	}
	_, err = c.DeleteAccessEntry(t.Context(), &eks.DeleteAccessEntryInput{ClusterName: aws.String("one"), PrincipalArn: aws.String(testRole)})
	expectError(t, err, "InvalidRequestException", "The access entry for "+testRole+" is managed by Amazon EKS and cannot be modified.")
}

// Nodes of a NodeClass with a role of its own may join.
func TestRolesOfNodeClassesGetEntries(t *testing.T) {
	c := newCloud(t)
	c.world.nodeRoles = []string{"NodeRole", "Custom", "Missing"}
	c.expectCreated(autoCluster("one"))
	info, err := c.svc.authenticate(t.Context(), "one", c.world.token(session("Custom", "i-0abc")))
	if err != nil || info.Username != "system:node:i-0abc" {
		t.Errorf("node of a custom class: %+v, %v", info, err)
	}
	list, err := c.ListAccessEntries(t.Context(), &eks.ListAccessEntriesInput{ClusterName: aws.String("one")})
	if err != nil || len(list.AccessEntries) != 4 {
		t.Errorf("entries %v, %v", list, err)
	}
}

func TestAuthenticate(t *testing.T) {
	c := newCloud(t)
	c.expectCreated(autoCluster("one"))
	cluster := "one"
	if _, err := c.CreateAccessEntry(t.Context(), &eks.CreateAccessEntryInput{
		ClusterName: &cluster, PrincipalArn: aws.String("arn:aws:iam::111122223333:role/team/Dev"), KubernetesGroups: []string{"devs"},
	}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		caller *access.Caller
		want   string
	}{
		{session("NodeRole", "i-0abc"), "system:node:i-0abc [system:nodes system:bootstrappers eks-access-entry:*]"},
		{session("Dev", "jo@x.org"), "arn:aws:sts::111122223333:assumed-role/Dev/jo-x.org [devs]"},
		{access.Root(testAccount), "arn:aws:iam::111122223333:root [eks-access-entry:*]"},
		{user("nobody"), "mapping arn:aws:iam::111122223333:user/nobody: no access entry or mapping for this principal"},
	} {
		info, err := c.svc.authenticate(t.Context(), "one", c.world.token(tt.caller))
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			for i, g := range info.Groups {
				if strings.HasPrefix(g, "eks-access-entry:") {
					info.Groups[i] = "eks-access-entry:*"
				}
			}
			got = fmt.Sprintf("%s %v", info.Username, info.Groups)
		}
		if got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.caller.ARN, got, tt.want)
		}
	}
	if _, err := c.svc.authenticate(t.Context(), "other", c.world.token(user("x"))); err == nil {
		t.Error("a cluster that does not exist lets users in")
	}
}

func TestTokensThatAreRefused(t *testing.T) {
	now := time.Now()
	good := signedURL(now, "s")
	for _, tt := range []struct{ name, token, want string }{
		{"another form", "eyJhbGciOi", "the token is not of the form k8s-aws-v1.…"},
		{"not base64", tokenPrefix + "%%%", "reading token: illegal base64 data at input byte 0"},
		{"too long", tokenPrefix + strings.Repeat("A", maxToken), "reading token: longer than 16384 bytes"},
		{"another action", encode(strings.Replace(good, "GetCallerIdentity", "AssumeRole", 1)), `checking URL of token: action is "AssumeRole", not GetCallerIdentity`},
		{"another parameter", encode(good + "&RoleArn=x"), `checking URL of token: unexpected parameter "RoleArn"`},
		{"twice the same", encode(good + "&action=x"), `checking URL of token: unexpected parameter`},
		{"another path", encode(strings.Replace(good, "/?", "/x?", 1)), `checking URL of token: unexpected path "/x"`},
		{"no cluster", encode(strings.Replace(good, "%3Bx-k8s-aws-id", "", 1)), "checking URL of token: x-k8s-aws-id is not among the signed headers"},
		{"old", encode(signedURL(now.Add(-16*time.Minute), "s")), "checking URL of token: signed at "},
		{"of the future", encode(signedURL(now.Add(time.Hour), "s")), "checking URL of token: signed at "},
	} {
		_, err := tokenURL(tt.token, now)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
	if u, err := tokenURL(encode(good), now); err != nil || u != good {
		t.Errorf("a good token: %q, %v", u, err)
	}
}

func encode(u string) string { return tokenPrefix + base64.RawURLEncoding.EncodeToString([]byte(u)) }

func TestBindings(t *testing.T) {
	entry := entryRecord{ID: "1", Policies: []associatedPolicy{
		{PolicyArn: aws.String(policyPrefix + "AmazonEKSEditPolicy"), AccessScope: &types.AccessScope{Type: types.AccessScopeTypeNamespace, Namespaces: []string{"dev-*", "default"}}},
		{PolicyArn: aws.String(policyPrefix + "AmazonEKSViewPolicy"), AccessScope: &types.AccessScope{Type: types.AccessScopeTypeCluster}},
	}}
	got := bindings([]entryRecord{entry}, []string{"default", "dev-a", "prod"})
	want := []objects.Binding{
		{Name: "eks:access-entry:1:AmazonEKSEditPolicy", Namespace: "default", Role: "edit", Group: "eks-access-entry:1"},
		{Name: "eks:access-entry:1:AmazonEKSEditPolicy", Namespace: "dev-a", Role: "edit", Group: "eks-access-entry:1"},
		{Name: "eks:access-entry:1:AmazonEKSViewPolicy", Role: "view", Group: "eks-access-entry:1"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseAWSAuth(t *testing.T) {
	got, err := parseAWSAuth(map[string]string{
		"mapRoles": "- rolearn: arn:aws:iam::111122223333:role/R\n  username: system:node:{{EC2PrivateDNSName}}\n  groups: [system:nodes]\n",
		"mapUsers": "- userarn: arn:aws:iam::111122223333:user/u\n  username: u\n  groups: [system:masters]\n",
	})
	want := []mapping{
		{RoleARN: "arn:aws:iam::111122223333:role/R", Username: "system:node:{{EC2PrivateDNSName}}", Groups: []string{"system:nodes"}},
		{UserARN: "arn:aws:iam::111122223333:user/u", Username: "u", Groups: []string{"system:masters"}},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(diff, err)
	}
}

// FuzzTokenURL feeds the webhook what a stranger may send.
func FuzzTokenURL(f *testing.F) {
	now := time.Unix(1_800_000_000, 0)
	f.Add(encode(signedURL(now, "s")))
	f.Add(tokenPrefix)
	f.Fuzz(func(t *testing.T, token string) {
		raw, err := tokenURL(token, now)
		if err == nil && !strings.Contains(strings.ToLower(raw), "x-k8s-aws-id") {
			t.Errorf("accepted %q, which is bound to no cluster", raw)
		}
	})
}

// A cluster without access entries knows its creator and what aws-auth maps.
func TestConfigMapMode(t *testing.T) {
	c := newCloud(t)
	c.expectCreated(&eks.CreateClusterInput{
		Name: aws.String("plain"), RoleArn: aws.String(testRole),
		ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: []string{"subnet-a", "subnet-b"}},
	})
	c.svc.configMaps.mu.Lock()
	c.svc.configMaps.read["us-east-1/plain"] = configMap{at: time.Now(), mappings: []mapping{
		{RoleARN: "arn:aws:iam::111122223333:role/Nodes", Username: "system:node:{{EC2PrivateDNSName}}", Groups: []string{"system:nodes"}},
		{UserARN: "arn:aws:iam::111122223333:user/jo", Groups: []string{"devs"}},
	}}
	c.svc.configMaps.mu.Unlock()
	for _, tt := range []struct {
		caller *access.Caller
		want   string
	}{
		{access.Root(testAccount), "kubernetes-admin [system:masters] <nil>"},
		{session("Nodes", "i-0abc"), "system:node:ip-10-0-0-1.ec2.internal [system:nodes] <nil>"},
		{user("jo"), "arn:aws:iam::111122223333:user/jo [devs] <nil>"},
		{user("ann"), " [] mapping arn:aws:iam::111122223333:user/ann: no access entry or mapping for this principal"},
	} {
		info, err := c.svc.authenticate(t.Context(), "plain", c.world.token(tt.caller))
		if got := fmt.Sprintf("%s %v %v", info.Username, info.Groups, err); got != tt.want {
			t.Errorf("got %s\nwant %s", got, tt.want)
		}
	}
}

// The rules about who may have which entry and which policy.
func TestRefusedEntries(t *testing.T) {
	c := newCloud(t)
	c.expectCreated(autoCluster("one"))
	cluster := aws.String("one")
	var out strings.Builder
	note := func(name string, err error) { fmt.Fprintf(&out, "%s\n  %s\n", name, describeError(err)) }
	create := func(name, principal, kind string, change ...func(*eks.CreateAccessEntryInput)) {
		in := &eks.CreateAccessEntryInput{ClusterName: cluster, PrincipalArn: &principal}
		if kind != "" {
			in.Type = &kind
		}
		for _, f := range change {
			f(in)
		}
		_, err := c.CreateAccessEntry(t.Context(), in)
		note(name, err)
	}
	role := "arn:aws:iam::111122223333:role/"
	create("a session", "arn:aws:sts::111122223333:assumed-role/R/s", "")
	create("a role that is not there", role+"Missing", "")
	create("an unknown type", role+"R", "NODE")
	create("a user as a node", "arn:aws:iam::111122223333:user/u", "EC2")
	create("groups of a node", role+"R", "EC2", func(in *eks.CreateAccessEntryInput) { in.KubernetesGroups = []string{"g"} })
	create("a reserved group", role+"R", "", func(in *eks.CreateAccessEntryInput) { in.KubernetesGroups = []string{"system:masters"} })
	create("a reserved name", role+"R", "", func(in *eks.CreateAccessEntryInput) { in.Username = aws.String("eks:x") })
	create("the same again", testNodes, "EC2")
	associate := func(name, principal, policy string, scope types.AccessScope) {
		_, err := c.AssociateAccessPolicy(t.Context(), &eks.AssociateAccessPolicyInput{
			ClusterName: cluster, PrincipalArn: &principal, PolicyArn: aws.String(policyPrefix + policy), AccessScope: &scope,
		})
		note(name, err)
	}
	whole := types.AccessScope{Type: types.AccessScopeTypeCluster}
	root := "arn:aws:iam::111122223333:root"
	associate("no entry", role+"R", "AmazonEKSViewPolicy", whole)
	associate("no policy", root, "AmazonEKSGodPolicy", whole)
	associate("a node's policy for a user", root, onlyForNodes, whole)
	associate("a user's policy for a node", testNodes, "AmazonEKSViewPolicy", whole)
	associate("no namespaces", root, "AmazonEKSViewPolicy", types.AccessScope{Type: types.AccessScopeTypeNamespace})
	associate("a bad namespace", root, "AmazonEKSViewPolicy", types.AccessScope{Type: types.AccessScopeTypeNamespace, Namespaces: []string{"A_b"}})
	associate("namespaces of the whole", root, "AmazonEKSViewPolicy", types.AccessScope{Type: types.AccessScopeTypeCluster, Namespaces: []string{"a"}})
	associate("the cluster role", testRole, "AmazonEKSViewPolicy", whole)
	expectGolden(t, "testdata/refused-entries.txt", out.String())
}
