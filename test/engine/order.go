package engine

import (
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	nodepoolutils "sigs.k8s.io/karpenter/pkg/utils/nodepool"
)

func orderByWeight(list *v1.NodePoolList) []*v1.NodePool {
	var out []*v1.NodePool
	for i := range list.Items {
		out = append(out, &list.Items[i])
	}
	nodepoolutils.OrderByWeight(out)
	return out
}
