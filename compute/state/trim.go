package state

import (
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Trimmer makes objects small before a cache keeps them. It takes out what no controller of ours or of Karpenter's reads: who
// manages which field, of pods what they run and how they fare in detail, of nodes which images they have. And pods of one
// controller share what they have in common.
//
// As with everything in a cache, what was trimmed must not be changed, nor written back as a whole; patches say nothing
// about what is not there.
type Trimmer struct {
	mu     sync.Mutex
	common map[types.UID]*common // by controller of the pods
}

// common is what the last pod of a controller was like.
type common struct {
	labels, annotations        map[string]string
	containers, initContainers []corev1.Container
	tolerations                []corev1.Toleration
	spread                     []corev1.TopologySpreadConstraint
	affinity                   *corev1.Affinity
	nodeSelector               map[string]string
}

// remembered bounds the controllers whose pods are known. Beyond it they are forgotten, and learned again.
const remembered = 20_000

// NewTrimmer makes one for a cache.
func NewTrimmer() *Trimmer { return &Trimmer{common: map[types.UID]*common{}} }

// Trim is the transformation for the cache. It changes the object in place and returns it, never an error.
func (t *Trimmer) Trim(object any) (any, error) {
	if o, ok := object.(client.Object); ok {
		o.SetManagedFields(nil)
	}
	switch o := object.(type) {
	case *corev1.Pod:
		trimPod(o)
		t.share(o)
	case *corev1.Node:
		o.Status.Images = nil
	}
	return object, nil
}

func trimPod(pod *corev1.Pod) {
	delete(pod.Annotations, corev1.LastAppliedConfigAnnotation)
	spec, status := &pod.Spec, &pod.Status
	trimContainers(spec.Containers)
	trimContainers(spec.InitContainers)
	spec.EphemeralContainers, spec.ImagePullSecrets, spec.HostAliases, spec.DNSConfig, spec.SecurityContext = nil, nil, nil, nil, nil
	spec.Volumes = slices.Clone(slices.DeleteFunc(spec.Volumes, func(v corev1.Volume) bool {
		return v.PersistentVolumeClaim == nil && v.Ephemeral == nil // others do not decide where a pod may go
	}))
	status.Message, status.HostIPs = "", nil
	status.ContainerStatuses, status.InitContainerStatuses, status.EphemeralContainerStatuses = nil, nil, nil
	for i := range status.Conditions {
		status.Conditions[i].Message = ""
	}
}

// trimContainers leaves names, resources, ports, and whether an init container is a sidecar.
func trimContainers(list []corev1.Container) {
	for i := range list {
		c := &list[i]
		list[i] = corev1.Container{Name: c.Name, Resources: c.Resources, Ports: c.Ports, RestartPolicy: c.RestartPolicy}
	}
}

// share has the pod refer to what another pod of its controller has too.
func (t *Trimmer) share(pod *corev1.Pod) {
	owner := metav1.GetControllerOfNoCopy(pod)
	if owner == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.common[owner.UID]
	if c == nil {
		if len(t.common) >= remembered {
			clear(t.common)
		}
		c = &common{}
		t.common[owner.UID] = c
	}
	shareOne(&c.labels, &pod.Labels)
	shareOne(&c.annotations, &pod.Annotations)
	shareOne(&c.containers, &pod.Spec.Containers)
	shareOne(&c.initContainers, &pod.Spec.InitContainers)
	shareOne(&c.tolerations, &pod.Spec.Tolerations)
	shareOne(&c.spread, &pod.Spec.TopologySpreadConstraints)
	shareOne(&c.affinity, &pod.Spec.Affinity)
	shareOne(&c.nodeSelector, &pod.Spec.NodeSelector)
}

func shareOne[T any](known, own *T) {
	if equality.Semantic.DeepEqual(*known, *own) {
		*own = *known
	} else {
		*known = *own
	}
}
