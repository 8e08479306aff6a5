package provisioning

import (
	"context"
	"path"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

// nominators is how many nominations are written at a time.
const nominators = 20

// nomination is a pod and the node it is planned for.
type nomination struct {
	pod  types.NamespacedName
	uid  types.UID
	node string
}

// nominator writes on pods which node they are planned for, so that the scheduler follows the plan instead of spreading
// pods its own way. It starts as soon as an instance has its id, which is its node's name too: before the node joins.
// The scheduler drops the nomination of a pod whenever the pod fits on no node that is there, which is so for every pod
// whose node comes later than others; then it is written again.
type nominator struct {
	kube  client.Client
	queue workqueue.TypedInterface[nomination]

	mu      sync.Mutex
	planned map[string][]*corev1.Pod // by claim that is not launched
	current map[types.UID]string     // the node that a pod was last nominated for
}

func newNominator(kube client.Client) *nominator {
	return &nominator{kube: kube, queue: workqueue.NewTyped[nomination](), planned: map[string][]*corev1.Pod{}, current: map[types.UID]string{}}
}

// plan remembers the pods until the claim is launched.
func (n *nominator) plan(claim string, pods []*corev1.Pod) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.planned[claim] = pods
}

// launched nominates the pods of a claim that has its instance.
func (n *nominator) launched(claim *karpv1.NodeClaim) {
	n.mu.Lock()
	pods := n.planned[claim.Name]
	delete(n.planned, claim.Name)
	n.mu.Unlock()
	for _, pod := range pods {
		n.nominate(pod, path.Base(claim.Status.ProviderID))
	}
}

// forget drops a claim that is gone.
func (n *nominator) forget(claim string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.planned, claim)
}

// nominate writes the node on the pod, some time soon.
func (n *nominator) nominate(pod *corev1.Pod, node string) {
	if pod.Spec.NodeName != "" || pod.Status.NominatedNodeName == node {
		return
	}
	n.mu.Lock()
	n.current[pod.UID] = node
	n.mu.Unlock()
	n.queue.Add(nomination{client.ObjectKeyFromObject(pod), pod.UID, node})
}

// dropped writes the nomination of a pod again that has lost it.
func (n *nominator) dropped(pod *corev1.Pod) {
	n.mu.Lock()
	node, ok := n.current[pod.UID]
	n.mu.Unlock()
	if ok {
		n.nominate(pod, node)
	}
}

// keep forgets all nominations but those of the given pods.
func (n *nominator) keep(nodes map[*corev1.Pod]string) {
	current := make(map[types.UID]string, len(nodes))
	for pod, node := range nodes {
		current[pod.UID] = node
	}
	n.mu.Lock()
	n.current = current
	n.mu.Unlock()
}

// Start works until the context ends.
func (n *nominator) Start(ctx context.Context) error {
	var workers sync.WaitGroup
	for range nominators {
		workers.Go(func() {
			for {
				item, closed := n.queue.Get()
				if closed {
					return
				}
				n.write(ctx, item)
				n.queue.Done(item)
			}
		})
	}
	<-ctx.Done()
	n.queue.ShutDown()
	workers.Wait()
	return nil
}

// write patches the pod. One that is bound, changed or gone in the meantime is left alone: a look at the cluster comes by
// every few seconds and nominates again where that is still right.
func (n *nominator) write(ctx context.Context, item nomination) {
	pod := &corev1.Pod{}
	pod.Name, pod.Namespace, pod.UID = item.pod.Name, item.pod.Namespace, item.uid
	changed := pod.DeepCopy()
	changed.Status.NominatedNodeName = item.node
	if err := n.kube.Status().Patch(ctx, changed, client.StrategicMergeFrom(pod)); client.IgnoreNotFound(err) != nil {
		log.FromContext(ctx).V(1).Info("not nominating", "Pod", item.pod, "node", item.node, "reason", err.Error())
	}
}
