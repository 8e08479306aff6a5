package provisioning

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

const (
	// recent is how young the youngest of a controller's pods is when more of them are to be expected.
	recent = 15 * time.Second
	// silence is how long a controller may make no pod until no more are expected of it.
	silence = 15 * time.Second
	// mostMakers bounds the controllers that are looked at, those with the most waiting pods first.
	mostMakers = 100
)

// maker is a ReplicaSet or a Job that is making pods.
type maker struct {
	namespace string
	owner     metav1.OwnerReference
	made      int       // pods of it that there are
	changed   time.Time // when that number was last seen to change
	missing   int       // pods that it is about to make
	awaited   []*corev1.Pod
}

// awaited are pods that are about to be made. A ReplicaSet of a thousand replicas takes its time to make them, and one
// plan for all of them is cheaper than one for each part that is there when the controller looks. Copies of a pod that
// waits stand in for those to come: they are planned, and nodes are promised to them, until pods of the same owner take
// their places. Nobody else gets to know of them.
type awaited struct {
	live   client.Reader // reads ReplicaSets and Jobs, past any cache; nil where nothing is to be expected
	makers map[types.UID]*maker
	claims map[types.UID]string // by pod that stands in, which claim has its place; none while it is being planned
	number int
}

func newAwaited(live client.Reader) *awaited {
	return &awaited{live: live, makers: map[types.UID]*maker{}, claims: map[types.UID]string{}}
}

// has tells whether a pod stands in for one to come.
func (a *awaited) has(pod *corev1.Pod) bool {
	_, ok := a.claims[pod.UID]
	return ok
}

// real leaves pods that stand in for others out.
func (a *awaited) real(pods []*corev1.Pod) []*corev1.Pod {
	if len(a.claims) == 0 {
		return pods
	}
	return slices.DeleteFunc(slices.Clone(pods), a.has)
}

// pods lists those that stand in for others.
func (a *awaited) pods() (list []*corev1.Pod) {
	for _, uid := range sortedKeys(a.makers) {
		list = append(list, a.makers[uid].awaited...)
	}
	return list
}

// count is how many pods are expected that nothing has a place for yet.
func (a *awaited) count() (n int) {
	for _, claim := range a.claims {
		if claim == "" {
			n++
		}
	}
	return n
}

// exchange gives the places of pods that stand in to pods that have come and have none.
func (a *awaited) exchange(pods []*corev1.Pod, promised map[types.UID]bool, give func(claim string, from, to *corev1.Pod)) {
	for _, pod := range pods {
		m := a.makerOf(pod)
		if m == nil || len(m.awaited) == 0 || promised[pod.UID] {
			continue
		}
		give(a.claims[m.awaited[0].UID], m.awaited[0], pod)
		a.drop(m, 1)
	}
}

// drop removes the first n pods that stand in for a maker's.
func (a *awaited) drop(m *maker, n int) {
	for _, pod := range m.awaited[:n] {
		delete(a.claims, pod.UID)
	}
	m.awaited = m.awaited[n:]
}

// placed says which claim has places for pods that stand in for others, among pods.
func (a *awaited) placed(claim string, pods []*corev1.Pod) {
	for _, pod := range pods {
		if a.has(pod) {
			a.claims[pod.UID] = claim
		}
	}
}

func (a *awaited) hasPlace(pod types.UID) bool { return a.claims[pod] != "" }

// keep drops pods that stand in for others and have no place.
func (a *awaited) keep(placed func(types.UID) bool) {
	for _, m := range a.makers {
		m.awaited = slices.DeleteFunc(m.awaited, func(pod *corev1.Pod) bool { return !placed(pod.UID) })
	}
	maps.DeleteFunc(a.claims, func(uid types.UID, _ string) bool { return !placed(uid) })
}

// review looks at the controllers that pods are expected of, old ones and those of the pods that wait now, and drops the
// pods that stand in for more than are missing. made counts the pods of controllers.
func (a *awaited) review(ctx context.Context, waiting []*corev1.Pod, made func(map[types.UID]bool) map[types.UID]int, now time.Time) {
	if a.live == nil {
		return
	}
	a.meet(waiting, now)
	if len(a.makers) == 0 {
		return
	}
	owners := make(map[types.UID]bool, len(a.makers))
	for uid := range a.makers {
		owners[uid] = true
	}
	there := made(owners)
	for _, uid := range sortedKeys(a.makers) {
		m := a.makers[uid]
		if m.made != there[uid] {
			m.made, m.changed = there[uid], now
		}
		missing, err := a.missing(ctx, m)
		if err != nil {
			log.FromContext(ctx).Error(err, "expecting no more pods", "kind", m.owner.Kind, "name", m.owner.Name, "namespace", m.namespace)
		}
		if m.missing = max(0, missing); now.Sub(m.changed) > silence {
			m.missing = 0
		}
		a.drop(m, max(0, len(m.awaited)-m.missing))
		if m.missing == 0 {
			delete(a.makers, uid)
		}
	}
}

