package nodes

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/awslabs/operatorpkg/status"
	"github.com/patrickmn/go-cache"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/utils/resources"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	"github.com/automode-dev/automode/compute"
	"github.com/automode-dev/automode/compute/instancetypes"
)

// API is what the provider asks of the cloud.
type API interface {
	LaunchAPI
	DryRunAPI
	// Instance finds an instance; a Failure of kind NotFound when it is terminated or unknown.
	Instance(ctx context.Context, id string) (compute.Instance, error)
	// Instances lists the cluster's instances that are not terminated.
	Instances(ctx context.Context) ([]compute.Instance, error)
	// Terminate ends an instance; a Failure of kind NotFound when it is unknown.
	Terminate(ctx context.Context, id string) error
}

// Provider is the cloud provider that Karpenter's controllers call.
type Provider struct {
	kube     client.Client
	cloud    API
	types    *instancetypes.Provider
	launcher *launcher
	images   *images
	cluster  func() Cluster
	launched *cache.Cache // names of claims by the instance that was launched for them

	sightings sightings
}

// launchMemory is how long it is remembered which claim an instance was launched for. It outlasts any delay between a
// launch and the claim that names the instance.
const launchMemory = time.Hour

var _ cloudprovider.CloudProvider = (*Provider)(nil)

// NewProvider makes a Provider. The cluster's facts are asked for at every use, because they may change.
func NewProvider(kube client.Client, cloud API, types *instancetypes.Provider, shortages *instancetypes.Shortages, cluster func() Cluster) *Provider {
	images := newImages(cloud)
	return &Provider{
		kube: kube, cloud: cloud, types: types, images: images, cluster: cluster,
		launcher: newLauncher(cloud, types, images, shortages, clock.RealClock{}),
		launched: cache.New(launchMemory, launchMemory),
	}
}

// Name of the provider in metrics.
func (p *Provider) Name() string { return "eks-auto-mode" }

// GetSupportedNodeClasses lists the kinds a NodePool may refer to.
func (p *Provider) GetSupportedNodeClasses() []status.Object {
	return []status.Object{&eksv1.NodeClass{}}
}

// Create launches an instance for the claim.
func (p *Provider) Create(ctx context.Context, claim *karpv1.NodeClaim) (*karpv1.NodeClaim, error) {
	class, err := p.nodeClass(ctx, claim.Spec.NodeClassRef)
	if err != nil {
		if apierrors.IsNotFound(err) {
			return nil, cloudprovider.NewInsufficientCapacityError(fmt.Errorf("resolving node class of claim %q: %w", claim.Name, err))
		}
		return nil, fmt.Errorf("resolving node class of claim %q: %w", claim.Name, err)
	}
	if ready := class.StatusConditions().Get(status.ConditionReady); !ready.IsTrue() {
		return nil, cloudprovider.NewNodeClassNotReadyError(fmt.Errorf("node class %q is not ready: %s", class.Name, ready.Message))
	}
	instance, it, err := p.launch(ctx, class, claim)
	if err != nil {
		return nil, err
	}
	p.launched.SetDefault(instance.ID, claim.Name)
	if instance.ZoneID == "" {
		instance.ZoneID = zoneID(class, instance.Zone)
	}
	created := p.claimFor(*instance, it)
	created.Annotations = map[string]string{
		eksv1.AnnotationHash:        class.Hash(),
		eksv1.AnnotationHashVersion: eksv1.HashVersion,
	}
	if created.Status.ImageID == "" {
		if facts, ok := p.types.Type(instance.Type); ok {
			created.Status.ImageID, _ = p.images.forType(ctx, p.cluster(), facts)
		}
	}
	return created, nil
}

// launchAttempts is how often one Create selects anew after the cloud had no capacity: for each capacity type once.
const launchAttempts = 3

