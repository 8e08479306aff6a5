package operator

import (
	"context"

	"github.com/awslabs/operatorpkg/controller"
	"github.com/awslabs/operatorpkg/status"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/controllers/dynamicresources/deviceallocation"
	metricsnode "sigs.k8s.io/karpenter/pkg/controllers/metrics/node"
	metricsnodepool "sigs.k8s.io/karpenter/pkg/controllers/metrics/nodepool"
	metricspod "sigs.k8s.io/karpenter/pkg/controllers/metrics/pod"
	"sigs.k8s.io/karpenter/pkg/controllers/node/health"
	"sigs.k8s.io/karpenter/pkg/controllers/node/termination"
	"sigs.k8s.io/karpenter/pkg/controllers/node/termination/terminator"
	"sigs.k8s.io/karpenter/pkg/controllers/nodeclaim/consistency"
	claimdisruption "sigs.k8s.io/karpenter/pkg/controllers/nodeclaim/disruption"
	"sigs.k8s.io/karpenter/pkg/controllers/nodeclaim/expiration"
	"sigs.k8s.io/karpenter/pkg/controllers/nodeclaim/garbagecollection"
	"sigs.k8s.io/karpenter/pkg/controllers/nodeclaim/lifecycle"
	"sigs.k8s.io/karpenter/pkg/controllers/nodepool/counter"
	poolhash "sigs.k8s.io/karpenter/pkg/controllers/nodepool/hash"
	"sigs.k8s.io/karpenter/pkg/controllers/nodepool/readiness"
	"sigs.k8s.io/karpenter/pkg/controllers/nodepool/registrationhealth"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/controllers/state/informer"
	staticdeprovisioning "sigs.k8s.io/karpenter/pkg/controllers/static/deprovisioning"
	staticprovisioning "sigs.k8s.io/karpenter/pkg/controllers/static/provisioning"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/state/cost"
	"sigs.k8s.io/karpenter/pkg/state/nodepoolhealth"
	"sigs.k8s.io/karpenter/pkg/state/virtualpods"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	"github.com/automode-dev/automode/cloud"
	"github.com/automode-dev/automode/compute/instancetypes"
	"github.com/automode-dev/automode/compute/nodes"
	"github.com/automode-dev/automode/compute/nodes/builtin"
	"github.com/automode-dev/automode/compute/nodes/bulletin"
	"github.com/automode-dev/automode/compute/nodes/kubeletcsr"
	"github.com/automode-dev/automode/compute/nodes/leftovers"
	"github.com/automode-dev/automode/compute/nodes/nodeclass"
	"github.com/automode-dev/automode/compute/nodes/podevents"
	"github.com/automode-dev/automode/compute/nodes/poolcheck"
)

// parts are what the controllers are made of.
type parts struct {
	config   *watchedConfig
	manager  manager.Manager
	clock    clock.Clock
	cloud    *cloud.Compute
	network  *cloud.Network
	provider *nodes.Provider
	// shortages are offerings that had no capacity a short while ago.
	shortages *instancetypes.Shortages
	// plain writes events as they come, recorder drops repetitions.
	plain    record.EventRecorder
	recorder events.Recorder
}

