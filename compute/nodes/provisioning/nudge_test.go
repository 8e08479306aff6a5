package provisioning

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/automode-dev/automode/compute/solver"
	"github.com/automode-dev/automode/compute/state"
)

// failed is a pod that the scheduler has tried in vain.
func failed(name, nominated string) *corev1.Pod {
	p := pod(name, nominated)
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}
	return p
}

func TestPodsWithAPlace(t *testing.T) {
	open := &state.Machine{Claim: claim("c", "i-1"), Node: node("i-1", true)}
	coming := &state.Machine{Claim: claim("d", "i-2"), Node: node("i-2", false)}
	preempting := failed("a", "i-1")
	k := kept{
		nodes:     map[*corev1.Pod]string{failed("b", ""): "i-1", pod("untried", ""): "i-1", failed("early", ""): "i-2"},
		byMachine: map[string][]*corev1.Pod{"i-1": {preempting}},
	}
	got := places([]*state.Machine{open, coming, {Claim: claim("e", "")}}, k, []solver.Placement{
		{Node: "i-1", Pods: []*corev1.Pod{failed("a", ""), preempting}}, {Node: "i-2", Pods: []*corev1.Pod{failed("early-too", "")}}, {Node: "e", Pods: []*corev1.Pod{failed("earlier", "")}},
	})
	var list []string
	for _, p := range got {
		list = append(list, p.pod.Name+" "+p.node)
	}
	if diff := cmp.Diff([]string{"a i-1", "b i-1"}, list); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheSchedulerIsNudged(t *testing.T) {
	var written []string
	kube := interceptor.NewClient(fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).Build(), interceptor.Funcs{
		SubResourcePatch: func(_ context.Context, _ client.Client, _ string, o client.Object, patch client.Patch, _ ...client.SubResourcePatchOption) error {
			data, err := patch.Data(o)
			written = append(written, o.GetName()+" "+string(data))
			return err
		},
	})
	clock := testclock.NewFakeClock(start)
	c := &Controller{Parts: Parts{Clock: clock, Nominate: kube}}
	expect := func(step string, list []place, want ...string) {
		t.Helper()
		written = nil
		c.nudge(t.Context(), list)
		if diff := cmp.Diff(want, written); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step, diff)
		}
		clock.Step(time.Second)
	}
	plain, nominated := place{failed("a", ""), "i-1"}, place{failed("b", "i-1"), "i-1"}
	const withdrawn = ` {"status":{"nominatedNodeName":null}}`
	expect("first seen", []place{nominated})
	expect("seen again", []place{nominated}, "b"+withdrawn)
	expect("a moment later", []place{nominated})
	clock.Step(nudgeEvery)
	expect("another one", []place{plain})
	expect("again", []place{plain}, `a {"status":{"nominatedNodeName":"i-1"}}`, "a"+withdrawn)
	clock.Step(nudgeEvery)
	expect("nobody waits", nil)
}