// launch selects and launches. What was refused is left out of the next attempt, so that a claim that allows several
// capacity types goes through them in one go.
func (p *Provider) launch(ctx context.Context, class *eksv1.NodeClass, claim *karpv1.NodeClaim) (*compute.Instance, *cloudprovider.InstanceType, error) {
	refused := cloudprovider.NewInsufficientCapacityError(errors.New("all requested instance types were unavailable during launch"))
	for range launchAttempts {
		types, err := p.types.List(class)
		if err != nil {
			return nil, nil, fmt.Errorf("listing instance types for claim %q: %w", claim.Name, err)
		}
		selection, err := Select(ctx, claim, types)
		if err != nil {
			return nil, nil, fmt.Errorf("selecting instance types for claim %q: %w", claim.Name, err)
		}
		if len(selection.Types) == 0 {
			return nil, nil, refused
		}
		instance, err := p.launcher.launch(ctx, p.cluster(), class, claim, selection)
		if err == nil {
			return instance, typeNamed(selection.Types, instance.Type), nil
		}
		if !errors.As(err, &refused) {
			return nil, nil, err
		}
	}
	return nil, nil, refused
}

// Delete terminates the claim's instance. NodeClaimNotFoundError once it is gone.
func (p *Provider) Delete(ctx context.Context, claim *karpv1.NodeClaim) error {
	id, err := InstanceID(claim.Status.ProviderID)
	if err != nil {
		return fmt.Errorf("deleting claim %q: %w", claim.Name, err)
	}
	instance, err := p.cloud.Instance(ctx, id)
	if compute.IsNotFound(err) {
		return cloudprovider.NewNodeClaimNotFoundError(err)
	}
	if err != nil {
		return fmt.Errorf("deleting claim %q: %w", claim.Name, err)
	}
	if instance.Terminating() {
		return nil
	}
	if err := p.cloud.Terminate(ctx, id); compute.IsNotFound(err) {
		return cloudprovider.NewNodeClaimNotFoundError(err)
	} else if err != nil {
		return fmt.Errorf("deleting claim %q: %w", claim.Name, err)
	}
	return nil
}

// Get finds the instance of a provider id. NodeClaimNotFoundError when it is gone.
func (p *Provider) Get(ctx context.Context, providerID string) (*karpv1.NodeClaim, error) {
	id, err := InstanceID(providerID)
	if err != nil {
		return nil, fmt.Errorf("getting instance: %w", err)
	}
	instance, err := p.cloud.Instance(ctx, id)
	if compute.IsNotFound(err) {
		return nil, cloudprovider.NewNodeClaimNotFoundError(err)
	}
	if err != nil {
		return nil, err
	}
	return p.resolve(ctx, instance), nil
}

// List finds all instances of the cluster.
func (p *Provider) List(ctx context.Context) ([]*karpv1.NodeClaim, error) {
	instances, err := p.cloud.Instances(ctx)
	if err != nil {
		return nil, err
	}
	claims := make([]*karpv1.NodeClaim, 0, len(instances))
	for _, instance := range instances {
		claims = append(claims, p.resolve(ctx, instance))
	}
	return claims, nil
}

// VolumeLimits is how many volumes a node of a type may attach, by CSI driver; nil for a type that is not known.
func (p *Provider) VolumeLimits(instanceType string) map[string]int {
	facts, ok := p.types.Type(instanceType)
	if !ok {
		return nil
	}
	return instancetypes.VolumeLimits(facts)
}

// GetInstanceTypes lists the types a NodePool's nodes may have; without a ready NodeClass there are none.
func (p *Provider) GetInstanceTypes(ctx context.Context, pool *karpv1.NodePool) ([]*cloudprovider.InstanceType, error) {
	class, err := p.nodeClass(ctx, pool.Spec.Template.Spec.NodeClassRef)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("resolving node class of node pool %q: %w", pool.Name, err)
	}
	return p.types.List(class)
}

// RepairPolicies are the node conditions after which a node is replaced.
func (p *Provider) RepairPolicies() []cloudprovider.RepairPolicy {
	policies := []cloudprovider.RepairPolicy{
		{ConditionType: corev1.NodeReady, ConditionStatus: corev1.ConditionFalse, TolerationDuration: 30 * time.Minute},
		{ConditionType: corev1.NodeReady, ConditionStatus: corev1.ConditionUnknown, TolerationDuration: 30 * time.Minute},
		{ConditionType: "AcceleratedHardwareReady", ConditionStatus: corev1.ConditionFalse, TolerationDuration: 10 * time.Minute},
	}
	for _, condition := range []corev1.NodeConditionType{"StorageReady", "NetworkingReady", "KernelReady", "ContainerRuntimeReady"} {
		policies = append(policies, cloudprovider.RepairPolicy{ConditionType: condition, ConditionStatus: corev1.ConditionFalse, TolerationDuration: 30 * time.Minute})
	}
	return policies
}

