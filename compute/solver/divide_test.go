package solver

import (
	"fmt"
	"math/rand"
	"reflect"
	"runtime"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// manyKinds are so many pods of so many kinds, a tenth of which may not share a node.
func manyKinds(pods, kinds int) Snapshot {
	r := rand.New(rand.NewSource(3))
	s := Snapshot{Pools: []Pool{{Name: "default", Types: catalogTypes("us-east-1", 3, []string{"on-demand", "spot"}, cmr)}}}
	for kind := range kinds {
		cpu, memory := int64(50*(1+r.Intn(80))), int64(128*(1+r.Intn(200)))
		for range pods / kinds {
			s.Pods = append(s.Pods, pod(len(s.Pods), cpu, memory, func(p *corev1.Pod) {
				if kind%10 == 0 {
					apartFromItsKind(p)
					p.Labels["app"] = fmt.Sprint("app-", kind)
				}
			}))
		}
	}
	return s
}

// A large batch of many kinds of pods is packed in parts: near the bound, whole, and the same on any number of processors.
func TestLargeBatchIsDivided(t *testing.T) {
	s := manyKinds(3000, 150)
	p := Solve(s)
	if len(p.Unplaced) > 0 || p.Price > p.Bound*1.03 {
		t.Errorf("%d pods are left out, the plan costs %.3f, %.1f %% above its bound", len(p.Unplaced), p.Price, 100*(p.Price/p.Bound-1))
	}
	seen := map[*corev1.Pod]bool{}
	for _, c := range p.Claims {
		for _, pod := range c.Pods {
			seen[pod] = true
		}
	}
	if len(seen) != len(s.Pods) {
		t.Errorf("%d of %d pods are on nodes", len(seen), len(s.Pods))
	}
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for _, processors := range []int{1, 3} {
		runtime.GOMAXPROCS(processors)
		if again := Solve(s); !reflect.DeepEqual(again, p) {
			t.Errorf("with %d processors the plan is another one, for %.3f instead of %.3f", processors, again.Price, p.Price)
		}
	}
}

// Limits that are far away change nothing.
func TestFarLimitsChangeNothing(t *testing.T) {
	s := manyKinds(600, 12)
	free := Solve(s)
	s.Pools[0].Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100000")}
	limited := Solve(s)
	if free.Price != limited.Price || len(limited.Unplaced) > 0 {
		t.Errorf("without limits the plan costs %.4f, with limits that are far away %.4f", free.Price, limited.Price)
	}
}

// A panic in one part is the caller's, not the end of the process.
func TestPanicInAPart(t *testing.T) {
	defer func() {
		if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "part 1 is broken") {
			t.Errorf("recovered %v", r)
		}
	}()
	(&packer{}).sideBySide(3, func(n int) {
		if n == 1 {
			panic("part 1 is broken")
		}
	})
}
