package provisioning

import (
	"cmp"
	"maps"
	"slices"
	"sync"
)

// inParallel calls do for 0 to n-1, some at a time, and returns when all are done.
func inParallel(n, workers int, do func(int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(n, workers) {
		wg.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
