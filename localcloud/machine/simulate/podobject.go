package simulate

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// Annotations by which a pod says what its containers would do.
const (
	readyAfter = "simulate.automode.dev/ready-after"
	runFor     = "simulate.automode.dev/run-for"
	exitCode   = "simulate.automode.dev/exit-code"
	stopAfter  = "simulate.automode.dev/stop-after"
)

// script is what a pod's annotations ask for.
type script struct {
	readyAfter, runFor, stopAfter time.Duration
	exitCode                      int32
}

// scriptOf reads the annotations; what is not a duration or a number is as if it were not there.
func scriptOf(p *corev1.Pod) script {
	duration := func(name string) time.Duration {
		d, err := time.ParseDuration(p.Annotations[name])
		if err != nil || d < 0 {
			return 0
		}
		return d
	}
	s := script{readyAfter: duration(readyAfter), runFor: duration(runFor), stopAfter: duration(stopAfter)}
	if code, err := strconv.ParseInt(p.Annotations[exitCode], 10, 32); err == nil {
		s.exitCode = int32(code)
	}
	return s
}

// runningStatus is the status of a pod whose containers run since start, ready or not.
func runningStatus(p *corev1.Pod, address, hostAddress netip.Addr, start, now time.Time, ready bool) corev1.PodStatus {
	st := *p.Status.DeepCopy()
	st.Phase, st.StartTime = corev1.PodRunning, ptr.To(metav1.NewTime(start))
	st.ObservedGeneration = p.Generation
	setAddresses(&st, address, hostAddress)
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(start)}}
	done := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		Reason: "Completed", StartedAt: metav1.NewTime(start), FinishedAt: metav1.NewTime(start), ContainerID: containerID(p, "init"),
	}}
	st.InitContainerStatuses = nil
	for _, c := range p.Spec.InitContainers {
		state := done
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			state = running
		}
		st.InitContainerStatuses = append(st.InitContainerStatuses, containerStatus(p, c, state, true))
	}
	st.ContainerStatuses = nil
	for _, c := range p.Spec.Containers {
		st.ContainerStatuses = append(st.ContainerStatuses, containerStatus(p, c, running, ready))
	}
	setCondition(&st, corev1.PodReadyToStartContainers, true, "", "", now)
	setCondition(&st, corev1.PodInitialized, true, "", "", now)
	setReadiness(p, &st, ready, "ContainersNotReady", now)
	return st
}

// endedStatus is the status of a pod whose containers all ended.
func endedStatus(p *corev1.Pod, code int32, now time.Time) corev1.PodStatus {
	st := *p.Status.DeepCopy()
	st.Phase = corev1.PodSucceeded
	reason := "Completed"
	if code != 0 {
		st.Phase, reason = corev1.PodFailed, "Error"
	}
	for i := range st.ContainerStatuses {
		c := &st.ContainerStatuses[i]
		ended := &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, FinishedAt: metav1.NewTime(now), ContainerID: c.ContainerID}
		if c.State.Running != nil {
			ended.StartedAt = c.State.Running.StartedAt
		}
		c.State, c.Ready, c.Started = corev1.ContainerState{Terminated: ended}, false, ptr.To(false)
	}
	condition := "PodCompleted"
	if code != 0 {
		condition = "PodFailed"
	}
	setCondition(&st, corev1.PodReadyToStartContainers, false, "", "", now)
	setReadiness(p, &st, false, condition, now)
	return st
}

// setReadiness derives ContainersReady, and Ready from it and the pod's readiness gates.
func setReadiness(p *corev1.Pod, st *corev1.PodStatus, ready bool, reason string, now time.Time) {
	if ready {
		setCondition(st, corev1.ContainersReady, true, "", "", now)
	} else {
		setCondition(st, corev1.ContainersReady, false, reason, "containers are not ready", now)
	}
	missing := missingGates(p, st)
	switch {
	case !ready:
		setCondition(st, corev1.PodReady, false, reason, "containers are not ready", now)
	case len(missing) > 0:
		setCondition(st, corev1.PodReady, false, "ReadinessGatesNotReady", "readiness gates not ready: "+strings.Join(missing, ", "), now)
	default:
		setCondition(st, corev1.PodReady, true, "", "", now)
	}
}

// missingGates names the readiness gates whose condition is not true.
func missingGates(p *corev1.Pod, st *corev1.PodStatus) []string {
	var missing []string
	for _, g := range p.Spec.ReadinessGates {
		if c := findCondition(st, g.ConditionType); c == nil || c.Status != corev1.ConditionTrue {
			missing = append(missing, string(g.ConditionType))
		}
	}
	return missing
}

func findCondition(st *corev1.PodStatus, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range st.Conditions {
		if st.Conditions[i].Type == kind {
			return &st.Conditions[i]
		}
	}
	return nil
}

// setCondition sets a condition; the time changes only with the status.
func setCondition(st *corev1.PodStatus, kind corev1.PodConditionType, holds bool, reason, message string, now time.Time) {
	status := corev1.ConditionFalse
	if holds {
		status = corev1.ConditionTrue
	}
	c := findCondition(st, kind)
	if c == nil {
		st.Conditions = append(st.Conditions, corev1.PodCondition{Type: kind})
		c = &st.Conditions[len(st.Conditions)-1]
	}
	if c.Status != status {
		c.LastTransitionTime = metav1.NewTime(now)
	}
	c.Status, c.Reason, c.Message = status, reason, message
}

func setAddresses(st *corev1.PodStatus, address, hostAddress netip.Addr) {
	if hostAddress.IsValid() {
		st.HostIP, st.HostIPs = hostAddress.String(), []corev1.HostIP{{IP: hostAddress.String()}}
	}
	if address.IsValid() {
		st.PodIP, st.PodIPs = address.String(), []corev1.PodIP{{IP: address.String()}}
	}
}

func containerStatus(p *corev1.Pod, c corev1.Container, state corev1.ContainerState, ready bool) corev1.ContainerStatus {
	return corev1.ContainerStatus{
		Name: c.Name, Image: c.Image, ImageID: c.Image, ContainerID: containerID(p, c.Name), State: state,
		Ready: ready, Started: ptr.To(state.Running != nil),
	}
}

func containerID(p *corev1.Pod, container string) string {
	return "simulated://" + string(p.UID) + "/" + container
}
