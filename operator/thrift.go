package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/patrickmn/go-cache"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
)

// writtenMemory is how long what a write returned is remembered: longer than a watch is ever behind.
const writtenMemory = time.Minute

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
	written *cache.Cache // by UID, the object that the newest write returned
}

func newThrifty(plain client.Client) thrifty {
	return thrifty{plain, cache.New(writtenMemory, writtenMemory)}
}

// Get reads from the cache, unless this process has written something newer.
func (t thrifty) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	if err := t.Client.Get(ctx, key, object, options...); err != nil {
		return err
	}
	own, ok := t.written.Get(string(object.GetUID()))
	if !ok || !older(object.GetResourceVersion(), own.(client.Object).GetResourceVersion()) {
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
		t.written.SetDefault(string(object.GetUID()), object.DeepCopyObject())
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
	if !useless && lock != "" && t.replaced(object.GetUID(), lock) {
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

// replaced tells whether a write of this process returned a newer version of the object.
func (t thrifty) replaced(uid types.UID, version string) bool {
	own, ok := t.written.Get(string(uid))
	return ok && older(version, own.(client.Object).GetResourceVersion())
}

func older(version, than string) bool {
	order, err := resourceversion.CompareResourceVersion(version, than)
	return err == nil && order < 0
}
