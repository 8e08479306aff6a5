package operator

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/awslabs/operatorpkg/controller"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/karpenter/pkg/controllers/disruption"
	karpenter "sigs.k8s.io/karpenter/pkg/controllers/provisioning"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/state/cost"

	"github.com/automode-dev/automode/compute/nodes"
	"github.com/automode-dev/automode/compute/nodes/disrupting"
	"github.com/automode-dev/automode/compute/nodes/opening"
	"github.com/automode-dev/automode/compute/nodes/provisioning"
	"github.com/automode-dev/automode/compute/nodes/wakeup"
	picture "github.com/automode-dev/automode/compute/state"
)

// deciders are the controllers that make NodeClaims for waiting pods, and those that remove and replace nodes. Karpenter's
// own provisioner is used by its other controllers whichever engine runs.
func deciders(ctx context.Context, p parts, cluster *state.Cluster, other *karpenter.Provisioner, costs *cost.ClusterCost) ([]controller.Controller, error) {
	kube, config := p.manager.GetClient(), p.config.get()
	if config.Engine == EngineKarpenter {
		queue := disruption.NewQueue(kube, p.recorder, cluster, p.clock, other)
		return []controller.Controller{
			other,
			karpenter.NewPodController(kube, other, cluster),
			karpenter.NewNodeController(kube, other),
			wakeup.NewController(other),
			disruption.NewController(p.clock, kube, other, p.provider, p.recorder, cluster, queue, costs),
			queue,
			opening.NewController(kube, nil), // nodes that the other engine left closed
		}, nil
	}
	nominate, err := nominatingClient(p, config.Cluster.Version)
	if err != nil {
		return nil, err
	}
	objects := picture.NewPicture()
	var feed *picture.Feed
	ours := provisioning.NewController(provisioning.Parts{
		Kube: kube, Picture: objects, Synced: func() bool { return feed.Synced() }, Cluster: cluster, Types: p.provider, Validator: other,
		Recorder: p.recorder, Clock: p.clock, Nominate: nominate, VolumeLimits: p.provider.VolumeLimits, MaxTypes: nodes.MaxTypes,
		Live: p.manager.GetAPIReader(), ComparePools: func() bool { return p.config.get().Compute.Disruption.ComparePools },
	})
	removals := disrupting.NewController(disrupting.Parts{
		Kube: kube, Picture: objects, Synced: func() bool { return feed.Synced() }, Cluster: cluster, Types: p.provider, Recorder: p.recorder,
		Clock: p.clock, Nominate: nominate, VolumeLimits: p.provider.VolumeLimits, MaxTypes: nodes.MaxTypes,
		Settings: func() disrupting.Settings { return p.config.get().Compute.Disruption.settings() },
	})
	if feed, err = picture.NewFeed(ctx, p.manager.GetCache(), objects, ours.Changed, removals.Changed); err != nil {
		return nil, err
	}
	return []controller.Controller{ours, wakeup.NewController(ours), opening.NewController(kube, ours.Prepare), removals}, nil
}

// nominatingClient writes nominations, thousands in a few seconds; nil where the scheduler does not keep to them.
func nominatingClient(p parts, version string) (client.Client, error) {
	if !followsNominations(version) {
		return nil, nil
	}
	config := rest.CopyConfig(p.manager.GetConfig())
	config.QPS, config.Burst = 1000, 2000
	writer, err := client.New(config, client.Options{Scheme: p.manager.GetScheme(), Mapper: p.manager.GetRESTMapper()})
	if err != nil {
		return nil, fmt.Errorf("making the client for nominations: %w", err)
	}
	return writer, nil
}

// followsNominations tells whether the scheduler of a Kubernetes minor keeps to nominations that others make (KEP-5278,
// on by default since 1.35).
func followsNominations(version string) bool {
	_, minor, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(minor)
	return err == nil && n >= 35
}
