package operator

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"os"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/automode-dev/automode/compute/disruption"
	"github.com/automode-dev/automode/compute/nodes"
	"github.com/automode-dev/automode/compute/nodes/builtin"
	"github.com/automode-dev/automode/compute/nodes/disrupting"
)

// APIVersion and Kind of the configuration file.
const (
	APIVersion = "automode.dev/v1"
	Kind       = "ControllerConfig"
)

// Config is the configuration file of the controllers of one cluster.
type Config struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`

	// Cluster the controllers work for.
	Cluster ClusterConfig `json:"cluster"`
	// Compute says which built-in objects there are, and how nodes are removed.
	Compute ComputeConfig `json:"compute"`

	// Engine decides which nodes waiting pods get: automode (the default) or karpenter.
	Engine string `json:"engine,omitempty"`

	// Kubeconfig is the file with the controllers' identity; empty uses the service account of the pod.
	Kubeconfig string `json:"kubeconfig,omitempty"`
	// MetricsAddress is host:port to serve metrics on; empty serves none.
	MetricsAddress string `json:"metricsAddress,omitempty"`
	// HealthAddress is host:port to answer /healthz and /readyz on; empty answers nowhere.
	HealthAddress string `json:"healthAddress,omitempty"`
	// LeaderElection lets several replicas run of which one works.
	LeaderElection bool `json:"leaderElection,omitempty"`
	// LogLevel is error, info (the default) or debug.
	LogLevel string `json:"logLevel,omitempty"`
}

// Engines that Config.Engine names.
const (
	EngineAutomode  = "automode"
	EngineKarpenter = "karpenter"
)

// ClusterConfig is what nodes and controllers have to know about the cluster.
type ClusterConfig struct {
	// Name of the cluster, as EKS knows it.
	Name string `json:"name"`
	// Region of the cluster, "us-east-1".
	Region string `json:"region"`
	// Version is the Kubernetes minor, "1.35"; nodes get its image.
	Version string `json:"version"`
	// Endpoint is the URL by which nodes reach the API server.
	Endpoint string `json:"endpoint"`
	// CertificateAuthority is the CA bundle in PEM form (base64 in the file).
	CertificateAuthority []byte `json:"certificateAuthority"`
	// ServiceCIDR is the service network.
	ServiceCIDR string `json:"serviceCIDR"`
	// SecurityGroup is the id of the cluster security group.
	SecurityGroup string `json:"securityGroup,omitempty"`
	// Subnets are the ids of the cluster's subnets.
	Subnets []string `json:"subnets,omitempty"`
	// Images are node image ids by the name of the public SSM parameter that would tell them. Parameters that are not
	// here are looked up, which the cluster role has to be allowed (ssm:GetParameter).
	Images map[string]string `json:"images,omitempty"`
}

// ComputeConfig is the cluster's compute configuration.
type ComputeConfig struct {
	// NodePools to have: any of general-purpose and system.
	NodePools []string `json:"nodePools,omitempty"`
	// NodeRole is the name of the node role.
	NodeRole string `json:"nodeRole,omitempty"`
	// Disruption goes beyond what NodePools say about removing and replacing nodes.
	Disruption DisruptionConfig `json:"disruption,omitzero"`
}

// DisruptionConfig changes which nodes the engine automode removes and replaces. All of it is off by default.
type DisruptionConfig struct {
	// MinSaving is what a consolidation must save at least, in dollars per hour.
	MinSaving float64 `json:"minSaving,omitempty"`
	// MinSavingRatio is the same as a share of what the removed nodes cost, 0 to 1.
	MinSavingRatio float64 `json:"minSavingRatio,omitempty"`
	// UtilizationThreshold keeps consolidation away from nodes of which at least this share of cpu or memory is asked for, 0 to 1.
	UtilizationThreshold float64 `json:"utilizationThreshold,omitempty"`
	// ComparePools takes new nodes, for waiting pods as in place of others, from the cheapest of the NodePools of equal weight, not from the one
	// that is first by name.
	ComparePools bool `json:"comparePools,omitempty"`
	// ExpireAhead replaces nodes so long before they expire, within budgets: "24h".
	ExpireAhead metav1.Duration `json:"expireAhead,omitzero"`
	// Spot is how spot nodes are replaced by spot nodes: where 15 instance types are cheaper (the default), by price and
	// cost of interruptions (ExpectedCost), or Never.
	Spot disruption.SpotRule `json:"spot,omitempty"`
	// Interruptions per hour of spot instances, by instance type, for ExpectedCost.
	Interruptions map[string]float64 `json:"interruptions,omitempty"`
	// RestartCost is what an interruption costs, in dollars per node, for ExpectedCost.
	RestartCost float64 `json:"restartCost,omitempty"`
}

// LoadConfig reads and checks a configuration file, with the settings of another one laid over it. There need be no settings.
func LoadConfig(path, settings string) (Config, error) {
	document, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("reading controller configuration: %w", err)
	}
	var config Config
	if err := yaml.UnmarshalStrict(document, &config); err != nil {
		return Config{}, fmt.Errorf("reading controller configuration %s: %w", path, err)
	}
	if err := config.Check(); err != nil {
		return Config{}, fmt.Errorf("checking controller configuration %s: %w", path, err)
	}
	if settings == "" {
		return config, nil
	}
	return config.with(settings)
}

// Marshal prints the configuration as LoadConfig reads it.
func (c Config) Marshal() ([]byte, error) {
	c.APIVersion, c.Kind = APIVersion, Kind
	document, err := yaml.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("printing controller configuration: %w", err)
	}
	return document, nil
}

// Check says everything that is wrong with the configuration.
func (c Config) Check() error {
	var wrong []error
	if c.APIVersion != APIVersion || c.Kind != Kind {
		wrong = append(wrong, fmt.Errorf("apiVersion %q and kind %q, want %q and %q", c.APIVersion, c.Kind, APIVersion, Kind))
	}
	for field, value := range map[string]string{
		"cluster.name": c.Cluster.Name, "cluster.region": c.Cluster.Region, "cluster.version": c.Cluster.Version,
		"cluster.endpoint": c.Cluster.Endpoint, "cluster.certificateAuthority": string(c.Cluster.CertificateAuthority),
	} {
		if value == "" {
			wrong = append(wrong, fmt.Errorf("%s is missing", field))
		}
	}
	if _, err := netip.ParsePrefix(c.Cluster.ServiceCIDR); err != nil {
		wrong = append(wrong, fmt.Errorf("cluster.serviceCIDR %q is no network", c.Cluster.ServiceCIDR))
	}
	if !slices.Contains([]string{"", EngineAutomode, EngineKarpenter}, c.Engine) {
		wrong = append(wrong, fmt.Errorf("engine %q is not one of %s and %s", c.Engine, EngineAutomode, EngineKarpenter))
	}
	for _, pool := range c.Compute.NodePools {
		if !slices.Contains([]string{builtin.GeneralPurpose, builtin.System}, pool) {
			wrong = append(wrong, fmt.Errorf("compute.nodePools: %q is not one of %s and %s", pool, builtin.GeneralPurpose, builtin.System))
		}
	}
	wrong = append(wrong, c.Compute.Disruption.check())
	if len(c.Compute.NodePools) > 0 && (c.Compute.NodeRole == "" || c.Cluster.SecurityGroup == "" || len(c.Cluster.Subnets) == 0) {
		wrong = append(wrong, errors.New("compute.nodePools needs compute.nodeRole, cluster.securityGroup and cluster.subnets"))
	}
	return errors.Join(wrong...)
}

func (d DisruptionConfig) check() error {
	var wrong []error
	amount := func(field string, value, most float64) {
		if !(value >= 0 && value <= most) { // not a number is neither
			wrong = append(wrong, fmt.Errorf("compute.disruption.%s is %v, want %s", field, value, bounds(most)))
		}
	}
	amount("minSaving", d.MinSaving, math.MaxFloat64)
	amount("minSavingRatio", d.MinSavingRatio, 1)
	amount("utilizationThreshold", d.UtilizationThreshold, 1)
	amount("restartCost", d.RestartCost, math.MaxFloat64)
	for _, name := range slices.Sorted(maps.Keys(d.Interruptions)) {
		amount("interruptions."+name, d.Interruptions[name], math.MaxFloat64)
	}
	if d.ExpireAhead.Duration < 0 {
		wrong = append(wrong, fmt.Errorf("compute.disruption.expireAhead is %s, want 0s or more", d.ExpireAhead.Duration))
	}
	if !slices.Contains([]disruption.SpotRule{disruption.SpotByTypes, disruption.SpotByExpectedCost, disruption.SpotNever}, d.Spot) {
		wrong = append(wrong, fmt.Errorf("compute.disruption.spot %q is not one of %s and %s", d.Spot, disruption.SpotByExpectedCost, disruption.SpotNever))
	}
	if d.Spot == disruption.SpotByExpectedCost && len(d.Interruptions) == 0 {
		wrong = append(wrong, fmt.Errorf("compute.disruption.spot %s needs compute.disruption.interruptions", d.Spot))
	}
	return errors.Join(wrong...)
}

func bounds(most float64) string {
	if most == math.MaxFloat64 {
		return "0 or more"
	}
	return fmt.Sprintf("0 to %v", most)
}

func (d DisruptionConfig) settings() disrupting.Settings {
	return disrupting.Settings{ComparePools: d.ComparePools, Options: disruption.Options{
		MinSaving: d.MinSaving, MinSavingRatio: d.MinSavingRatio, UtilizationThreshold: d.UtilizationThreshold, ExpireAhead: d.ExpireAhead.Duration,
		Spot: d.Spot, Interruptions: d.Interruptions, RestartCost: d.RestartCost,
	}}
}

func (c Config) nodesCluster() nodes.Cluster {
	return nodes.Cluster{
		Name: c.Cluster.Name, Region: c.Cluster.Region, Version: c.Cluster.Version, Endpoint: c.Cluster.Endpoint,
		CertificateAuthority: c.Cluster.CertificateAuthority, ServiceCIDR: c.Cluster.ServiceCIDR,
		Images: c.Cluster.Images, OpensNodes: c.Engine != EngineKarpenter,
	}
}

func (c Config) builtinSettings() builtin.Settings {
	return builtin.Settings{
		NodePools: c.Compute.NodePools, NodeRole: c.Compute.NodeRole, SecurityGroup: c.Cluster.SecurityGroup, Subnets: c.Cluster.Subnets,
	}
}
