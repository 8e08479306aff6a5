// Package leftovers ends what nobody uses any more: instances without a NodeClaim, the Nodes they leave behind, and launch
// templates that no launch has used for a while. It never touches what another cluster owns.
package leftovers

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/automode-dev/automode/compute"
	"github.com/automode-dev/automode/compute/labels"
	"github.com/automode-dev/automode/compute/nodes"
)

const (
	// lookEvery is the time between two looks at the cloud.
	lookEvery = 15 * time.Second
	// grace is how long a new instance may be without a claim that names it: its id reaches the claim only after the
	// launch has returned.
	grace = 30 * time.Second
	// templatesEvery and templateAge bound how long an unused launch template stays.
	templatesEvery = 10 * time.Minute
	templateAge    = 30 * time.Minute
)

// Cloud is what the controller asks of the cloud.
type Cloud interface {
	// Instances lists the cluster's instances that are not terminated.
	Instances(ctx context.Context) ([]compute.Instance, error)
	// Terminate ends an instance; a Failure of kind NotFound when it is unknown.
	Terminate(ctx context.Context, id string) error
	// LaunchTemplates gives the creation times of the cluster's templates by name.
	LaunchTemplates(ctx context.Context) (map[string]time.Time, error)
	// DeleteLaunchTemplate removes a template; one that is gone is fine.
	DeleteLaunchTemplate(ctx context.Context, name string) error
}

// Launches is what is known of the launches of this process.
type Launches interface {
	// LaunchedFor is the name of the claim that an instance was launched for; empty when another process did it.
	LaunchedFor(instanceID string) string
	// TemplateInUse tells whether a launch used the template lately.
	TemplateInUse(name string) bool
}

// Controller looks for leftovers from time to time.
type Controller struct {
	kube     client.Client
	cloud    Cloud
	launches Launches
	clock    clock.Clock
	suspects map[string]bool // instances that had no claim at the last look, by id
}

// NewController makes the controller.
func NewController(kube client.Client, cloud Cloud, launches Launches, clock clock.Clock) *Controller {
	return &Controller{kube: kube, cloud: cloud, launches: launches, clock: clock}
}

// Start looks for leftovers until the context ends.
func (c *Controller) Start(ctx context.Context) error {
	logger := log.FromContext(ctx).WithName("leftovers")
	nextTemplates := c.clock.Now().Add(templatesEvery)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.clock.After(lookEvery):
		}
		if err := c.Instances(ctx); err != nil && ctx.Err() == nil {
			logger.Error(err, "looking for instances without a claim")
		}
		if c.clock.Now().Before(nextTemplates) {
			continue
		}
		nextTemplates = c.clock.Now().Add(templatesEvery)
		if err := c.Templates(ctx); err != nil && ctx.Err() == nil {
			logger.Error(err, "looking for unused launch templates")
		}
	}
}

// Instances terminates instances that no NodeClaim named at this look and the one before, but for those whose claim is still
// to learn of them: on a busy cluster that takes longer than the grace. Between one look's two questions an instance may end
// in the usual way, its claim with it. Then it deletes the Nodes of instances that are gone and that no NodeClaim names:
// nothing else does.
func (c *Controller) Instances(ctx context.Context) error {
	// The cloud is asked first: a claim that comes in between is then seen, not missed.
	instances, err := c.cloud.Instances(ctx)
	if err != nil {
		return err
	}
	claims := &karpv1.NodeClaimList{}
	if err := c.kube.List(ctx, claims); err != nil {
		return fmt.Errorf("listing node claims: %w", err)
	}
	claimed, expecting := map[string]bool{}, map[string]bool{}
	for _, claim := range claims.Items {
		if id, err := nodes.InstanceID(claim.Status.ProviderID); err == nil {
			claimed[id] = true
		} else {
			expecting[claim.Name] = true
		}
	}
	there, before := map[string]bool{}, c.suspects
	c.suspects = map[string]bool{}
	for _, instance := range instances {
		there[instance.ID] = true
		if claimed[instance.ID] || expecting[c.launches.LaunchedFor(instance.ID)] || instance.Terminating() || c.clock.Since(instance.Launched) < grace {
			continue
		}
		if c.suspects[instance.ID] = true; !before[instance.ID] {
			continue
		}
		log.FromContext(ctx).Info("terminating instance without a claim", "instance", instance.ID, "nodepool", instance.Tags[compute.TagNodePool])
		if err := c.cloud.Terminate(ctx, instance.ID); err != nil && !compute.IsNotFound(err) {
			return err
		}
	}
	return c.nodes(ctx, func(id string) bool { return there[id] || claimed[id] })
}

// nodes deletes the Nodes of instances that nobody knows. Those that registered lately may be of an instance that was
// launched after the cloud was asked.
func (c *Controller) nodes(ctx context.Context, known func(instanceID string) bool) error {
	list := &corev1.NodeList{}
	if err := c.kube.List(ctx, list, client.MatchingLabels{labels.ComputeType: labels.ComputeAuto}); err != nil {
		return fmt.Errorf("listing nodes: %w", err)
	}
	for _, node := range list.Items {
		id, err := nodes.InstanceID(node.Spec.ProviderID)
		if err != nil || known(id) || !node.DeletionTimestamp.IsZero() || c.clock.Since(node.CreationTimestamp.Time) < grace {
			continue
		}
		log.FromContext(ctx).Info("deleting node without an instance", "Node", node.Name)
		if err := c.kube.Delete(ctx, &node, client.Preconditions{UID: &node.UID}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting node %s, whose instance is gone: %w", node.Name, err)
		}
	}
	return nil
}

// Templates deletes launch templates that are old and out of use.
func (c *Controller) Templates(ctx context.Context) error {
	created, err := c.cloud.LaunchTemplates(ctx)
	if err != nil {
		return err
	}
	for name, at := range created {
		if c.launches.TemplateInUse(name) || c.clock.Since(at) < templateAge {
			continue
		}
		if err := c.cloud.DeleteLaunchTemplate(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// Register adds the controller to the manager.
func (c *Controller) Register(_ context.Context, m ctrl.Manager) error { return m.Add(c) }
