// Package objects puts Kubernetes objects into a cluster on behalf of the EKS
// service: what every cluster begins with and the roles of access policies.
//
// It applies what it is given and deletes what it is told to; it never decides
// who may do what.
package objects

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// fieldManager owns what this service writes.
const fieldManager = "eks"

// parallel is how many objects are applied at once.
const parallel = 8

//go:embed manifests/*.yaml
var manifests embed.FS

// Manifests returns the YAML of the service's own objects.
func Manifests() [][]byte {
	var all [][]byte
	names, err := fs.Glob(manifests, "manifests/*.yaml")
	for _, name := range names {
		var data []byte
		if data, err = manifests.ReadFile(name); err == nil {
			all = append(all, data)
		}
	}
	if err != nil {
		panic(fmt.Sprintf("reading embedded manifests: %v", err)) // a broken build
	}
	return all
}

// Parse reads YAML files of several documents each.
func Parse(files ...[]byte) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	for _, file := range files {
		d := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(file), 4096)
		for {
			o := &unstructured.Unstructured{}
			err := d.Decode(&o.Object)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("reading manifest: %w", err)
			}
			if len(o.Object) > 0 {
				all = append(all, o)
			}
		}
	}
	return all, nil
}

// Client writes to one cluster.
type Client struct {
	client   kubernetes.Interface
	dynamic  dynamic.Interface
	watching dynamic.Interface // without a limit of time
}

// NewClient returns a Client for the cluster of config.
func NewClient(config *rest.Config) (*Client, error) {
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = 200, 400
	config.Timeout = 30 * time.Second
	config.WarningHandler = rest.NoWarnings{}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making client: %w", err)
	}
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making client: %w", err)
	}
	config.Timeout = 0
	watching, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making client: %w", err)
	}
	return &Client{client, dyn, watching}, nil
}

// resource is where objects of o's kind are written.
func (c *Client) resource(m meta.RESTMapper, o *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	gvk := o.GroupVersionKind()
	mapping, err := m.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return nil, fmt.Errorf("finding kind %s: %w", gvk, err)
	}
	r := c.dynamic.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		return r.Namespace(o.GetNamespace()), nil
	}
	return r, nil
}

// Apply makes the objects so, whoever wrote them last. Their order does not
// matter: an object whose kind or namespace is missing is an error to try
// again.
func (c *Client) Apply(ctx context.Context, all []*unstructured.Unstructured) error {
	groups, err := restmapper.GetAPIGroupResources(c.client.Discovery())
	if err != nil {
		return fmt.Errorf("asking for the kinds of the cluster: %w", err)
	}
	mapper := restmapper.NewDiscoveryRESTMapper(groups)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, o := range all {
		g.Go(func() error {
			r, err := c.resource(mapper, o)
			if err == nil {
				_, err = r.Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
			}
			if err != nil {
				return fmt.Errorf("applying %s %s: %w", o.GetKind(), o.GetName(), err)
			}
			return nil
		})
	}
	return g.Wait()
}
