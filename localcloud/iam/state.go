package iam

import (
	"crypto/rand"
	"encoding/base32"
	"maps"
	"strings"
	"time"

	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

// Entity is what all kinds of entities have in common.
type Entity struct {
	Name    string
	Path    string
	ID      string
	ARN     string
	Created time.Time
	Tags    []Tag `json:",omitempty"`
}

// Tag is a tag in the order in which it was given.
type Tag struct{ Key, Value string }

// Policies are the identity-based policies of a user, group or role.
type Policies struct {
	Inline   map[string]string `json:",omitempty"` // name -> document
	Attached []string          `json:",omitempty"` // ARNs
	Boundary string            `json:",omitempty"` // ARN
}

// User is an IAM user.
type User struct {
	Entity
	Policies
	Groups []string `json:",omitempty"`
}

// Group is a group of users.
type Group struct {
	Entity
	Policies
}

// Role is an IAM role.
type Role struct {
	Entity
	Policies
	Trust          string
	Description    string `json:",omitempty"`
	MaxSession     int32
	LinkedService  string    `json:",omitempty"` // of a service-linked role
	LastUsed       time.Time `json:",omitzero"`
	LastUsedRegion string    `json:",omitempty"`
}

// ManagedPolicy is a customer managed policy, or one of AWS.
type ManagedPolicy struct {
	Entity
	Description string `json:",omitempty"`
	Updated     time.Time
	Default     string
	Versions    []PolicyVersion
	LastVersion int  // number of the version created last
	AWS         bool `json:",omitempty"`
}

// PolicyVersion is one version of a managed policy.
type PolicyVersion struct {
	ID       string
	Document string
	Created  time.Time
}

// InstanceProfile hands a role to instances.
type InstanceProfile struct {
	Entity
	Role string `json:",omitempty"` // name
}

// Provider is an OpenID Connect provider; its name is the host and path of its URL.
type Provider struct {
	Entity
	URL         string
	Clients     []string
	Thumbprints []string
}

// AccessKey is a long-term credential of a user.
type AccessKey struct {
	ID, Secret, User string
	Active           bool
	Created          time.Time
}

func (e *Entity) base() *Entity { return e }

func (e *Entity) conditionKeys(request map[string][]string) map[string][]string {
	keys := maps.Clone(request)
	if keys == nil {
		keys = map[string][]string{}
	}
	for _, t := range e.Tags {
		keys["aws:ResourceTag/"+t.Key] = []string{t.Value}
		keys["iam:ResourceTag/"+t.Key] = []string{t.Value}
	}
	return keys
}

// holder is a pointer to one of the entity types.
type holder[T any] interface {
	*T
	base() *Entity
}

// kind says where entities of a type live and how messages speak of them.
type kind[T any] struct {
	bucket  string
	arn     string // resource type in ARNs
	missing func(name string) error
	name    func(*T) string
}

var (
	users     = kind[User]{"iam.users", "user", noSuch("The user with name %s cannot be found."), func(u *User) string { return u.Name }}
	groups    = kind[Group]{"iam.groups", "group", noSuch("The group with name %s cannot be found."), func(g *Group) string { return g.Name }}
	roles     = kind[Role]{"iam.roles", "role", noSuch("The role with name %s cannot be found."), func(r *Role) string { return r.Name }}
	profiles  = kind[InstanceProfile]{"iam.profiles", "instance-profile", noSuch("Instance Profile %s cannot be found."), func(p *InstanceProfile) string { return p.Name }}
	policies  = kind[ManagedPolicy]{"iam.policies", "policy", noSuch("Policy %s was not found."), func(p *ManagedPolicy) string { return p.ARN }}
	providers = kind[Provider]{"iam.providers", "oidc-provider", noSuch("OpenIDConnect Provider not found for arn %s"), func(p *Provider) string { return p.ARN }}
)

const keysBucket = "iam.keys"

func noSuch(format string) func(string) error {
	return func(name string) error { return wire.Errorf("NoSuchEntity", format, name) }
}

// key is the store's key: names of IAM entities do not differ by case alone.
func (k kind[T]) key(name string) string { return strings.ToLower(name) }

func (k kind[T]) put(tx *store.Tx, e *T) error { return store.Put(tx, k.bucket, k.key(k.name(e)), e) }

func (k kind[T]) get(tx *store.Tx, name string) (*T, error) {
	e, ok, err := store.Get[T](tx, k.bucket, k.key(name))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, k.missing(name)
	}
	return &e, nil
}

func (k kind[T]) exists(tx *store.Tx, name string) (bool, error) {
	_, ok, err := store.Get[T](tx, k.bucket, k.key(name))
	return ok, err
}

func (k kind[T]) delete(tx *store.Tx, name string) error {
	return store.Delete(tx, k.bucket, k.key(name))
}

// newID returns a unique id: a prefix of four letters and capital letters and digits up to the length.
func newID(prefix string, length int) string {
	var b [16]byte
	rand.Read(b[:])
	return prefix + base32.StdEncoding.EncodeToString(b[:])[:length-len(prefix)]
}

// newSecret returns the secret of an access key.
func newSecret() string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	var b [40]byte
	rand.Read(b[:])
	for i := range b {
		b[i] = alphabet[b[i]&63]
	}
	return string(b[:])
}

// newEntity fills in what every entity gets at creation.
func (s *Service) newEntity(kind, prefix, name string, path *string, tags []Tag) Entity {
	p := "/"
	if path != nil {
		p = *path
	}
	return Entity{Name: name, Path: p, ID: newID(prefix, 21), ARN: s.arn(kind, p, name), Created: s.clock.Now().UTC().Truncate(time.Second), Tags: tags}
}
