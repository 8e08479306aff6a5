package controlplane

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/automode-dev/automode/internal/supervise"
)

// stopGrace is how long the API server may take to finish what it is at.
const stopGrace = 10 * time.Second

// Manager runs the control planes of one machine, each in a directory of its
// own. Its processes outlive it: the next manager on the same directories takes
// them over as they are.
type Manager struct {
	root string

	mu       sync.Mutex
	clusters map[string]*cluster
}

// cluster is the control plane of one cluster.
type cluster struct {
	dir directory
	op  sync.Mutex // held while the cluster is started or removed

	mu   sync.Mutex // guards what follows, so that it is read without waiting for op
	sup  *supervise.Supervisor
	plan *plan
}

// plan is all that the processes of a cluster are started with. It is made anew
// by every Ensure and never changes.
type plan struct {
	spec  Spec
	dir   directory
	ports ports
	certs *certificates
}

// NewManager returns a manager of the clusters in directories below root.
func NewManager(root string) *Manager {
	return &Manager{root: root, clusters: map[string]*cluster{}}
}

// Ensure starts the control plane, takes over one that runs, or changes it to a
// new spec, and returns when all of it is ready. It renews certificates that
// have less than a third of their lifetime left, so that calling it once a month
// keeps a cluster going. progress is told the name of each step as it begins.
// When ctx ends first, the processes are left starting.
func (m *Manager) Ensure(ctx context.Context, spec Spec, progress func(step string)) (Info, error) {
	if err := spec.Validate(); err != nil {
		return Info{}, err
	}
	c := m.cluster(spec.Name)
	c.op.Lock()
	defer c.op.Unlock()
	p, err := c.ensure(ctx, spec, progress)
	if err != nil {
		return Info{}, fmt.Errorf("starting control plane %q: %w", spec.Name, err)
	}
	return p.info()
}

// cluster returns the named cluster, which it adds if need be.
func (m *Manager) cluster(name string) *cluster {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.clusters[name]
	if c == nil {
		c = &cluster{dir: directory(filepath.Join(m.root, name))}
		m.clusters[name] = c
	}
	return c
}

// find returns the plan and the supervisor of the named cluster if Ensure has
// got as far as having both.
func (m *Manager) find(name string) (*plan, *supervise.Supervisor) {
	m.mu.Lock()
	c := m.clusters[name]
	m.mu.Unlock()
	if c == nil {
		return nil, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sup == nil || c.plan == nil {
		return nil, nil
	}
	return c.plan, c.sup
}

// ensure starts the components in the order in which they need each other.
func (c *cluster) ensure(ctx context.Context, spec Spec, progress func(string)) (*plan, error) {
	progress("certificates")
	sup, err := c.supervise()
	if err != nil {
		return nil, err
	}
	p, err := c.prepare(spec, sup)
	if err != nil {
		return nil, err
	}
	progress("etcd and API server")
	if sup.Status(etcd).State == supervise.Running && !sup.Runs(p.etcdUnit()) {
		// etcd takes long to end while an API server holds on to it.
		if err := sup.Stop(ctx, apiServer, stopGrace); err != nil {
			return nil, err
		}
	}
	first := []supervise.Unit{p.etcdUnit(), p.apiServerUnit()}
	if spec.NetNS != "" {
		first = append(first, p.forwardUnit())
	}
	if err := start(sup, first...); err != nil {
		return nil, err
	}
	if err := p.wait(ctx, sup, etcd, apiServer); err != nil {
		return nil, err
	}
	progress("controller manager and scheduler")
	if err := start(sup, p.controllerManagerUnit(), p.schedulerUnit()); err != nil {
		return nil, err
	}
	if err := p.ensureRules(ctx); err != nil {
		return nil, err
	}
	return p, p.wait(ctx, sup, controllerManager, scheduler)
}

// supervise opens the supervisor, which takes over running processes.
func (c *cluster) supervise() (*supervise.Supervisor, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sup == nil {
		sup, err := supervise.Adopt(c.dir.units())
		if err != nil {
			return nil, err
		}
		c.sup = sup
	}
	return c.sup, nil
}

// prepare writes every file that the processes read.
func (c *cluster) prepare(spec Spec, sup *supervise.Supervisor) (*plan, error) {
	for _, dir := range []string{c.dir.pki(), c.dir.data(), c.dir.path("logs"), c.dir.path("run")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("making cluster directory: %w", err)
		}
	}
	running := func(component string) bool { return sup.Status(component).State == supervise.Running }
	p := &plan{spec: spec, dir: c.dir}
	var err error
	if p.certs, err = ensureCertificates(spec, c.dir); err != nil {
		return nil, err
	}
	if p.ports, err = choosePorts(spec, c.dir, running); err != nil {
		return nil, err
	}
	if err := p.writeConfigs(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.plan = p
	return p, nil
}

func start(sup *supervise.Supervisor, units ...supervise.Unit) error {
	for _, unit := range units {
		if err := sup.Ensure(unit); err != nil {
			return fmt.Errorf("starting %s: %w", unit.Name, err)
		}
	}
	return nil
}

func (p *plan) info() (Info, error) {
	bundle, err := p.certs.cluster.Bundle()
	if err != nil {
		return Info{}, fmt.Errorf("reading certificate authority: %w", err)
	}
	// The certificate itself, not its file: client-go would watch a file for good, and complain once the cluster is gone.
	cert, err := os.ReadFile(p.certs.admin.Cert)
	if err != nil {
		return Info{}, fmt.Errorf("reading administrator's certificate: %w", err)
	}
	key, err := os.ReadFile(p.certs.admin.Key)
	if err != nil {
		return Info{}, fmt.Errorf("reading administrator's key: %w", err)
	}
	return Info{
		Endpoint:             p.spec.endpoint(),
		CertificateAuthority: bundle,
		Admin:                &rest.Config{Host: p.spec.endpoint(), TLSClientConfig: rest.TLSClientConfig{CAData: bundle, CertData: cert, KeyData: key}},
	}, nil
}

// Remove stops the control plane and deletes its directory. It works whether or
// not Ensure was called, and a name that is not there is not an error. The
// network namespace is the caller's to delete.
func (m *Manager) Remove(ctx context.Context, name string) error {
	c := m.cluster(name)
	c.op.Lock()
	defer c.op.Unlock()
	if _, err := os.Stat(string(c.dir)); err == nil {
		if err := c.remove(ctx); err != nil {
			return fmt.Errorf("removing control plane %q: %w", name, err)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.clusters[name] == c {
		delete(m.clusters, name)
	}
	return nil
}

// remove stops the processes and deletes their files. Nothing needs to be saved,
// so nobody gets time.
func (c *cluster) remove(ctx context.Context) error {
	c.mu.Lock()
	sup := c.sup
	c.sup, c.plan = nil, nil
	c.mu.Unlock()
	if sup != nil {
		sup.Close()
	}
	if err := supervise.Clear(ctx, c.dir.units(), 0); err != nil {
		return err
	}
	if err := os.RemoveAll(string(c.dir)); err != nil {
		return fmt.Errorf("deleting cluster directory: %w", err)
	}
	return nil
}

// Close stops watching. All processes run on.
func (m *Manager) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.clusters {
		c.mu.Lock()
		if c.sup != nil {
			c.sup.Close()
		}
		c.mu.Unlock()
	}
}
