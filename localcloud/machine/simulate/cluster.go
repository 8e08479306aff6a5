package simulate

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"

	"github.com/automode-dev/automode/api/node/v1alpha1"
	"github.com/automode-dev/automode/localcloud/machine"
)

// Calls to one API server that are under way at a time; kubelets would have one or two each. Nodes have a queue and
// workers of their own: a lease that waits behind a thousand pods makes a node unready, and with it every pod on it has
// to be told.
const (
	nodeWorkers = 100
	podWorkers  = 100
)

// cluster plays all simulated machines of one cluster. What is to be done is found from the state under its lock by the
// steps that workers take.
type cluster struct {
	name string
	opts Options
	log  *slog.Logger
	stop chan struct{}

	client  kubernetes.Interface
	version string // of the API server, which the kubelets have too
	nodes   queue  // of node names
	todo    queue  // of keys of pods

	mu      sync.Mutex
	ended   bool               // no machine is left, and none will come
	members map[string]*member // by node name
	pods    map[string]*pod    // by namespace/name
}

type queue = workqueue.TypedRateLimitingInterface[string]

func newQueue() queue {
	return workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](100*time.Millisecond, 30*time.Second))
}

// member is one machine of the cluster.
type member struct {
	record machine.SimulatedRecord
	config v1alpha1.NodeConfig
	host   netip.Addr

	uid       types.UID // of its Node; empty until registered
	lease     *coordinationv1.Lease
	lost      bool // its Node was deleted: a kubelet that runs does not register again
	unready   bool // its Node is said not to be ready, which only its kubelet can change
	addresses addresses
	pods      map[string]*pod

	stopping bool
	then     func() // called once it was shut down
}

func newMember(r machine.SimulatedRecord, config v1alpha1.NodeConfig) *member {
	m := &member{record: r, config: config, host: primaryAddress(r.Spec), pods: map[string]*pod{}}
	var prefixes []netip.Prefix
	for _, i := range r.Spec.Interfaces {
		prefixes = append(prefixes, i.Delegated...)
	}
	m.addresses.provide(prefixes)
	return m
}

func newCluster(name string, o Options) *cluster {
	return &cluster{
		name: name, opts: o, log: o.Log.With("cluster", name), stop: make(chan struct{}),
		members: map[string]*member{}, pods: map[string]*pod{},
		nodes: newQueue(), todo: newQueue(),
	}
}

// add takes up a machine.
func (c *cluster) add(m *member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := m.record.Spec.ID
	c.members[name] = m
	c.nodes.AddAfter(name, time.Until(m.record.BootAt))
}

// shutDown begins the end of a machine and returns how many others there are.
func (c *cluster) shutDown(id string, then func()) (left int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.members[id]; m != nil {
		m.stopping, m.then = true, then
		c.nodes.Add(id)
		for key := range m.pods {
			c.todo.Add(key)
		}
	}
	for _, m := range c.members {
		if !m.stopping {
			left++
		}
	}
	c.ended = left == 0
	return left
}

// run plays the cluster until ctx ends or its last machine is gone.
func (c *cluster) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	config, err := c.connect(ctx)
	if err != nil {
		return // ctx ended, or the last machine went
	}
	context.AfterFunc(ctx, c.nodes.ShutDown)
	context.AfterFunc(ctx, c.todo.ShutDown)
	go c.watchPods(ctx)
	go c.watchNodes(ctx)
	go c.watchCNINodes(ctx, config)
	var wg sync.WaitGroup
	for range nodeWorkers {
		wg.Go(func() { c.work(ctx, c.nodes, "node", c.stepNode) })
	}
	for range podWorkers {
		wg.Go(func() { c.work(ctx, c.todo, "pod", c.stepPod) })
	}
	select {
	case <-ctx.Done():
	case <-c.stop:
		cancel()
	}
	wg.Wait()
}

// connect asks for access to the cluster until the API server answers, or until there is nobody to speak for.
func (c *cluster) connect(ctx context.Context) (*rest.Config, error) {
	for wait := 200 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		config, err := c.tryConnect(ctx)
		if err == nil {
			return config, nil
		}
		if c.abandon() {
			return nil, fmt.Errorf("connecting to cluster %s: no machine is left: %w", c.name, err)
		}
		c.log.Warn("the cluster does not answer yet", "error", err)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// abandon lets the machines go without telling anybody, if they all shut down.
func (c *cluster) abandon() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		return false
	}
	for _, m := range c.members {
		if m.then != nil {
			m.then()
		}
	}
	return true
}

func (c *cluster) tryConnect(ctx context.Context) (*rest.Config, error) {
	data, err := c.opts.Kubeconfig(ctx, c.name)
	if err != nil {
		return nil, err
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(data)
	if err != nil {
		return nil, fmt.Errorf("reading kubeconfig: %w", err)
	}
	config.QPS = -1 // the workers bound what is under way
	config.UserAgent = "automode-simulate"
	config.Wrap(speakForNodes)
	binary := rest.CopyConfig(config)
	binary.ContentType = "application/vnd.kubernetes.protobuf"
	client, err := kubernetes.NewForConfig(binary)
	if err != nil {
		return nil, fmt.Errorf("making client: %w", err)
	}
	version, err := client.Discovery().ServerVersion()
	if err != nil {
		return nil, fmt.Errorf("asking for the version: %w", err)
	}
	c.client, c.version = client, version.GitVersion
	return config, nil
}

// work takes one thing after the other from a queue until that shuts down. A step does what is due for it and says when
// to look again; 0 is when something changes.
func (c *cluster) work(ctx context.Context, queue queue, kind string, step func(context.Context, string) (again time.Duration, err error)) {
	for {
		name, shutdown := queue.Get()
		if shutdown {
			return
		}
		again, err := step(ctx, name)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			c.log.Warn("trying again", kind, name, "error", err)
			queue.AddRateLimited(name)
		default:
			queue.Forget(name)
			if again > 0 {
				queue.AddAfter(name, again)
			}
		}
		queue.Done(name)
	}
}

// renewEvery is the time between renewals of one lease: a kubelet's 10 s for few nodes; longer, but well under the 40 s
// that a node may be silent, for many.
func renewEvery(nodes int) time.Duration {
	const kubelets, few, longest = 10 * time.Second, 200, 22 * time.Second
	every := kubelets * time.Duration(max(nodes, few)) / few
	every = min(every, longest)
	return every - rand.N(every/8) // apart from each other
}
