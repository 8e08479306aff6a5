package solver

import (
	"fmt"
	"math/rand"
	"runtime"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/automode-dev/automode/compute/catalog"
)

// A shared cache changes no plan, whoever else uses it and on however many
// processors.
func TestSamePlanWithACache(t *testing.T) {
	types := catalogTypes("us-west-2", 3, []string{"on-demand", "spot"}, func(t *catalog.Type) bool { return cmr(t) && t.VCPUs <= 16 })
	gpu := func(p *corev1.Pod) {
		p.Spec.Containers[0].Resources.Requests["example.com/thing"] = resource.MustParse("0")
	}
	var snapshots []Snapshot
	for seed := range 4 {
		r := rand.New(rand.NewSource(int64(seed)))
		s := Snapshot{Pods: mixes["deployments"](r, 40), Pools: []Pool{{Name: "default", Types: types, Labels: map[string]string{nodePoolLabel: "default"}}}}
		if seed%2 == 1 {
			s.Pods = append(s.Pods, pod(1000, 100, 100, gpu))
			s.DaemonSets = []*corev1.Pod{pod(0, 200, 400).Pod}
			s.Pools = append(s.Pools, Pool{Name: "few", Types: types[:len(types)/2], Weight: 5, Limits: list(8000, 1<<40, 1000)})
		}
		snapshots = append(snapshots, s)
	}
	r := rand.New(rand.NewSource(9))
	for range 8 {
		data := make([]byte, 400)
		r.Read(data)
		snapshots = append(snapshots, wild(data))
	}
	var want []string
	for _, s := range snapshots {
		want = append(want, describe(Solve(s)))
	}
	cache := NewCache()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range snapshots {
				i = (i + 3*worker) % len(snapshots)
				s := snapshots[i]
				s.Options.Cache = cache
				if diff := cmp.Diff(want[i], describe(Solve(s))); diff != "" {
					t.Errorf("snapshot %d: another plan with a cache:\n%s", i, diff)
				}
			}
		})
	}
	wg.Wait()
}

// describe is all that a plan says.
func describe(p Plan) string {
	return fmt.Sprintf("%s\nbounds %v %v\nmethods %v", render(p), p.Bound, p.WholeBound, p.Method)
}

// Batches small and large, with and without a cache that has seen the types.
func BenchmarkBatch(b *testing.B) {
	types := catalogTypes("us-west-2", 3, []string{"on-demand", "spot"}, cmr)
	for _, n := range []int{10, 100, 1000} {
		s := Snapshot{Pods: mixes["deployments"](rand.New(rand.NewSource(1)), n), Pools: []Pool{{Name: "default", Types: types, Labels: map[string]string{nodePoolLabel: "default"}}}}
		for _, cache := range []*Cache{nil, NewCache()} {
			b.Run(fmt.Sprintf("pods=%d/cached=%v", n, cache != nil), func(b *testing.B) {
				s.Options.Cache = cache
				b.ReportAllocs()
				for b.Loop() {
					Solve(s)
				}
			})
		}
	}
}
