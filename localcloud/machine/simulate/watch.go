package simulate

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/automode-dev/automode/api/eks/v1alpha1"
)

// watchPods follows all pods that are on a node.
func (c *cluster) watchPods(ctx context.Context) {
	lw := cache.NewListWatchFromClient(c.client.CoreV1().RESTClient(), "pods", metav1.NamespaceAll, fields.OneTermNotEqualSelector("spec.nodeName", ""))
	watch(ctx, lw, &corev1.Pod{}, podSink{c})
}

// watchNodes follows all nodes.
func (c *cluster) watchNodes(ctx context.Context) {
	lw := cache.NewListWatchFromClient(c.client.CoreV1().RESTClient(), "nodes", metav1.NamespaceAll, fields.Everything())
	watch(ctx, lw, &corev1.Node{}, nodeSink{c})
}

// watchCNINodes follows the addresses of all nodes, once the cluster has such a kind.
func (c *cluster) watchCNINodes(ctx context.Context, config *rest.Config) {
	for {
		if _, err := c.client.Discovery().ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String()); err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(2 * time.Second):
		}
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		panic(err) // types of our own, checked by every test
	}
	own := rest.CopyConfig(config)
	own.GroupVersion, own.APIPath = &v1alpha1.GroupVersion, "/apis"
	own.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	client, err := rest.RESTClientFor(own)
	if err != nil {
		c.log.Error("CNINodes cannot be watched", "error", err)
		return
	}
	lw := cache.NewListWatchFromClient(client, "cninodes", metav1.NamespaceAll, fields.Everything())
	watch(ctx, lw, &v1alpha1.CNINode{}, cniSink{c})
}

// watch feeds a sink until ctx ends.
func watch(ctx context.Context, lw cache.ListerWatcher, kind any, sink cache.ReflectorStore) {
	reflector := cache.NewReflectorWithOptions(lw, kind, sink, cache.ReflectorOptions{})
	reflector.RunWithContext(ctx)
}

// podSink takes pods as they change and keeps only those of simulated nodes.
type podSink struct{ c *cluster }

func (s podSink) Add(o any) error    { s.c.see(o.(*corev1.Pod)); return nil }
func (s podSink) Update(o any) error { s.c.see(o.(*corev1.Pod)); return nil }
func (s podSink) Delete(o any) error { s.c.forget(keyOf(o.(*corev1.Pod))); return nil }
func (s podSink) Resync() error      { return nil }

// Replace takes a whole list, those with an address first, so that nobody else gets it, and forgets the pods that are
// not in it.
func (s podSink) Replace(list []any, _ string) error {
	there := make(map[string]bool, len(list))
	for _, addressed := range []bool{true, false} {
		for _, o := range list {
			p := o.(*corev1.Pod)
			there[keyOf(p)] = true
			if (p.Status.PodIP != "") == addressed {
				s.c.see(p)
			}
		}
	}
	s.c.mu.Lock()
	var gone []string
	for key := range s.c.pods {
		if !there[key] {
			gone = append(gone, key)
		}
	}
	s.c.mu.Unlock()
	for _, key := range gone {
		s.c.forget(key)
	}
	return nil
}

// nodeSink looks for nodes that the cluster has given up although their machines run.
type nodeSink struct{ c *cluster }

func (s nodeSink) Add(o any) error    { s.c.seeNode(o.(*corev1.Node)); return nil }
func (s nodeSink) Update(o any) error { s.c.seeNode(o.(*corev1.Node)); return nil }
func (s nodeSink) Delete(any) error   { return nil } // found out by the lease, which goes with the node
func (s nodeSink) Resync() error      { return nil }

func (s nodeSink) Replace(list []any, _ string) error {
	for _, o := range list {
		s.c.seeNode(o.(*corev1.Node))
	}
	return nil
}

// seeNode notes that a node has to show again that it is ready.
func (c *cluster) seeNode(o *corev1.Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.members[o.Name]
	if m == nil || m.uid != o.UID || m.stopping || isReady(o) || !o.DeletionTimestamp.IsZero() {
		return
	}
	m.unready = true
	c.nodes.Add(o.Name)
}

func keyOf(p *corev1.Pod) string { return p.Namespace + "/" + p.Name }

// see notes a pod as it is now.
func (c *cluster) see(o *corev1.Pod) {
	key := keyOf(o)
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.members[o.Spec.NodeName]
	if m == nil {
		return
	}
	p := c.pods[key]
	if p != nil && p.uid != o.UID {
		c.forgetLocked(key)
		p = nil
	}
	if p == nil {
		p = &pod{namespace: o.Namespace, name: o.Name, uid: o.UID, node: o.Spec.NodeName, hostNetwork: o.Spec.HostNetwork, script: scriptOf(o)}
		c.pods[key], m.pods[key] = p, p
	}
	o.ManagedFields = nil
	p.observe(o)
	if p.address.IsValid() && !p.hostNetwork && p.phase != corev1.PodSucceeded && p.phase != corev1.PodFailed {
		m.addresses.hold(key, p.address)
	} else {
		m.addresses.release(key, p.address)
	}
	if do, again := p.next(time.Now(), m.stopping); do != nothing {
		c.todo.Add(key)
	} else if again > 0 {
		c.todo.AddAfter(key, again)
	}
}

// forget drops a pod that is gone.
func (c *cluster) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgetLocked(key)
}

func (c *cluster) forgetLocked(key string) {
	p := c.pods[key]
	if p == nil {
		return
	}
	delete(c.pods, key)
	if m := c.members[p.node]; m != nil {
		m.addresses.release(key, p.address)
		delete(m.pods, key)
	}
}

// cniSink takes the addresses of nodes as they change.
type cniSink struct{ c *cluster }

func (s cniSink) Add(o any) error    { return s.c.seeAddresses(o.(*v1alpha1.CNINode)) }
func (s cniSink) Update(o any) error { return s.c.seeAddresses(o.(*v1alpha1.CNINode)) }
func (s cniSink) Delete(any) error   { return nil } // a node keeps what it has
func (s cniSink) Resync() error      { return nil }

func (s cniSink) Replace(list []any, _ string) error {
	for _, o := range list {
		if err := s.c.seeAddresses(o.(*v1alpha1.CNINode)); err != nil {
			return err
		}
	}
	return nil
}

// seeAddresses gives a node the prefixes and addresses that its CNINode lists.
func (c *cluster) seeAddresses(o *v1alpha1.CNINode) error {
	var prefixes []netip.Prefix
	for _, i := range o.Status.Interfaces {
		for _, text := range i.Prefixes {
			p, err := netip.ParsePrefix(text)
			if err != nil {
				return fmt.Errorf("reading prefixes of CNINode %s: %w", o.Name, err)
			}
			prefixes = append(prefixes, p)
		}
		for _, text := range i.Addresses {
			a, err := netip.ParseAddr(text)
			if err != nil {
				return fmt.Errorf("reading addresses of CNINode %s: %w", o.Name, err)
			}
			prefixes = append(prefixes, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.members[o.Name]
	if m == nil || len(prefixes) == 0 {
		return nil
	}
	m.addresses.provide(prefixes)
	for key, p := range m.pods {
		if p.phase == corev1.PodPending {
			c.todo.Add(key)
		}
	}
	return nil
}
