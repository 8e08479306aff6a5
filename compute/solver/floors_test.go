package solver

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Passing over stretches of a long order leaves nothing out that would have fitted.
func TestFloors(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	k := &packer{p: &problem{}}
	f := &filler{k: k}
	for i := range 2000 {
		scale := 4 - int64(i/500) // falling worth, mixed shapes
		k.items = append(k.items, packItem{vec: vector{scale * r.Int64N(100), scale * r.Int64N(100), 1}})
		f.order = append(f.order, i)
	}
	f.floors = f.newFloors()
	for range 200 {
		for range r.IntN(5) {
			f.drop()
		}
		room := vector{r.Int64N(200), r.Int64N(200), 5}
		var all, some []int
		for j, i := range f.order {
			if k.items[i].vec.fits(room) {
				all = append(all, j)
			}
		}
		for j := 0; j < len(f.order); j++ {
			if skip := f.floors.skip(j, room); skip > 0 {
				j += skip - 1
				continue
			}
			if k.items[f.order[j]].vec.fits(room) {
				some = append(some, j)
			}
		}
		if diff := cmp.Diff(all, some); diff != "" {
			t.Fatalf("items with room for them differ (-all +some):\n%s", diff)
		}
	}
}
