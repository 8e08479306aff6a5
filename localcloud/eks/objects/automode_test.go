package objects

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
)

// TestPodsGoWithTheirNodes: when Auto Mode is switched off, pods on nodes that
// are gone go, those on other nodes and those on none stay.
func TestPodsGoWithTheirNodes(t *testing.T) {
	pod := func(name, node string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Spec: corev1.PodSpec{NodeName: node}}
	}
	client := fake.NewClientset(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "mine"}}, pod("orphan", "i-1"), pod("other", "mine"), pod("waiting", ""))
	kinds := map[schema.GroupVersionResource]string{}
	for _, a := range automatic {
		kinds[a.resource] = "List"
	}
	c := &Client{client: client, dynamic: dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kinds)}
	if err := c.RemoveAutoMode(t.Context()); err != nil {
		t.Fatal(err)
	}
	left, err := client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range left.Items {
		names = append(names, left.Items[i].Name)
	}
	if !slices.Equal(names, []string{"other", "waiting"}) {
		t.Errorf("left are %v", names)
	}
}
