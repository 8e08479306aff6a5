package cli

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/automode-dev/automode/compute/nodes/bulletin"
)

// Each file of testdata/live holds arguments, the objects of a cluster, standard input, and what comes out.
func TestLive(t *testing.T) {
	scenarios(t, "testdata/live/*.txt", func(t *testing.T, s *scenario) {
		serveCluster(t, newWorld(t, s.cluster))
		s.run(t)
	})
}

// resources are the kinds that a cluster has, by group and version.
var resources = map[string]map[string]string{
	"v1": {"namespaces": "Namespace", "nodes": "Node", "pods": "Pod", "persistentvolumes": "PersistentVolume",
		"persistentvolumeclaims": "PersistentVolumeClaim", "events": "Event", "configmaps": "ConfigMap"},
	"apps/v1":              {"daemonsets": "DaemonSet"},
	"storage.k8s.io/v1":    {"storageclasses": "StorageClass", "csinodes": "CSINode"},
	"policy/v1":            {"poddisruptionbudgets": "PodDisruptionBudget"},
	"karpenter.sh/v1":      {"nodepools": "NodePool", "nodeclaims": "NodeClaim"},
	"eks.amazonaws.com/v1": {"nodeclasses": "NodeClass"},
}

// serveCluster is an API server that can list everything and get the controllers' ConfigMap, and the kubeconfig that leads to it.
func serveCluster(t *testing.T, objects []client.Object) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := answerTo(r, objects)
		if answer == nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Errorf("answering %s: %v", r.URL, err)
		}
	}))
	t.Cleanup(server.Close)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	text := strings.ReplaceAll(`{"apiVersion":"v1","kind":"Config","current-context":"test","contexts":[{"name":"test","context":{"cluster":"test"}}],
"clusters":[{"name":"test","cluster":{"server":"URL"}}]}`, "URL", server.URL)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", kubeconfig)
}

// answerTo answers discovery and lists; nil for everything else.
func answerTo(r *http.Request, objects []client.Object) any {
	path := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/apis"), "/api")
	path = strings.TrimPrefix(path, "/")
	switch r.URL.Path {
	case "/api":
		return metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}}
	case "/apis":
		return groupList()
	}
	if kinds, ok := resources[path]; ok {
		list := metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: path}
		for plural, kind := range kinds {
			list.APIResources = append(list.APIResources, metav1.APIResource{Name: plural, Kind: kind, Namespaced: kind == "ConfigMap", Verbs: metav1.Verbs{"list"}})
		}
		return list
	}
	if name, ok := strings.CutPrefix(path, "v1/namespaces/"+bulletin.Namespace+"/configmaps/"); ok {
		return configMap(objects, name)
	}
	version, plural := filepath.Split(path)
	version = strings.TrimSuffix(version, "/")
	kind := resources[version][plural]
	if kind == "" {
		return nil
	}
	selector, _ := fields.ParseSelector(r.URL.Query().Get("fieldSelector"))
	items := []client.Object{}
	for _, o := range objects {
		if gvk := o.GetObjectKind().GroupVersionKind(); gvk.Kind == kind && gvk.GroupVersion().String() == version && selected(o, selector) {
			items = append(items, o)
		}
	}
	return map[string]any{"apiVersion": version, "kind": kind + "List", "metadata": map[string]any{}, "items": items}
}

func configMap(objects []client.Object, name string) any {
	for _, o := range objects {
		if _, ok := o.(*corev1.ConfigMap); ok && o.GetName() == name {
			return o
		}
	}
	return nil
}

func groupList() metav1.APIGroupList {
	list := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
	for name := range resources {
		if group, version, ok := strings.Cut(name, "/"); ok {
			v := metav1.GroupVersionForDiscovery{GroupVersion: name, Version: version}
			list.Groups = append(list.Groups, metav1.APIGroup{Name: group, Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v})
		}
	}
	return list
}

// selected applies the field selector of events.
func selected(o client.Object, selector fields.Selector) bool {
	event, ok := o.(*corev1.Event)
	return !ok || selector.Matches(fields.Set{"involvedObject.kind": event.InvolvedObject.Kind, "involvedObject.name": event.InvolvedObject.Name})
}

// An API server that is behind is asked again; another error is passed on at once.
func TestBusyClusterIsAskedAgain(t *testing.T) {
	busy.Duration = time.Millisecond
	t.Cleanup(func() { busy.Duration = time.Second })
	behind := apierrors.NewTimeoutError("Too large resource version: 9, current: 8", 1)
	refused := apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, "", errors.New("not for you"))
	for _, test := range []struct {
		name    string
		answers []error
		want    error
		asked   int
	}{
		{"behind for a while", []error{behind, behind, nil}, nil, 3},
		{"behind for good", slices.Repeat([]error{behind}, busy.Steps+1), behind, busy.Steps},
		{"refused", []error{refused, nil}, refused, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			asked := 0
			c := interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{
				List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
					asked++
					return test.answers[asked-1]
				},
			})
			if err := listPatiently(t.Context(), c, &corev1.NodeList{}); !errors.Is(err, test.want) || asked != test.asked {
				t.Errorf("asked %d times, got %v; want %d times, %v", asked, err, test.asked, test.want)
			}
		})
	}
}
