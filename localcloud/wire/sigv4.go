package wire

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/automode-dev/automode/localcloud/access"
)

// Credentials knows access keys.
type Credentials interface {
	// Lookup returns the secret of a key and who it stands for. A key that is unknown, inactive or expired, or
	// whose session token does not belong to it, is an *Error (InvalidClientTokenId, ExpiredToken).
	Lookup(ctx context.Context, accessKeyID, sessionToken string) (secret string, caller *access.Caller, err error)
}

// Verifier verifies AWS Signature Version 4, in headers and in presigned URLs.
type Verifier struct {
	Credentials Credentials
	Now         func() time.Time
}

// MaxSkew is how far a request's clock may be off, as at AWS.
const MaxSkew = 5 * time.Minute

const (
	timeLayout      = "20060102T150405Z"
	unsignedPayload = "UNSIGNED-PAYLOAD"
)

// Authenticate implements Authenticator.
func (v *Verifier) Authenticate(r *http.Request, body []byte, scope Scope) (*access.Caller, error) {
	sig, err := readSignature(r)
	if err != nil {
		return nil, err
	}
	if scope.AccessKeyID == "" {
		return nil, Errorf("IncompleteSignature", "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term")
	}
	if err := v.checkTime(sig, scope); err != nil {
		return nil, err
	}
	return v.verify(r, body, scope, sig)
}

// verify computes the signature with the key's secret and compares.
func (v *Verifier) verify(r *http.Request, body []byte, scope Scope, sig *signature) (*access.Caller, error) {
	secret, caller, err := v.Credentials.Lookup(r.Context(), scope.AccessKeyID, sig.token)
	if err != nil {
		return nil, err
	}
	hash, err := payloadHash(r, body)
	if err != nil {
		return nil, err
	}
	want := Sign(secret, scope, sig.date, canonicalRequest(r, sig.headers, hash))
	if subtle.ConstantTimeCompare([]byte(want), []byte(sig.value)) != 1 {
		return nil, Errorf("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	return caller, nil
}

// signature is what a request brings to prove its scope.
type signature struct {
	value   string
	date    string // 20060102T150405Z
	headers []string
	token   string
	expires time.Duration // of presigned URLs, 0 for headers
}

func readSignature(r *http.Request) (*signature, error) {
	if rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), algorithm); ok {
		params := authParams(rest)
		for _, name := range []string{"Credential", "Signature", "SignedHeaders"} {
			if params[name] == "" {
				return nil, Errorf("IncompleteSignature", "Authorization header requires '%s' parameter. Authorization=%s", name, r.Header.Get("Authorization"))
			}
		}
		s := &signature{
			value: params["Signature"], headers: strings.Split(params["SignedHeaders"], ";"),
			date: r.Header.Get("X-Amz-Date"), token: r.Header.Get("X-Amz-Security-Token"),
		}
		if s.date == "" {
			if t, err := time.Parse(time.RFC1123, r.Header.Get("Date")); err == nil {
				s.date = t.UTC().Format(timeLayout)
			}
		}
		if !slices.Contains(s.headers, "host") {
			return nil, Errorf("SignatureDoesNotMatch", "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
		}
		return s, nil
	}
	q := r.URL.Query()
	if q.Get("X-Amz-Signature") == "" {
		return nil, Errorf("MissingAuthenticationToken", "Request is missing Authentication Token")
	}
	seconds, err := strconv.Atoi(q.Get("X-Amz-Expires"))
	if err != nil && q.Has("X-Amz-Expires") || seconds < 0 || seconds > 7*24*3600 {
		return nil, Errorf("IncompleteSignature", "X-Amz-Expires must be a number of seconds less than a week")
	}
	return &signature{
		value: q.Get("X-Amz-Signature"), headers: strings.Split(q.Get("X-Amz-SignedHeaders"), ";"),
		date: q.Get("X-Amz-Date"), token: q.Get("X-Amz-Security-Token"), expires: time.Duration(seconds) * time.Second,
	}, nil
}

// checkTime refuses signatures from another time: that bounds how long a recorded request can be replayed.
func (v *Verifier) checkTime(sig *signature, scope Scope) error {
	at, err := time.Parse(timeLayout, sig.date)
	if err != nil {
		return Errorf("IncompleteSignature", "Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601", sig.date)
	}
	if !strings.HasPrefix(sig.date, scope.Date) {
		return Errorf("SignatureDoesNotMatch", "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.", scope.Date, sig.date[:8], sig.date)
	}
	now := v.Now().UTC()
	earliest := now.Add(-MaxSkew - sig.expires)
	switch {
	case at.Before(earliest):
		return Errorf("RequestExpired", "Signature expired: %s is now earlier than %s (%s - 5 min.)", sig.date, earliest.Format(timeLayout), now.Format(timeLayout))
	case at.After(now.Add(MaxSkew)):
		return Errorf("RequestExpired", "Signature not yet current: %s is still later than %s (%s + 5 min.)", sig.date, now.Add(MaxSkew).Format(timeLayout), now.Format(timeLayout))
	}
	return nil
}

// payloadHash returns the hash of the body as it was signed.
func payloadHash(r *http.Request, body []byte) (string, error) {
	sum := sha256.Sum256(body)
	actual := hex.EncodeToString(sum[:])
	claimed := r.Header.Get("X-Amz-Content-Sha256")
	switch {
	case claimed == "" || claimed == actual:
		return actual, nil
	case claimed == unsignedPayload:
		return claimed, nil
	}
	return "", Errorf("SignatureDoesNotMatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")
}

// canonicalRequest is the text that both sides sign.
func canonicalRequest(r *http.Request, signed []string, hash string) string {
	var b strings.Builder
	b.WriteString(r.Method + "\n")
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	b.WriteString(uriEncode(path, true) + "\n")
	b.WriteString(canonicalQuery(r.URL.RawQuery) + "\n")
	for _, name := range signed {
		b.WriteString(name + ":" + headerValue(r, name) + "\n")
	}
	b.WriteString("\n" + strings.Join(signed, ";") + "\n" + hash)
	return b.String()
}

func headerValue(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		if r.Header.Get("Content-Length") == "" {
			return strconv.FormatInt(r.ContentLength, 10)
		}
	}
	values := slices.Clone(r.Header.Values(name))
	for i, v := range values {
		values[i] = strings.Join(strings.Fields(v), " ")
	}
	return strings.Join(values, ",")
}

// canonicalQuery sorts and re-encodes a query string, without the signature itself.
func canonicalQuery(raw string) string {
	var pairs []string
	for part := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(part, "=")
		if part == "" || name == "X-Amz-Signature" {
			continue
		}
		pairs = append(pairs, uriEncode(unescape(name), false)+"="+uriEncode(unescape(value), false))
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// uriEncode escapes all but the unreserved characters of RFC 3986.
func uriEncode(s string, keepSlash bool) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', strings.IndexByte("-_.~", c) >= 0, c == '/' && keepSlash:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// Sign returns the signature of a canonical request.
func Sign(secret string, scope Scope, date, canonical string) string {
	sum := sha256.Sum256([]byte(canonical))
	credential := strings.Join([]string{scope.Date, scope.Region, scope.Service, "aws4_request"}, "/")
	key := []byte("AWS4" + secret)
	for _, part := range []string{scope.Date, scope.Region, scope.Service, "aws4_request"} {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, strings.Join([]string{algorithm, date, credential, hex.EncodeToString(sum[:])}, "\n")))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
