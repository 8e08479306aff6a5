package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/utils/clock"

	"github.com/automode-dev/automode/internal/supervise"
	"github.com/automode-dev/automode/network/agent"
	"github.com/automode-dev/automode/network/cni"
	"github.com/automode-dev/automode/network/datapath"
)

// introspectionAddress is where the VPC CNI's users look for a node's addresses.
const introspectionAddress = "127.0.0.1:61679"

// Run turns the machine into a node of its cluster and keeps it one until the context ends. The processes that it started
// outlive it, so that the agent may be replaced without a pod noticing; a later Run takes them over.
func Run(ctx context.Context, options Options) error {
	o := options.withDefaults()
	facts, err := ReadFacts(ctx, o)
	if err != nil {
		return err
	}
	applyEnvironment(facts)
	o.Log.Info("starting node", "instance", facts.InstanceID, "type", facts.InstanceType, "zone", facts.Zone,
		"cluster", facts.Config.Spec.Cluster.Name, "address", facts.Network.NodeAddress)

	n := &running{Options: o, facts: facts, failed: make(chan error, 8)}
	for _, step := range []func(context.Context) error{n.prepare, n.writeConfigs, n.startNetwork, n.startUnits} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	defer n.supervisor.Close()
	n.inBackground(ctx, "watching the node's network", n.watchNetwork)
	o.Log.Info("node is running")
	select {
	case <-ctx.Done():
		return nil
	case err := <-n.failed:
		return err
	}
}

// running is a node at work.
type running struct {
	Options
	facts      Facts
	supervisor *supervise.Supervisor
	agent      *agent.Agent
	failed     chan error
}

// inBackground runs a part of the node until it fails, which ends the node's process: its machine starts it again.
func (n *running) inBackground(ctx context.Context, what string, part func(context.Context) error) {
	go func() {
		if err := part(ctx); err != nil && ctx.Err() == nil {
			n.failed <- fmt.Errorf("%s: %w", what, err)
		}
	}()
}

// applyEnvironment takes the variables that the node configuration has for all services.
func applyEnvironment(f Facts) {
	for name, value := range f.Config.Spec.Instance.Environment["default"] {
		os.Setenv(name, value)
	}
}

// prepare makes the directories and lets mounts below them reach containers.
func (n *running) prepare(context.Context) error {
	for _, dir := range []string{etc, cniConf, cniCache, kubeletRoot, containerd, filepath.Join(logs, "pods"), filepath.Dir(checkpoint)} {
		if err := os.MkdirAll(n.path(dir), 0o755); err != nil {
			return fmt.Errorf("making a directory of the node: %w", err)
		}
	}
	if n.Cgroup == "" {
		return nil // the distribution's own init has done the rest
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("sharing the machine's mounts with its containers: %w", err)
	}
	return nil
}

func (n *running) writeConfigs(context.Context) error {
	restrictOOM := !mayLowerOOMScore()
	kubelet, err := kubeletConfig(n.Options, n.facts, restrictOOM)
	if err != nil {
		return err
	}
	proxy, err := proxyConfig(n.Options, n.facts, restrictOOM)
	if err != nil {
		return err
	}
	asNode, err := kubeconfig(n.Options, n.facts, "")
	if err != nil {
		return err
	}
	asProxy, err := kubeconfig(n.Options, n.facts, proxyUser)
	if err != nil {
		return err
	}
	files := map[string][]byte{
		"ca.crt":                n.facts.Config.Spec.Cluster.CertificateAuthority,
		"containerd.toml":       []byte(containerdConfig(n.Options, n.facts, restrictOOM)),
		"kubelet.yaml":          kubelet,
		"kubelet.kubeconfig":    asNode,
		"kube-proxy.yaml":       proxy,
		"kube-proxy.kubeconfig": asProxy,
	}
	if extra := n.facts.Config.Spec.Containerd.Config; extra != "" {
		files[extraContainerdConfig] = []byte(extra)
	}
	if n.Mirror != "" {
		files["containerd/certs.d/_default/hosts.toml"] = []byte(mirrorConfig(n.Mirror))
	}
	for name, data := range files {
		if err := writeFile(n.path(etc, name), data); err != nil {
			return err
		}
	}
	return nil
}

