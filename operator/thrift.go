package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/patrickmn/go-cache"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	"github.com/automode-dev/automode/compute/state"
)

// writtenMemory bounds how long a write is remembered that the cache never caught up with: the object is gone, or nobody
// reads it. A watch of a busy API server was seen to be more than a minute behind. Were a write forgotten before, an object
// would go back to what it was, and Karpenter would launch a second instance for a claim that looks as if it had none.
const writtenMemory = time.Hour

// goneMemory is the same for what a write has deleted: no read of the cache will ever show that it has caught up.
const goneMemory = 10 * time.Minute

// newThriftyClient is the manager's client without requests that are useless: patches that change nothing, of which
// Karpenter's controllers send one with each change of a status, and patches of objects as they were before this very
// process wrote them, because its watch is behind. It reads what it has written, and refuses by itself to write what is
// locked to a version it has replaced; the API server would try that six times. Each request costs the API server
// milliseconds, and when a thousand nodes come at once that is what the cluster waits for.
func newThriftyClient(config *rest.Config, options client.Options) (client.Client, error) {
	plain, err := client.New(config, options)
	if err != nil {
		return nil, err
	}
	return newThrifty(plain), nil
}

type thrifty struct {
	client.Client
	written *written
}

func newThrifty(plain client.Client) thrifty {
	return thrifty{plain, &written{newest: cache.New(writtenMemory, time.Minute)}}
}

// Get reads from the cache, unless this process has written something newer.
func (t thrifty) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	if err := t.Client.Get(ctx, key, object, options...); err != nil {
		return err
	}
	own := t.written.unlessSeen(object)
	if own == nil {
		return nil
	}
	switch object := object.(type) {
	case *karpv1.NodeClaim:
		own.(*karpv1.NodeClaim).DeepCopyInto(object)
	case *karpv1.NodePool:
		own.(*karpv1.NodePool).DeepCopyInto(object)
	case *eksv1.NodeClass:
		own.(*eksv1.NodeClass).DeepCopyInto(object)
	case *corev1.Node:
		own.(*corev1.Node).DeepCopyInto(object)
	}
	return nil
}

// Patch sends the patch unless it is about the status alone, which the API server ignores here, or bound to conflict.
func (t thrifty) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	patch, useless, err := t.reduced(object, patch, func(field string) bool { return field != "status" })
	if err != nil || useless {
		return err
	}
	return t.remember(object, t.Client.Patch(ctx, object, patch, options...))
}

func (t thrifty) Status() client.SubResourceWriter { return thriftyStatus{t.Client.Status(), t} }

type thriftyStatus struct {
	client.SubResourceWriter
	thrifty thrifty
}

// Patch sends the patch unless the status stays as it is or the patch is bound to conflict.
func (s thriftyStatus) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
	patch, useless, err := s.thrifty.reduced(object, patch, func(field string) bool { return field == "status" })
	if err != nil || useless {
		return err
	}
	return s.thrifty.remember(object, s.SubResourceWriter.Patch(ctx, object, patch, options...))
}

func (t thrifty) remember(object client.Object, err error) error {
	if err == nil && watched(object) {
		object.SetManagedFields(nil) // as in the cache, or the next patch would be about them
		t.written.add(object)
	}
	return err
}

// watched tells whether an object is of a kind that many controllers write at a time. All of them have a status of their
// own.
func watched(object client.Object) bool {
	switch object.(type) {
	case *karpv1.NodeClaim, *karpv1.NodePool, *eksv1.NodeClass, *corev1.Node:
		return true
	}
	return false
}

// reduced computes a merge patch once and tells whether nothing that counts is in it. Its error is a conflict when the
// patch is locked to a version known to be replaced. Other patches, and those of other kinds, stay as they are.
func (t thrifty) reduced(object client.Object, patch client.Patch, counts func(field string) bool) (smaller client.Patch, useless bool, err error) {
	if !watched(object) || patch.Type() != types.MergePatchType {
		return patch, false, nil
	}
	data, err := patch.Data(object)
	if err != nil {
		return nil, false, fmt.Errorf("computing the patch of %T %s: %w", object, object.GetName(), err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, false, fmt.Errorf("reading the patch of %T %s: %w", object, object.GetName(), err)
	}
	lock, onlyLock := locked(fields["metadata"])
	useless = true
	for field := range fields {
		useless = useless && (!counts(field) || field == "metadata" && onlyLock)
	}
	if !useless && lock != "" && t.written.replaced(object.GetUID(), lock) {
		return nil, false, apierrors.NewConflict(schema.GroupResource{}, object.GetName(), errors.New("this process has written the object since"))
	}
	return client.RawPatch(types.MergePatchType, data), useless, nil
}

// locked reads the version that a patch is meant for, and tells whether the patch says nothing else of the metadata.
func locked(metadata json.RawMessage) (version string, onlyLock bool) {
	if metadata == nil {
		return "", true
	}
	var fields map[string]any
	if json.Unmarshal(metadata, &fields) != nil {
		return "", false
	}
	version, _ = fields["resourceVersion"].(string)
	delete(fields, "resourceVersion")
	delete(fields, "uid")
	return version, len(fields) == 0
}

// written keeps, by UID, the object that the newest write returned until the cache has it too.
type written struct {
	mu     sync.Mutex
	newest *cache.Cache
}

// add remembers what a write returned, unless a later one has returned.
func (w *written) add(object client.Object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.knows(object.GetUID(), object.GetResourceVersion()) {
		return
	}
	memory := writtenMemory
	if object.GetDeletionTimestamp() != nil && len(object.GetFinalizers()) == 0 {
		memory = goneMemory
	}
	w.newest.Set(string(object.GetUID()), object.DeepCopyObject(), memory)
}

// unlessSeen gives what was written after an object as the cache has it; nil, and forgotten, where nothing was.
func (w *written) unlessSeen(object client.Object) client.Object {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.knows(object.GetUID(), object.GetResourceVersion()) {
		w.newest.Delete(string(object.GetUID()))
		return nil
	}
	own, _ := w.newest.Get(string(object.GetUID()))
	return own.(client.Object)
}

// replaced tells whether a write returned a newer version of the object.
func (w *written) replaced(uid types.UID, version string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.knows(uid, version)
}

// knows tells whether a newer version than this one was written. The lock is held.
func (w *written) knows(uid types.UID, version string) bool {
	own, ok := w.newest.Get(string(uid))
	return ok && state.Older(version, own.(client.Object).GetResourceVersion())
}
