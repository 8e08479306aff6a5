package localcloud

import (
	"path/filepath"
	"time"

	"github.com/automode-dev/automode/compute/catalog"
	"github.com/automode-dev/automode/localcloud/ec2/images"
	"github.com/automode-dev/automode/localcloud/iam"
	"github.com/automode-dev/automode/localcloud/pricing"
	"github.com/automode-dev/automode/localcloud/ssm"
	"github.com/automode-dev/automode/localcloud/sts"
)

// Core are the services that every cloud has: identities first, because they authenticate all calls.
type Core struct {
	IAM     *iam.Service
	STS     *sts.Service
	SSM     *ssm.Service
	Pricing *pricing.Service
	Grants  *Grants
	Admin   *iam.Admin // credentials of the first user, also in <home>/cloud/admin.json
}

// MountCore makes and mounts IAM, STS, SSM and Pricing, turns on authentication and makes sure of the admin user.
func (s *Server) MountCore() (*Core, error) {
	c := &Core{IAM: iam.New(s.db, s.opts.Account, s.opts.Clock)}
	var err error
	if c.STS, err = sts.New(s.db, c.IAM, s.opts.Account, s.opts.Clock); err != nil {
		return nil, err
	}
	c.SSM = ssm.New(s.db, s.opts.Account, s.opts.Clock, images.Parameters)
	c.Pricing = pricing.New(catalog.Default())
	if c.Admin, err = c.IAM.EnsureAdmin(filepath.Join(s.opts.Home, "cloud", "admin.json"), s.opts.Region); err != nil {
		return nil, err
	}
	s.Mount(c.IAM.Wire())
	s.Mount(c.STS.Wire())
	s.Mount(c.SSM.Wire())
	s.Mount(c.Pricing.Wire())
	s.Authenticate(c.STS.Authenticator())
	c.Grants = newGrants(s.db, c.STS)
	s.HandlePublic("GET /_automode/credentials/{name}", c.Grants)
	return c, Knob(s.control, "iam.propagation", "how long other services do not see a new role or instance profile", Duration(0), func(d Duration) error {
		c.IAM.SetPropagation(time.Duration(d))
		return nil
	})
}