// writeFile leaves a file alone that says the same already: kube-proxy ends when its file is touched.
func writeFile(path string, data []byte) error {
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, data) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("writing configuration: %w", err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("writing configuration: %w", err)
	}
	return nil
}

// startNetwork brings the address manager up and only then shows the CNI plugin to the runtime.
func (n *running) startNetwork(ctx context.Context) error {
	uplink, err := datapath.FindUplink(n.facts.MAC)
	if err != nil {
		return fmt.Errorf("finding the node's primary interface: %w", err)
	}
	if err := datapath.EnableForwarding(uplink.Name); err != nil {
		return err
	}
	socket := n.path(agent.Socket)
	n.agent, err = agent.New(agent.Options{
		Socket: socket, Checkpoint: n.path(checkpoint), CNICache: n.path(cniCache), Uplink: uplink,
		Kernel: agent.Node{}, Clock: clock.RealClock{}, Log: n.Log,
	})
	if err != nil {
		return err
	}
	if err := n.agent.SetPicture(ctx, n.facts.Network); err != nil {
		return err
	}
	n.inBackground(ctx, "serving the CNI plugin", n.agent.Serve)
	n.inBackground(ctx, "reconciling addresses", func(ctx context.Context) error { n.agent.Run(ctx); return nil })
	go func() {
		if err := n.agent.ServeIntrospection(ctx, introspectionAddress); err != nil {
			n.Log.Warn("addresses can not be looked at over HTTP", "error", err) // no reason to give up a node
		}
	}()
	return writeFile(n.path(cniConf, "10-automode.conflist"), cni.ConfigList(socket))
}

// startUnits starts the runtime and Kubernetes' own processes.
func (n *running) startUnits(ctx context.Context) error {
	// The processes of all machines of a host see each other: what is supervised is told apart by the instance.
	supervisor, err := supervise.New(n.path(units, n.facts.InstanceID))
	if err != nil {
		return fmt.Errorf("starting the node's supervisor: %w", err)
	}
	n.supervisor = supervisor
	if err := n.start("containerd", "containerd.toml", "--config", n.path(etc, "containerd.toml")); err != nil {
		return err
	}
	if err := n.waitForRuntime(ctx); err != nil {
		return err
	}
	if err := n.start("kubelet", "kubelet.yaml", kubeletArgs(n.Options, n.facts)...); err != nil {
		return err
	}
	return n.start("kube-proxy", "kube-proxy.yaml", "--config="+n.path(etc, "kube-proxy.yaml"))
}

// start has a program run with the given configuration; another one restarts it.
func (n *running) start(name, config string, args ...string) error {
	data, err := os.ReadFile(n.path(etc, config))
	if err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	if name == "containerd" {
		data = append(data, n.facts.Config.Spec.Containerd.Config...)
	}
	unit := supervise.Unit{
		Name: name, Path: n.binary(name), Args: args, Dir: "/", Log: n.path(logs, name+".log"),
		Env: []string{"PATH=" + n.Binaries + ":/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", fmt.Sprintf("AUTOMODE_CONFIG=%x", sha256.Sum256(data))},
	}
	environment := map[string]string{HardwareVariable: os.Getenv(HardwareVariable), EndpointVariable: os.Getenv(EndpointVariable)}
	configured := n.facts.Config.Spec.Instance.Environment
	maps.Copy(environment, configured["default"])
	maps.Copy(environment, configured[name])
	for _, variable := range slices.Sorted(maps.Keys(environment)) {
		if value := environment[variable]; value != "" {
			unit.Env = append(unit.Env, variable+"="+value)
		}
	}
	if err := n.supervisor.Ensure(unit); err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	return nil
}

// waitForRuntime spares the kubelet a round of failing: it exits when it finds no runtime.
func (n *running) waitForRuntime(ctx context.Context) error {
	for {
		if _, err := os.Stat(n.path(containerdSocket)); err == nil {
			return nil
		} else if !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("waiting for containerd: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for containerd's socket %s: %w", n.path(containerdSocket), ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
