package eks

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/eks/objects"
	"github.com/automode-dev/automode/localcloud/store"
)

// Options are what the service is made of.
type Options struct {
	DB *store.DB
	// Clock is the real one when nil.
	Clock clock.WithTicker
	Log   *slog.Logger
	// Region is the default region, whose clusters' control planes carry the
	// plain cluster name.
	Region string

	ControlPlane ControlPlane
	Controllers  Controllers
	Network      Network
	Roles        Roles
	Tokens       TokenVerifier

	// Versions are the Kubernetes versions that can be run, newest first; the
	// first is the default.
	Versions []Version
	// Manifests are YAML documents applied to every Auto Mode cluster beside
	// the service's own: the controllers' CRDs and their cluster role.
	Manifests [][]byte
	// FirstPort is the first loopback port tried for an API server (6443 when
	// zero).
	FirstPort int
	// Timeout bounds creations and updates (15 minutes when zero), Resync is
	// how often a healthy cluster is looked at again (10 minutes when zero).
	Timeout, Resync time.Duration
}

// Service is the EKS service.
type Service struct {
	o   Options
	db  *store.DB
	log *slog.Logger

	mu       sync.Mutex
	ctx      context.Context // of Run; nil before it
	running  sync.WaitGroup
	loops    map[string]*loop
	reserved map[int]bool // ports handed out but not yet recorded

	configMaps configMaps
	// connect opens a cluster for writing.
	connect func(*rest.Config) (kubernetesAPI, error)
}

// kubernetesAPI is a cluster as this service writes to it.
type kubernetesAPI interface {
	// Apply makes the objects so, whoever wrote them last.
	Apply(ctx context.Context, all []*unstructured.Unstructured) error
	// Values returns what there is of a subject.
	Values(ctx context.Context, s objects.Subject) ([]string, error)
	// Watch tells of new values until the watch ends.
	Watch(ctx context.Context, s objects.Subject, seen map[string]bool, changed func()) error
	// Sync makes the bindings of access entries exactly those.
	Sync(ctx context.Context, want []objects.Binding) error
	// RemoveAutoMode deletes the objects that stand for instances.
	RemoveAutoMode(ctx context.Context) error
}

// New returns the service on its recorded state. Nothing moves before Run.
func New(o Options) *Service {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	o.FirstPort = cmp.Or(o.FirstPort, 6443)
	o.Timeout = cmp.Or(o.Timeout, 15*time.Minute)
	o.Resync = cmp.Or(o.Resync, 10*time.Minute)
	return &Service{
		o: o, db: o.DB, log: o.Log.With("service", "eks"), loops: map[string]*loop{}, reserved: map[int]bool{},
		configMaps: configMaps{read: map[string]configMap{}},
		connect:    func(c *rest.Config) (kubernetesAPI, error) { return objects.NewClient(c) },
	}
}

// Internal returns the handlers for paths that only the owner of the cloud may
// use.
func (s *Service) Internal() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /_automode/clusters":        http.HandlerFunc(s.serveClusters),
		"GET /_automode/clusters/{name}": http.HandlerFunc(s.serveProgress),
	}
}

// Public returns the handlers for paths that need no proof of who calls.
func (s *Service) Public() map[string]http.Handler {
	return map[string]http.Handler{
		"POST /_automode/clusters/{name}/authenticate": http.HandlerFunc(s.serveAuthenticate),
	}
}

// Run carries every recorded cluster forward until ctx ends, and then waits
// for the loops to stop. Clusters themselves go on running.
func (s *Service) Run(ctx context.Context) error {
	var all []record
	err := s.db.View(func(tx *store.Tx) (err error) {
		all, err = store.List[record](tx, bucketClusters)
		return err
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.ctx = ctx
	s.mu.Unlock()
	for _, r := range all {
		s.wake(r.Region, r.name())
	}
	<-ctx.Done()
	s.mu.Lock() // no new loop starts on a context that has ended
	s.mu.Unlock()
	s.running.Wait()
	return nil
}

// wake makes the cluster's loop run now, starting it where there is none.
func (s *Service) wake(region, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil || s.ctx.Err() != nil {
		return
	}
	key := recordKey(region, name)
	l := s.loops[key]
	if l == nil {
		l = newLoop(s, region, name)
		s.loops[key] = l
		s.running.Go(func() { l.run(s.ctx) })
	}
	l.nudge()
}

// admin is a client configuration with full rights on the cluster, or nil
// before its control plane was ready for the first time in this process.
func (s *Service) admin(r *record) *rest.Config {
	s.mu.Lock()
	l := s.loops[r.key()]
	s.mu.Unlock()
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.admin
}

// authorize checks the caller of ctx for an action on a resource.
func authorize(ctx context.Context, action, resource string, keys map[string][]string) error {
	return access.Authorize(ctx, access.Request{Action: "eks:" + action, Resource: resource, Context: keys})
}
