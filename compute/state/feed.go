package state

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

// kinds are the objects that a Picture holds.
func kinds() []client.Object {
	return []client.Object{
		&corev1.Pod{}, &corev1.Node{}, &karpv1.NodeClaim{}, &karpv1.NodePool{}, &appsv1.DaemonSet{}, &corev1.Namespace{},
		&corev1.PersistentVolume{}, &corev1.PersistentVolumeClaim{}, &storagev1.StorageClass{}, &storagev1.CSINode{},
	}
}

// Feed keeps a picture up to date from a cache.
type Feed struct {
	synced []toolscache.InformerSynced
}

// NewFeed starts to keep the picture up to date. Each of changed is told of every change after the picture has it;
// the old object is nil for a new one, the new one nil for a deleted one. They must return fast.
func NewFeed(ctx context.Context, informers cache.Cache, picture *Picture, changed ...func(before, after client.Object)) (*Feed, error) {
	feed := &Feed{}
	tell := func(before, after client.Object) {
		for _, f := range changed {
			f(before, after)
		}
	}
	for _, kind := range kinds() {
		// Waiting for the first list would block: the cache starts with the manager.
		informer, err := informers.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
		if err != nil {
			return nil, fmt.Errorf("watching %T: %w", kind, err)
		}
		registration, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc: func(after any) {
				picture.Set(after.(client.Object))
				tell(nil, after.(client.Object))
			},
			UpdateFunc: func(before, after any) {
				picture.Set(after.(client.Object))
				tell(before.(client.Object), after.(client.Object))
			},
			DeleteFunc: func(before any) {
				if gone, ok := before.(toolscache.DeletedFinalStateUnknown); ok {
					before = gone.Obj
				}
				if object, ok := before.(client.Object); ok {
					picture.Delete(object)
					tell(object, nil)
				}
			},
		})
		if err != nil {
			return nil, fmt.Errorf("watching %T: %w", kind, err)
		}
		feed.synced = append(feed.synced, registration.HasSynced)
	}
	return feed, nil
}

// Synced tells whether the picture holds everything that was there at the start.
func (f *Feed) Synced() bool {
	for _, synced := range f.synced {
		if !synced() {
			return false
		}
	}
	return true
}
