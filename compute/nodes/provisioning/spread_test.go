package provisioning

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/automode-dev/automode/compute/state"
)

// web is a pod that must be spread evenly with the others of its app.
func web(name string, change ...func(*corev1.Pod, *corev1.TopologySpreadConstraint)) *corev1.Pod {
	p := pod(name, "")
	p.Labels = map[string]string{"app": "web", "version": "2"}
	p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
		TopologyKey: corev1.LabelTopologyZone, MaxSkew: 1, WhenUnsatisfiable: corev1.DoNotSchedule,
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
	}}
	for _, f := range change {
		f(p, &p.Spec.TopologySpreadConstraints[0])
	}
	return p
}

// in is a node of a zone.
func in(zone, name string, pods ...*corev1.Pod) *state.Machine {
	n := node(name, false)
	n.Labels = map[string]string{corev1.LabelTopologyZone: zone, "disk": "ssd"}
	return &state.Machine{Node: n, Pods: pods}
}

func TestWhatASpreadAllows(t *testing.T) {
	type constraint = corev1.TopologySpreadConstraint
	old, going := web("old"), web("going")
	old.Labels["version"] = "1"
	going.DeletionTimestamp = ptr.To(metav1.Now())
	elsewhere := web("elsewhere")
	elsewhere.Namespace = "other"
	joining := &state.Machine{Claim: claim("joining", "i-3")}
	joining.Claim.Labels = map[string]string{corev1.LabelTopologyZone: "c"}
	bare := in("c", "i-4")
	delete(bare.Node.Labels, "disk")

	for _, test := range []struct {
		name     string
		machines []*state.Machine
		pod      *corev1.Pod
		want     bool // on i-1, in zone a
	}{
		{"the first", []*state.Machine{in("a", "i-1"), in("b", "i-2")}, web("p"), true},
		{"one more than in the other zone", []*state.Machine{in("a", "i-1", web("x")), in("b", "i-2", web("y"))}, web("p"), true},
		{"two more", []*state.Machine{in("a", "i-1", web("x")), in("b", "i-2")}, web("p"), false},
		{"two more where that may be", []*state.Machine{in("a", "i-1", web("x")), in("b", "i-2")}, web("p", func(_ *corev1.Pod, c *constraint) { c.MaxSkew = 2 }), true},
		{"many in the only zone", []*state.Machine{in("a", "i-1", web("x"), web("y"))}, web("p"), true},
		{"with too few zones", []*state.Machine{in("a", "i-1", web("x"))}, web("p", func(_ *corev1.Pod, c *constraint) { c.MinDomains = ptr.To[int32](2) }), false},
		{"with a zone that nodes are still to join in", []*state.Machine{in("a", "i-1", web("x")), in("b", "i-2", web("y")), joining}, web("p"), false},
		{"with a zone that it may not go to", []*state.Machine{in("a", "i-1", web("x")), bare}, web("p", func(p *corev1.Pod, _ *constraint) { p.Spec.NodeSelector = map[string]string{"disk": "ssd"} }), true},
		{"with such a zone that counts all the same", []*state.Machine{in("a", "i-1", web("x")), bare}, web("p", func(p *corev1.Pod, c *constraint) {
			p.Spec.NodeSelector = map[string]string{"disk": "ssd"}
			c.NodeAffinityPolicy = ptr.To(corev1.NodeInclusionPolicyIgnore)
		}), false},
		{"beside one of another namespace", []*state.Machine{in("a", "i-1", elsewhere), in("b", "i-2")}, web("p"), true},
		{"beside one that goes", []*state.Machine{in("a", "i-1", going), in("b", "i-2")}, web("p"), true},
		{"beside one of another version", []*state.Machine{in("a", "i-1", old), in("b", "i-2")}, web("p"), false},
		{"beside one of a version that does not matter", []*state.Machine{in("a", "i-1", old), in("b", "i-2")}, web("p", func(_ *corev1.Pod, c *constraint) { c.MatchLabelKeys = []string{"version"} }), true},
		{"not counted itself", []*state.Machine{in("a", "i-1", web("x")), in("b", "i-2")}, web("p", func(p *corev1.Pod, _ *constraint) { p.Labels = nil }), true},
		{"on a node without the label", []*state.Machine{{Node: node("i-1", false)}}, web("p"), false},
		{"on a node that is gone", nil, web("p"), false},
		{"with a selector that cannot be read", []*state.Machine{in("a", "i-1", web("x")), in("b", "i-2")}, web("p", func(_ *corev1.Pod, c *constraint) {
			c.LabelSelector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "app", Operator: "Near"}}
		}), true},
		{"evenly over a second kind of domain too", []*state.Machine{in("a", "i-1"), in("b", "i-2")}, web("p", func(p *corev1.Pod, _ *constraint) {
			p.Spec.TopologySpreadConstraints = append(p.Spec.TopologySpreadConstraints, constraint{TopologyKey: "rack", MaxSkew: 1, WhenUnsatisfiable: corev1.DoNotSchedule})
		}), false},
	} {
		if got := newSpreads(test.machines).allow(test.pod, "i-1"); got != test.want {
			t.Errorf("a pod %s: %t, want %t", test.name, got, test.want)
		}
	}
}

