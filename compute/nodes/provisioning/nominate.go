package provisioning

import (
	"context"
	"maps"
	"path"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/events"
)

// nominators is how many nominations are written at a time.
const nominators = 20

// nomination is a pod and the node it is planned for.
type nomination struct {
	pod        types.NamespacedName
	uid, owner types.UID // of the pod and of its controller
	node       string
	spread     bool  // the pod must be spread
	zones      bool  // the pod must be spread over more than nodes
	bindable   bool  // see MayBind
	skew       int32 // see Skew
}

// nominator writes on pods which node they are planned for, so that the scheduler follows the plan instead of spreading
// pods its own way. It does so just before the node takes pods. Earlier is of no use: each attempt to schedule the pod
// would fail, and the scheduler drops the nomination of a pod that fits nowhere now. One dropped all the same is written
// again: once right away, as the pod may have been tried before its node took any, then with each look at the cluster. But
// not where pods that must be spread share a node: to the scheduler, pods that are nominated for a node are there already,
// and more of them than their skew allows keep one another out. Each that is tried in vain must make room for the next.
type nominator struct {
	kube     client.Client
	recorder events.Recorder
	clock    clock.PassiveClock
	queue    workqueue.TypedInterface[nomination]
	slots    chan struct{} // for the requests under way while nodes open

	mu      sync.Mutex
	planned map[string][]*corev1.Pod // by claim that is not launched
	wanted  map[types.UID]nomination // by pod whose node has a name
	taking  map[string]bool          // nodes that take pods, or are about to
	isOpen  map[string]bool          // nodes that do
	filled  map[string]bool          // nodes that pods are bound to, or have been, before they take others
	ended   map[string]time.Time     // when that ended, or the last of those pods was seen there
	assumed map[types.UID]nomination // pods that are bound by us, or are being bound, without that having been seen
	tried   map[types.UID]bool       // pods whose nomination for a node that does the scheduler has dropped
}

func newNominator(kube client.Client, recorder events.Recorder, clock clock.PassiveClock) *nominator {
	return &nominator{
		kube: kube, recorder: recorder, clock: clock, queue: workqueue.NewTyped[nomination](), slots: make(chan struct{}, nominators),
		planned: map[string][]*corev1.Pod{}, wanted: map[types.UID]nomination{},
		taking: map[string]bool{}, isOpen: map[string]bool{}, filled: map[string]bool{}, ended: map[string]time.Time{}, assumed: map[types.UID]nomination{}, tried: map[types.UID]bool{},
	}
}

// plan remembers the pods until the claim is launched. node is the name that its node has or will have; empty before that.
func (n *nominator) plan(claim, node string, pods []*corev1.Pod) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if node == "" {
		n.planned[claim] = append(n.planned[claim], pods...)
		return
	}
	for _, pod := range pods {
		n.want(pod, node)
	}
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
	n.each(ctx, n.due(node), n.write)
}

func (n *nominator) each(ctx context.Context, list []nomination, do func(context.Context, nomination)) {
	workqueue.ParallelizeUntil(context.WithoutCancel(ctx), nominators, len(list), func(i int) {
		n.slots <- struct{}{}
		defer func() { <-n.slots }()
		do(ctx, list[i])
	})
}

// opened nominates the pods that are planned for a node which takes pods already.
func (n *nominator) opened(node string) {
	for _, nomination := range n.due(node) {
		n.queue.Add(nomination)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.isOpen[node] = true
}

// due are the nominations for a node that was not known to take pods.
func (n *nominator) due(node string) (list []nomination) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.taking[node] {
		return nil
	}
	n.taking[node] = true
	for _, nomination := range n.wanted {
		if nomination.node == node {
			list = append(list, nomination)
		}
	}
	return list
}

func (n *nominator) nodeLeft(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.taking, name)
	delete(n.isOpen, name)
	delete(n.filled, name)
	delete(n.ended, name)
	maps.DeleteFunc(n.wanted, func(_ types.UID, wanted nomination) bool { return wanted.node == name })
}

// want has the pod nominated for the node as soon as that takes pods. Needs mu.
func (n *nominator) want(pod *corev1.Pod, node string) {
	wanted := nomination{pod: client.ObjectKeyFromObject(pod), uid: pod.UID, node: node, spread: mustSpread(pod), zones: OverZones(pod), bindable: MayBind(pod), skew: Skew(pod)}
	if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
		wanted.owner = owner.UID
	}
	if _, bound := n.assumed[pod.UID]; bound || pod.Spec.NodeName != "" || n.tried[pod.UID] && n.crowds(wanted) {
		return
	}
	n.wanted[pod.UID] = wanted
	if n.taking[node] && pod.Status.NominatedNodeName != node {
		n.queue.Add(wanted)
	}
}

// dropped writes the nomination of a pod again that has lost it, unless it may be in the way of others.
func (n *nominator) dropped(pod *corev1.Pod) {
	n.mu.Lock()
	defer n.mu.Unlock()
	wanted, ok := n.wanted[pod.UID]
	if !ok {
		return
	}
	again := n.tried[pod.UID]
	n.tried[pod.UID] = n.isOpen[wanted.node]
	if n.isOpen[wanted.node] && n.crowds(wanted) {
		delete(n.wanted, pod.UID)
	} else if !again {
		n.want(pod, wanted.node)
	}
}

// crowds tells whether a pod that must be spread is to be nominated for the same node as another one. Needs mu.
func (n *nominator) crowds(this nomination) bool {
	if !this.spread {
		return false
	}
	for uid, other := range n.wanted {
		if uid != this.uid && other.spread && other.node == this.node {
			return true
		}
	}
	return false
}

// mustSpread tells whether a pod has a hard rule of topology spread.
func mustSpread(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.TopologySpreadConstraints, func(c corev1.TopologySpreadConstraint) bool {
		return c.WhenUnsatisfiable == corev1.DoNotSchedule
	})
}

// settled drops a pod that has its node, or is gone.
func (n *nominator) settled(pod types.UID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.wanted, pod)
	if bound, ok := n.assumed[pod]; ok && !n.ended[bound.node].IsZero() {
		n.ended[bound.node] = n.clock.Now()
	}
	delete(n.assumed, pod)
	delete(n.tried, pod)
}

// review wants the pods of promises that hold on their nodes, and no longer those whose promise is broken.
func (n *nominator) review(k kept) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, pod := range k.broken {
		delete(n.wanted, pod.UID)
		delete(n.tried, pod.UID)
	}
	for pod, node := range k.nodes {
		n.want(pod, node)
	}
}

func (n *nominator) holds(item nomination) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.wanted[item.uid] == item
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
