package solver

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// bytesReader makes choices out of fuzz data; zeros when it runs out.
type bytesReader struct{ r *bytes.Reader }

func (b *bytesReader) n(limit int) int {
	var v uint16
	if binary.Read(b.r, binary.LittleEndian, &v) != nil {
		return 0
	}
	return int(v) % limit
}

func choose[T any](b *bytesReader, of ...T) T { return of[b.n(len(of))] }

// wild makes a snapshot that no API server would let through: contradictions,
// negative and huge amounts, operators without values, selectors that do not parse.
func wild(data []byte) Snapshot {
	b := &bytesReader{bytes.NewReader(data)}
	var s Snapshot
	keys := []string{"", "x", corev1.LabelTopologyZone, corev1.LabelHostname, corev1.LabelInstanceTypeStable, capacityTypeLabel, "n"}
	ops := []corev1.NodeSelectorOperator{"In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt", "Gte", "Lte", "Bogus", ""}
	values := func() []string {
		out := []string{}
		for range b.n(3) {
			out = append(out, choose(b, "a", "b", "1", "-5", "99999999999999999999", ""))
		}
		return out
	}
	amount := func() resource.Quantity {
		return choose(b, resource.MustParse("1"), resource.MustParse("100m"), resource.MustParse("0"), resource.MustParse("-1"), resource.MustParse("9E"), resource.MustParse("3Gi"))
	}
	amounts := func() corev1.ResourceList {
		out := corev1.ResourceList{}
		for range b.n(4) {
			out[choose(b, corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourcePods, "example.com/thing", "")] = amount()
		}
		return out
	}
	selector := func() *metav1.LabelSelector {
		return choose(b, nil, &metav1.LabelSelector{}, &metav1.LabelSelector{MatchLabels: map[string]string{"app": "a"}},
			&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: "Bogus", Values: []string{"-"}}}},
			&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpExists}}})
	}
	var types []*InstanceType
	for i := range b.n(5) {
		t := &InstanceType{Name: fmt.Sprint("t", i), Allocatable: amounts(), Capacity: amounts()}
		for range b.n(3) {
			t.Requirements = append(t.Requirements, Requirement{Key: choose(b, keys...), Operator: choose(b, ops...), Values: values()})
		}
		for range b.n(4) {
			t.Offerings = append(t.Offerings, Offering{Labels: map[string]string{choose(b, keys...): choose(b, "a", "b"), corev1.LabelTopologyZone: choose(b, "a", "b")},
				Price: choose(b, 0, 1, 0.1, math.Inf(1), -1, math.NaN()), Available: b.n(4) > 0, Reservation: choose(b, "", "", "cr"), Remaining: b.n(3) - 1})
		}
		types = append(types, t)
	}
	for i := range b.n(4) {
		p := Pool{Name: fmt.Sprint("p", i), Weight: int32(b.n(3)), Types: types, Labels: map[string]string{choose(b, keys...): "a"}, Limits: amounts()}
		for range b.n(3) {
			p.Requirements = append(p.Requirements, Requirement{Key: choose(b, keys...), Operator: choose(b, ops...), Values: values(), MinValues: b.n(3)})
		}
		if b.n(3) == 0 {
			p.Taints = []corev1.Taint{{Key: "k", Effect: choose(b, corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule)}}
		}
		s.Pools = append(s.Pools, p)
	}
	pod := func(i int) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("pod", i), Namespace: choose(b, "", "ns"), Labels: map[string]string{"app": choose(b, "a", "b")}}}
		p.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: amounts()}, Ports: []corev1.ContainerPort{{HostPort: int32(b.n(3))}}}}
		if b.n(3) == 0 {
			p.Spec.NodeSelector = map[string]string{choose(b, keys...): choose(b, "a", "b")}
		}
		a := &corev1.Affinity{}
		for range b.n(2) {
			term := corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: choose(b, keys...), Operator: choose(b, ops...), Values: values()}}}
			a.NodeAffinity = &corev1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{Weight: int32(b.n(200)) - 50, Preference: term}},
				RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{term, {}}[:b.n(3)]}}
		}
		term := func() []corev1.PodAffinityTerm {
			return []corev1.PodAffinityTerm{{TopologyKey: choose(b, keys...), LabelSelector: selector(), NamespaceSelector: selector(), MatchLabelKeys: []string{"app"}}}[:b.n(2)]
		}
		a.PodAffinity = &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: term()}
		a.PodAntiAffinity = &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: term()}
		p.Spec.Affinity = a
		for range b.n(2) {
			p.Spec.TopologySpreadConstraints = append(p.Spec.TopologySpreadConstraints, corev1.TopologySpreadConstraint{TopologyKey: choose(b, keys...), MaxSkew: int32(b.n(3)) - 1,
				WhenUnsatisfiable: choose(b, corev1.DoNotSchedule, corev1.ScheduleAnyway, ""), LabelSelector: selector()})
		}
		return p
	}
	for i := range b.n(4) {
		n := Node{Name: fmt.Sprint("n", i), Pool: choose(b, "", "p0"), Labels: map[string]string{choose(b, keys...): "a"}, Allocatable: amounts(), Capacity: amounts()}
		for j := range b.n(3) {
			n.Pods = append(n.Pods, pod(1000+10*i+j))
		}
		s.Nodes = append(s.Nodes, n)
	}
	for i := range b.n(12) {
		s.Pods = append(s.Pods, Pod{Pod: pod(i)})
	}
	for i := range b.n(2) {
		s.DaemonSets = append(s.DaemonSets, pod(2000+i))
	}
	return s
}

// check tells what no plan may do, whatever it was asked.
func check(s Snapshot, p Plan) error {
	seen := map[string]int{}
	for _, pl := range p.Placements {
		for _, pod := range pl.Pods {
			seen[pod.Name]++
		}
	}
	for _, c := range p.Claims {
		if len(c.Pods) == 0 || len(c.Types) == 0 {
			return fmt.Errorf("claim with %d pods and %d types", len(c.Pods), len(c.Types))
		}
		for _, pod := range c.Pods {
			seen[pod.Name]++
		}
	}
	for _, u := range p.Unplaced {
		seen[u.Pod.Name]++
		if len(u.Reasons) == 0 {
			return fmt.Errorf("pod %s is left out without a reason", u.Pod.Name)
		}
	}
	for _, pod := range s.Pods {
		if seen[pod.Name] != 1 {
			return fmt.Errorf("pod %s is in the plan %d times", pod.Name, seen[pod.Name])
		}
	}
	return nil
}

func FuzzSolve(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		data := make([]byte, 400)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		start := time.Now()
		s := wild(data)
		p := Solve(s)
		if err := check(s, p); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Fatalf("took %v", took)
		}
	})
}

// The same snapshot gives the same plan, byte for byte.
func TestSamePlanEveryTime(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		data := make([]byte, 400)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		s := wild(data)
		first := render(Solve(s))
		for range 3 {
			if diff := cmp.Diff(first, render(Solve(s))); diff != "" {
				t.Fatalf("another plan for the same snapshot:\n%s", diff)
			}
		}
	}
}

// Solve leaves what it is given as it was.
func TestSnapshotIsNotChanged(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 50 {
		data := make([]byte, 400)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		s, again := wild(data), wild(data)
		Solve(s)
		a, _ := json.Marshal(s.Pods)
		b, _ := json.Marshal(again.Pods)
		if !bytes.Equal(a, b) {
			t.Fatal("the pods were changed")
		}
	}
}