// Controllers lists everything that runs for a cluster.
func Controllers(ctx context.Context, p parts) ([]controller.Controller, error) {
	kube, config := p.manager.GetClient(), p.config.get()
	cluster := state.NewCluster(p.clock, kube, p.provider)
	devices := deviceallocation.NewController(kube)
	virtual := virtualpods.NewVirtualPodCache(kube)
	provisioner := provisioning.NewProvisioner(kube, p.recorder, p.provider, cluster, p.clock, devices, virtual)
	evictions := terminator.NewQueue(evictingClient{kube, p.manager.GetAPIReader()}, p.recorder)
	poolHealth := nodepoolhealth.NewState()
	costs := cost.NewClusterCost(ctx, p.provider, kube)

	decide, err := deciders(ctx, p, cluster, provisioner, costs)
	if err != nil {
		return nil, err
	}

	controllers := append(decide, []controller.Controller{
		// What the cluster looks like.
		informer.NewDaemonSetController(kube, cluster),
		informer.NewNodeController(kube, cluster),
		informer.NewPodController(kube, cluster),
		informer.NewNodePoolController(kube, p.provider, cluster, costs),
		informer.NewNodeClaimController(kube, p.provider, cluster, costs),
		informer.NewPricingController(kube, p.provider, costs),

		// NodeClasses and NodePools.
		builtin.NewController(kube, func() builtin.Settings { return p.config.get().builtinSettings() }, p.config.changed),
		nodeclass.NewController(kube, p.cloud, p.recorder, config.Cluster.Region, config.Cluster.Name, p.provider.Try),
		poolcheck.NewController(kube, p.provider),
		poolhash.NewController(kube, p.provider),
		readiness.NewController(p.clock, kube, p.provider),
		registrationhealth.NewController(p.clock, kube, p.provider, poolHealth),
		counter.NewController(kube, p.provider, cluster),

		// Static NodePools keep their number of nodes.
		staticprovisioning.NewController(kube, cluster, p.recorder, p.provider, provisioner, p.clock, devices, virtual),
		staticdeprovisioning.NewController(kube, cluster, p.provider, p.clock, p.recorder),

		// NodeClaims become nodes.
		lifecycle.NewController(p.clock, kube, p.provider, p.recorder, poolHealth, nil),
		kubeletcsr.NewController(kube, p.cloud, config.Cluster.Name),
		consistency.NewController(p.clock, kube, p.provider, p.recorder),
		podevents.NewController(kube, p.clock),

		// Nodes get their addresses.
		newNetworkController(p),

		// Nodes go: no longer needed, drifted, expired, unhealthy, deleted.
		claimdisruption.NewController(p.clock, kube, p.provider),
		expiration.NewController(p.clock, kube, p.provider),
		health.NewController(kube, p.provider, p.clock, p.recorder),
		termination.NewController(p.clock, kube, p.provider, terminator.NewTerminator(p.clock, kube, evictions, p.recorder), p.recorder),
		evictions,
		garbagecollection.NewController(p.clock, kube, p.provider),
		leftovers.NewController(kube, p.cloud, p.provider, p.clock),

		// What the controllers know is told.
		bulletin.NewController(kube, func() (map[string]string, error) { return bulletinOf(p.config.get(), p.shortages.List()) }),

		// An event per changed condition.
		withGaugesByObject(status.NewController[*karpv1.NodeClaim](kube, p.plain, status.WithLabels(eksv1.LabelNodeClass, karpv1.NodePoolLabelKey))),
		withGaugesByObject(status.NewController[*karpv1.NodePool](kube, p.plain)),
		withGaugesByObject(status.NewController[*eksv1.NodeClass](kube, p.plain)),
	}...)
	if config.MetricsAddress != "" {
		controllers = append(controllers, metricsControllers(p, cluster, costs)...)
	}
	return controllers, nil
}

// metricsControllers keep the metrics of pods, nodes and NodePools. They work on every change of every pod, and so only
// where somebody can read what they count.
func metricsControllers(p parts, cluster *state.Cluster, costs *cost.ClusterCost) []controller.Controller {
	kube := p.manager.GetClient()
	nodes := status.NewGenericObjectController[*corev1.Node](kube, p.plain, status.WithLabels(eksv1.LabelNodeClass, karpv1.NodePoolLabelKey, karpv1.NodeInitializedLabelKey))
	withGaugesByObject(nodes.Controller)
	return []controller.Controller{
		metricspod.NewController(kube, cluster),
		metricsnodepool.NewController(kube, p.provider, costs),
		metricsnode.NewController(cluster),
		nodes,
	}
}
