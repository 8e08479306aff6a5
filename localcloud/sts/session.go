package sts

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/wire"
)

// session is the content of a session token.
type session struct {
	Key        string              // access key id
	Role       string              `json:",omitempty"` // ARN; empty for a session of a user
	RoleID     string              `json:",omitempty"`
	User       string              `json:",omitempty"`
	Name       string              `json:",omitempty"`
	Tags       map[string]string   `json:",omitempty"`
	Transitive []string            `json:",omitempty"`
	Policies   []string            `json:",omitempty"` // documents
	PolicyARNs []string            `json:",omitempty"`
	Source     string              `json:",omitempty"` // source identity
	Keys       map[string][]string `json:",omitempty"`
	Expires    time.Time
}

// Credentials are temporary credentials and what AssumeRole tells about them.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
	Expiration      time.Time
	ARN             string // of the session
	UserID          string
}

// issue seals a session.
func (s *Service) issue(se *session) (*Credentials, error) {
	var b [12]byte
	rand.Read(b[:])
	se.Key = "ASIA" + base32.StdEncoding.EncodeToString(b[:])[:16]
	data, err := json.Marshal(se)
	if err != nil {
		return nil, fmt.Errorf("encoding session: %w", err)
	}
	nonce := make([]byte, s.seal.NonceSize())
	rand.Read(nonce)
	token := base64.StdEncoding.EncodeToString(s.seal.Seal(nonce, nonce, data, []byte(se.Key)))
	c := &Credentials{AccessKeyID: se.Key, SecretAccessKey: s.secretOf(se.Key), SessionToken: token, Expiration: se.Expires}
	if se.Role != "" {
		c.ARN, c.UserID = se.arn(s.account), se.RoleID+":"+se.Name
	}
	return c, nil
}

// arn is arn:aws:sts::<account>:assumed-role/<role name without path>/<session name>.
func (se *session) arn(account string) string {
	return "arn:aws:sts::" + account + ":assumed-role/" + se.Role[strings.LastIndexByte(se.Role, '/')+1:] + "/" + se.Name
}

func (s *Service) secretOf(key string) string {
	m := hmac.New(sha256.New, s.secret)
	m.Write([]byte(key))
	return base64.StdEncoding.EncodeToString(m.Sum(nil))[:40]
}

func (s *Service) open(key, token string) (*session, error) {
	invalid := wire.Errorf("InvalidClientTokenId", "The security token included in the request is invalid.")
	data, err := base64.StdEncoding.DecodeString(token)
	if err != nil || len(data) < s.seal.NonceSize() {
		return nil, invalid
	}
	n := s.seal.NonceSize()
	plain, err := s.seal.Open(nil, data[:n], data[n:], []byte(key))
	if err != nil {
		return nil, invalid
	}
	var se session
	if err := json.Unmarshal(plain, &se); err != nil || se.Key != key {
		return nil, invalid
	}
	if !s.clock.Now().Before(se.Expires) {
		return nil, wire.Errorf("ExpiredToken", "The security token included in the request is expired")
	}
	return &se, nil
}

// Lookup implements wire.Credentials for keys of users and of sessions.
func (s *Service) Lookup(_ context.Context, key, token string) (string, *access.Caller, error) {
	if token == "" {
		return s.iam.KeyOwner(key)
	}
	se, err := s.open(key, token)
	if err != nil {
		return "", nil, err
	}
	c, err := s.caller(se)
	if wire.Code(err) == "NoSuchEntity" {
		err = wire.Errorf("InvalidClientTokenId", "The security token included in the request is invalid.")
	}
	if err != nil {
		return "", nil, err
	}
	c.AccessKeyID = key
	return s.secretOf(key), c, nil
}

// caller turns a session into a caller: the role as it is now, seen through the session.
func (s *Service) caller(se *session) (*access.Caller, error) {
	if se.Role == "" {
		c, err := s.iam.UserCaller(se.User)
		if err == nil {
			c.Keys = se.Keys
		}
		return c, err
	}
	r, err := s.iam.FindRole(se.Role)
	if err != nil {
		return nil, err
	}
	if r.ID != se.RoleID {
		return nil, wire.Errorf("NoSuchEntity", "the role was deleted and made anew")
	}
	c, err := s.iam.RoleCaller(&r)
	if err != nil {
		return nil, err
	}
	c.ARN, c.UserID, c.SessionName = se.arn(s.account), se.RoleID+":"+se.Name, se.Name
	maps.Copy(c.PrincipalTags, se.Tags)
	c.TransitiveTags, c.SourceIdentity, c.Keys = se.Transitive, se.Source, se.Keys
	return c, s.sessionPolicies(c, se)
}

func (s *Service) sessionPolicies(c *access.Caller, se *session) error {
	for _, document := range se.Policies {
		p, err := access.Parse(document)
		if err != nil {
			return fmt.Errorf("parsing session policy: %w", err)
		}
		c.Session = append(c.Session, p)
	}
	for _, arn := range se.PolicyARNs {
		p, err := s.iam.ManagedPolicy(arn)
		if err != nil {
			return err
		}
		c.Session = append(c.Session, p)
	}
	return nil
}
