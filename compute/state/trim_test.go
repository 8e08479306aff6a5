package state

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

// full is a pod as an API server gives it out.
func full(name, owner, cpu string) *corev1.Pod {
	request := corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}}
	container := func(name string) corev1.Container {
		return corev1.Container{
			Name: name, Image: "registry/image:1", Command: []string{"run"}, Env: []corev1.EnvVar{{Name: "A", Value: "b"}}, Resources: request,
			Ports: []corev1.ContainerPort{{ContainerPort: 80, HostPort: 8080}}, ReadinessProbe: &corev1.Probe{}, VolumeMounts: []corev1.VolumeMount{{Name: "data"}},
		}
	}
	sidecar := container("sidecar")
	sidecar.RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, UID: types.UID(name), Labels: map[string]string{"app": owner}, ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}},
			Annotations:     map[string]string{"karpenter.sh/do-not-disrupt": "true", corev1.LastAppliedConfigAnnotation: "{}"},
			OwnerReferences: []metav1.OwnerReference{{UID: types.UID(owner), Controller: ptr.To(true)}},
		},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{container("app")}, InitContainers: []corev1.Container{sidecar}, EphemeralContainers: []corev1.EphemeralContainer{{}},
			NodeSelector: map[string]string{"disk": "ssd"}, Tolerations: []corev1.Toleration{{Key: "a"}}, Priority: ptr.To[int32](7),
			Affinity:                  &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{}},
			TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{TopologyKey: "zone", LabelSelector: &metav1.LabelSelector{}}},
			Volumes: []corev1.Volume{
				{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}},
				{Name: "token", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{}}},
			},
			SecurityContext: &corev1.PodSecurityContext{}, DNSConfig: &corev1.PodDNSConfig{},
		},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, NominatedNodeName: "i-1", PodIP: "10.0.0.1", Message: "long", ContainerStatuses: []corev1.ContainerStatus{{Name: "app"}},
			Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/5000 nodes are available"}},
		},
	}
}

func trim[T any](t *Trimmer, object *T) *T {
	trimmed, _ := t.Trim(object)
	return trimmed.(*T)
}

// What nodes are chosen by stays.
func TestTrimmedPod(t *testing.T) {
	want := full("a", "web", "1")
	want.ManagedFields = nil
	delete(want.Annotations, corev1.LastAppliedConfigAnnotation)
	for _, list := range [][]corev1.Container{want.Spec.Containers, want.Spec.InitContainers} {
		c := &list[0]
		c.Image, c.Command, c.Env, c.ReadinessProbe, c.VolumeMounts = "", nil, nil, nil, nil
	}
	want.Spec.Volumes = want.Spec.Volumes[:1]
	want.Spec.EphemeralContainers, want.Spec.SecurityContext, want.Spec.DNSConfig = nil, nil, nil
	want.Status.Message, want.Status.ContainerStatuses, want.Status.Conditions[0].Message = "", nil, ""
	if diff := cmp.Diff(want, trim(NewTrimmer(), full("a", "web", "1"))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPodsOfOneControllerShare(t *testing.T) {
	trimmer := NewTrimmer()
	first, second := trim(trimmer, full("a", "web", "1")), trim(trimmer, full("b", "web", "1"))
	if &first.Spec.Containers[0] != &second.Spec.Containers[0] || &first.Spec.Tolerations[0] != &second.Spec.Tolerations[0] || first.Spec.Affinity != second.Spec.Affinity {
		t.Error("two equal pods share nothing")
	}
	if second.Name != "b" {
		t.Errorf("the second pod became %s", second.Name)
	}
	for name, other := range map[string]*corev1.Pod{"of a new template": full("c", "web", "2"), "of another controller": full("d", "api", "1")} {
		got, want := trim(trimmer, other.DeepCopy()), trim(NewTrimmer(), other.DeepCopy())
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("a pod %s (-want +got):\n%s", name, diff)
		}
	}
	if lone := full("e", "web", "1"); trim(trimmer, &corev1.Pod{Spec: lone.Spec}).Spec.Affinity == first.Spec.Affinity {
		t.Error("a pod without a controller shares with others")
	}
}

func TestControllersAreForgotten(t *testing.T) {
	trimmer := NewTrimmer()
	for i := range remembered + 1 {
		pod := &corev1.Pod{}
		pod.OwnerReferences = []metav1.OwnerReference{{UID: types.UID(fmt.Sprint(i)), Controller: ptr.To(true)}}
		trim(trimmer, pod)
	}
	if n := len(trimmer.common); n != 1 {
		t.Errorf("%d controllers are known after %d, want the last one", n, remembered+1)
	}
}

func TestTrimmedNode(t *testing.T) {
	node := &corev1.Node{Status: corev1.NodeStatus{Phase: "x", Images: []corev1.ContainerImage{{Names: []string{"a"}}}}}
	if got := trim(NewTrimmer(), node); got.Status.Images != nil || got.Status.Phase != "x" {
		t.Errorf("got %+v", got.Status)
	}
}
