package sts

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/wire"
)

func isWebIdentityCall(r *http.Request, body []byte) bool {
	form, err := url.ParseQuery(string(body))
	return err == nil && (form.Get("Action") == "AssumeRoleWithWebIdentity" || r.URL.Query().Get("Action") == "AssumeRoleWithWebIdentity")
}

func isGetCallerIdentity(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Query().Get("Action") != "GetCallerIdentity" || strings.Trim(u.Path, "/") != "" {
		return wire.Errorf("InvalidAction", "the presigned URL does not call GetCallerIdentity")
	}
	return nil
}

// AssumeRoleWithWebIdentity verifies the token (RS256, ES256) with the issuer's keys and evaluates the trust policy
// with the token's claims; the provider must exist in IAM and list the audience.
func (s *Service) AssumeRoleWithWebIdentity(ctx context.Context, in *sts.AssumeRoleWithWebIdentityInput) (*sts.AssumeRoleWithWebIdentityOutput, error) {
	claims, err := s.verifyToken(ctx, *in.WebIdentityToken)
	if err != nil {
		return nil, err
	}
	host := strings.TrimPrefix(claims.Issuer, "https://")
	provider, err := s.iam.FindProvider(host)
	if err != nil {
		return nil, wire.Errorf("InvalidIdentityToken", "No OpenIDConnect provider found in your account for %s", claims.Issuer)
	}
	audience := ""
	for _, a := range claims.Audience {
		if slices.Contains(provider.Clients, a) {
			audience = a
		}
	}
	if audience == "" {
		return nil, wire.Errorf("InvalidIdentityToken", "Incorrect token audience")
	}
	role, err := s.iam.FindRole(*in.RoleArn)
	if err != nil && wire.Code(err) != "NoSuchEntity" {
		return nil, err
	}
	caller := &access.Caller{Type: access.TypeFederated, Account: s.account, ARN: provider.ARN, PrincipalARN: provider.ARN}
	keys := map[string][]string{host + ":aud": {audience}, host + ":sub": {claims.Subject}}
	p, err := role.TrustPolicy()
	if role.ARN != "" && err != nil {
		return nil, fmt.Errorf("parsing trust policy of %s: %w", role.ARN, err)
	}
	request := access.Request{Action: "sts:AssumeRoleWithWebIdentity", Resource: *in.RoleArn, Context: keys, ResourcePolicy: p, NeedsResourcePolicy: true}
	if role.ARN == "" || access.Authorize(access.WithCaller(ctx, caller), request) != nil {
		return nil, wire.Errorf("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity").WithStatus(403)
	}
	se := &session{Name: *in.RoleSessionName, Keys: keys}
	if err := s.setPolicies(se, in.Policy, in.PolicyArns); err != nil {
		return nil, err
	}
	if se.Expires, err = s.expiry(in.DurationSeconds, &role, false); err != nil {
		return nil, err
	}
	creds, err := s.start(ctx, &role, se)
	if err != nil {
		return nil, err
	}
	return &sts.AssumeRoleWithWebIdentityOutput{
		Credentials: creds.sdk(), AssumedRoleUser: &types.AssumedRoleUser{Arn: &creds.ARN, AssumedRoleId: &creds.UserID},
		Audience: &audience, Provider: &provider.ARN, SubjectFromWebIdentityToken: aws.String(claims.Subject), PackedPolicySize: se.packed(),
	}, nil
}

type claims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	Expires  float64  `json:"exp"`
}

// audience is one string or a list.
type audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

// verifyToken checks signature and expiry of a JSON Web Token.
func (s *Service) verifyToken(ctx context.Context, token string) (*claims, error) {
	invalid := wire.Errorf("InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements")
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, wire.Errorf("InvalidIdentityToken", "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	var header struct{ Alg, Kid string }
	var c claims
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || decodePart(parts[0], &header) != nil || decodePart(parts[1], &c) != nil {
		return nil, wire.Errorf("InvalidIdentityToken", "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	keys, err := s.IssuerKeys(ctx, c.Issuer)
	if err != nil {
		return nil, invalid
	}
	if !verifyJWS(keys, header.Kid, header.Alg, parts[0]+"."+parts[1], signature) {
		return nil, invalid
	}
	if s.clock.Now().After(time.Unix(int64(c.Expires), 0)) {
		return nil, wire.Errorf("ExpiredTokenException", "Token expired: current date/time must be before the expiration date/time")
	}
	return &c, nil
}

func decodePart(part string, v any) error {
	data, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

// verifyJWS looks for the key in a JSON Web Key Set and verifies with it.
func verifyJWS(keySet []byte, kid, alg, signed string, signature []byte) bool {
	var set struct {
		Keys []struct{ Kty, Kid, N, E, Crv, X, Y string }
	}
	if json.Unmarshal(keySet, &set) != nil {
		return false
	}
	sum := sha256.Sum256([]byte(signed))
	for _, k := range set.Keys {
		if k.Kid != kid {
			continue
		}
		switch {
		case alg == "RS256" && k.Kty == "RSA":
			key := &rsa.PublicKey{N: number(k.N), E: int(number(k.E).Int64())}
			return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
		case alg == "ES256" && k.Crv == "P-256" && len(signature) == 64:
			key := &ecdsa.PublicKey{Curve: elliptic.P256(), X: number(k.X), Y: number(k.Y)}
			return ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
		}
	}
	return false
}

func number(s string) *big.Int {
	data, _ := base64.RawURLEncoding.DecodeString(s) // a broken key verifies nothing
	return new(big.Int).SetBytes(data)
}

// fetchKeys reads an issuer's discovery document and its key set.
func fetchKeys(ctx context.Context, issuer string) ([]byte, error) {
	data, err := fetch(ctx, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, err
	}
	var discovery struct {
		Keys string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(data, &discovery); err != nil {
		return nil, fmt.Errorf("parsing discovery document of %s: %w", issuer, err)
	}
	return fetch(ctx, discovery.Keys)
}

func fetch(ctx context.Context, target string) ([]byte, error) {
	if !strings.HasPrefix(target, "https://") {
		return nil, fmt.Errorf("fetching %q: not an https URL", target)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetching %s: %s", target, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, 1<<20))
}
