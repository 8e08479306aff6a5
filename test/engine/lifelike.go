package engine

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/automode-dev/automode/compute/state"
)

// fillIn gives pods what an API server, a scheduler and a kubelet would have
// written into them, managed fields left out as in the controllers' cache.
func (c *Cluster) fillIn() {
	for _, p := range c.Waiting {
		admit(p)
	}
	for _, n := range c.Nodes {
		for _, p := range n.Pods {
			admit(p)
			report(p)
		}
	}
}

// trim leaves of objects what the cache of our controllers keeps.
func (c *Cluster) trim() {
	trimmer := state.NewTrimmer()
	keep := func(o client.Object) { _, _ = trimmer.Trim(o) } // never fails
	for _, p := range c.Waiting {
		keep(p)
	}
	for _, n := range c.Nodes {
		keep(n.Node)
		for _, p := range n.Pods {
			keep(p)
		}
	}
}

// admit adds what admission and defaulting do.
func admit(p *corev1.Pod) {
	p.ResourceVersion, p.GenerateName = "123456789", p.Labels["app"]+"-6c8b7f9d5-"
	p.CreationTimestamp = metav1.NewTime(time.Now().Add(-time.Hour))
	p.Labels["pod-template-hash"] = "6c8b7f9d5"
	p.Annotations = map[string]string{"kubectl.kubernetes.io/restartedAt": "2026-01-02T03:04:05Z", "prometheus.io/scrape": "true", "prometheus.io/port": "9090"}
	p.Spec.ServiceAccountName, p.Spec.SchedulerName, p.Spec.DNSPolicy, p.Spec.RestartPolicy = "default", "default-scheduler", corev1.DNSClusterFirst, corev1.RestartPolicyAlways
	seconds := int64(300)
	for _, key := range []string{"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"} {
		p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: &seconds})
	}
	token := corev1.Volume{Name: "kube-api-access-abcde", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
		{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token", ExpirationSeconds: &seconds}},
		{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"}, Items: []corev1.KeyToPath{{Key: "ca.crt", Path: "ca.crt"}}}}}}}}
	p.Spec.Volumes = append(p.Spec.Volumes, token)
	container := &p.Spec.Containers[0]
	container.Image = "123456789012.dkr.ecr.us-west-2.amazonaws.com/team/service:2026.1.2-3456789"
	container.VolumeMounts = []corev1.VolumeMount{{Name: token.Name, ReadOnly: true, MountPath: "/var/run/secrets/kubernetes.io/serviceaccount"}}
	for i := range 6 {
		container.Env = append(container.Env, corev1.EnvVar{Name: fmt.Sprint("SETTING_", i), Value: "a value of some length"})
	}
	probe := corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Scheme: corev1.URISchemeHTTP}}
	container.ReadinessProbe, container.LivenessProbe = &corev1.Probe{ProbeHandler: probe, PeriodSeconds: 10}, &corev1.Probe{ProbeHandler: probe, PeriodSeconds: 10}
}

// report adds what a kubelet does.
func report(p *corev1.Pod) {
	started := true
	p.Status.HostIP, p.Status.PodIP, p.Status.QOSClass = "10.0.0.1", "10.0.1.1", corev1.PodQOSBurstable
	p.Status.PodIPs = []corev1.PodIP{{IP: p.Status.PodIP}}
	for _, condition := range []corev1.PodConditionType{corev1.PodReadyToStartContainers, corev1.PodInitialized, corev1.PodReady, corev1.ContainersReady} {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: condition, Status: corev1.ConditionTrue, LastTransitionTime: p.CreationTimestamp})
	}
	image := p.Spec.Containers[0].Image
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "c", Ready: true, Started: &started, Image: image, ImageID: image + "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		ContainerID: "containerd://0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		State:       corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: p.CreationTimestamp}}}}
}
