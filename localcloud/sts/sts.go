// Package sts hands out and recognises temporary credentials: role sessions for people, services, instances and
// web identities. A session token is the encrypted session itself, so nothing is stored per session, and sessions
// live on over restarts; they end at their expiry or with their role.
package sts

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"
	"k8s.io/utils/clock"

	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/iam"
	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

// Service is the token service of one account.
type Service struct {
	iam      *iam.Service
	account  string
	clock    clock.PassiveClock
	seal     cipher.AEAD
	secret   []byte // derives the secrets of sessions
	wire     *wire.Service
	verifier *wire.Verifier
	// IssuerKeys returns the JSON Web Key Set of a web identity issuer. The default fetches it over HTTPS.
	IssuerKeys func(ctx context.Context, issuer string) ([]byte, error)
}

// New returns the service; its key is made at first start and kept in the store.
func New(db *store.DB, users *iam.Service, account string, clock clock.PassiveClock) (*Service, error) {
	key, err := loadKey(db)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key[:32])
	if err != nil {
		return nil, fmt.Errorf("preparing session key: %w", err)
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("preparing session key: %w", err)
	}
	s := &Service{iam: users, account: account, clock: clock, seal: seal, secret: key[32:], wire: wire.NewService("sts"), IssuerKeys: fetchKeys}
	s.verifier = &wire.Verifier{Credentials: s, Now: clock.Now}
	s.register()
	return s, nil
}

func loadKey(db *store.DB) (key []byte, err error) {
	err = db.Update(func(tx *store.Tx) error {
		var ok bool
		if key, ok, err = store.Get[[]byte](tx, "sts", "key"); err != nil || ok {
			return err
		}
		key = make([]byte, 64)
		rand.Read(key)
		return store.Put(tx, "sts", "key", key)
	})
	return key, err
}

func (s *Service) register() {
	wire.Handle(s.wire, "AssumeRole", s.AssumeRole)
	wire.Handle(s.wire, "AssumeRoleWithWebIdentity", s.AssumeRoleWithWebIdentity)
	wire.Handle(s.wire, "DecodeAuthorizationMessage", s.DecodeAuthorizationMessage)
	wire.Handle(s.wire, "GetAccessKeyInfo", s.GetAccessKeyInfo)
	wire.Handle(s.wire, "GetCallerIdentity", s.GetCallerIdentity)
	wire.Handle(s.wire, "GetSessionToken", s.GetSessionToken)
}

// Wire returns the operations for mounting.
func (s *Service) Wire() *wire.Service { return s.wire }

// Authenticator verifies the signatures of all calls with the account's credentials. AssumeRoleWithWebIdentity is
// the one call that comes unsigned.
func (s *Service) Authenticator() wire.Authenticator { return s }

// Authenticate implements wire.Authenticator.
func (s *Service) Authenticate(r *http.Request, body []byte, scope wire.Scope) (*access.Caller, error) {
	if scope == (wire.Scope{}) && r.Header.Get("Authorization") == "" && isWebIdentityCall(r, body) {
		return &access.Caller{Type: access.TypeFederated, Account: s.account, ARN: "anonymous", PrincipalARN: "anonymous"}, nil
	}
	return s.verifier.Authenticate(r, body, scope)
}

// VerifyPresigned says who presigned a GetCallerIdentity URL. The headers, e.g. x-k8s-aws-id, must be signed with
// these values. Such a URL proves an identity for 15 minutes.
func (s *Service) VerifyPresigned(ctx context.Context, url string, headers http.Header) (*access.Caller, error) {
	if err := isGetCallerIdentity(url); err != nil {
		return nil, err
	}
	return s.verifier.VerifyPresigned(ctx, url, headers)
}

// GetCallerIdentity says who signed; nobody can be denied it.
func (s *Service) GetCallerIdentity(ctx context.Context, _ *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
	c := access.CallerFrom(ctx)
	return &sts.GetCallerIdentityOutput{Account: &c.Account, Arn: &c.ARN, UserId: &c.UserID}, nil
}

// GetAccessKeyInfo returns the account, which is the same for every key.
func (s *Service) GetAccessKeyInfo(context.Context, *sts.GetAccessKeyInfoInput) (*sts.GetAccessKeyInfoOutput, error) {
	return &sts.GetAccessKeyInfoOutput{Account: &s.account}, nil
}

// DecodeAuthorizationMessage decodes the message that EC2 appends to a refusal; matched statements are not listed.
func (s *Service) DecodeAuthorizationMessage(ctx context.Context, in *sts.DecodeAuthorizationMessageInput) (*sts.DecodeAuthorizationMessageOutput, error) {
	if err := access.Authorize(ctx, access.Request{Action: "sts:DecodeAuthorizationMessage", Resource: "*"}); err != nil {
		return nil, err
	}
	text, err := access.DecodeMessage(*in.EncodedMessage)
	if err != nil {
		return nil, wire.Errorf("InvalidAuthorizationMessageException", "Message is not valid.")
	}
	return &sts.DecodeAuthorizationMessageOutput{DecodedMessage: &text}, nil
}

// now is the time of a call, without fractions that AWS does not show.
func (s *Service) now() time.Time { return s.clock.Now().UTC().Truncate(time.Second) }
