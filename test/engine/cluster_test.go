package engine

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// twoNodes is a cluster with a pod on each of two nodes, and one that waits.
func twoNodes(t *testing.T) *Cluster {
	t.Helper()
	c := NewCluster(FakeTypes(4), 1)
	c.AddDaemonSet(20, 32)
	for i := range 2 {
		n, err := c.Add(fleetNode(i, c.Pools[0].Name))
		if err != nil {
			t.Fatal(err)
		}
		n.Run(waitingPod(i, "web", 100, 128))
	}
	c.Waiting = []*corev1.Pod{waitingPod(2, "web", 100, 128)}
	return c
}

// where lists the pods by node, those of DaemonSets left out, and those that wait.
func where(c *Cluster) map[string][]string {
	out := map[string][]string{"": podNames(c.Waiting)}
	for _, n := range c.Nodes {
		out[n.Name] = podNames(workload(n))
	}
	return out
}

func TestApplyMovesPods(t *testing.T) {
	before := twoNodes(t)
	c := before.Clone()
	launch := fleetNode(2, c.Pools[0].Name)
	launch.Pods = []string{"pod-000002"}
	if err := c.Apply(Decision{Remove: []string{"node-00001"}, Place: map[string][]string{"node-00000": {"pod-000001"}}, Launch: []Launch{launch}}); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{"": {}, "node-00000": {"pod-000000", "pod-000001"}, "node-00002": {"pod-000002"}}
	if diff := cmp.Diff(want, where(c)); diff != "" {
		t.Errorf("pods (-want +got):\n%s", diff)
	}
	want = map[string][]string{"": {"pod-000002"}, "node-00000": {"pod-000000"}, "node-00001": {"pod-000001"}}
	if diff := cmp.Diff(want, where(before)); diff != "" {
		t.Errorf("the cluster that was cloned (-want +got):\n%s", diff)
	}
	if c.Price() != before.Price() {
		t.Errorf("price %v, want %v: one node for another of the same type", c.Price(), before.Price())
	}
}

func TestApplyRefusesPodsThatDoNotMove(t *testing.T) {
	c := twoNodes(t)
	if err := c.Apply(Decision{Place: map[string][]string{"node-00000": {"pod-000001"}}}); err == nil {
		t.Error("a pod on a node that stays was placed again")
	}
	if _, err := c.Add(Launch{Pool: "pool-00", Type: "no such type"}); err == nil {
		t.Error("a node of an unknown type was started")
	}
}

func TestFreshMakesAllPodsWait(t *testing.T) {
	c := twoNodes(t).Fresh()
	if diff := cmp.Diff(map[string][]string{"": {"pod-000000", "pod-000001", "pod-000002"}}, where(c)); diff != "" {
		t.Errorf("pods (-want +got):\n%s", diff)
	}
}

// Both sides find that one of two nodes is enough.
func TestBothSidesConsolidate(t *testing.T) {
	for name, side := range map[string]func(*Cluster) (decider, error){"engine": ourSide, "Karpenter": karpenterSide} {
		c := twoNodes(t)
		c.Waiting = nil
		d, err := side(c)
		if err != nil {
			t.Fatal(err)
		}
		decision, err := d.Consolidate()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Apply(decision); err != nil || len(c.Waiting) > 0 || c.Price() >= twoNodes(t).Price() {
			t.Errorf("%s: price %v, %d pods wait, error %v; want a lower price and all pods running", name, c.Price(), len(c.Waiting), err)
		}
	}
}
