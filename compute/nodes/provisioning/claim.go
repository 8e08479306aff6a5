package provisioning

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	karpscheduling "sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/automode-dev/automode/compute/solver"
)

// create writes the plan's claims, several at a time.
func (c *Controller) create(ctx context.Context, pools map[string]pool, plan solver.Plan) error {
	errs := make([]error, len(plan.Claims))
	made := make([]*karpv1.NodeClaim, len(plan.Claims))
	pods := 0
	for _, claim := range plan.Claims {
		pods += len(claim.Pods)
	}
	gather, nodes := together(plan.Claims), newArrival(pods >= crowd)
	workqueue.ParallelizeUntil(context.WithoutCancel(ctx), 20, len(plan.Claims), func(i int) {
		if made[i], errs[i] = c.createOne(ctx, pools[plan.Claims[i].Pool], plan.Claims[i]); made[i] != nil && gather {
			c.arrivals.expect(made[i].Name, nodes)
		}
	})
	for i, claim := range made {
		if claim != nil {
			c.promise(claim.Name, plan.Claims[i].Pods)
		}
	}
	c.awaited.keep(c.awaited.hasPlace)
	return errors.Join(errs...)
}

func (c *Controller) createOne(ctx context.Context, from pool, planned solver.Claim) (*karpv1.NodeClaim, error) {
	latest := &karpv1.NodePool{}
	if err := c.Kube.Get(ctx, types.NamespacedName{Name: planned.Pool}, latest); err != nil {
		return nil, fmt.Errorf("creating a NodeClaim of NodePool %q: %w", planned.Pool, err)
	}
	if err := latest.Spec.Limits.ExceededBy(c.Cluster.NodePoolResourcesFor(planned.Pool)); err != nil {
		return nil, fmt.Errorf("creating a NodeClaim of NodePool %q: %w", planned.Pool, err)
	}
	claim, err := NodeClaim(latest, planned, from.types)
	if err != nil {
		return nil, err
	}
	if err := c.Kube.Create(ctx, claim); err != nil {
		return nil, fmt.Errorf("creating a NodeClaim of NodePool %q: %w", planned.Pool, err)
	}
	c.Picture.Expect(claim)
	c.Cluster.UpdateNodeClaim(claim)
	if c.Nominate != nil {
		c.nominator.plan(claim.Name, "", c.awaited.real(planned.Pods))
	}
	c.tellCreated(ctx, claim, planned)
	return claim, nil
}

// NodeClaim writes a planned claim as the object that asks for the node. The types are those of the pool.
func NodeClaim(pool *karpv1.NodePool, planned solver.Claim, types []*cloudprovider.InstanceType) (*karpv1.NodeClaim, error) {
	template := scheduling.NewNodeClaimTemplate(pool)
	for _, r := range planned.Requirements {
		if r.Key == corev1.LabelHostname {
			continue // which node it is nobody can ask for
		}
		template.Requirements.Add(karpscheduling.NewNodeSelectorRequirementsWithMinValues(karpv1.NodeSelectorRequirementWithMinValues{
			Key: r.Key, Operator: r.Operator, Values: r.Values}).Values()...)
	}
	byName := make(map[string]*cloudprovider.InstanceType, len(types))
	for _, it := range types {
		byName[it.Name] = it
	}
	for _, name := range planned.Types {
		if it := byName[name]; it != nil {
			template.InstanceTypeOptions = append(template.InstanceTypeOptions, it)
		}
	}
	if len(template.InstanceTypeOptions) == 0 {
		return nil, fmt.Errorf("writing a NodeClaim of NodePool %q: none of its %d planned instance types is known any more", pool.Name, len(planned.Types))
	}
	template.Spec.Resources.Requests = planned.Requests
	claim := template.ToNodeClaim()
	controllerutil.AddFinalizer(claim, karpv1.TerminationFinalizer) // its first controller would do it, with one more request
	if planned.MinValuesRelaxed {
		claim.Annotations[karpv1.NodeClaimMinValuesRelaxedAnnotationKey] = "true"
	}
	return claim, nil
}
