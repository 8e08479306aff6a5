package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"runtime"
	"time"

	"k8s.io/utils/clock"

	"github.com/automode-dev/automode/controlplane"
	"github.com/automode-dev/automode/images"
	"github.com/automode-dev/automode/internal/home"
	"github.com/automode-dev/automode/internal/supervise"
	"github.com/automode-dev/automode/localcloud"
	"github.com/automode-dev/automode/localcloud/ec2"
	"github.com/automode-dev/automode/localcloud/eks"
	"github.com/automode-dev/automode/localcloud/machine"
	"github.com/automode-dev/automode/localcloud/registry"
	"github.com/automode-dev/automode/localcloud/vpc"
	"github.com/automode-dev/automode/operator"
)

// Options are what a local cloud is started with.
type Options struct {
	Home      home.Dir
	Region    string // of calls that name none
	Port      int    // on 127.0.0.1
	Real      bool   // real machines and networks; simulated machines and none otherwise
	BootDelay time.Duration
	Automode  string // path of this binary
	Libexec   string // directory with kubernetes-<minor> directories
	Log       *slog.Logger
}

func (o Options) endpoint() string { return fmt.Sprintf("http://127.0.0.1:%d", o.Port) }

// Run serves the local cloud until the context ends. Clusters and machines go on running then; the next Run takes them over.
func Run(ctx context.Context, o Options) error {
	c := &cloud{Options: o, started: time.Now()}
	defer c.close()
	for _, step := range []func(context.Context) error{c.openServer, c.mountCore, c.mountCompute, c.mountClusters, c.mountRest} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	c.ec2.Start(ctx)
	ended := make(chan error, 1)
	go func() { ended <- c.eks.Run(ctx) }()
	err := c.server.Run(ctx)
	cancel()
	return errors.Join(err, <-ended)
}

// cloud holds the services of one local cloud while they are wired.
type cloud struct {
	Options
	started time.Time
	server  *localcloud.Server
	core    *localcloud.Core
	ec2     *ec2.Service
	eks     *eks.Service
	planes  controlPlanes
	control controllers
	closers []func()
}

func (c *cloud) close() {
	for _, f := range c.closers {
		f()
	}
}

func (c *cloud) openServer(context.Context) (err error) {
	c.server, err = localcloud.New(localcloud.Options{Home: string(c.Home), Address: fmt.Sprintf("127.0.0.1:%d", c.Port), Region: c.Region, Log: c.Log})
	return err
}

func (c *cloud) account() string { return c.server.Options().Account }

func (c *cloud) mountCore(context.Context) (err error) {
	c.core, err = c.server.MountCore()
	return err
}

func (c *cloud) mountCompute(context.Context) error {
	o := ec2.Options{Store: c.server.DB(), Account: c.account(), Clock: clock.RealClock{}, Profiles: newProfiles(c.core.IAM, c.core.STS),
		HostPorts: []int{c.Port}, Log: c.Log}
	if c.Real {
		machines, err := machine.NewReal(machine.RealOptions{Home: c.Home, Automode: c.Automode, Libexec: c.Libexec, Endpoint: c.endpoint(), Log: c.Log})
		if err != nil {
			return err
		}
		c.closers = append(c.closers, machines.Close)
		o.Machines, o.Fabric, o.Namespaces, o.Arch = machines, vpc.NewFabric(c.Home, c.Log), ec2.HomeNamespaces(c.Home.NetNS), runtime.GOARCH
	} else {
		machines, err := machine.NewSimulated(machine.SimulatedOptions{Home: c.Home, Automode: c.Automode})
		if err != nil {
			return err
		}
		c.closers = append(c.closers, machines.Close)
		o.Machines = machines
	}
	service, err := ec2.New(o)
	if err != nil {
		return err
	}
	c.ec2 = service
	c.closers = append(c.closers, service.Close)
	c.server.Mount(service.Wire())
	for pattern, handler := range service.Internal() {
		c.server.HandleInternal(pattern, handler)
	}
	return localcloud.Knob(c.server.Control(), "ec2.timing", "how long instances, volumes and gateways take, at least", ec2.Timing{Boot: c.BootDelay}, func(t ec2.Timing) error {
		service.SetTiming(t)
		return nil
	})
}

func (c *cloud) mountClusters(ctx context.Context) error {
	found, err := versions(ctx, c.Libexec)
	if err != nil {
		return err
	}
	manifests, err := operator.Manifests()
	if err != nil {
		return err
	}
	sup, err := supervise.New(c.Home.Units("controllers"))
	if err != nil {
		return err
	}
	c.closers = append(c.closers, sup.Close)
	c.planes = controlPlanes{manager: controlplane.NewManager(c.Home.Clusters()), endpoint: c.endpoint(), libexec: c.Libexec, automode: c.Automode}
	c.control = controllers{dir: c.Home, planes: c.planes, sup: sup, endpoint: c.endpoint(), automode: c.Automode, core: c.core}
	c.eks = eks.New(eks.Options{
		DB: c.server.DB(), Log: c.Log, Region: c.Region, ControlPlane: c.planes, Controllers: c.control, Network: network{c.ec2},
		Roles: roles{iam: c.core.IAM, account: c.account()}, Tokens: tokens{c.core.STS}, Versions: found, Manifests: manifests,
	})
	c.server.Mount(c.eks.Wire())
	for pattern, handler := range c.eks.Internal() {
		c.server.HandleInternal(pattern, handler)
	}
	for pattern, handler := range c.eks.Public() {
		c.server.HandlePublic(pattern, handler)
	}
	c.server.HandleInternal("GET /_automode/clusters/{name}/kubeconfig", http.HandlerFunc(c.planes.serveKubeconfig))
	if !c.Real {
		c.server.HandleInternal("GET /_automode/clusters/{name}/simulator/kubeconfig", http.HandlerFunc(c.planes.serveSimulatorKubeconfig))
	}
	return nil
}

// mountRest adds what is neither identity, compute nor clusters: parameters, prices, images, health.
func (c *cloud) mountRest(ctx context.Context) error {
	local, err := registry.Open(c.Home.Registry())
	if err != nil {
		return err
	}
	if err := images.Seed(ctx, local, filepath.Join(c.Libexec, "pause")); err != nil {
		return err
	}
	c.server.HandlePublic("/v2/", local)
	c.server.HandleInternal("GET "+StatusPath, http.HandlerFunc(c.serveStatus))
	return nil
}
