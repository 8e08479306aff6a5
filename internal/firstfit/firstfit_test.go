package firstfit

import (
	"math/rand/v2"
	"testing"
)

// The index finds the nodes that looking at one after another finds, whatever was set and closed before.
func TestFirst(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		nodes, dims := 1+r.IntN(70), 3+r.IntN(3)
		cpu := r.IntN(dims)
		memory, pods := (cpu+1)%dims, (cpu+2)%dims
		amount := func(least int64) []int64 {
			out := make([]int64, dims)
			for d := range out {
				out[d] = least + r.Int64N(20-least)
			}
			out[memory] *= int64(1) << r.IntN(40)
			return out
		}
		x := New(nodes, dims, cpu, memory)
		free, scores := make([][]int64, nodes), make([]float64, nodes)
		for range 200 {
			switch i := r.IntN(nodes); r.IntN(8) {
			case 0:
				free[i] = nil
				x.Close(i)
			case 1, 2, 3:
				free[i] = amount(-2)
				x.Set(i, free[i])
				scores[i] = float64(r.IntN(6))
				x.Score(i, scores[i])
			default:
				from, want := r.IntN(nodes+1), amount(0)
				want[pods] = 1
				if got, one := x.First(from, want), oneByOne(free, from, want); got != one {
					t.Fatalf("first of %v from %d with room for %v is %d, not %d", free, from, want, one, got)
				}
				odd := func(i int) bool { return i%2 == 1 }
				if got, one := x.Best(want, odd), bestOneByOne(free, scores, want, odd); got != one {
					t.Fatalf("best of %v by %v with room for %v is %d, not %d", free, scores, want, one, got)
				}
			}
		}
	}
}

func oneByOne(free [][]int64, from int, amount []int64) int {
	for i := from; i < len(free); i++ {
		if free[i] != nil && fits(amount, free[i]) {
			return i
		}
	}
	return -1
}

func bestOneByOne(free [][]int64, scores []float64, amount []int64, suits func(int) bool) int {
	at := -1
	for i := range free {
		if free[i] != nil && fits(amount, free[i]) && suits(i) && (at < 0 || scores[i] > scores[at]) {
			at = i
		}
	}
	return at
}

func BenchmarkFirst(b *testing.B) {
	const nodes = 4000
	r := rand.New(rand.NewPCG(1, 1))
	x := New(nodes, 3, 0, 1)
	for i := range nodes { // full nodes have left much of one resource only
		free := []int64{r.Int64N(100), r.Int64N(100 << 20), 100}
		free[r.IntN(2)] *= 30
		x.Set(i, free)
	}
	for b.Loop() {
		x.First(0, []int64{100 + r.Int64N(900), (100 + r.Int64N(900)) << 20, 1})
	}
}
