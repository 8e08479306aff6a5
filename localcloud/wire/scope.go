package wire

import (
	"net/http"
	"strings"
)

// Scope is the credential scope that a request claims: who signed, when, for which region and service.
type Scope struct {
	AccessKeyID string
	Date        string // 20060102
	Region      string
	Service     string
	Presigned   bool
}

const algorithm = "AWS4-HMAC-SHA256"

// ScopeOf reads the scope from the Authorization header or the query string. It is empty for unsigned requests
// and proves nothing.
func ScopeOf(r *http.Request) Scope {
	if rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), algorithm); ok {
		return parseScope(authParams(rest)["Credential"])
	}
	if credential := r.URL.Query().Get("X-Amz-Credential"); credential != "" {
		s := parseScope(credential)
		s.Presigned = true
		return s
	}
	return Scope{}
}

// authParams splits "Credential=…, SignedHeaders=…, Signature=…".
func authParams(s string) map[string]string {
	params := map[string]string{}
	for part := range strings.SplitSeq(s, ",") {
		if name, value, ok := strings.Cut(strings.TrimSpace(part), "="); ok {
			params[name] = value
		}
	}
	return params
}

func parseScope(credential string) Scope {
	parts := strings.Split(credential, "/")
	if len(parts) != 5 || parts[4] != "aws4_request" {
		return Scope{}
	}
	return Scope{AccessKeyID: parts[0], Date: parts[1], Region: parts[2], Service: parts[3]}
}
