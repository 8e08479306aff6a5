package localcloud

import (
	"net/http"
	"sync/atomic"

	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/wire"
)

// switchableAuth refuses every call until an authenticator is set.
type switchableAuth struct {
	a atomic.Pointer[wire.Authenticator]
}

func (s *switchableAuth) set(a wire.Authenticator) { s.a.Store(&a) }

// Authenticate implements wire.Authenticator.
func (s *switchableAuth) Authenticate(r *http.Request, body []byte, scope wire.Scope) (*access.Caller, error) {
	if a := s.a.Load(); a != nil {
		return (*a).Authenticate(r, body, scope)
	}
	return nil, wire.Errorf("MissingAuthenticationToken", "Missing Authentication Token")
}

// AllowAll takes every call, signed or not, for one of the account's root user: for tests of services.
func AllowAll(account string) wire.Authenticator { return allowAll(account) }

type allowAll string

func (a allowAll) Authenticate(*http.Request, []byte, wire.Scope) (*access.Caller, error) {
	return access.Root(string(a)), nil
}
