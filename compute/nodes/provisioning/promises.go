package provisioning

import (
	"maps"
	"path"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/karpenter/pkg/utils/resources"

	"github.com/automode-dev/automode/compute/state"
)

const (
	// overdue is how long a promised pod may stay unbound once its node is ready and the scheduler should have got to it. Its
	// room is free for the plan that follows, so that no node is bought for it that is not needed.
	overdue = 10 * time.Second
	// untried is the same for a pod that still has its nomination: the scheduler takes that from a pod which it tries in vain,
	// so that it has not got to this one.
	untried = time.Minute
	// foreign is the same for nominations of unknown origin: pods that preemption evicts may take their time.
	foreign = time.Minute
	// calm is how long no promised pod was bound before those whose room was taken are planned again, and crowded how long
	// their node has been ready at the most. Planned among pods that are still finding their places, they would crowd out
	// others.
	calm    = 3 * time.Second
	crowded = 15 * time.Second
)

// promise says which waiting pods a claim is for, each with its turn once the node has been seen to take pods.
type promise map[types.UID]*turn

// turn is when the scheduler gets to a pod: after all that it could bind already, for which it may need minutes when
// thousands come at once.
type turn struct {
	since time.Time
	after int       // number of pods bound by then
	come  time.Time // when it was first seen to have come
}

// promises remembers what claims were made for, so that pods whose node is on its way are not given another.
type promises struct {
	byClaim map[string]promise
	// lapsed are pods that wait though they were promised a node.
	lapsed map[types.UID]bool
	// taken are nominations of unknown origin, since they were first seen or their node was ready.
	taken map[types.UID]*turn
	// bound counts pods that were promised a node that is ready and no longer wait; progress is when one last did.
	bound    int
	progress time.Time
}

func newPromises() *promises {
	return &promises{byClaim: map[string]promise{}, lapsed: map[types.UID]bool{}, taken: map[types.UID]*turn{}}
}

// add promises a claim's node to pods, beside those that it is promised to.
func (p *promises) add(claim string, pods []*corev1.Pod) {
	if p.byClaim[claim] == nil {
		p.byClaim[claim] = promise{}
	}
	for _, pod := range pods {
		if pod.Spec.NodeName == "" {
			p.byClaim[claim][pod.UID] = nil
		}
	}
}

// all are the pods that have been promised a node.
func (p *promises) all() map[types.UID]bool {
	pods := map[types.UID]bool{}
	for _, made := range p.byClaim {
		for uid := range made {
			pods[uid] = true
		}
	}
	return pods
}

// give promises a pod what another one was promised, and tells whether there was such a promise.
func (p *promises) give(claim string, from, to *corev1.Pod) bool {
	since, ok := p.byClaim[claim][from.UID]
	if ok {
		delete(p.byClaim[claim], from.UID)
		p.byClaim[claim][to.UID] = since
	}
	return ok
}

// kept are the promises that still hold.
type kept struct {
	// byMachine are the promised pods by name of machine.
	byMachine map[string][]*corev1.Pod
	// pods are all promised pods.
	pods map[types.UID]bool
	// nodes are the names that the nodes of promised pods have or will have, where they are known.
	nodes map[*corev1.Pod]string
	// broken are pods whose promise did not hold.
	broken []*corev1.Pod
	// busy tells that promised pods are being bound.
	busy bool
}

// review drops what no longer holds: pods that are bound or gone, claims that are gone or leave, pods whose room has been
// taken by others, and pods that are still not bound well after their node got ready. pods are all that have no node.
func (p *promises) review(machines []*state.Machine, pods []*corev1.Pod, leaving func(string) bool, now time.Time) kept {
	k := kept{byMachine: map[string][]*corev1.Pod{}, pods: map[types.UID]bool{}, nodes: map[*corev1.Pod]string{}}
	byClaim, byNode := map[string]*state.Machine{}, map[string]*state.Machine{}
	for _, m := range machines {
		if m.Claim != nil {
			byClaim[m.Claim.Name] = m
		}
		if m.Node != nil {
			byNode[m.Node.Name] = m
		}
	}
	unbound := make(map[types.UID]*corev1.Pod, len(pods))
	for _, pod := range pods {
		unbound[pod.UID] = pod
	}
	bindable := p.count(byClaim, unbound, now)
	for _, name := range sortedKeys(p.byClaim) {
		made, m := p.byClaim[name], byClaim[name]
		if m == nil || m.Leaving() || leaving(m.ProviderID()) || len(made) == 0 {
			delete(p.byClaim, name)
			continue
		}
		if takesPods(m) {
			for uid, since := range made {
				if since == nil {
					made[uid] = &turn{since: now, after: p.bound + bindable}
				}
			}
			k.broken = append(k.broken, p.overdue(made, unbound, m.Node.Name, now)...)
			k.broken = append(k.broken, p.crowdedOut(made, unbound, m, now)...)
		}
		k.keep(m.Name(), made, unbound, nodeName(m))
	}
	for _, pod := range k.broken {
		p.lapsed[pod.UID] = true
	}
	p.adopt(&k, byNode, pods, leaving, now, bindable)
	k.busy = now.Sub(p.progress) < calm
	return k
}

