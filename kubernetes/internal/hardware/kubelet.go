package hardware

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation/field"
	genericapiserver "k8s.io/apiserver/pkg/server"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/component-base/version/verflag"
	"k8s.io/kubernetes/cmd/kubelet/app"
	"k8s.io/kubernetes/cmd/kubelet/app/options"
	"k8s.io/kubernetes/pkg/kubelet"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	"k8s.io/kubernetes/pkg/kubelet/apis/config/validation"
	"k8s.io/kubernetes/pkg/kubelet/cadvisor"
	"k8s.io/kubernetes/pkg/kubelet/cm"
	"k8s.io/kubernetes/pkg/kubelet/eviction"
	"k8s.io/kubernetes/pkg/kubelet/kubeletconfig/configfiles"
	utilfs "k8s.io/kubernetes/pkg/util/filesystem"
)

// NewKubeletCommand returns a kubelet that takes the upstream flags and
// configuration file (not --config-dir) and reports the hardware described by
// the file at path. The upstream command builds its dependencies where they
// cannot be reached, hence a command of our own around the same parts.
func NewKubeletCommand(path string) *cobra.Command {
	return &cobra.Command{
		Use:                "kubelet",
		Short:              "The upstream kubelet with the capacity of an instance type",
		DisableFlagParsing: true, // flags are parsed twice, see configure
		SilenceUsage:       true,
		RunE: func(cmd *cobra.Command, args []string) error {
			hardware, err := Read(path)
			if err != nil {
				return err
			}
			ctx := genericapiserver.SetupSignalContext()
			server, err := configure(ctx, args)
			if err != nil {
				return err
			}
			return hardware.run(ctx, server)
		},
	}
}

// configure turns arguments and the configuration file they name into the
// kubelet's settings. As upstream, a flag wins over the file: flags are parsed
// once to find the file and once more over its content.
func configure(ctx context.Context, args []string) (*options.KubeletServer, error) {
	flags := options.NewKubeletFlags()
	config, err := options.NewKubeletConfiguration()
	if err != nil {
		return nil, fmt.Errorf("making default kubelet configuration: %w", err)
	}
	set := newFlagSet()
	flags.AddFlags(set)
	options.AddKubeletConfigFlags(set, config)
	options.AddGlobalFlags(set)
	if err := set.Parse(args); err != nil {
		return nil, fmt.Errorf("parsing kubelet flags: %w", err)
	}
	if set.NArg() > 0 {
		return nil, fmt.Errorf("parsing kubelet flags: unexpected argument %q", set.Arg(0))
	}
	verflag.PrintAndExitIfRequested()
	if err := options.ValidateKubeletFlags(flags); err != nil {
		return nil, fmt.Errorf("validating kubelet flags: %w", err)
	}
	if flags.KubeletDropinConfigDirectory != "" {
		return nil, errors.New("validating kubelet flags: --config-dir cannot be used with " + FileVariable)
	}
	if flags.KubeletConfigFile != "" {
		if config, err = load(ctx, flags.KubeletConfigFile); err != nil {
			return nil, err
		}
		if err := overrideByFlags(config, args); err != nil {
			return nil, err
		}
	}
	if err := apply(config); err != nil {
		return nil, err
	}
	return &options.KubeletServer{KubeletFlags: *flags, KubeletConfiguration: *config}, nil
}

func newFlagSet() *pflag.FlagSet {
	set := pflag.NewFlagSet("kubelet", pflag.ContinueOnError)
	set.SetNormalizeFunc(cliflag.WordSepNormalizeFunc)
	return set
}

