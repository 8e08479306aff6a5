package engine

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/utils/resources"

	"github.com/automode-dev/automode/compute/solver"
)

var one = resource.NewQuantity(1, resource.DecimalSI)

// checkLimits tells whether the claims, each as the largest of its types, stay
// within the limits of their pools.
func (c *Case) checkLimits(plan solver.Plan) error {
	for _, p := range c.Pools {
		used := corev1.ResourceList{}
		if !slices.ContainsFunc(plan.Claims, func(claim solver.Claim) bool { return claim.Pool == p.Name }) {
			continue
		}
		for _, n := range c.staying() {
			if n.Labels[v1.NodePoolLabelKey] == p.Name {
				used = resources.Merge(used, n.Status.Capacity, corev1.ResourceList{resources.Node: *one})
			}
		}
		for i := range plan.Claims {
			if plan.Claims[i].Pool != p.Name {
				continue
			}
			var sizes []corev1.ResourceList
			for _, t := range c.Types {
				for _, name := range plan.Claims[i].Types {
					if t.Name == name {
						sizes = append(sizes, t.Capacity)
					}
				}
			}
			used = resources.Merge(used, resources.MaxResources(sizes...), corev1.ResourceList{resources.Node: *one})
		}
		for name, limit := range p.Spec.Limits {
			if u := used[name]; u.Cmp(limit) > 0 {
				return fmt.Errorf("pool %s: %s of %s is used, the limit is %s", p.Name, u.String(), name, limit.String())
			}
		}
	}
	return nil
}

// checkReservations tells whether no more claims use a capacity reservation than it has places.
func (c *Case) checkReservations(plan solver.Plan) error {
	used := map[string]int{}
	for i := range plan.Claims {
		if id := plan.Claims[i].Cheapest.Reservation; id != "" {
			used[id]++
			if _, o := c.offering(&plan.Claims[i]); o != nil && used[id] > o.ReservationCapacity {
				return fmt.Errorf("reservation %s has %d places, %d claims use it", id, o.ReservationCapacity, used[id])
			}
		}
	}
	return nil
}
