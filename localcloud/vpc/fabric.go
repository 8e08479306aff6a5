package vpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"

	"github.com/automode-dev/automode/internal/home"
)

// Fabric makes networks real on this host. It needs root. Its methods may be called at the same time; calls for one VPC
// wait for each other.
type Fabric struct {
	home home.Dir
	log  *slog.Logger

	hostMu sync.Mutex // guards what the VPCs share on the host

	mu   sync.Mutex
	vpcs map[string]*vpcState
}

// vpcState is what one process remembers of a VPC between two calls: only to save work.
type vpcState struct {
	mu         sync.Mutex
	rules      string // last loaded
	cidrs      []netip.Prefix
	hostRoutes []HostRoute
}

// NewFabric returns the fabric of the home directory; a nil log discards.
func NewFabric(h home.Dir, log *slog.Logger) *Fabric {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Fabric{home: h, log: log, vpcs: map[string]*vpcState{}}
}

// RouterNetNS returns the file of the namespace of a VPC's router.
func (f *Fabric) RouterNetNS(vpcID string) string {
	return f.home.NetNS(vpcID)
}

// Apply converges the VPC to the picture, making what is missing and removing what is not in it. It may be called
// again at any time; interfaces whose namespace does not exist are left out.
func (f *Fabric) Apply(ctx context.Context, n Network) error {
	st := f.state(n.ID)
	st.mu.Lock()
	defer st.mu.Unlock()
	if err := f.apply(ctx, n, st); err != nil {
		return fmt.Errorf("applying network of %s: %w", n.ID, err)
	}
	return nil
}

func (f *Fabric) apply(ctx context.Context, n Network, st *vpcState) error {
	router := f.RouterNetNS(n.ID)
	if !NetNSExists(router) {
		st.rules = ""
	}
	if err := CreateNetNS(router); err != nil {
		return err
	}
	up, err := f.ensureUplink(n.ID, router)
	if err != nil {
		return fmt.Errorf("connecting the router to the host: %w", err)
	}
	plan := planRouter(n, present(n.Interfaces), up.host)
	// Rules come first: no packet may pass a new device before its groups are in force.
	if rules := renderRules(n, plan.Devices, up.host); rules != st.rules {
		if err := loadRules(ctx, router, rules); err != nil {
			return err
		}
		st.rules = rules
	}
	if err := applyRouter(router, n, plan); err != nil {
		return err
	}
	st.cidrs = n.CIDRs
	return f.applyHost(ctx, n, up, st)
}

// present keeps the interfaces that can have a device now.
func present(all []Interface) []Interface {
	var out []Interface
	for _, i := range all {
		if i.NetNS != "" && NetNSExists(i.NetNS) {
			out = append(out, i)
		}
	}
	return out
}

// Remove takes the VPC off the host: its router, every device that led to it, its routes, and what the home's VPCs share
// when it was the last. Removing an unknown VPC does nothing.
func (f *Fabric) Remove(ctx context.Context, vpcID string) error {
	st := f.state(vpcID)
	st.mu.Lock()
	err := errors.Join(f.removeHost(ctx, vpcID), DeleteNetNS(f.RouterNetNS(vpcID)))
	st.mu.Unlock()
	if err != nil {
		return fmt.Errorf("removing network of %s: %w", vpcID, err)
	}
	f.mu.Lock()
	delete(f.vpcs, vpcID)
	f.mu.Unlock()
	return f.reroute()
}

// HostRoutes says, for each CIDR of the VPC, whether the host reaches it, and why not.
func (f *Fabric) HostRoutes(vpcID string) []HostRoute {
	st := f.state(vpcID)
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.hostRoutes
}

func (f *Fabric) state(vpcID string) *vpcState {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.vpcs[vpcID] == nil {
		f.vpcs[vpcID] = &vpcState{}
	}
	return f.vpcs[vpcID]
}
