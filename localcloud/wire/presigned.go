package wire

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/automode-dev/automode/localcloud/access"
)

// PresignedLifetime is how long a presigned GetCallerIdentity proves an identity, whatever it says itself.
const PresignedLifetime = 15 * time.Minute

// VerifyPresigned says who signed a GET URL that was handed over instead of being called, as in Kubernetes
// tokens. The headers given must be among the signed ones: they bind the URL to its purpose.
func (v *Verifier) VerifyPresigned(ctx context.Context, raw string, headers http.Header) (*access.Caller, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, Errorf("IncompleteSignature", "parsing the presigned URL: %s", err)
	}
	r := (&http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: headers.Clone()}).WithContext(ctx)
	scope := ScopeOf(r)
	if !scope.Presigned || scope.AccessKeyID == "" {
		return nil, Errorf("IncompleteSignature", "the URL is not presigned")
	}
	sig, err := readSignature(r)
	if err != nil {
		return nil, err
	}
	for name := range headers {
		if !slices.Contains(sig.headers, strings.ToLower(name)) {
			return nil, Errorf("SignatureDoesNotMatch", "header %s is not signed", strings.ToLower(name))
		}
	}
	sig.expires = PresignedLifetime - MaxSkew
	if err := v.checkTime(sig, scope); err != nil {
		return nil, err
	}
	return v.verify(r, nil, scope, sig)
}
