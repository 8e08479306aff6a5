// Package iam is the identity service of the local cloud: users, groups, roles, policies, instance profiles and
// identity providers, with AWS's rules, limits and texts. It says who owns an access key and which policies a
// principal has; deciding on them is package access's work, sessions are package sts's.
package iam

import (
	"context"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"

	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

// Service holds the identities of one account.
type Service struct {
	db      *store.DB
	account string
	clock   clock.PassiveClock
	wire    *wire.Service
	// propagation is how long other services do not see a new role or instance profile, in nanoseconds.
	propagation atomic.Int64
}

// New returns the service over its durable state.
func New(db *store.DB, account string, clock clock.PassiveClock) *Service {
	s := &Service{db: db, account: account, clock: clock, wire: wire.NewService("iam")}
	s.register()
	return s
}

// Wire returns the operations for mounting.
func (s *Service) Wire() *wire.Service { return s.wire }

// SetPropagation sets how long a new role or instance profile stays unknown to other services, as on AWS.
func (s *Service) SetPropagation(d time.Duration) { s.propagation.Store(int64(d)) }

// tooNew says whether other services do not see an entity yet.
func (s *Service) tooNew(e *Entity) bool {
	d := time.Duration(s.propagation.Load())
	return d > 0 && s.clock.Since(e.Created) < d
}

// arn names an entity: arn("role", "/path/", "name").
func (s *Service) arn(kind, path, name string) string {
	return "arn:aws:iam::" + s.account + ":" + kind + path + name
}

// authorize asks for iam:<operation> on an ARN.
func authorize(ctx context.Context, operation, arn string, keys map[string][]string) error {
	return access.Authorize(ctx, access.Request{Action: "iam:" + operation, Resource: arn, Context: keys})
}

// change loads one entity, authorises the operation on it, lets f change it and stores it, in one transaction.
func change[T any, P holder[T]](ctx context.Context, s *Service, k kind[T], name, operation string, keys map[string][]string, f func(tx *store.Tx, e P) error) error {
	return s.db.Update(func(tx *store.Tx) error {
		e, err := load[T, P](ctx, tx, s, k, name, operation, keys)
		if err != nil {
			return err
		}
		if err := f(tx, e); err != nil {
			return err
		}
		return k.put(tx, (*T)(e))
	})
}

// read loads one entity and authorises the operation on it.
func read[T any, P holder[T]](ctx context.Context, s *Service, k kind[T], name, operation string, f func(tx *store.Tx, e P) error) error {
	return s.db.View(func(tx *store.Tx) error {
		e, err := load[T, P](ctx, tx, s, k, name, operation, nil)
		if err != nil {
			return err
		}
		return f(tx, e)
	})
}

// load authorises even where the entity is missing, so that names cannot be probed.
func load[T any, P holder[T]](ctx context.Context, tx *store.Tx, s *Service, k kind[T], name, operation string, keys map[string][]string) (P, error) {
	e, ok, err := store.Get[T](tx, k.bucket, k.key(name))
	if err != nil {
		return nil, err
	}
	p := P(&e)
	arn := s.arn(k.arn, "/", name)
	if ok {
		arn = p.base().ARN
		keys = p.base().conditionKeys(keys)
	}
	if err := authorize(ctx, operation, arn, keys); err != nil {
		return nil, err
	}
	if !ok {
		return nil, k.missing(name)
	}
	return p, nil
}
