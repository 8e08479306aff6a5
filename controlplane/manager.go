package controlplane

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/automode-dev/automode/internal/supervise"
)

// stopGrace is how long a process may take to end before it is killed.
const stopGrace = 15 * time.Second

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
	sup *supervise.Supervisor

	mu    sync.Mutex // guards what Ensure sets for the others
	spec  Spec
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
	if err := c.ensure(ctx, spec, progress); err != nil {
		return Info{}, fmt.Errorf("starting control plane %q: %w", spec.Name, err)
	}
	return c.info()
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

// find returns the named cluster if Ensure has got as far as its certificates.
func (m *Manager) find(name string) *cluster {
	m.mu.Lock()
	c := m.clusters[name]
	m.mu.Unlock()
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.certs == nil {
		return nil
	}
	return c
}

func (c *cluster) ensure(ctx context.Context, spec Spec, progress func(string)) error {
	progress("certificates")
	if err := c.prepare(spec); err != nil {
		return err
	}
	if err := c.supervise(); err != nil {
		return err
	}
	progress("etcd and API server")
	first := []supervise.Unit{c.etcdUnit(), c.apiServerUnit()}
	if spec.NetNS != "" {
		first = append(first, c.forwardUnit())
	}
	if err := c.start(first); err != nil {
		return err
	}
	if err := c.wait(ctx, etcd, apiServer); err != nil {
		return err
	}
	progress("controller manager and scheduler")
	if err := c.start([]supervise.Unit{c.controllerManagerUnit(), c.schedulerUnit()}); err != nil {
		return err
	}
	if err := c.ensureRules(ctx); err != nil {
		return err
	}
	return c.wait(ctx, controllerManager, scheduler)
}

// prepare writes every file that the processes read.
func (c *cluster) prepare(spec Spec) error {
	for _, dir := range []string{c.dir.pki(), c.dir.data(), c.dir.path("logs"), c.dir.path("run")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("making cluster directory: %w", err)
		}
	}
	certs, err := ensureCertificates(spec, c.dir)
	if err != nil {
		return err
	}
	ports, err := choosePorts(spec, c.dir)
	if err != nil {
		return err
	}
	if err := writeConfigs(spec, c.dir, ports, certs); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !reflect.DeepEqual(c.spec, spec) || c.certs == nil {
		c.spec, c.ports, c.certs = spec, ports, certs
	}
	return nil
}

// supervise opens the supervisor, which takes over running processes.
func (c *cluster) supervise() error {
	if c.sup != nil {
		return nil
	}
	sup, err := supervise.New(c.dir.units())
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sup = sup
	return nil
}

func (c *cluster) start(units []supervise.Unit) error {
	for _, unit := range units {
		if err := c.sup.Ensure(unit); err != nil {
			return fmt.Errorf("starting %s: %w", unit.Name, err)
		}
	}
	return nil
}

func (c *cluster) info() (Info, error) {
	bundle, err := c.certs.cluster.Bundle()
	if err != nil {
		return Info{}, fmt.Errorf("reading certificate authority: %w", err)
	}
	return Info{
		Endpoint:             c.spec.endpoint(),
		CertificateAuthority: bundle,
		Admin: &rest.Config{
			Host: c.spec.endpoint(),
			TLSClientConfig: rest.TLSClientConfig{
				CAData: bundle, CertFile: c.certs.admin.Cert, KeyFile: c.certs.admin.Key,
			},
		},
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

// remove stops first who uses whom last. Nothing needs to be saved, so nobody
// gets time.
func (c *cluster) remove(ctx context.Context) error {
	if err := c.supervise(); err != nil {
		return err
	}
	for _, name := range []string{forwards, scheduler, controllerManager, apiServer, etcd} {
		if err := c.sup.Stop(ctx, name, 0); err != nil {
			return err
		}
	}
	c.sup.Close()
	c.mu.Lock()
	c.sup, c.certs = nil, nil
	c.mu.Unlock()
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
		c.op.Lock()
		if c.sup != nil {
			c.sup.Close()
		}
		c.op.Unlock()
	}
}
