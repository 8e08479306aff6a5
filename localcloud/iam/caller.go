package iam

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"encoding/json"

	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

// KeyOwner returns the secret of a user's access key and the user as a caller. The error's code is
// InvalidClientTokenId for a key that does not exist or is inactive.
func (s *Service) KeyOwner(id string) (secret string, caller *access.Caller, err error) {
	err = s.db.View(func(tx *store.Tx) error {
		k, ok, err := store.Get[AccessKey](tx, keysBucket, id)
		if err != nil {
			return err
		}
		if !ok || !k.Active {
			return wire.Errorf("InvalidClientTokenId", "The security token included in the request is invalid.")
		}
		u, err := users.get(tx, k.User)
		if err != nil {
			return err
		}
		secret = k.Secret
		caller, err = s.userCaller(tx, u)
		caller.AccessKeyID = id
		return err
	})
	return secret, caller, err
}

// UserCaller returns a user as a caller, for sessions of users.
func (s *Service) UserCaller(name string) (caller *access.Caller, err error) {
	err = s.db.View(func(tx *store.Tx) error {
		u, err := users.get(tx, name)
		if err != nil {
			return err
		}
		caller, err = s.userCaller(tx, u)
		return err
	})
	return caller, err
}

func (s *Service) userCaller(tx *store.Tx, u *User) (*access.Caller, error) {
	c := &access.Caller{
		ARN: u.ARN, PrincipalARN: u.ARN, Account: s.account, UserID: u.ID, Type: access.TypeUser, UserName: u.Name,
		PrincipalTags: tagMap(u.Tags),
	}
	err := collect(tx, c, &u.Policies)
	for _, name := range u.Groups {
		if g, e := groups.get(tx, name); e == nil {
			err = errors.Join(err, collect(tx, c, &g.Policies))
		}
	}
	return c, err
}

// RoleCaller returns a role with its policies and tags as a caller; the session's names and tags are package sts's.
func (s *Service) RoleCaller(r *Role) (*access.Caller, error) {
	c := &access.Caller{PrincipalARN: r.ARN, Account: s.account, Type: access.TypeAssumedRole, PrincipalTags: tagMap(r.Tags)}
	err := s.db.View(func(tx *store.Tx) error { return collect(tx, c, &r.Policies) })
	return c, err
}

func tagMap(tags []Tag) map[string]string {
	m := make(map[string]string, len(tags))
	for _, t := range tags {
		m[t.Key] = t.Value
	}
	return m
}

// collect adds policies to a caller.
func collect(tx *store.Tx, c *access.Caller, p *Policies) error {
	for name, document := range p.Inline {
		parsed, err := access.Parse(document)
		if err != nil {
			return fmt.Errorf("parsing inline policy %q: %w", name, err)
		}
		c.Identity = append(c.Identity, parsed)
	}
	for _, arn := range p.Attached {
		parsed, err := parsedPolicy(tx, arn)
		if err != nil {
			return err
		}
		c.Identity = append(c.Identity, parsed)
	}
	if p.Boundary != "" {
		parsed, err := parsedPolicy(tx, p.Boundary)
		if err != nil {
			return err
		}
		c.Boundary = parsed
	}
	return nil
}

func parsedPolicy(tx *store.Tx, arn string) (*access.Policy, error) {
	p, err := policy(tx, arn)
	if err != nil {
		return nil, err
	}
	parsed, err := access.Parse(p.document())
	if err != nil {
		return nil, fmt.Errorf("parsing policy %s: %w", arn, err)
	}
	return parsed, nil
}

// ManagedPolicy returns the parsed default version of a managed policy, for session policies given by ARN.
func (s *Service) ManagedPolicy(arn string) (p *access.Policy, err error) {
	err = s.db.View(func(tx *store.Tx) error {
		p, err = parsedPolicy(tx, arn)
		return err
	})
	return p, err
}

// RoleUsed records when and where a role was last assumed, at most once an hour.
func (s *Service) RoleUsed(name, region string) error {
	now := s.clock.Now().UTC().Truncate(time.Second)
	if r, err := s.FindRole(name); err != nil || now.Sub(r.LastUsed) < time.Hour {
		return err
	}
	return s.db.Update(func(tx *store.Tx) error {
		r, err := roles.get(tx, name)
		if err != nil {
			return err
		}
		r.LastUsed, r.LastUsedRegion = now, region
		return roles.put(tx, r)
	})
}

// Admin is the content of <home>/cloud/admin.json: the credentials of the first user.
type Admin struct {
	UserName        string
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	Account         string
	Region          string
}

// EnsureAdmin returns the user "admin" with AdministratorAccess and its key, made at first start and written to
// the file for its owner only. A key that was deleted through the API is not made again unless the file goes too.
func (s *Service) EnsureAdmin(file, region string) (*Admin, error) {
	a := &Admin{UserName: "admin", Account: s.account, Region: region}
	if data, err := os.ReadFile(file); err == nil {
		if err := json.Unmarshal(data, a); err == nil && a.AccessKeyID != "" {
			return a, s.db.Update(func(tx *store.Tx) error { return s.adoptAdmin(tx, a) })
		}
	}
	k := s.newKey(a.UserName)
	a.AccessKeyID, a.SecretAccessKey = k.ID, k.Secret
	if err := s.db.Update(func(tx *store.Tx) error { return s.adoptAdmin(tx, a) }); err != nil {
		return nil, fmt.Errorf("making the admin user: %w", err)
	}
	data, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return nil, err
	}
	tmp := filepath.Join(filepath.Dir(file), ".admin.json")
	if err := os.WriteFile(tmp, append(data, '\n'), 0o600); err != nil {
		return nil, fmt.Errorf("writing admin credentials: %w", err)
	}
	return a, os.Rename(tmp, file)
}

// adoptAdmin makes user and key where they are missing.
func (s *Service) adoptAdmin(tx *store.Tx, a *Admin) error {
	there, err := users.exists(tx, a.UserName)
	if err != nil || there {
		if _, ok, err := store.Get[AccessKey](tx, keysBucket, a.AccessKeyID); ok || err != nil {
			return err
		}
	}
	if !there {
		u := &User{Entity: s.newEntity("user", "AIDA", a.UserName, nil, nil)}
		u.Attached = []string{"arn:aws:iam::aws:policy/AdministratorAccess"}
		if err := users.put(tx, u); err != nil {
			return err
		}
	}
	k := s.newKey(a.UserName)
	k.ID, k.Secret = a.AccessKeyID, a.SecretAccessKey
	return store.Put(tx, keysBucket, k.ID, k)
}
