package state

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	podutils "sigs.k8s.io/karpenter/pkg/utils/pod"

	"github.com/automode-dev/automode/compute/solver"
)

// Question is what a snapshot is for.
type Question struct {
	// Pods to place besides those of nodes that go away.
	Pods []*corev1.Pod
	// Types gives the instance types of a NodePool; none leaves the pool out.
	Types func(*karpv1.NodePool) []*solver.InstanceType
	// Leaving tells of nodes that go away without being deleted yet, by provider id; may be nil.
	Leaving func(providerID string) bool
	// UnknownVolumes lets pods pass whose volume claims or storage classes are not in the picture.
	UnknownVolumes bool
	// Promised are pods that count as placed on a machine, by its name, though they are not bound; may be nil.
	Promised map[string][]*corev1.Pod
	// Movable tells whether a pod on a node that goes away needs another place; nil for all that have an owner which
	// makes them again elsewhere.
	Movable func(*corev1.Pod) bool
	Options solver.Options
}

// Rejected is a pod that cannot even be thought about.
type Rejected struct {
	Pod *corev1.Pod
	Err error
}

// Snapshot answers a question with what the solver needs. Pods whose volumes are not known are rejected.
func (p *Picture) Snapshot(q Question) (solver.Snapshot, []Rejected) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	s := solver.Snapshot{Namespaces: map[string]map[string]string{}, WellKnown: WellKnown(), Options: q.Options}
	for name, namespace := range p.namespaces {
		s.Namespaces[name] = namespace.Labels
	}
	movable := q.Movable
	if movable == nil {
		movable = podutils.IsReschedulable
	}
	pods := slices.Clone(q.Pods)
	types := typeLists{lister: q.Types}
	for _, m := range p.machines() {
		if m.Leaving() || q.Leaving != nil && m.ProviderID() != "" && q.Leaving(m.ProviderID()) {
			for _, pod := range m.Pods {
				if movable(pod) {
					pods = append(pods, pod)
				}
			}
			continue
		}
		if more := q.Promised[m.Name()]; len(more) > 0 {
			m.Pods = slices.Concat(m.Pods, more)
		}
		s.Nodes = append(s.Nodes, p.translate(m, types.of(p.pools[m.Pool()])))
	}
	var rejected []Rejected
	for _, pod := range pods {
		topology, err := p.volumeTopology(pod)
		if err != nil && !q.UnknownVolumes {
			rejected = append(rejected, Rejected{pod, err})
			continue
		}
		s.Pods = append(s.Pods, solver.Pod{Pod: pod, VolumeTopology: topology, Volumes: p.podVolumes(pod)})
	}
	for _, name := range sortedNames(p.pools) {
		pool := p.pools[name]
		if !pool.DeletionTimestamp.IsZero() {
			continue
		}
		if list := q.Types(pool); len(list) > 0 {
			s.Pools = append(s.Pools, Pool(pool, list))
		}
	}
	s.DaemonSets = p.daemonPods()
	return s, rejected
}

// Unbound lists the pods that no node has, in order of namespace and name.
func (p *Picture) Unbound() []*corev1.Pod {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return sortedPods(p.unbound)
}

// Waiting lists the pods that nodes should be found for: the scheduler has no place for them, and no other pods make
// room for them. nominated says whether a nomination is a plan of ours, which does not count as a place.
func (p *Picture) Waiting(nominated func(*corev1.Pod) bool) []*corev1.Pod {
	return slices.DeleteFunc(p.Unbound(), func(pod *corev1.Pod) bool {
		return !podutils.FailedToSchedule(pod) || podutils.IsTerminating(pod) || podutils.IsOwnedByDaemonSet(pod) || podutils.IsOwnedByNode(pod) ||
			podutils.IsPreempting(pod) && !nominated(pod)
	})
}

// Untried lists the pods that the scheduler has yet to look at, those made after the given time left out: it has a queue
// and gets to them later. Pods of other schedulers and pods that are held back by gates are not among them.
func (p *Picture) Untried(madeBy time.Time) []*corev1.Pod {
	return slices.DeleteFunc(p.Unbound(), func(pod *corev1.Pod) bool {
		return tried(pod) || len(pod.Spec.SchedulingGates) > 0 || pod.CreationTimestamp.After(madeBy) || podutils.IsTerminating(pod) ||
			pod.Spec.SchedulerName != "" && pod.Spec.SchedulerName != corev1.DefaultSchedulerName ||
			podutils.IsOwnedByDaemonSet(pod) || podutils.IsOwnedByNode(pod)
	})
}

// Made counts the unfinished pods of the given controllers, those that are being deleted left out.
func (p *Picture) Made(controllers map[types.UID]bool) map[types.UID]int {
	p.mu.RLock()
	defer p.mu.RUnlock()
	made := map[types.UID]int{}
	for _, pod := range p.pods {
		if owner := metav1.GetControllerOfNoCopy(pod); owner != nil && controllers[owner.UID] && !podutils.IsTerminating(pod) {
			made[owner.UID]++
		}
	}
	return made
}

func tried(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodScheduled })
}

// Pod finds a pod that is not finished.
func (p *Picture) Pod(name types.NamespacedName) (*corev1.Pod, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	pod, ok := p.pods[name]
	return pod, ok
}

// Pools lists the NodePools in order of name.
func (p *Picture) Pools() []*karpv1.NodePool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var list []*karpv1.NodePool
	for _, name := range sortedNames(p.pools) {
		list = append(list, p.pools[name])
	}
	return list
}

// daemonPods makes one pod per DaemonSet.
func (p *Picture) daemonPods() []*corev1.Pod {
	var names []types.NamespacedName
	for name := range p.daemonSets {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b types.NamespacedName) int { return compareNames(a, b) })
	var pods []*corev1.Pod
	for _, name := range names {
		set := p.daemonSets[name]
		pod := &corev1.Pod{ObjectMeta: *set.Spec.Template.ObjectMeta.DeepCopy(), Spec: *set.Spec.Template.Spec.DeepCopy()}
		pod.Name, pod.Namespace = set.Name, set.Namespace
		pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "DaemonSet", Name: set.Name, UID: set.UID}}
		RequestLimits(&pod.Spec)
		pods = append(pods, pod)
	}
	return pods
}

// RequestLimits sets requests that are missing to the limits, as the API server does.
func RequestLimits(spec *corev1.PodSpec) {
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			r := &containers[i].Resources
			for name, limit := range r.Limits {
				if _, ok := r.Requests[name]; ok {
					continue
				}
				if r.Requests == nil {
					r.Requests = corev1.ResourceList{}
				}
				r.Requests[name] = limit
			}
		}
	}
}
