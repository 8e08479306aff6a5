package ec2

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"k8s.io/utils/clock"

	"github.com/automode-dev/automode/compute/catalog"
	"github.com/automode-dev/automode/localcloud/store"
)

// Options is what the service needs. Store and Account must be given; without Fabric, Machines or Profiles nothing
// becomes real and instance profiles are not looked up.
type Options struct {
	Store    *store.DB
	Account  string
	Clock    clock.WithTicker
	Catalog  *catalog.Catalog
	Fabric   Fabric
	Machines Machines
	Profiles Profiles
	Timing   Timing
	Log      *slog.Logger
	// HostPorts are ports of the host's loopback that every machine reaches on its own.
	HostPorts []int
	// Arch is the one architecture ("amd64") that Machines can run; there is no capacity for others. Empty is all.
	Arch string
	// Namespaces holds the network interfaces of control planes; without it, or without Fabric, they have none.
	Namespaces Namespaces
	// Workers is how many machines are started or removed at once; 16 when zero.
	Workers int
}

// Service is the EC2 service of one local cloud.
type Service struct {
	store    *store.DB
	account  string
	clock    clock.WithTicker
	catalog  *catalog.Catalog
	fabric   Fabric
	machines Machines
	profiles Profiles
	log      *slog.Logger
	ports    []int
	spaces   Namespaces
	arch     string
	workers  int

	commits   *commits
	lifecycle *lifecycle

	timingMu sync.RWMutex
	timing   Timing

	imagesMu sync.Mutex
	images   map[string]map[string]*types.Image // by region, then id

	creating sync.Mutex // one region at a time comes into being
	mu       sync.Mutex
	regions  map[string]*region
}

// New reads the state from the store. Nothing moves before Start.
func New(o Options) (*Service, error) {
	s := &Service{
		store: o.Store, account: o.Account, clock: o.Clock, catalog: o.Catalog, fabric: o.Fabric, machines: o.Machines,
		profiles: o.Profiles, log: o.Log, ports: o.HostPorts, spaces: o.Namespaces, arch: o.Arch, workers: o.Workers, timing: o.Timing,
		regions: map[string]*region{}, images: map[string]map[string]*types.Image{},
	}
	if s.clock == nil {
		s.clock = clock.RealClock{}
	}
	if s.catalog == nil {
		s.catalog = catalog.Default()
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.workers == 0 {
		s.workers = 16
	}
	s.commits = newCommits(s.store, s.reload)
	s.lifecycle = newLifecycle(s)
	if err := s.loadAll(); err != nil {
		s.commits.close()
		return nil, err
	}
	return s, nil
}

// Start resumes whatever was under way and works until the context ends. It returns at once.
func (s *Service) Start(ctx context.Context) { s.lifecycle.start(ctx) }

// Close writes what is pending and stops; machines and networks stay as they are.
func (s *Service) Close() {
	s.lifecycle.stop()
	s.commits.close()
}

// SetTiming changes how long the cloud takes from now on.
func (s *Service) SetTiming(t Timing) {
	s.timingMu.Lock()
	defer s.timingMu.Unlock()
	s.timing = t
}

// Timing returns how long the cloud takes.
func (s *Service) Timing() Timing {
	s.timingMu.RLock()
	defer s.timingMu.RUnlock()
	return s.timing
}

func (s *Service) now() time.Time { return s.clock.Now().UTC().Truncate(time.Millisecond) }

// regionsBucket names the regions that have state.
const regionsBucket = "ec2/regions"

// loadAll reads every region that has state.
func (s *Service) loadAll() error {
	return s.store.View(func(tx *store.Tx) error {
		return store.Each(tx, regionsBucket, "", func(name string, _ bool) error {
			r := newRegion(s, name)
			s.regions[name] = r
			return r.load(tx)
		})
	})
}

// load replaces what is in memory with what is on disk.
func (r *region) load(tx *store.Tx) error {
	for _, l := range r.loaders {
		l.reset()
		err := store.Each(tx, l.bucket, "", func(key string, raw json.RawMessage) error { return l.load(key, raw) })
		if err != nil {
			return fmt.Errorf("reading EC2 state of region %s: %w", r.name, err)
		}
	}
	return nil
}

// reload brings memory back to what is on disk after a write failed (a full disk): nothing that was not acknowledged
// may be seen as done.
func (s *Service) reload() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.regions {
		r.mu.Lock()
		s.commits.discard(errorf("InternalError", "An internal error has occurred"))
		if err := s.store.View(r.load); err != nil {
			s.log.Error("reading EC2 state again after a failed write", "region", r.name, "error", err)
		}
		r.mu.Unlock()
	}
}

// each calls f for every region with state.
func (s *Service) each(f func(*region)) {
	s.mu.Lock()
	regions := make([]*region, 0, len(s.regions))
	for _, r := range s.regions {
		regions = append(regions, r)
	}
	s.mu.Unlock()
	for _, r := range regions {
		f(r)
	}
}
