package provisioning

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/automode-dev/automode/compute/disruption/survey"
	"github.com/automode-dev/automode/compute/solver"
	"github.com/automode-dev/automode/compute/state"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func pod(name, nominated string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID(name)}, Status: corev1.PodStatus{NominatedNodeName: nominated}}
}

func claim(name, instance string) *karpv1.NodeClaim {
	c := &karpv1.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if instance != "" {
		c.Status.ProviderID = "aws:///us-east-1a/" + instance
	}
	return c
}

func node(name string, initialized bool) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{karpv1.NodeRegisteredLabelKey: "true"}}}
	n.Spec.ProviderID = "aws:///us-east-1a/" + name
	n.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourcePods: resource.MustParse("500")}
	if initialized {
		n.Labels[karpv1.NodeInitializedLabelKey] = "true"
	}
	return n
}

func names(pods []*corev1.Pod) []string {
	var list []string
	for _, p := range pods {
		list = append(list, p.Name)
	}
	return list
}

func nobody(string) bool { return false }

func TestPromisesFollowAClaimToItsNode(t *testing.T) {
	p := newPromises()
	a, b := pod("a", ""), pod("b", "")
	p.add("c", []*corev1.Pod{a, b})

	k := p.review([]*state.Machine{{Claim: claim("c", "")}}, []*corev1.Pod{a, b}, nobody, start.Add(time.Second))
	if !k.pods["a"] || !k.pods["b"] || len(k.nodes) != 0 {
		t.Fatalf("a claim made a moment ago is forgotten: %+v", k)
	}
	// Launched: the node's name is known.
	k = p.review([]*state.Machine{{Claim: claim("c", "i-1")}}, []*corev1.Pod{a, b}, nobody, start.Add(2*time.Second))
	if diff := cmp.Diff([]string{"a", "b"}, names(k.byMachine["c"])); diff != "" || k.nodes[a] != "i-1" {
		t.Fatalf("pods of a launched claim (-want +got):\n%s\nnode %q", diff, k.nodes[a])
	}
	// One pod is bound, the node is ready: the other keeps its place for a while, then it is looked at again.
	machines := []*state.Machine{{Claim: claim("c", "i-1"), Node: node("i-1", true)}}
	k = p.review(machines, []*corev1.Pod{b}, nobody, start.Add(10*time.Second))
	if diff := cmp.Diff([]string{"b"}, names(k.byMachine["i-1"])); diff != "" {
		t.Fatalf("pods of a ready node (-want +got):\n%s", diff)
	}
	late, nominated := start.Add(10*time.Second+overdue+time.Second), pod("b", "i-1")
	if k := p.review(machines, []*corev1.Pod{nominated}, nobody, late); !k.pods["b"] {
		t.Errorf("a pod that the scheduler has not got to has lost its place: %+v", k)
	}
	k = p.review(machines, []*corev1.Pod{b}, nobody, late)
	if k.pods["b"] || len(k.broken) != 1 || !p.lapsed["b"] {
		t.Errorf("an overdue pod is still promised: %+v", k)
	}
	p.add("c", []*corev1.Pod{b})
	if k := p.review(machines, []*corev1.Pod{b}, nobody, late); !k.pods["b"] {
		t.Errorf("a pod that was planned there again is not: %+v", k)
	}
	if p.review(machines, nil, nobody, late); p.lapsed["b"] {
		t.Error("a pod that is bound is remembered")
	}
}

// A scheduler with hundreds of pods to bind takes its time.
func TestPromisesWaitForABusyScheduler(t *testing.T) {
	var pods []*corev1.Pod
	for i := range 400 {
		pods = append(pods, pod(fmt.Sprintf("p%03d", i), ""))
	}
	machines := []*state.Machine{{Claim: claim("c", "i-1"), Node: node("i-1", true)}, {Claim: claim("d", "i-2"), Node: node("i-2", true)}, {Claim: claim("e", "i-3"), Node: node("i-3", true)}}
	begin := func() *promises {
		p := newPromises()
		p.add("c", pods[:200])
		p.add("d", pods[200:])
		p.review(machines, pods, nobody, start)
		return p
	}

	t.Run("it works at them", func(t *testing.T) {
		p, now := begin(), start
		for left := 400; left > 100; left -= 10 {
			now = now.Add(overdue - time.Second)
			if k := p.review(machines, pods[400-left:], nobody, now); len(k.pods) != left {
				t.Fatalf("%d of %d pods are promised %s after their nodes got ready", len(k.pods), left, now.Sub(start))
			}
		}
	})
	t.Run("it has stopped", func(t *testing.T) {
		p := begin()
		p.review(machines, pods[10:], nobody, start.Add(overdue))
		if k := p.review(machines, pods[10:], nobody, start.Add(2*overdue)); len(k.pods) != 390 {
			t.Errorf("%d of 390 pods are promised while it may go on", len(k.pods))
		}
		if k := p.review(machines, pods[10:], nobody, start.Add(2*overdue+time.Second)); len(k.broken) != 390 {
			t.Errorf("%d of 390 promises are broken although nothing was bound for %s", len(k.broken), overdue)
		}
	})
	t.Run("it binds others", func(t *testing.T) {
		p, now := begin(), start
		for i := range 50 {
			later := pod(fmt.Sprintf("later-%d", i), "")
			p.add("e", []*corev1.Pod{later})
			now = now.Add(overdue / 2)
			p.review(machines, append(pods[:1:1], later), nobody, now)
			p.review(machines, pods[:1], nobody, now)
		}
		if k := p.review(machines, pods[:1], nobody, now); k.pods["p000"] {
			t.Error("a pod that it passes over is promised for ever")
		}
	})
}

