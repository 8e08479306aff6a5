package solver

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A census that many snapshots share says what each would find out by itself.
func TestCensusChangesNoPlan(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	census := NewCensus()
	for i := range 200 {
		data := make([]byte, 400)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		s := wild(data)
		for j := range s.Nodes {
			for k, pod := range s.Nodes[j].Pods {
				if (i+j+k)%3 == 0 {
					pod.OwnerReferences = []metav1.OwnerReference{{Kind: "DaemonSet"}}
				}
			}
		}
		want := describe(Solve(s))
		s.Census = census
		for j := range s.Nodes {
			n := &s.Nodes[j]
			half := len(n.Pods) / 2
			switch first := census.Of(n.Pods[:half]); (i + j) % 4 {
			case 0: // worked out
			case 1:
				n.Occupancy = census.Of(n.Pods)
			case 2:
				n.Occupancy = census.With(first, n.Pods[half:])
			default:
				census.kindsOf(first)
				n.Occupancy = census.With(first, n.Pods[half:])
			}
		}
		for range 2 {
			if diff := cmp.Diff(want, describe(Solve(s))); diff != "" {
				t.Fatalf("case %d: another plan with a census:\n%s", i, diff)
			}
		}
	}
}

// What comes to a node leaves what was known of it as it was.
func TestCensusKeepsWhatItSaid(t *testing.T) {
	census := NewCensus()
	labelled := func(i int, port int32) *corev1.Pod {
		return pod(i, 100, 100, func(p *corev1.Pod) {
			p.Labels = map[string]string{"app": "a"}
			p.Spec.Containers[0].Ports = []corev1.ContainerPort{{HostPort: port}}
		}).Pod
	}
	before := census.Of([]*corev1.Pod{labelled(0, 80)})
	census.kindsOf(before)
	a := census.With(before, []*corev1.Pod{labelled(1, 81), labelled(2, 82)})
	b := census.With(before, []*corev1.Pod{labelled(3, 83)})
	for _, c := range []struct {
		name string
		o    *Occupancy
		n    int
		last int32
	}{{"before", before, 1, 80}, {"with two", a, 3, 82}, {"with one", b, 2, 83}} {
		if kinds := census.kindsOf(c.o); len(kinds) != 1 || kinds[0].n != c.n || len(c.o.ports) != c.n || c.o.ports[c.n-1].port != c.last || c.o.total[dimPods] != int64(c.n) {
			t.Errorf("%s: %+v", c.name, c.o)
		}
	}
}