func (p *Provider) nodeClass(ctx context.Context, ref *karpv1.NodeClassReference) (*eksv1.NodeClass, error) {
	class := &eksv1.NodeClass{}
	if err := p.kube.Get(ctx, types.NamespacedName{Name: ref.Name}, class); err != nil {
		return nil, err
	}
	if !class.DeletionTimestamp.IsZero() {
		// A NodeClass on its way out launches nothing more.
		return nil, apierrors.NewNotFound(eksv1.GroupVersion.WithResource("nodeclasses").GroupResource(), ref.Name)
	}
	return class, nil
}

// resolve describes an instance by its tags; its type is looked up where its NodePool still exists.
func (p *Provider) resolve(ctx context.Context, instance compute.Instance) *karpv1.NodeClaim {
	pool := &karpv1.NodePool{}
	if err := p.kube.Get(ctx, types.NamespacedName{Name: instance.Tags[compute.TagNodePool]}, pool); err != nil {
		return p.claimFor(instance, nil)
	}
	all, err := p.GetInstanceTypes(ctx, pool)
	if err != nil {
		return p.claimFor(instance, nil)
	}
	return p.claimFor(instance, typeNamed(all, instance.Type))
}

func (p *Provider) claimFor(instance compute.Instance, it *cloudprovider.InstanceType) *karpv1.NodeClaim {
	claim := &karpv1.NodeClaim{}
	claim.Name = instance.ID
	claim.CreationTimestamp = metav1.Time{Time: instance.Launched}
	claim.Status.ProviderID = ProviderID(instance)
	claim.Status.ImageID = instance.ImageID
	claim.Labels = map[string]string{}
	if it != nil {
		maps.Copy(claim.Labels, claimLabels(it, &instance))
		claim.Status.Capacity = nonZero(it.Capacity)
		claim.Status.Allocatable = nonZero(it.Allocatable())
	}
	claim.Labels[corev1.LabelTopologyZone] = instance.Zone
	claim.Labels[karpv1.CapacityTypeLabelKey] = instance.CapacityType
	if pool := instance.Tags[compute.TagNodePool]; pool != "" {
		claim.Labels[karpv1.NodePoolLabelKey] = pool
	}
	if instance.Terminating() {
		claim.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	}
	return claim
}

// zoneID looks the id of a zone up in the subnets of the NodeClass.
func zoneID(class *eksv1.NodeClass, zone string) string {
	for _, subnet := range class.Status.Subnets {
		if subnet.Zone == zone {
			return subnet.ZoneID
		}
	}
	return ""
}

func nonZero(list corev1.ResourceList) corev1.ResourceList {
	kept := corev1.ResourceList{}
	for name, quantity := range list {
		if !resources.IsZero(quantity) {
			kept[name] = quantity
		}
	}
	return kept
}

func typeNamed(types []*cloudprovider.InstanceType, name string) *cloudprovider.InstanceType {
	for _, it := range types {
		if it.Name == name {
			return it
		}
	}
	return nil
}

// ProviderID names an instance the way nodes do: aws:///<zone>/<instance-id>.
func ProviderID(instance compute.Instance) string {
	return fmt.Sprintf("aws:///%s/%s", instance.Zone, instance.ID)
}

// InstanceID is the instance part of a provider id.
func InstanceID(providerID string) (string, error) {
	parts := strings.Split(strings.TrimPrefix(providerID, "aws:///"), "/")
	if len(parts) != 2 || !strings.HasPrefix(parts[1], "i-") {
		return "", fmt.Errorf("reading provider id %q: want aws:///<zone>/<instance-id>", providerID)
	}
	return parts[1], nil
}

// TemplateInUse tells whether a launch used the template in the last minutes.
func (p *Provider) TemplateInUse(name string) bool {
	_, known := p.launcher.templates.Get(name)
	return known
}

// LaunchedFor is the name of the claim that this process launched the instance for; empty when another one did.
func (p *Provider) LaunchedFor(instanceID string) string {
	name, _ := p.launched.Get(instanceID)
	claim, _ := name.(string)
	return claim
}