// Pods of another plan, or of none, may be where promised pods should go.
func TestPromisesEndWhereTheirRoomIsTaken(t *testing.T) {
	sized := func(name, cpu string) *corev1.Pod {
		p := pod(name, "")
		p.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}}}}
		return p
	}
	waiting := []*corev1.Pod{sized("a", "1"), sized("b", "2"), sized("c", "500m")}
	p := newPromises()
	p.add("c", waiting)
	m := &state.Machine{Claim: claim("c", "i-1"), Node: node("i-1", true)}
	look := func(now time.Time, wantKept, wantBroken []string, there ...*corev1.Pod) {
		t.Helper()
		m.Pods = there
		k := p.review([]*state.Machine{m}, waiting, nobody, now)
		if diff := cmp.Diff([][]string{wantKept, wantBroken}, [][]string{names(k.byMachine["i-1"]), names(k.broken)}); diff != "" {
			t.Errorf("beside %v after %s: kept and broken (-want +got):\n%s", names(there), now.Sub(start), diff)
		}
	}
	other, thief := sized("other", "500m"), sized("thief", "1")
	look(start, []string{"a", "b", "c"}, nil)
	look(start, []string{"a", "b", "c"}, nil, other)
	p.settled(true, start) // the scheduler is at work
	look(start.Add(calm-1), []string{"a", "b", "c"}, nil, other, thief)
	look(start.Add(calm), []string{"a", "c"}, []string{"b"}, other, thief)
	look(start.Add(calm), []string{"a", "c"}, nil, other) // b is planned anew, wherever
	p.settled(true, start.Add(crowded))
	look(start.Add(crowded), []string{"a"}, []string{"c"}, other, thief, sized("another", "1500m"))
}

func TestPromisesEndWithTheirClaim(t *testing.T) {
	for name, machines := range map[string][]*state.Machine{
		"gone": nil,
		"deleted": {{Claim: func() *karpv1.NodeClaim {
			c := claim("c", "i-1")
			c.DeletionTimestamp = &metav1.Time{Time: start}
			return c
		}()}},
	} {
		p := newPromises()
		a := pod("a", "")
		p.add("c", []*corev1.Pod{a})
		if k := p.review(machines, []*corev1.Pod{a}, nobody, start); k.pods["a"] {
			t.Errorf("claim %s: its pod is still promised", name)
		}
	}
	p := newPromises()
	a := pod("a", "")
	p.add("c", []*corev1.Pod{a})
	k := p.review([]*state.Machine{{Claim: claim("c", "i-1")}}, []*corev1.Pod{a}, func(id string) bool { return id == "aws:///us-east-1a/i-1" }, start)
	if k.pods["a"] {
		t.Error("a node that disruption has decided on still holds its promise")
	}
}

func TestNominationsOfAnEarlierLifeAreTakenOver(t *testing.T) {
	p := newPromises()
	a, lost := pod("a", "i-1"), pod("lost", "i-9")
	starting := []*state.Machine{{Claim: claim("c", "i-1"), Node: node("i-1", false)}}
	k := p.review(starting, []*corev1.Pod{a, lost}, nobody, start)
	if !k.pods["a"] || k.pods["lost"] {
		t.Fatalf("promised %v, want only the pod whose node is on its way", k.pods)
	}
	ready := []*state.Machine{{Claim: claim("c", "i-1"), Node: node("i-1", true)}}
	p.review(ready, []*corev1.Pod{a}, nobody, start.Add(time.Second))
	if k := p.review(ready, []*corev1.Pod{a}, nobody, start.Add(foreign+2*time.Second)); k.pods["a"] {
		t.Error("a nomination that leads nowhere is believed for ever")
	}
}

func TestNothingIsBoughtForPodsThatAStepMoves(t *testing.T) {
	going, free := claim("going", "i-1"), claim("free", "i-2")
	going.Annotations = map[string]string{survey.AnnotationStep: "{}"}
	drop := onlyFor(disrupted([]*state.Machine{{Claim: going, Node: node("i-1", true)}, {Claim: free, Node: node("i-2", true)}, {Claim: going}}))
	on := func(name, node string) *corev1.Pod {
		p := pod(name, "")
		p.Spec.NodeName = node
		return p
	}
	tests := []struct {
		name string
		pods []*corev1.Pod
		want bool
	}{
		{"all on a node that a step removes", []*corev1.Pod{on("a", "i-1"), on("b", "i-1")}, true},
		{"one waits", []*corev1.Pod{on("a", "i-1"), pod("b", "")}, false},
		{"one on a node that goes for another reason", []*corev1.Pod{on("a", "i-1"), on("b", "i-2")}, false},
	}
	for _, test := range tests {
		if got := drop(solver.Claim{Pods: test.pods}); got != test.want {
			t.Errorf("%s: dropped %v, want %v", test.name, got, test.want)
		}
	}
}
