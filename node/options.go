package node

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// Metadata is the instance metadata service.
type Metadata interface {
	// Get returns the text at a path below meta-data/, empty when there is none.
	Get(ctx context.Context, path string) (string, error)
	// UserData returns the instance's user data, empty when there is none.
	UserData(ctx context.Context) (string, error)
}

// TokenSource signs tokens with which the node authenticates at its cluster.
type TokenSource func(ctx context.Context, region, cluster string) (token string, expires time.Time, err error)

// Environment variables that a machine of the local cloud sets for its node.
const (
	// CgroupVariable is the machine's control group, as a path from the root of every controller.
	CgroupVariable = "AUTOMODE_CGROUP"
	// HardwareVariable names the file with the capacity that the kubelet reports.
	HardwareVariable = "AUTOMODE_HARDWARE"
	// EndpointVariable is the local cloud's URL, as every AWS SDK reads it.
	EndpointVariable = "AWS_ENDPOINT_URL"
)

// Options of a node. The zero value of a field means its default.
type Options struct {
	Metadata Metadata
	Token    TokenSource
	Log      *slog.Logger

	// Binaries holds automode, containerd, kubelet, kube-proxy and what they call.
	Binaries string // default /opt/automode/bin
	// Root is put before every other path, for trying things outside of a machine.
	Root string // default /

	// Cgroup is the machine's control group; empty where the node has the machine for itself and systemd manages groups.
	Cgroup string // default $AUTOMODE_CGROUP
	// Mirror is a registry that is asked for every image before the image's own registry.
	Mirror string // default $AWS_ENDPOINT_URL
}

// paths of a node. Configuration lies on a file system that does not outlive the machine, data on the data volume.
const (
	etc         = "run/automode/etc"
	factsFile   = "run/automode/facts.json"
	units       = "run/automode/units"
	checkpoint  = "run/aws-node/ipam.json"
	cniConf     = "run/automode/cni"
	cniCache    = "var/lib/cni"
	kubeletRoot = "var/lib/kubelet"
	containerd  = "var/lib/containerd"
	logs        = "var/log"
)

func (o Options) withDefaults() Options {
	fill := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	fill(&o.Binaries, "/opt/automode/bin")
	fill(&o.Root, "/")
	fill(&o.Cgroup, os.Getenv(CgroupVariable))
	fill(&o.Mirror, os.Getenv(EndpointVariable))
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

func (o Options) path(elem ...string) string {
	return filepath.Join(append([]string{o.Root}, elem...)...)
}

func (o Options) binary(name string) string { return filepath.Join(o.Binaries, name) }
