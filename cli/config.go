package cli

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"
)

// configVersion and configKind identify the file that `automode up --config` reads.
const (
	configVersion = "automode.dev/v1alpha1"
	configKind    = "Config"
)

// Machine kinds of a local cloud.
const (
	machinesAuto      = "auto"      // real where the host allows it, else simulated
	machinesReal      = "real"      // namespaces with a real containerd and kubelet
	machinesSimulated = "simulated" // no containers
)

// Config is what `automode up` brings up. Every field is also a flag.
type Config struct {
	APIVersion        string   `json:"apiVersion"`
	Kind              string   `json:"kind"`
	Name              string   `json:"name,omitempty"`              // of the cluster; default "automode"
	Region            string   `json:"region,omitempty"`            // default "us-east-1"
	Port              int      `json:"port,omitempty"`              // of the local cloud on 127.0.0.1; default 4566
	KubernetesVersion string   `json:"kubernetesVersion,omitempty"` // minor; default "1.35"
	Machines          string   `json:"machines,omitempty"`          // auto, real or simulated; default "auto"
	Network           string   `json:"network,omitempty"`           // CIDR of the VPC; default 192.168.0.0/16
	NodePools         []string `json:"nodePools"`                   // default both built-in ones; [] for none
	BootDelay         string   `json:"bootDelay,omitempty"`         // time an instance takes to boot; default 0s
}

func defaultConfig() Config {
	return Config{
		APIVersion: configVersion, Kind: configKind, Name: "automode", Region: "us-east-1", Port: 4566, KubernetesVersion: "1.35",
		Machines: machinesAuto, Network: "192.168.0.0/16", NodePools: []string{"general-purpose", "system"}, BootDelay: "0s",
	}
}

// over is the configuration with the defaults for what it leaves open.
func (c Config) over(defaults Config) Config {
	c.APIVersion, c.Kind = configVersion, configKind
	c.Name = cmp.Or(c.Name, defaults.Name)
	c.Region = cmp.Or(c.Region, defaults.Region)
	c.Port = cmp.Or(c.Port, defaults.Port)
	c.KubernetesVersion = cmp.Or(c.KubernetesVersion, defaults.KubernetesVersion)
	c.Machines = cmp.Or(c.Machines, defaults.Machines)
	c.Network = cmp.Or(c.Network, defaults.Network)
	c.BootDelay = cmp.Or(c.BootDelay, defaults.BootDelay)
	if c.NodePools == nil {
		c.NodePools = defaults.NodePools
	}
	return c
}

// readConfig reads a configuration file; "-" is standard input. Unknown fields are errors.
func readConfig(path string, stdin io.Reader, into *Config) error {
	var data []byte
	var err error
	if path == "-" {
		data, err = io.ReadAll(stdin)
	} else {
		data, err = os.ReadFile(path)
	}
	if err != nil {
		return fail(BadConfig, "reading configuration %s: %w", path, err)
	}
	if err := yaml.UnmarshalStrict(data, into); err != nil {
		return fail(BadConfig, "reading configuration %s: %s", path, strings.TrimPrefix(err.Error(), "error unmarshaling JSON: "))
	}
	if into.APIVersion != configVersion || into.Kind != configKind {
		return fail(BadConfig, "reading configuration %s: it says %s %s, want apiVersion %s and kind %s", path, into.APIVersion, into.Kind, configVersion, configKind)
	}
	return nil
}

// clusterName is what EKS allows, shortened so that names made from it stay within their limits.
var clusterName = regexp.MustCompile(`^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$`)

var kubernetesMinor = regexp.MustCompile(`^1\.[0-9]{2}$`)

// validate names the first value that cannot be used.
func (c Config) validate() error {
	bad := func(field string, value any, want string) error {
		return fail(BadConfig, "%s is %q: want %s", field, fmt.Sprint(value), want)
	}
	prefix, prefixErr := netip.ParsePrefix(c.Network)
	_, delayErr := time.ParseDuration(c.BootDelay)
	switch {
	case !clusterName.MatchString(c.Name):
		return bad("name", c.Name, "letters, digits, - and _, at most 100, first a letter or digit")
	case c.Port < 1024 || c.Port > 65535:
		return bad("port", c.Port, "a number from 1024 to 65535")
	case !kubernetesMinor.MatchString(c.KubernetesVersion):
		return bad("kubernetesVersion", c.KubernetesVersion, `a minor version such as "1.35"`)
	case !slices.Contains([]string{machinesAuto, machinesReal, machinesSimulated}, c.Machines):
		return bad("machines", c.Machines, "auto, real or simulated")
	case prefixErr != nil || !prefix.Addr().Is4() || prefix.Bits() < 16 || prefix.Bits() > 24:
		return bad("network", c.Network, "an IPv4 prefix of /16 to /24")
	case prefix != prefix.Masked():
		return bad("network", c.Network, "the first address of the prefix, "+prefix.Masked().String())
	case delayErr != nil:
		return bad("bootDelay", c.BootDelay, "a duration such as 30s")
	}
	for _, pool := range c.NodePools {
		if pool != "general-purpose" && pool != "system" {
			return bad("nodePools", pool, "general-purpose or system")
		}
	}
	return nil
}

// freeSpaceWanted is what a cluster and a first node take on disk, with room for images.
var freeSpaceWanted = resource.MustParse("3Gi")
