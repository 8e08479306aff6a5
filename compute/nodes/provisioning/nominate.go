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

// wish is a nomination that is wanted, and whether its turn has come.
type wish struct {
	nomination
	spreading
	turn bool
}

// nominator writes on pods which node they are planned for, so that the scheduler follows the plan instead of spreading
// pods its own way. It does so just before the node takes pods. Earlier is of no use: each attempt to schedule the pod
// would fail, and the scheduler drops the nomination of a pod that fits nowhere now. One dropped all the same is written
// again.
//
// Pods that must be spread take turns on a node.
type nominator struct {
	kube  client.Client
	queue workqueue.TypedInterface[nomination]

	mu      sync.Mutex
	planned map[string][]*corev1.Pod       // by claim that is not launched
	wanted  map[types.UID]*wish            // by pod whose node has a name
	byNode  map[string]map[types.UID]*wish // the same by node
	taking  map[string]bool                // nodes that take pods
}

func newNominator(kube client.Client) *nominator {
	return &nominator{
		kube: kube, queue: workqueue.NewTyped[nomination](),
		planned: map[string][]*corev1.Pod{}, wanted: map[types.UID]*wish{}, byNode: map[string]map[types.UID]*wish{}, taking: map[string]bool{},
	}
}

// plan remembers the pods until the claim is launched.
func (n *nominator) plan(claim string, pods []*corev1.Pod) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.planned[claim] = pods
}

// launched learns the name of a claim's node, which is the id of its instance.
func (n *nominator) launched(claim *karpv1.NodeClaim) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, pod := range n.planned[claim.Name] {
		n.want(pod, path.Base(claim.Status.ProviderID))
	}
	delete(n.planned, claim.Name)
}

// forget drops a claim that is gone.
func (n *nominator) forget(claim string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.planned, claim)
}

// open nominates the pods that are planned for a node, which is about to take pods, and returns when that is done.
func (n *nominator) open(ctx context.Context, node string) {
	list := n.due(node)
	workqueue.ParallelizeUntil(context.WithoutCancel(ctx), nominators, len(list), func(i int) { n.write(ctx, list[i]) })
}

// opened nominates the pods that are planned for a node which takes pods already.
func (n *nominator) opened(node string) {
	for _, nomination := range n.due(node) {
		n.queue.Add(nomination)
	}
}

// due are the nominations for a node that was not known to take pods, of those whose turn it is.
func (n *nominator) due(node string) []nomination {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.taking[node] {
		return nil
	}
	n.taking[node] = true
	return n.next(node)
}

// next gives pods of a node their turn where it has come. Needs mu.
func (n *nominator) next(node string) (list []nomination) {
	for _, uid := range sortedKeys(n.byNode[node]) {
		if wish := n.byNode[node][uid]; !wish.turn && n.may(wish) {
			wish.turn = true
			list = append(list, wish.nomination)
		}
	}
	return list
}

// may tells whether the pod and those that have their turn on its node let one another in. Needs mu.
func (n *nominator) may(asking *wish) bool {
	if len(asking.rules) == 0 {
		return true
	}
	there := 0
	for _, other := range n.byNode[asking.node] {
		if other.turn && other != asking && other.counts(asking.spreading) {
			there++
		}
	}
	return asking.mayJoin(there)
}

func (n *nominator) nodeLeft(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.taking, name)
	for uid := range n.byNode[name] {
		delete(n.wanted, uid)
	}
	delete(n.byNode, name)
}

// want has the pod nominated for the node as soon as that takes pods and it is its turn. Needs mu.
func (n *nominator) want(pod *corev1.Pod, node string) {
	if pod.Spec.NodeName != "" {
		return
	}
	wanted := n.wanted[pod.UID]
	if wanted == nil || wanted.node != node {
		n.drop(pod.UID)
		wanted = &wish{nomination{client.ObjectKeyFromObject(pod), pod.UID, node}, spreadingOf(pod), pod.Status.NominatedNodeName == node}
		n.wanted[pod.UID] = wanted
		if n.byNode[node] == nil {
			n.byNode[node] = map[types.UID]*wish{}
		}
		n.byNode[node][pod.UID] = wanted
	}
	if !n.taking[node] || pod.Status.NominatedNodeName == node {
		return
	}
	if wanted.turn = wanted.turn || n.may(wanted); wanted.turn {
		n.queue.Add(wanted.nomination)
	}
}

// dropped writes the nomination of a pod again that has lost it.
func (n *nominator) dropped(pod *corev1.Pod) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if wanted, ok := n.wanted[pod.UID]; ok {
		n.want(pod, wanted.node)
	}
}

// settled drops a pod that has its node, or is gone. The turn is the next one's.
func (n *nominator) settled(pod types.UID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.drop(pod)
}

// drop wants a pod nominated no longer. Needs mu.
func (n *nominator) drop(pod types.UID) {
	was := n.wanted[pod]
	if was == nil {
		return
	}
	delete(n.wanted, pod)
	if delete(n.byNode[was.node], pod); len(n.byNode[was.node]) == 0 {
		delete(n.byNode, was.node)
	}
	if was.turn && len(was.rules) > 0 && n.taking[was.node] {
		for _, item := range n.next(was.node) {
			n.queue.Add(item)
		}
	}
}

// review wants the pods of promises that hold on their nodes, and no longer those whose promise is broken.
func (n *nominator) review(k kept) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, pod := range k.broken {
		n.drop(pod.UID)
	}
	for pod, node := range k.nodes {
		n.want(pod, node)
	}
}

func (n *nominator) holds(item nomination) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	wanted := n.wanted[item.uid]
	return wanted != nil && wanted.nomination == item
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
				if n.holds(item) {
					n.write(ctx, item)
				}
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
	Nominate(ctx, n.kube, pod, item.node)
}

// Nominate asks the scheduler to try a node first for a pod, and to keep room for it there. It is of no use while the pod
// would not be let on the node; where it does not work, the scheduler decides by itself.
func Nominate(ctx context.Context, kube client.Client, pod *corev1.Pod, node string) {
	renominate(ctx, kube, pod, "", node)
}

// renominate changes a nomination; none is empty.
func renominate(ctx context.Context, kube client.Client, pod *corev1.Pod, from, to string) {
	before := &corev1.Pod{}
	before.Name, before.Namespace, before.UID = pod.Name, pod.Namespace, pod.UID
	before.Status.NominatedNodeName = from
	after := before.DeepCopy()
	after.Status.NominatedNodeName = to
	if err := kube.Status().Patch(ctx, after, client.StrategicMergeFrom(before)); client.IgnoreNotFound(err) != nil {
		log.FromContext(ctx).V(1).Info("not nominating", "Pod", client.ObjectKeyFromObject(pod), "node", to, "reason", err.Error())
	}
}
