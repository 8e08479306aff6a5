package bulletin

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

func TestBulletin(t *testing.T) {
	ctx, writes := context.Background(), 0
	count := func() { writes++ }
	kube := interceptor.NewClient(fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).Build(), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			count()
			return c.Create(ctx, o, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			count()
			return c.Update(ctx, o, opts...)
		},
	})
	var news map[string]string
	c := NewController(kube, func() (map[string]string, error) { return news, nil })
	for _, step := range []struct {
		name   string
		news   map[string]string
		writes int
	}{
		{"nothing to tell", nil, 0},
		{"the first news", map[string]string{"a": "1"}, 2}, // an update that finds nothing, and the creation
		{"the same news", map[string]string{"a": "1"}, 2},
		{"other news", map[string]string{"b": "2"}, 3},
		{"nothing any more", nil, 3},
	} {
		news = step.news
		if _, err := c.Reconcile(ctx); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		object := &corev1.ConfigMap{}
		err := kube.Get(ctx, client.ObjectKey{Namespace: Namespace, Name: Name}, object)
		if (len(step.news) == 0) != apierrors.IsNotFound(err) {
			t.Errorf("%s: getting the ConfigMap: %v", step.name, err)
		}
		if diff := cmp.Diff(step.news, object.Data); diff != "" || writes != step.writes {
			t.Errorf("%s: %d writes, want %d; data (-want +got):\n%s", step.name, writes, step.writes, diff)
		}
	}
}
