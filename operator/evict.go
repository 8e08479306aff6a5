package operator

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// evictingClient is the client of Karpenter's queue of evictions. The queue takes a conflict as news that the pod is
// another one by now, and never tries again. But the API server also answers so when others change the status of the
// pod's PodDisruptionBudget faster than it can: the node would be drained for ever.
type evictingClient struct {
	client.Client
	live client.Reader // not a cache
}

// SubResource is the client's own, but for evictions.
func (c evictingClient) SubResource(name string) client.SubResourceClient {
	plain := c.Client.SubResource(name)
	if name != "eviction" {
		return plain
	}
	return evictions{plain, c.live}
}

type evictions struct {
	client.SubResourceClient
	live client.Reader
}

// Create evicts a pod. Its error is a conflict only where there is another pod under that name.
func (e evictions) Create(ctx context.Context, pod, eviction client.Object, options ...client.SubResourceCreateOption) error {
	err := e.SubResourceClient.Create(ctx, pod, eviction, options...)
	if !apierrors.IsConflict(err) {
		return err
	}
	now := pod.DeepCopyObject().(client.Object)
	if err := e.live.Get(ctx, client.ObjectKeyFromObject(pod), now); err != nil {
		return err
	}
	if now.GetUID() != pod.GetUID() {
		return err
	}
	// The queue must not see the conflict.
	return fmt.Errorf("evicting pod %s, trying again: %v", client.ObjectKeyFromObject(pod), err)
}
