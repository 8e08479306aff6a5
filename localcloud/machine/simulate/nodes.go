package simulate

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

// stepNode registers a node, renews its lease, or shuts it down.
func (c *cluster) stepNode(ctx context.Context, name string) (time.Duration, error) {
	ctx = asNode(ctx, name)
	c.mu.Lock()
	m := c.members[name]
	if m == nil {
		c.mu.Unlock()
		return 0, nil
	}
	stopping, registered, lost, unready, count := m.stopping, m.uid != "", m.lost, m.unready, len(c.members)
	wait := time.Until(m.record.BootAt)
	c.mu.Unlock()
	switch {
	case stopping:
		return 0, c.finish(ctx, name, m, registered && !lost)
	case lost:
		return 0, nil
	case wait > 0:
		return wait, nil
	case !registered:
		if ok, err := c.register(ctx, m); err != nil || !ok {
			return 0, err
		}
	case unready:
		if err := c.comeBack(ctx, m); err != nil {
			return 0, err
		}
	}
	if err := c.renew(ctx, name, m); err != nil {
		return 0, err
	}
	return renewEvery(count), nil
}

// register creates the Node, or takes up the one that is there with its pods: an earlier process registered it, or the
// machine was off. It returns false where the machine can never be a node.
func (c *cluster) register(ctx context.Context, m *member) (bool, error) {
	object, err := nodeObject(m.record.Spec, m.config, c.version, time.Now())
	if err != nil {
		c.log.Error("machine cannot become a node", "machine", m.record.Spec.ID, "error", err)
		c.setRegistered(m, "", true)
		return false, nil
	}
	nodes := c.client.CoreV1().Nodes()
	registered, err := nodes.Create(ctx, object, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		registered, err = c.takeUp(ctx, object)
	}
	if err != nil {
		return false, fmt.Errorf("registering node: %w", err)
	}
	c.setRegistered(m, registered.UID, false)
	return true, nil
}

// comeBack says that a node is ready which was not heard of for so long that it was given up.
func (c *cluster) comeBack(ctx context.Context, m *member) error {
	object, err := nodeObject(m.record.Spec, m.config, c.version, time.Now())
	if err != nil {
		return err
	}
	there, err := c.takeUp(ctx, object)
	if apierrors.IsNotFound(err) {
		c.setRegistered(m, m.uid, true)
		return nil
	}
	if err != nil {
		return fmt.Errorf("telling that node %s is ready: %w", object.Name, err)
	}
	c.setRegistered(m, there.UID, false)
	return nil
}

// takeUp finds the Node and its pods. One that went down with its machine is ready again.
func (c *cluster) takeUp(ctx context.Context, object *corev1.Node) (*corev1.Node, error) {
	there, err := c.client.CoreV1().Nodes().Get(ctx, object.Name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if !isReady(there) {
		there.Status.Conditions = object.Status.Conditions
		if there, err = c.client.CoreV1().Nodes().UpdateStatus(ctx, there, metav1.UpdateOptions{}); err != nil {
			return nil, err
		}
	}
	// The pods of this node may have been seen before the machine was.
	pods, err := c.client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + object.Name, ResourceVersion: "0"})
	if err != nil {
		return nil, err
	}
	for i := range pods.Items {
		c.see(&pods.Items[i])
	}
	return there, nil
}

func isReady(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func (c *cluster) setRegistered(m *member, uid types.UID, lost bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m.uid, m.lost, m.unready = uid, lost, false
	for key := range m.pods {
		c.todo.Add(key)
	}
}

// renew shows that the node lives. The lease kept from the last time makes it one call.
func (c *cluster) renew(ctx context.Context, name string, m *member) error {
	leases := c.client.CoordinationV1().Leases("kube-node-lease")
	lease, err := m.lease, error(nil)
	if lease != nil {
		lease.Spec.RenewTime = ptr.To(metav1.NowMicro())
		lease, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
	} else {
		lease, err = leases.Create(ctx, leaseObject(name, m.uid, time.Now()), metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			lease, err = leases.Get(ctx, name, metav1.GetOptions{})
		}
	}
	switch {
	case apierrors.IsNotFound(err), apierrors.IsConflict(err):
		m.lease = nil // somebody else changed it: look at it first
		return c.lookAfter(ctx, name, m)
	case err != nil:
		return fmt.Errorf("renewing lease: %w", err)
	}
	lease.ManagedFields = nil
	m.lease = slim(lease)
	return nil
}

// slim keeps of a lease what the next renewal needs.
func slim(l *coordinationv1.Lease) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: l.Name, Namespace: l.Namespace, UID: l.UID, ResourceVersion: l.ResourceVersion, OwnerReferences: l.OwnerReferences},
		Spec:       l.Spec,
	}
}

// lookAfter finds out whether the Node of a lost lease was deleted. Its kubelet would run on without one.
func (c *cluster) lookAfter(ctx context.Context, name string, m *member) error {
	_, err := c.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		c.setRegistered(m, m.uid, true)
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for node: %w", err)
	}
	return fmt.Errorf("renewing lease: it was changed")
}

// finish says that the node shuts down, lets go of the machine, and ends the cluster with its last one.
func (c *cluster) finish(ctx context.Context, name string, m *member, tell bool) error {
	if tell {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		_, err := c.client.CoreV1().Nodes().Patch(ctx, name, types.StrategicMergePatchType, shutdownPatch(time.Now()), metav1.PatchOptions{}, "status")
		cancel()
		if err != nil && !apierrors.IsNotFound(err) { // the machine goes, whether the cluster hears of it or not
			c.log.Warn("telling of a shutdown failed", "node", name, "error", err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.members, name)
	for key := range m.pods {
		delete(c.pods, key)
	}
	if m.then != nil {
		m.then()
	}
	if len(c.members) == 0 {
		select {
		case <-c.stop:
		default:
			close(c.stop)
		}
	}
	return nil
}
