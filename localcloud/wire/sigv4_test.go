package wire

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/automode-dev/automode/localcloud/access"
)

type oneKey struct{}

func (oneKey) Lookup(_ context.Context, id, token string) (string, *access.Caller, error) {
	if id != "AKID" || token != "tok" {
		return "", nil, Errorf("InvalidClientTokenId", "The security token included in the request is invalid.")
	}
	return "SECRET", access.Root("111122223333"), nil
}

var signTime = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

var signCreds = aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "SECRET", SessionToken: "tok"}

func sdkSigned(t *testing.T, method, target, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, "http://127.0.0.1:4566"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Add("X-Amz-Meta", "  two   words ")
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(t.Context(), signCreds, r, hex.EncodeToString(sum[:]), "eks", "us-east-1", signTime); err != nil {
		t.Fatal(err)
	}
	return r
}

func verifier(now time.Time) *Verifier {
	return &Verifier{Credentials: oneKey{}, Now: func() time.Time { return now }}
}

// TestVerifierAcceptsSDK verifies what the SDK's own signer makes of awkward requests.
func TestVerifierAcceptsSDK(t *testing.T) {
	for _, target := range []string{
		"/", "/clusters", "/tags/arn%3Aaws%3Aeks%3Aus-east-1%3A1%3Acluster%2Fa", "/a%20b/c+d/(e)", "/x?b=2&a=1&a=%20%2B&c",
		"/x?tagKeys=a%2Fb&tagKeys=A", "/clusters/%C3%A9",
	} {
		r := sdkSigned(t, "POST", target, `{"a":1}`)
		if _, err := verifier(signTime).Authenticate(r, []byte(`{"a":1}`), ScopeOf(r)); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
}

func TestVerifierRefuses(t *testing.T) {
	cases := []struct {
		name, code string
		now        time.Time
		change     func(*http.Request)
		body       string
	}{
		{name: "unsigned", code: "MissingAuthenticationToken", change: func(r *http.Request) { r.Header.Del("Authorization") }},
		{name: "other body", code: "SignatureDoesNotMatch", body: "{}"},
		{name: "other header", code: "SignatureDoesNotMatch", change: func(r *http.Request) { r.Header.Set("X-Amz-Meta", "other") }},
		{name: "other method", code: "SignatureDoesNotMatch", change: func(r *http.Request) { r.Method = "GET" }},
		{name: "other query", code: "SignatureDoesNotMatch", change: func(r *http.Request) { r.URL.RawQuery = "a=2" }},
		{name: "other host", code: "SignatureDoesNotMatch", change: func(r *http.Request) { r.Host = "example.com" }},
		{name: "old", code: "RequestExpired", now: signTime.Add(6 * time.Minute)},
		{name: "from the future", code: "RequestExpired", now: signTime.Add(-6 * time.Minute)},
		{name: "other token", code: "InvalidClientTokenId", change: func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "x") }},
		{name: "cut off", code: "IncompleteSignature", change: func(r *http.Request) {
			r.Header.Set("Authorization", strings.Split(r.Header.Get("Authorization"), ", Signature")[0])
		}},
		{name: "other region", code: "SignatureDoesNotMatch", change: func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "us-east-1", "us-west-2", 1))
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := sdkSigned(t, "POST", "/x?a=1", "body")
			if c.change != nil {
				c.change(r)
			}
			if c.now.IsZero() {
				c.now = signTime
			}
			if c.body == "" {
				c.body = "body"
			}
			if _, err := verifier(c.now).Authenticate(r, []byte(c.body), ScopeOf(r)); Code(err) != c.code {
				t.Errorf("error = %v, want %s", err, c.code)
			}
		})
	}
}

func TestVerifyPresigned(t *testing.T) {
	r, err := http.NewRequest("GET", "http://127.0.0.1:4566/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("x-k8s-aws-id", "automode")
	empty := sha256.Sum256(nil)
	u, _, err := v4.NewSigner().PresignHTTP(t.Context(), signCreds, r, hex.EncodeToString(empty[:]), "sts", "us-east-1", signTime)
	if err != nil {
		t.Fatal(err)
	}
	bound := http.Header{"X-K8s-Aws-Id": {"automode"}}
	if _, err := verifier(signTime.Add(14*time.Minute)).VerifyPresigned(t.Context(), u, bound); err != nil {
		t.Errorf("within 15 minutes: %v", err)
	}
	if _, err := verifier(signTime.Add(16*time.Minute)).VerifyPresigned(t.Context(), u, bound); Code(err) != "RequestExpired" {
		t.Errorf("after 15 minutes: %v", err)
	}
	if _, err := verifier(signTime).VerifyPresigned(t.Context(), u, http.Header{"X-K8s-Aws-Id": {"other"}}); Code(err) != "SignatureDoesNotMatch" {
		t.Errorf("another cluster: %v", err)
	}
	if _, err := verifier(signTime).VerifyPresigned(t.Context(), u, http.Header{"X-Other": {"x"}}); Code(err) != "SignatureDoesNotMatch" {
		t.Errorf("unsigned header: %v", err)
	}
}
