package simulate

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// pod is what is kept of a pod on a simulated node. The object itself is dropped once the pod runs and is ready, so that
// many thousands are cheap.
type pod struct {
	namespace, name string
	uid             types.UID
	node            string
	phase           corev1.PodPhase
	hostNetwork     bool
	script          script
	address         netip.Addr
	started         time.Time
	ready           bool
	stopAt          time.Time   // when a deleted pod has stopped; zero while it is not deleted
	removed         bool        // the API server has been told that it stopped
	object          *corev1.Pod // as last seen, while its status is still to be written
}

// observe takes what is needed from a pod as the API server has it. The caller holds the cluster's lock.
func (p *pod) observe(o *corev1.Pod) {
	p.phase = o.Status.Phase
	if p.started.IsZero() && o.Status.StartTime != nil && o.Status.Phase == corev1.PodRunning {
		p.started = o.Status.StartTime.Time
	}
	if a, err := netip.ParseAddr(o.Status.PodIP); err == nil {
		p.address = a
	}
	ready := findCondition(&o.Status, corev1.PodReady)
	p.ready = ready != nil && ready.Status == corev1.ConditionTrue
	if o.DeletionTimestamp != nil && p.stopAt.IsZero() {
		grace := time.Duration(0)
		if o.DeletionGracePeriodSeconds != nil {
			grace = time.Duration(*o.DeletionGracePeriodSeconds) * time.Second
		}
		p.stopAt = time.Now().Add(min(p.script.stopAfter, grace))
	}
	p.object = nil
	if o.Status.Phase == corev1.PodPending || o.Status.Phase == corev1.PodRunning && !p.ready {
		p.object = o
	}
}

// action is what is due for a pod.
type action string

const (
	nothing action = ""
	start   action = "start"  // containers start
	status  action = "status" // readiness changes
	end     action = "end"    // containers end by themselves
	remove  action = "remove" // a deleted pod has stopped
)

// next decides what is due for a pod now, or when to look again (0: when it changes). nodeDown is whether its node shuts
// down, at which every deleted pod has stopped.
func (p *pod) next(now time.Time, nodeDown bool) (action, time.Duration) {
	switch {
	case p.removed: // the last change of the object comes before word that it is gone
		return nothing, 0
	case !p.stopAt.IsZero():
		if wait := p.stopAt.Sub(now); wait > 0 && !nodeDown {
			return nothing, wait
		}
		return remove, 0
	case nodeDown:
		return nothing, 0
	case p.phase == corev1.PodPending:
		return start, 0
	case p.phase != corev1.PodRunning:
		return nothing, 0
	}
	if p.script.runFor > 0 {
		if wait := p.started.Add(p.script.runFor).Sub(now); wait <= 0 {
			return end, 0
		} else if p.ready {
			return nothing, wait
		}
	}
	if p.ready || p.object == nil {
		return nothing, 0
	}
	if wait := p.started.Add(p.script.readyAfter).Sub(now); wait > 0 {
		return nothing, wait
	}
	if len(missingGates(p.object, &p.object.Status)) > 0 && p.containersReady() {
		return nothing, p.untilEnd(now) // waits for somebody else
	}
	return status, 0
}

func (p *pod) containersReady() bool {
	c := findCondition(&p.object.Status, corev1.ContainersReady)
	return c != nil && c.Status == corev1.ConditionTrue
}

// untilEnd is the time until the containers end by themselves, 0 where they do not.
func (p *pod) untilEnd(now time.Time) time.Duration {
	if p.script.runFor == 0 {
		return 0
	}
	return p.started.Add(p.script.runFor).Sub(now)
}

// stepPod does what is due for a pod.
func (c *cluster) stepPod(ctx context.Context, key string) (time.Duration, error) {
	c.mu.Lock()
	p := c.pods[key]
	if p == nil {
		c.mu.Unlock()
		return 0, nil
	}
	m := c.members[p.node]
	if m == nil || m.uid == "" {
		c.mu.Unlock()
		return 0, nil
	}
	do, again := p.next(time.Now(), m.stopping)
	seen := *p
	if do == start && !p.hostNetwork && !p.address.IsValid() {
		address, ok := m.addresses.take(key)
		if !ok { // more prefixes may come
			c.mu.Unlock()
			return time.Second, nil
		}
		p.address, seen.address = address, address
	}
	host := m.host
	c.mu.Unlock()
	if err := c.act(asNode(ctx, seen.node), do, seen, host); err != nil {
		return again, err
	}
	if do == remove {
		c.mu.Lock()
		p.removed = true
		c.mu.Unlock()
	}
	return again, nil
}

// act makes the call of an action. What it changes comes back by the watch.
func (c *cluster) act(ctx context.Context, do action, p pod, host netip.Addr) error {
	pods := c.client.CoreV1().Pods(p.namespace)
	now := time.Now()
	var err error
	switch do {
	case nothing:
		return nil
	case start:
		if p.hostNetwork {
			p.address = host
		}
		err = c.writeStatus(ctx, p.object, runningStatus(p.object, p.address, host, now, now, p.script.readyAfter == 0))
	case status:
		err = c.writeStatus(ctx, p.object, runningStatus(p.object, p.address, host, p.started, now, true))
	case end:
		var object *corev1.Pod
		if object, err = pods.Get(ctx, p.name, metav1.GetOptions{}); err == nil && object.UID == p.uid {
			err = c.writeStatus(ctx, object, endedStatus(object, p.script.exitCode, now))
		}
	case remove:
		zero := int64(0)
		err = pods.Delete(ctx, p.name, metav1.DeleteOptions{GracePeriodSeconds: &zero, Preconditions: &metav1.Preconditions{UID: &p.uid}})
	}
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // the watch tells what it has become
	}
	if err != nil {
		return fmt.Errorf("%s of pod: %w", do, err)
	}
	return nil
}

// writeStatus writes the status of the pod as kubelets do, by a patch: others write conditions of the pod meanwhile. A
// conflict means that another pod of that name has come.
func (c *cluster) writeStatus(ctx context.Context, seen *corev1.Pod, st corev1.PodStatus) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": seen.UID}, "status": st})
	if err != nil {
		return fmt.Errorf("printing the status: %w", err)
	}
	_, err = c.client.CoreV1().Pods(seen.Namespace).Patch(ctx, seen.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}