// overdue takes pods out of a promise that the scheduler should have bound.
func (p *promises) overdue(made promise, unbound map[types.UID]*corev1.Pod, node string, now time.Time) (pods []*corev1.Pod) {
	for _, uid := range sortedKeys(made) {
		patience := overdue
		if unbound[uid].Status.NominatedNodeName == node {
			patience = untried
		}
		if p.passed(made[uid], now) > patience {
			delete(made, uid)
			pods = append(pods, unbound[uid])
		}
	}
	return pods
}

// crowdedOut takes pods out of a promise that the machine's node has no room left for, beside the other ones.
func (p *promises) crowdedOut(made promise, unbound map[types.UID]*corev1.Pod, m *state.Machine, now time.Time) (pods []*corev1.Pod) {
	used := resources.RequestsForPods(m.Pods...)
	for _, uid := range sortedKeys(made) {
		with := resources.Merge(used, resources.RequestsForPods(unbound[uid]))
		if resources.Fits(with, m.Node.Status.Allocatable) || now.Sub(p.progress) < calm && now.Sub(made[uid].since) < crowded {
			used = with
			continue
		}
		delete(made, uid)
		pods = append(pods, unbound[uid])
	}
	return pods
}

// count drops pods that wait no longer, and tells how many there are that the scheduler could bind.
func (p *promises) count(byClaim map[string]*state.Machine, unbound map[types.UID]*corev1.Pod, now time.Time) (bindable int) {
	for name, made := range p.byClaim {
		m := byClaim[name]
		ready := m != nil && takesPods(m)
		for uid := range made {
			if unbound[uid] == nil {
				delete(made, uid)
				p.settled(ready, now)
			} else if ready {
				bindable++
			}
		}
	}
	maps.DeleteFunc(p.lapsed, func(uid types.UID, _ bool) bool { return unbound[uid] == nil })
	return bindable
}

func (p *promises) settled(ready bool, now time.Time) {
	if ready {
		p.bound++
		p.progress = now
	}
}

// passed is how long ago the scheduler should have got to a pod. While those before it are being bound, that is since
// the last of them.
func (p *promises) passed(t *turn, now time.Time) time.Duration {
	if t.come.IsZero() && p.bound >= t.after {
		t.come = now
	}
	switch {
	case !t.come.IsZero():
		return now.Sub(t.come)
	case p.progress.After(t.since):
		return now.Sub(p.progress)
	default:
		return now.Sub(t.since)
	}
}

func (k *kept) keep(machine string, made promise, unbound map[types.UID]*corev1.Pod, node string) {
	for _, uid := range sortedKeys(made) {
		pod := unbound[uid]
		k.byMachine[machine] = append(k.byMachine[machine], pod)
		k.pods[uid] = true
		if node != "" {
			k.nodes[pod] = node
		}
	}
}

// adopt takes nominations over that nobody here remembers: those of an earlier life of this controller, and those of the
// scheduler, which makes room by preemption. They count as promises for a while.
func (p *promises) adopt(k *kept, byNode map[string]*state.Machine, pods []*corev1.Pod, leaving func(string) bool, now time.Time, bindable int) {
	seen := map[types.UID]bool{}
	for _, pod := range pods {
		m := byNode[pod.Status.NominatedNodeName]
		if pod.Status.NominatedNodeName == "" || k.pods[pod.UID] || m == nil || m.Leaving() || leaving(m.ProviderID()) || slices.Contains(k.broken, pod) {
			continue
		}
		seen[pod.UID] = true
		if p.taken[pod.UID] == nil || !takesPods(m) {
			p.taken[pod.UID] = &turn{since: now, after: p.bound + bindable + len(p.taken)}
		}
		if p.passed(p.taken[pod.UID], now) > foreign {
			continue
		}
		k.byMachine[m.Name()] = append(k.byMachine[m.Name()], pod)
		k.pods[pod.UID] = true
	}
	for uid := range p.taken {
		if !seen[uid] {
			delete(p.taken, uid)
			p.settled(true, now)
		}
	}
}

// takesPods tells whether the scheduler may bind pods to the machine's node.
func takesPods(m *state.Machine) bool { return m.Initialized() && !state.Closed(m.Node) }

// nodeName is the name that the machine's node has or will have, the id of its instance; empty while the claim is not
// launched.
func nodeName(m *state.Machine) string {
	if m.Node != nil {
		return m.Node.Name
	}
	if m.ProviderID() == "" {
		return ""
	}
	return path.Base(m.ProviderID())
}