// load reads a KubeletConfiguration file and fills in the eviction thresholds,
// which have no default of their own because they differ per platform.
func load(ctx context.Context, name string) (*kubeletconfig.KubeletConfiguration, error) {
	path, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("finding kubelet configuration %s: %w", name, err)
	}
	loader, err := configfiles.NewFsLoader(&utilfs.DefaultFs{}, path)
	if err != nil {
		return nil, fmt.Errorf("reading kubelet configuration %s: %w", path, err)
	}
	config, err := loader.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading kubelet configuration %s: %w", path, err)
	}
	if config.EvictionHard == nil || config.MergeDefaultEvictionSettings {
		thresholds := maps.Clone(eviction.DefaultEvictionHard)
		maps.Copy(thresholds, config.EvictionHard)
		config.EvictionHard = thresholds
	}
	return config, nil
}

// overrideByFlags writes the configuration flags among args over config. Other
// flags are parsed into throw-away values. Feature gates add up.
func overrideByFlags(config *kubeletconfig.KubeletConfiguration, args []string) error {
	set := newFlagSet()
	set.SetOutput(io.Discard) // deprecation warnings were printed by the first parse
	global := newFlagSet()
	options.AddGlobalFlags(global)
	global.VisitAll(func(f *pflag.Flag) { set.VarP(cliflag.NoOp{}, f.Name, f.Shorthand, f.Usage) })
	options.NewKubeletFlags().AddFlags(set)
	options.AddKubeletConfigFlags(set, config)
	fromFile := config.FeatureGates
	if err := set.Parse(args); err != nil {
		return fmt.Errorf("parsing kubelet flags over the configuration file: %w", err)
	}
	gates := maps.Clone(fromFile)
	if gates == nil {
		gates = map[string]bool{}
	}
	maps.Copy(gates, config.FeatureGates)
	config.FeatureGates = gates
	return nil
}

// apply validates config and switches the process's feature gates and logging.
func apply(config *kubeletconfig.KubeletConfiguration) error {
	if err := utilfeature.DefaultMutableFeatureGate.SetFromMap(config.FeatureGates); err != nil {
		return fmt.Errorf("setting feature gates: %w", err)
	}
	logs.InitLogs()
	if err := logsapi.ValidateAndApplyAsField(&config.Logging, utilfeature.DefaultFeatureGate, field.NewPath("logging")); err != nil {
		return fmt.Errorf("setting up logging: %w", err)
	}
	if err := validation.ValidateKubeletConfiguration(config, utilfeature.DefaultFeatureGate); err != nil {
		return fmt.Errorf("validating kubelet configuration: %w", err)
	}
	return nil
}

// run starts the kubelet with this hardware and returns when it ends.
func (h Hardware) run(ctx context.Context, server *options.KubeletServer) error {
	deps, err := app.UnsecuredDependencies(ctx, server, utilfeature.DefaultFeatureGate)
	if err != nil {
		return fmt.Errorf("making kubelet dependencies: %w", err)
	}
	if err := h.observe(server, deps); err != nil {
		return err
	}
	utilfeature.DefaultMutableFeatureGate.AddMetrics()
	return app.Run(ctx, server, deps, utilfeature.DefaultFeatureGate)
}

// observe gives the kubelet a cAdvisor that watches the cgroups it watches
// upstream and sees this hardware.
func (h Hardware) observe(server *options.KubeletServer, deps *kubelet.Dependencies) error {
	roots := []string{cm.NodeAllocatableRoot(server.CgroupRoot, server.CgroupsPerQOS, server.CgroupDriver)}
	for _, root := range []string{server.KubeletCgroups, server.RuntimeCgroups, server.SystemCgroups} {
		if root != "" {
			roots = append(roots, root)
		}
	}
	real, err := cadvisor.New(
		cadvisor.NewImageFsInfoProvider(server.ContainerRuntimeEndpoint),
		server.RootDirectory, roots,
		cadvisor.UsingLegacyCadvisorStats(server.ContainerRuntimeEndpoint),
		server.LocalStorageCapacityIsolation)
	if err != nil {
		return fmt.Errorf("starting cAdvisor: %w", err)
	}
	deps.CAdvisorInterface = h.Wrap(real)
	return nil
}
