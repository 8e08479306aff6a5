package eks

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Tokens are "k8s-aws-v1." and the base64url form of a presigned URL of
// GetCallerIdentity. They are good for a quarter of an hour after signing,
// whatever X-Amz-Expires says, as with the authenticator of EKS.
const (
	tokenPrefix   = "k8s-aws-v1."
	tokenLifetime = 15 * time.Minute
	tokenSkew     = 5 * time.Minute
	maxToken      = 16 << 10
	clusterHeader = "x-k8s-aws-id"
)

// tokenParameters are all that the URL in a token may carry.
var tokenParameters = []string{
	"action", "version", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires",
	"x-amz-security-token", "x-amz-signature", "x-amz-signedheaders", "x-amz-user-agent",
}

var errNotOurs = errors.New("the token is not of the form k8s-aws-v1.…")

// tokenURL takes the presigned URL out of a token after checking all of it but
// the signature.
func tokenURL(token string, now time.Time) (string, error) {
	encoded, ok := strings.CutPrefix(token, tokenPrefix)
	if !ok {
		return "", errNotOurs
	}
	if len(token) > maxToken {
		return "", fmt.Errorf("reading token: longer than %d bytes", maxToken)
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(encoded, "="))
	if err != nil {
		return "", fmt.Errorf("reading token: %w", err)
	}
	u, err := url.Parse(string(raw))
	if err != nil {
		return "", fmt.Errorf("reading URL of token: %w", err)
	}
	return string(raw), checkTokenURL(u, now)
}

func checkTokenURL(u *url.URL, now time.Time) error {
	if u.Path != "/" && u.Path != "" || u.User != nil || u.Fragment != "" {
		return fmt.Errorf("checking URL of token: unexpected path %q", u.Path)
	}
	query := map[string]string{}
	for key, values := range u.Query() {
		lower := strings.ToLower(key)
		if !slices.Contains(tokenParameters, lower) || len(values) != 1 || query[lower] != "" {
			return fmt.Errorf("checking URL of token: unexpected parameter %q", key)
		}
		query[lower] = values[0]
	}
	if query["action"] != "GetCallerIdentity" {
		return fmt.Errorf("checking URL of token: action is %q, not GetCallerIdentity", query["action"])
	}
	if !slices.Contains(strings.Split(strings.ToLower(query["x-amz-signedheaders"]), ";"), clusterHeader) {
		return fmt.Errorf("checking URL of token: %s is not among the signed headers", clusterHeader)
	}
	signed, err := time.Parse("20060102T150405Z", query["x-amz-date"])
	if err != nil {
		return fmt.Errorf("checking URL of token: X-Amz-Date: %w", err)
	}
	if age := now.Sub(signed); age > tokenLifetime || age < -tokenSkew {
		return fmt.Errorf("checking URL of token: signed at %s, which is not within %s of now", signed.Format(time.RFC3339), tokenLifetime)
	}
	return nil
}
