package plan

import (
	"fmt"
	"hash/fnv"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/automode-dev/automode/compute/state"
)

// Workload is what pods belong to.
type Workload struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

func (w Workload) String() string { return fmt.Sprintf("%s %s/%s", w.Kind, w.Namespace, w.Name) }

func gvk(apiVersion, kind string) schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(apiVersion, kind)
}

// expansion is what a workload's object turns into.
type expansion struct {
	pods   []*corev1.Pod
	claims []*corev1.PersistentVolumeClaim
}

// expand makes the pods that the controllers of a cluster would make of an object: all replicas, one run of a CronJob.
// Other objects have none.
func expand(object client.Object) expansion {
	switch o := object.(type) {
	case *corev1.Pod:
		pod := o.DeepCopy()
		pod.Namespace = namespaceOf(o)
		state.RequestLimits(&pod.Spec)
		return expansion{pods: []*corev1.Pod{pod}}
	case *appsv1.Deployment:
		return expansion{pods: replicas("Deployment", o, &o.Spec.Template, or(o.Spec.Replicas, 1), "apps/v1")}
	case *appsv1.ReplicaSet:
		return expansion{pods: replicas("ReplicaSet", o, &o.Spec.Template, or(o.Spec.Replicas, 1), "apps/v1")}
	case *corev1.ReplicationController:
		if o.Spec.Template == nil {
			return expansion{}
		}
		return expansion{pods: replicas("ReplicationController", o, o.Spec.Template, or(o.Spec.Replicas, 1), "v1")}
	case *appsv1.StatefulSet:
		return expandStatefulSet(o)
	case *batchv1.Job:
		return expansion{pods: replicas("Job", o, &o.Spec.Template, jobPods(&o.Spec), "batch/v1")}
	case *batchv1.CronJob:
		job := &o.Spec.JobTemplate.Spec
		return expansion{pods: replicas("CronJob", o, &job.Template, jobPods(job), "batch/v1")}
	}
	return expansion{}
}

func or[T any](value *T, otherwise T) T {
	if value == nil {
		return otherwise
	}
	return *value
}

// jobPods is how many pods of a job run at a time.
func jobPods(job *batchv1.JobSpec) int32 {
	if job.Suspend != nil && *job.Suspend {
		return 0
	}
	pods := or(job.Parallelism, 1)
	if job.Completions != nil {
		pods = min(pods, *job.Completions)
	}
	return pods
}

// replicas makes n pods of a template.
func replicas(kind string, owner client.Object, template *corev1.PodTemplateSpec, n int32, apiVersion string) []*corev1.Pod {
	base := corev1.Pod{ObjectMeta: *template.ObjectMeta.DeepCopy(), Spec: *template.Spec.DeepCopy()}
	base.Namespace = namespaceOf(owner)
	controller := true
	base.OwnerReferences = []metav1.OwnerReference{{APIVersion: apiVersion, Kind: kind, Name: owner.GetName(), UID: types.UID(kind + "/" + owner.GetName()), Controller: &controller}}
	state.RequestLimits(&base.Spec)
	if kind == "Deployment" {
		base.Labels = maps.Clone(base.Labels)
		if base.Labels == nil {
			base.Labels = map[string]string{}
		}
		base.Labels[appsv1.DefaultDeploymentUniqueLabelKey] = hash(base.Namespace, owner.GetName())
	}
	pods := make([]*corev1.Pod, n)
	for i := range pods {
		pod := base // pods of one template share labels, spec and owners; nothing changes them
		pod.Name = fmt.Sprintf("%s-%d", owner.GetName(), i)
		pod.UID = types.UID(kind + "/" + pod.Namespace + "/" + pod.Name)
		pods[i] = &pod
	}
	return pods
}

func expandStatefulSet(set *appsv1.StatefulSet) expansion {
	e := expansion{pods: replicas("StatefulSet", set, &set.Spec.Template, or(set.Spec.Replicas, 1), "apps/v1")}
	if len(set.Spec.VolumeClaimTemplates) == 0 {
		return e
	}
	for _, pod := range e.pods {
		pod.Spec.Volumes = append([]corev1.Volume{}, pod.Spec.Volumes...)
		for i := range set.Spec.VolumeClaimTemplates {
			template := &set.Spec.VolumeClaimTemplates[i]
			claim := template.DeepCopy()
			claim.Name, claim.Namespace = template.Name+"-"+pod.Name, pod.Namespace
			e.claims = append(e.claims, claim)
			pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: template.Name, VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name}}})
		}
	}
	return e
}

// hash stands for the pod-template-hash that a Deployment's pods would get.
func hash(parts ...string) string {
	h := fnv.New32a()
	for _, part := range parts {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return fmt.Sprintf("%08x", h.Sum32())
}

// OwnerOf is the workload that a pod belongs to: its controller, or the pod itself. Pods of a Deployment in a cluster
// belong to a ReplicaSet named like it with a hash at the end.
func OwnerOf(pod *corev1.Pod) Workload {
	for _, ref := range pod.OwnerReferences {
		if ref.Controller == nil || !*ref.Controller {
			continue
		}
		if suffix := pod.Labels[appsv1.DefaultDeploymentUniqueLabelKey]; ref.Kind == "ReplicaSet" && suffix != "" {
			if n := len(ref.Name) - len(suffix) - 1; n > 0 && ref.Name[n:] == "-"+suffix {
				return Workload{"Deployment", pod.Namespace, ref.Name[:n]}
			}
		}
		return Workload{ref.Kind, pod.Namespace, ref.Name}
	}
	return Workload{"Pod", pod.Namespace, pod.Name}
}
