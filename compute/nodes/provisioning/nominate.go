package provisioning

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// nominate writes on pods which node they are planned for, so that the scheduler follows the plan instead of spreading
// pods its own way. A pod that changed or went in the meantime is left alone.
func (c *Controller) nominate(ctx context.Context, list []nomination) {
	if !c.Nominate {
		return
	}
	inParallel(len(list), 20, func(i int) {
		pod := &corev1.Pod{}
		pod.Name, pod.Namespace, pod.UID = list[i].pod.Name, list[i].pod.Namespace, list[i].pod.UID
		changed := pod.DeepCopy()
		changed.Status.NominatedNodeName = list[i].node
		err := c.Kube.Status().Patch(ctx, changed, client.StrategicMergeFrom(pod))
		if client.IgnoreNotFound(err) != nil {
			log.FromContext(ctx).V(1).Info("not nominating", "Pod", client.ObjectKeyFromObject(pod), "node", list[i].node, "reason", err.Error())
		}
	})
}

// inParallel calls do for 0 to n-1, some at a time, and returns when all are done.
func inParallel(n, workers int, do func(int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(n, workers) {
		wg.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
