package simulate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"

	"github.com/automode-dev/automode/api/node/v1alpha1"
	"github.com/automode-dev/automode/internal/home"
	"github.com/automode-dev/automode/localcloud/machine"
)

// Options of the process `automode simulate`.
type Options struct {
	Home home.Dir
	// Kubeconfig returns the configuration of a user of a cluster who may watch nodes, pods and CNINodes and impersonate
	// nodes. By default the local cloud is asked for one on its socket.
	Kubeconfig func(ctx context.Context, cluster string) ([]byte, error)
	Log        *slog.Logger
}

// Run plays the simulated machines of a home until ctx ends. The next process goes on where it ended.
func Run(ctx context.Context, o Options) error {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Kubeconfig == nil {
		o.Kubeconfig = askFor(o.Home)
	}
	s := &simulator{ctx: ctx, opts: o, clusters: map[string]*cluster{}, byMachine: map[string]*cluster{}}
	return followDirectory(ctx, machine.SimulatedDir(o.Home), o.Log, s.update)
}

// simulator sorts machines by the clusters that they join.
type simulator struct {
	ctx       context.Context
	opts      Options
	clusters  map[string]*cluster
	byMachine map[string]*cluster
}

// update takes up a new or changed machine; a nil record says that it is gone.
func (s *simulator) update(id, path string, r *machine.SimulatedRecord) {
	if r == nil || r.Off {
		s.drop(id, nil)
		return
	}
	if r.Remove {
		s.drop(id, func() { removeFile(path, s.opts.Log) })
		return
	}
	if s.byMachine[id] != nil {
		return // nothing else of a machine changes
	}
	config, err := v1alpha1.ParseUserData(r.Spec.UserData)
	if errors.Is(err, v1alpha1.ErrNoNodeConfig) {
		return // an instance that is no node: there is nothing to show of it
	}
	if err != nil {
		s.opts.Log.Error("machine has unusable user data", "machine", id, "error", err)
		return
	}
	name := config.Spec.Cluster.Name
	c := s.clusters[name]
	if c == nil {
		c = newCluster(name, s.opts)
		s.clusters[name] = c
		go c.run(s.ctx)
	}
	s.byMachine[id] = c
	c.add(newMember(*r, config))
}

// drop shuts a machine down; then says when its last call is done. A cluster without machines ends.
func (s *simulator) drop(id string, then func()) {
	c := s.byMachine[id]
	if c == nil {
		if then != nil {
			then()
		}
		return
	}
	delete(s.byMachine, id)
	if left := c.shutDown(id, then); left == 0 {
		delete(s.clusters, c.name)
	}
}

// askFor asks the local cloud for a cluster's kubeconfig.
func askFor(h home.Dir) func(context.Context, string) ([]byte, error) {
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", h.Socket())
	}}}
	return func(ctx context.Context, name string) ([]byte, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://cloud/_automode/clusters/"+url.PathEscape(name)+"/simulator/kubeconfig", nil)
		if err != nil {
			return nil, err
		}
		resp, err := client.Do(req)
		if err != nil {
			return nil, fmt.Errorf("asking for the kubeconfig of cluster %s: %w", name, err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", resp.Status, body)
		}
		if err != nil {
			return nil, fmt.Errorf("asking for the kubeconfig of cluster %s: %w", name, err)
		}
		return body, nil
	}
}
