package provisioning

import (
	"path"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/automode-dev/automode/compute/state"
)

const (
	// unseen is how long a claim that was just made may be missing from the picture.
	unseen = 30 * time.Second
	// overdue is how long after its node is ready a promised pod may stay unbound, and perPod how much longer for each pod
	// that the scheduler could bind and has not: after a large scale-up it works at them for minutes.
	overdue = 30 * time.Second
	perPod  = 100 * time.Millisecond
)

// promise says which waiting pods a claim was made for.
type promise struct {
	claim *karpv1.NodeClaim
	made  time.Time
	ready time.Time // when its node was first seen initialized
	pods  map[types.UID]*corev1.Pod
}

// promises remembers what claims were made for, so that pods whose node is on its way are not given another.
type promises struct {
	byClaim map[string]*promise
	// taken is when a nomination of unknown origin on a node that is ready was first seen.
	taken map[types.UID]time.Time
}

func newPromises() *promises {
	return &promises{byClaim: map[string]*promise{}, taken: map[types.UID]time.Time{}}
}

func (p *promises) add(claim *karpv1.NodeClaim, pods []*corev1.Pod, now time.Time) {
	made := &promise{claim: claim, made: now, pods: map[types.UID]*corev1.Pod{}}
	for _, pod := range pods {
		if pod.Spec.NodeName == "" {
			made.pods[pod.UID] = pod
		}
	}
	p.byClaim[claim.Name] = made
}

// kept are the promises that still hold.
type kept struct {
	// byMachine are the promised pods by name of machine.
	byMachine map[string][]*corev1.Pod
	// pods are all promised pods.
	pods map[types.UID]bool
	// inFlight are claims that the picture may not have yet.
	inFlight []*karpv1.NodeClaim
	// nodes are the names that the nodes of promised pods have or will have, where they are known.
	nodes map[*corev1.Pod]string
	// broken are pods whose promise did not hold.
	broken []*corev1.Pod
}

// review drops what no longer holds: pods that are bound or gone, claims that are gone or leave, and pods that are still
// not bound well after their node got ready. pods are all that have no node.
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
	patience := overdue + perPod*time.Duration(p.bindable(byClaim, unbound))
	for _, name := range sortedKeys(p.byClaim) {
		made := p.byClaim[name]
		for uid := range made.pods {
			if unbound[uid] == nil {
				delete(made.pods, uid)
			}
		}
		m := byClaim[name]
		if m == nil && now.Sub(made.made) < unseen {
			k.inFlight = append(k.inFlight, made.claim)
			k.keep(name, made, unbound, "")
			continue
		}
		if m == nil || m.Leaving() || leaving(m.ProviderID()) || len(made.pods) == 0 {
			delete(p.byClaim, name)
			continue
		}
		if m.Initialized() && made.ready.IsZero() {
			made.ready = now
		}
		if m.Initialized() && now.Sub(made.ready) > patience {
			for _, uid := range sortedKeys(made.pods) {
				k.broken = append(k.broken, unbound[uid])
			}
			delete(p.byClaim, name)
			continue
		}
		k.keep(m.Name(), made, unbound, nodeName(m))
	}
	p.adopt(&k, byNode, pods, leaving, now, patience)
	return k
}

// bindable counts the promised pods whose nodes are ready for them.
func (p *promises) bindable(byClaim map[string]*state.Machine, unbound map[types.UID]*corev1.Pod) (n int) {
	for name, made := range p.byClaim {
		if m := byClaim[name]; m == nil || !m.Initialized() {
			continue
		}
		for uid := range made.pods {
			if unbound[uid] != nil {
				n++
			}
		}
	}
	return n
}

func (k *kept) keep(machine string, made *promise, unbound map[types.UID]*corev1.Pod, node string) {
	for _, uid := range sortedKeys(made.pods) {
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
func (p *promises) adopt(k *kept, byNode map[string]*state.Machine, pods []*corev1.Pod, leaving func(string) bool, now time.Time, patience time.Duration) {
	seen := map[types.UID]bool{}
	for _, pod := range pods {
		m := byNode[pod.Status.NominatedNodeName]
		if pod.Status.NominatedNodeName == "" || k.pods[pod.UID] || m == nil || m.Leaving() || leaving(m.ProviderID()) || slices.Contains(k.broken, pod) {
			continue
		}
		seen[pod.UID] = true
		since, ok := p.taken[pod.UID]
		if !ok || !m.Initialized() {
			since = now
			p.taken[pod.UID] = now
		}
		if now.Sub(since) > 2*patience {
			continue
		}
		k.byMachine[m.Name()] = append(k.byMachine[m.Name()], pod)
		k.pods[pod.UID] = true
	}
	for uid := range p.taken {
		if !seen[uid] {
			delete(p.taken, uid)
		}
	}
}

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
