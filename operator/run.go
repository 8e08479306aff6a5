package operator

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"go.uber.org/zap/zapcore"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/operator/options"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	eksv1alpha1 "github.com/automode-dev/automode/api/eks/v1alpha1"
	"github.com/automode-dev/automode/cloud"
	"github.com/automode-dev/automode/compute/instancetypes"
	"github.com/automode-dev/automode/compute/labels"
	"github.com/automode-dev/automode/compute/nodes"
	"github.com/automode-dev/automode/compute/state"
)

// eventSource is the component that events of compute come from.
const eventSource = "eks-auto-mode/compute"

// Options of Run.
type Options struct {
	// ConfigFile is the path of the configuration, SettingsFile of settings laid over it, which may be missing. Changes
	// are picked up; some of them end Run, so that it is started again.
	ConfigFile, SettingsFile string
	// Log is where log lines go; standard error when nil.
	Log io.Writer
}

// Run runs the controllers of one cluster until the context ends. It returns early when the API server cannot be
// reached or leadership is lost; whoever started it starts it again.
func Run(ctx context.Context, o Options) error {
	config, err := newWatchedConfig(o.ConfigFile, o.SettingsFile)
	if err != nil {
		return err
	}
	setUpLog(o.Log, config.get().LogLevel)
	labels.Register()
	scheduling.MaxInstanceTypes = nodes.MaxTypes
	ctx = options.ToContext(ctx, karpenterOptions())

	kubeconfig, err := restConfig(config.get().Kubeconfig)
	if err != nil {
		return err
	}
	if err := ensureCRDs(ctx, kubeconfig); err != nil {
		return err
	}
	m, err := newManager(ctx, kubeconfig, config.get())
	if err != nil {
		return err
	}
	if err := addControllers(ctx, m, config); err != nil {
		return err
	}
	if err := m.Start(ctx); err != nil {
		return fmt.Errorf("running controllers of cluster %s: %w", config.get().Cluster.Name, err)
	}
	return nil
}

func addControllers(ctx context.Context, m manager.Manager, config *watchedConfig) error {
	identities, err := cloud.LoadIdentities(ctx, config.get().Cluster.Region)
	if err != nil {
		return err
	}
	compute := cloud.NewCompute(identities, config.get().Cluster.Name)
	shortages := instancetypes.NewShortages(clock.RealClock{})
	types := instancetypes.NewProvider(config.get().Cluster.Region, compute, shortages, clock.RealClock{})
	recorder := m.GetEventRecorderFor(eventSource) //nolint:staticcheck // Karpenter's recorder takes this kind.
	p := parts{
		config:    config,
		manager:   m,
		clock:     clock.RealClock{},
		cloud:     compute,
		network:   cloud.NewNetwork(identities, config.get().Cluster.Name),
		shortages: shortages,
		provider:  nodes.NewProvider(m.GetClient(), compute, types, shortages, func() nodes.Cluster { return config.get().nodesCluster() }),
		plain:     recorder,
		recorder:  events.NewRecorder(recorder),
	}
	for _, runnable := range []manager.Runnable{config, types} {
		if err := m.Add(runnable); err != nil {
			return fmt.Errorf("adding %T: %w", runnable, err)
		}
	}
	controllers, err := Controllers(ctx, p)
	if err != nil {
		return err
	}
	for _, c := range controllers {
		if err := c.Register(ctx, m); err != nil {
			return fmt.Errorf("registering controller %T: %w", c, err)
		}
	}
	return nil
}

func newManager(ctx context.Context, kubeconfig *rest.Config, config Config) (manager.Manager, error) {
	leader := rest.CopyConfig(kubeconfig) // without the load of the controllers
	m, err := ctrl.NewManager(kubeconfig, ctrl.Options{
		Scheme:                        newScheme(),
		NewClient:                     newThriftyClient,
		LeaderElection:                config.LeaderElection,
		LeaderElectionID:              "eks-auto-mode",
		LeaderElectionNamespace:       "kube-system",
		LeaderElectionReleaseOnCancel: true,
		LeaderElectionConfig:          leader,
		Metrics:                       server.Options{BindAddress: orNone(config.MetricsAddress)},
		HealthProbeBindAddress:        orNone(config.HealthAddress),
		BaseContext: func() context.Context {
			return log.IntoContext(options.ToContext(context.Background(), options.FromContext(ctx)), log.Log)
		},
		Cache: cache.Options{DefaultTransform: state.NewTrimmer().Trim, ByObject: map[client.Object]cache.ByObject{
			&coordinationv1.Lease{}: {Field: fields.SelectorFromSet(fields.Set{"metadata.namespace": "kube-node-lease"})},
		}},
	})
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server of cluster %s: %w", config.Cluster.Name, err)
	}
	if err := addIndexes(ctx, m.GetFieldIndexer()); err != nil {
		return nil, err
	}
	if err := m.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("adding health check: %w", err)
	}
	if err := m.AddReadyzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("adding readiness check: %w", err)
	}
	return m, nil
}

// newScheme knows Kubernetes' own types, Karpenter's (they add themselves to client-go's scheme) and ours.
func newScheme() *runtime.Scheme {
	scheme := clientgoscheme.Scheme
	for _, add := range []func(*runtime.Scheme) error{eksv1.AddToScheme, eksv1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(fmt.Sprintf("adding types to the scheme: %v", err)) // two types of one name: a mistake in the program
		}
	}
	return scheme
}

// karpenterOptions are Karpenter's settings in Auto Mode.
func karpenterOptions() *options.Options {
	return &options.Options{
		CPURequests:       1000,
		BatchMaxDuration:  10 * time.Second,
		BatchIdleDuration: time.Second,
		PreferencePolicy:  options.PreferencePolicyRespect,
		MinValuesPolicy:   options.MinValuesPolicyStrict,
		IgnoreDRARequests: true,
		FeatureGates:      options.FeatureGates{NodeRepair: true, ReservedCapacity: true, StaticCapacity: true},
	}
}

func restConfig(path string) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		return nil, fmt.Errorf("reading kubeconfig %q: %w", path, err)
	}
	config.QPS, config.Burst = 200, 300
	config.UserAgent = "eks-auto-mode"
	return config, nil
}

// orNone turns "no address" into what controller-runtime takes for "do not listen".
func orNone(address string) string {
	if address == "" {
		return "0"
	}
	return address
}

func setUpLog(out io.Writer, level string) {
	if out == nil {
		out = os.Stderr
	}
	lowest := zapcore.InfoLevel
	if parsed, err := zapcore.ParseLevel(level); err == nil && level != "" {
		lowest = parsed
	}
	logger := zap.New(zap.WriteTo(out), zap.Level(lowest), zap.StacktraceLevel(zapcore.PanicLevel))
	log.SetLogger(logger)
	klog.SetLogger(logger)
}
