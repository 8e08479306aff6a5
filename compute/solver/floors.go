package solver

// floors are what the items of each stretch of a long order ask for at least: a
// node that is nearly full passes over most of them at once.
type floors struct {
	least   []vector
	dropped int // items taken off the order since
	nodes   int // filled since
}

// How many items share a floor, and how many nodes are filled before the floors are made anew.
const (
	stretch      = 32
	compactAfter = 8
)

func (x *floors) made() bool { return x.least != nil }

// newFloors works out the floors of the order, where it is long. Where limits
// matter the order changes too often.
func (f *filler) newFloors() floors {
	if len(f.order) < 8*stretch || len(f.lim.names) > 0 {
		return floors{}
	}
	var out floors
	for j, i := range f.order {
		vec := f.k.items[i].vec
		if j%stretch == 0 {
			out.least = append(out.least, append(vector(nil), vec...))
		}
		least := out.least[j/stretch]
		for d, n := range vec {
			least[d] = min(least[d], n)
		}
	}
	return out
}

// skip is how many items from one on ask for more than there is room for.
func (x *floors) skip(j int, room vector) int {
	if !x.made() || (j+x.dropped)%stretch != 0 || x.least[(j+x.dropped)/stretch].fits(room) {
		return 0
	}
	return stretch
}