// A pod that we have bound counts once, whether the picture shows it on its node or not yet.
func TestABoundPodCountsOnce(t *testing.T) {
	s := newSpreads([]*state.Machine{in("a", "i-1", web("x")), in("b", "i-2", web("y"))})
	for range 2 {
		s.add(web("x"), "i-1")
	}
	if !s.allow(web("p"), "i-1") {
		t.Error("a pod that is on its node counts twice")
	}
	for range 2 {
		s.add(web("p"), "i-1")
	}
	if s.allow(web("q"), "i-1") || !s.allow(web("q"), "i-2") {
		t.Error("want the next one in the other zone")
	}
}

// Of a crowd that must be spread, each pod that is bound keeps to the rule when it is; the rest is nominated.
func TestASpreadCrowdIsBoundInTurns(t *testing.T) {
	w := newWorld(t)
	bound := w.bindings()
	c := NewController(w.parts)
	for zone, pods := range map[string]int{"a": 4, "b": 2, "c": 1} {
		w.source.Set(in(zone, "i-"+zone).Node)
		var list []*corev1.Pod
		for i := range pods {
			p := web(fmt.Sprint(zone, i))
			p.UID = types.UID(p.Name)
			w.source.Set(p)
			list = append(list, p)
		}
		c.nominator.plan("claim-"+zone, "i-"+zone, list)
	}
	for i := range crowd {
		c.nominator.plan(fmt.Sprint("other-", i), "", []*corev1.Pod{pod(fmt.Sprint("p", i), "")})
	}
	for i := range 2 { // that must not share a node either
		p := web(fmt.Sprint("x", i), func(p *corev1.Pod, _ *corev1.TopologySpreadConstraint) {
			p.OwnerReferences = []metav1.OwnerReference{{UID: "x", Controller: ptr.To(true)}}
			spread(corev1.LabelHostname, 1, corev1.DoNotSchedule)(&p.Spec)
		})
		w.source.Set(p)
		c.nominator.plan("claim-c", "i-c", []*corev1.Pod{p})
	}
	nodes := []string{"i-a", "i-b", "i-c"}
	for _, node := range nodes {
		if c.nominator.fill(t.Context(), node); len(*bound) != 0 {
			t.Fatalf("bound before all nodes are there: %v", *bound)
		}
	}
	for _, node := range nodes {
		c.bindSpread(t.Context(), node) // the picture does not show what is bound
	}
	var got []string // by zone: which of its pods go first is left open
	for _, b := range *bound {
		got = append(got, b[:1]+b[strings.Index(b, " "):])
	}
	slices.Sort(got)
	if diff := cmp.Diff("a i-a, a i-a, b i-b, b i-b, c i-c", strings.Join(got, ", ")); diff != "" {
		t.Errorf("bound (-want +got):\n%s", diff)
	}
	if left := c.nominator.due("i-a"); len(left) != 2 {
		t.Errorf("nominated for i-a: %v, want two", left)
	}
}

func TestACrowdWaitsLongerForItsNodes(t *testing.T) {
	a, plan := newArrivals(), newArrival(true)
	for _, name := range []string{"a", "b"} {
		a.expect(name, plan)
	}
	for _, at := range []time.Duration{0, crowdStragglers - 1} {
		if !a.wait("a", start.Add(at)) {
			t.Errorf("the node opens after %s", at)
		}
	}
	if a.wait("a", start.Add(crowdStragglers)) {
		t.Errorf("the node is still closed after %s", crowdStragglers)
	}
}
