package nodes

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	"github.com/automode-dev/automode/compute"
)

// Why a node no longer is what its NodeClass asks for.
const (
	DriftNodeClass     cloudprovider.DriftReason = "NodeClassDrift"
	DriftImage         cloudprovider.DriftReason = "AMIDrift"
	DriftSubnet        cloudprovider.DriftReason = "SubnetDrift"
	DriftSecurityGroup cloudprovider.DriftReason = "SecurityGroupDrift"
)

// IsDrifted compares the claim's instance with what would be launched now. Empty when they agree.
func (p *Provider) IsDrifted(ctx context.Context, claim *karpv1.NodeClaim) (cloudprovider.DriftReason, error) {
	class, err := p.nodeClass(ctx, claim.Spec.NodeClassRef)
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("resolving node class of claim %q: %w", claim.Name, err)
	}
	if hashDrifted(class, claim) {
		return DriftNodeClass, nil
	}
	id, err := InstanceID(claim.Status.ProviderID)
	if err != nil {
		return "", fmt.Errorf("looking for drift of claim %q: %w", claim.Name, err)
	}
	instance, err := p.sightings.instance(ctx, p.cloud, id)
	if compute.IsNotFound(err) {
		return "", cloudprovider.NewNodeClaimNotFoundError(err)
	}
	if err != nil {
		return "", fmt.Errorf("looking for drift of claim %q: %w", claim.Name, err)
	}
	if placeDrift := placeDrifted(class, instance); placeDrift != "" {
		return placeDrift, nil
	}
	return p.imageDrifted(ctx, claim, instance)
}

// hashDrifted tells whether the NodeClass changed since the launch. Hashes of another algorithm are not compared.
func hashDrifted(class *eksv1.NodeClass, claim *karpv1.NodeClaim) bool {
	was, ok := claim.Annotations[eksv1.AnnotationHash]
	return ok && claim.Annotations[eksv1.AnnotationHashVersion] == eksv1.HashVersion && was != class.Hash()
}

func placeDrifted(class *eksv1.NodeClass, instance compute.Instance) cloudprovider.DriftReason {
	if len(class.Status.Subnets) > 0 && instance.SubnetID != "" &&
		!slices.ContainsFunc(class.Status.Subnets, func(s eksv1.Subnet) bool { return s.ID == instance.SubnetID }) {
		return DriftSubnet
	}
	var wanted []string
	for _, group := range class.Status.SecurityGroups {
		wanted = append(wanted, group.ID)
	}
	if len(wanted) > 0 && len(instance.SecurityGroupIDs) > 0 && !sameSet(wanted, instance.SecurityGroupIDs) {
		return DriftSecurityGroup
	}
	return ""
}

func (p *Provider) imageDrifted(ctx context.Context, claim *karpv1.NodeClaim, instance compute.Instance) (cloudprovider.DriftReason, error) {
	facts, ok := p.types.Type(instance.Type)
	if !ok || instance.ImageID == "" {
		return "", nil
	}
	image, err := p.images.forType(ctx, p.cluster(), facts)
	if err != nil {
		return "", fmt.Errorf("looking for image drift of claim %q: %w", claim.Name, err)
	}
	if image != instance.ImageID {
		return DriftImage, nil
	}
	return "", nil
}

func sameSet(a, b []string) bool {
	a, b = slices.Compact(slices.Sorted(slices.Values(a))), slices.Compact(slices.Sorted(slices.Values(b)))
	return slices.Equal(a, b)
}

// sightingAge is how old knowledge of where instances are may be when drift is judged.
const sightingAge = time.Minute

// sightings are the cluster's instances as they were lately. Drift of a thousand nodes costs one call a minute, not one
// call for each look at each node.
type sightings struct {
	mu     sync.Mutex
	listed time.Time
	byID   map[string]compute.Instance
}

// instance finds an instance; a Failure of kind NotFound when it is terminated or unknown.
func (s *sightings) instance(ctx context.Context, cloud API, id string) (compute.Instance, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.listed) > sightingAge {
		all, err := cloud.Instances(ctx)
		if err != nil {
			return compute.Instance{}, err
		}
		s.listed, s.byID = time.Now(), make(map[string]compute.Instance, len(all))
		for _, instance := range all {
			s.byID[instance.ID] = instance
		}
	}
	if instance, ok := s.byID[id]; ok {
		return instance, nil
	}
	instance, err := cloud.Instance(ctx, id) // launched since
	if err == nil {
		s.byID[id] = instance
	}
	return instance, err
}