// meet learns of the controllers that have made one of the waiting pods a moment ago.
func (a *awaited) meet(waiting []*corev1.Pod, now time.Time) {
	count, newest := map[types.UID]int{}, map[types.UID]*corev1.Pod{}
	for _, pod := range waiting {
		owner := metav1.GetControllerOfNoCopy(pod)
		if owner == nil || !makesAlike(owner, pod) {
			continue
		}
		count[owner.UID]++
		if first := newest[owner.UID]; first == nil || first.CreationTimestamp.Before(&pod.CreationTimestamp) {
			newest[owner.UID] = pod
		}
	}
	most := slices.SortedFunc(maps.Keys(count), func(x, y types.UID) int {
		return cmp.Or(cmp.Compare(count[y], count[x]), cmp.Compare(x, y))
	})
	for _, uid := range most[:min(len(most), mostMakers)] {
		if pod := newest[uid]; a.makers[uid] == nil && now.Sub(pod.CreationTimestamp.Time) <= recent {
			a.makers[uid] = &maker{namespace: pod.Namespace, owner: *metav1.GetControllerOfNoCopy(pod), changed: now}
		}
	}
}

// makesAlike tells whether a pod's controller makes all its pods the same, as soon as it can. Volume claims that are made
// for each pod would be missed.
func makesAlike(owner *metav1.OwnerReference, pod *corev1.Pod) bool {
	return (owner.Kind == "ReplicaSet" && owner.APIVersion == appsv1.SchemeGroupVersion.String() || owner.Kind == "Job" && owner.APIVersion == batchv1.SchemeGroupVersion.String()) &&
		!slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Ephemeral != nil }) && len(pod.Spec.ResourceClaims) == 0
}

// missing is how many pods a controller is about to make. One that has failed to make pods, or whose pods fail, takes its
// time.
func (a *awaited) missing(ctx context.Context, m *maker) (int, error) {
	key := types.NamespacedName{Namespace: m.namespace, Name: m.owner.Name}
	if m.owner.Kind == "Job" {
		job := &batchv1.Job{}
		if err := a.live.Get(ctx, key, job); err != nil {
			return 0, client.IgnoreNotFound(err)
		}
		if job.UID != m.owner.UID || !job.DeletionTimestamp.IsZero() || ptr.Deref(job.Spec.Suspend, false) || job.Status.Failed > 0 {
			return 0, nil
		}
		wanted := ptr.Deref(job.Spec.Parallelism, 1)
		return int(min(wanted, ptr.Deref(job.Spec.Completions, wanted)-job.Status.Succeeded)) - m.made, nil
	}
	set := &appsv1.ReplicaSet{}
	if err := a.live.Get(ctx, key, set); err != nil {
		return 0, client.IgnoreNotFound(err)
	}
	failed := slices.ContainsFunc(set.Status.Conditions, func(c appsv1.ReplicaSetCondition) bool {
		return c.Type == appsv1.ReplicaSetReplicaFailure && c.Status == corev1.ConditionTrue
	})
	if set.UID != m.owner.UID || !set.DeletionTimestamp.IsZero() || failed {
		return 0, nil
	}
	return int(ptr.Deref(set.Spec.Replicas, 1)) - m.made, nil
}

// more makes pods that stand in for those which makers of waiting pods are to make, where nothing does yet.
func (a *awaited) more(waiting []*corev1.Pod) (list []*corev1.Pod) {
	for _, pod := range waiting {
		m := a.makerOf(pod)
		if m == nil {
			continue
		}
		for len(m.awaited) < m.missing {
			m.awaited = append(m.awaited, a.standIn(pod))
			list = append(list, m.awaited[len(m.awaited)-1])
		}
	}
	return list
}

// makerOf is the controller of a pod that more are expected of; nil where there is none.
func (a *awaited) makerOf(pod *corev1.Pod) *maker {
	if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
		return a.makers[owner.UID]
	}
	return nil
}

func (a *awaited) standIn(pod *corev1.Pod) *corev1.Pod {
	a.number++
	other := &corev1.Pod{ObjectMeta: *pod.ObjectMeta.DeepCopy(), Spec: pod.Spec}
	other.Name, other.UID = fmt.Sprintf("%s-awaited-%d", pod.Name, a.number), types.UID(fmt.Sprintf("awaited-%d", a.number))
	other.Status.Phase = corev1.PodPending
	a.claims[other.UID] = ""
	return other
}
