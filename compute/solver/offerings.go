package solver

import (
	"math"
	"slices"
	"sort"
	"sync"

	corev1 "k8s.io/api/core/v1"
)

// offerings is the universe of what can be bought: every available offering of
// every type of every pool, numbered so that sets of them are bitsets.
type offerings struct {
	*market
	memo map[string]bitset
}

// market is what does not depend on pods and pools, but on the types alone. Problems share it; once it is made nothing of
// it changes but what its mutex guards.
type market struct {
	types []*InstanceType
	typ   map[*InstanceType]int
	conds []conditions // of each type, its requirements
	first []int        // of each type, its first offering; offerings of a type stand together
	list  []offer
	keys  map[string]*keyIndex
	held  []int // instances left of each reservation

	mu    sync.Mutex
	order []int                // by price, nil until asked
	rooms map[string][]vector  // allocatable per type, by the names of the resources
	fits  map[string]*fitIndex // by all that goes into them
}

// offer is one available offering.
type offer struct {
	typ         int
	o           *Offering
	reservation int // index into the problem's reservations, -1 without
}

// keyIndex tells which offerings have which value of one label.
type keyIndex struct {
	values []string // sorted
	bits   []bitset // of each value: offerings with just this value
	absent bitset   // offerings whose label is defined not to be there
	// open lists the types that leave the label open between several values.
	open []openKey
	// undefined are the offerings that say nothing about the label.
	undefined bitset
	// fixed: every offering has one value, or none, for certain.
	fixed bool
}

type openKey struct {
	set  valueSet
	bits bitset
}

func newMarket(types []*InstanceType) *market {
	m := &market{types: types, typ: make(map[*InstanceType]int, len(types)), keys: map[string]*keyIndex{}, rooms: map[string][]vector{}, fits: map[string]*fitIndex{}}
	for n, t := range types {
		m.typ[t] = n
		m.conds = append(m.conds, conditionsOf(t.Requirements, nil))
		m.first = append(m.first, len(m.list))
		for i := range t.Offerings {
			if o := &t.Offerings[i]; o.Available && o.Price >= 0 && !math.IsInf(o.Price, 1) {
				m.list = append(m.list, offer{typ: n, o: o, reservation: -1})
			}
		}
	}
	m.first = append(m.first, len(m.list))
	m.reserve()
	m.index()
	return m
}

// reserve numbers the capacity reservations. The smallest figure of a
// reservation counts where offerings disagree.
func (m *market) reserve() {
	index := map[string]int{}
	for i := range m.list {
		o := m.list[i].o
		if o.Reservation == "" {
			continue
		}
		r, ok := index[o.Reservation]
		if !ok {
			r = len(m.held)
			index[o.Reservation] = r
			m.held = append(m.held, o.Remaining)
		}
		m.held[r] = min(m.held[r], o.Remaining)
		m.list[i].reservation = r
	}
}

// index builds the key indexes from the types' and offerings' labels.
func (f *market) index() {
	for t := range f.types {
		if f.first[t] == f.first[t+1] {
			continue
		}
		all := newBitset(len(f.list))
		for i := f.first[t]; i < f.first[t+1]; i++ {
			all.set(i)
		}
		for _, c := range f.conds[t] {
			k := f.key(c.key)
			set := c.set
			if v, ok := set.single(); ok {
				f.value(k, v).or(all)
			} else if set.absent() {
				k.absent.or(all)
			} else if !f.narrowedByOfferings(t, c.key) {
				k.open = append(k.open, openKey{set, all})
			}
		}
		for i := f.first[t]; i < f.first[t+1]; i++ {
			for _, key := range sortedKeys(f.list[i].o.Labels) {
				f.value(f.key(key), f.list[i].o.Labels[key]).set(i)
			}
		}
	}
	for _, k := range f.keys {
		f.finish(k)
	}
}

// narrowedByOfferings tells whether all offerings of a type fix the label.
func (f *market) narrowedByOfferings(t int, key string) bool {
	for i := f.first[t]; i < f.first[t+1]; i++ {
		if _, ok := f.list[i].o.Labels[key]; !ok {
			return false
		}
	}
	return true
}

func (f *market) key(key string) *keyIndex {
	k, ok := f.keys[key]
	if !ok {
		k = &keyIndex{absent: newBitset(len(f.list)), undefined: newBitset(len(f.list))}
		f.keys[key] = k
	}
	return k
}

// value is the set of offerings with value v. Values are kept sorted.
func (f *market) value(k *keyIndex, v string) bitset {
	i := sort.SearchStrings(k.values, v)
	if i == len(k.values) || k.values[i] != v {
		k.values = slices.Insert(k.values, i, v)
		k.bits = slices.Insert(k.bits, i, newBitset(len(f.list)))
	}
	return k.bits[i]
}

func (f *market) finish(k *keyIndex) {
	for i := range k.undefined {
		k.undefined[i] = ^uint64(0)
	}
	if extra := len(f.list) & 63; extra != 0 && len(k.undefined) > 0 {
		k.undefined[len(k.undefined)-1] = 1<<extra - 1
	}
	without := func(b bitset) {
		for i, w := range b {
			k.undefined[i] &^= w
		}
	}
	for _, b := range k.bits {
		without(b)
	}
	without(k.absent)
	for _, o := range k.open {
		without(o.bits)
	}
	k.fixed = len(k.open) == 0 && k.undefined.empty()
}

// fixed tells whether every offering settles the label, so that a bitset says
// all there is to say about it.
func (f *offerings) fixed(key string) bool {
	k, ok := f.keys[key]
	return ok && k.fixed
}

// with is the set of offerings that a condition on one key leaves.
func (f *offerings) with(key string, set valueSet) bitset {
	name := string(set.appendKey(append([]byte(key), '=')))
	if b, ok := f.memo[name]; ok {
		return b
	}
	var b bitset
	if k, ok := f.keys[key]; ok {
		b = k.undefined.clone()
		for i, v := range k.values {
			if set.has(v) {
				b.or(k.bits[i])
			}
		}
		if set.negative() {
			b.or(k.absent)
		}
		for _, o := range k.open {
			if o.set.compatible(set) {
				b.or(o.bits)
			}
		}
	}
	f.memo[name] = b // nil: the key restricts nothing
	return b
}

// narrow keeps the offerings of b that meet all conditions.
func (f *offerings) narrow(b bitset, conds conditions) {
	for _, c := range conds {
		if set := f.with(c.key, c.set); set != nil {
			b.and(set)
		}
	}
}

// byPrice lists the offerings, cheapest first, equal ones by the type's name.
func (f *market) byPrice() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.order == nil {
		f.order = make([]int, len(f.list))
		for i := range f.order {
			f.order[i] = i
		}
		sort.SliceStable(f.order, func(i, j int) bool {
			a, b := &f.list[f.order[i]], &f.list[f.order[j]]
			if a.o.Price != b.o.Price {
				return a.o.Price < b.o.Price
			}
			return f.types[a.typ].Name < f.types[b.typ].Name
		})
	}
	return f.order
}

// all is the set of all offerings.
func (f *offerings) all() bitset {
	b := newBitset(len(f.list))
	for i := range f.list {
		b.set(i)
	}
	return b
}

// fitIndex answers which offerings have room for a vector, per resource from
// the offerings sorted by room.
type fitIndex struct {
	dims []fitDim
}

type fitDim struct {
	room []int64  // distinct, ascending
	bits []bitset // of each: offerings with at least that much
}

// newFitIndex indexes the room of each type (nil: not in the index).
func newFitIndex(f *market, room []vector, dims int) *fitIndex {
	x := &fitIndex{dims: make([]fitDim, dims)}
	for d := range x.dims {
		var distinct []int64
		for _, r := range room {
			if r != nil {
				distinct = append(distinct, r[d])
			}
		}
		slices.Sort(distinct)
		distinct = slices.Compact(distinct)
		fd := fitDim{room: distinct, bits: make([]bitset, len(distinct))}
		byRoom := make([][]int, len(distinct))
		for t, r := range room {
			if r != nil {
				i, _ := slices.BinarySearch(distinct, r[d])
				byRoom[i] = append(byRoom[i], t)
			}
		}
		acc := newBitset(len(f.list))
		for i := len(distinct) - 1; i >= 0; i-- {
			for _, t := range byRoom[i] {
				for o := f.first[t]; o < f.first[t+1]; o++ {
					acc.set(o)
				}
			}
			fd.bits[i] = acc.clone()
		}
		x.dims[d] = fd
	}
	return x
}

// narrow keeps the offerings of b that have room for v; false when none is left.
func (x *fitIndex) narrow(b bitset, v vector) bool {
	for d, n := range v {
		if n <= 0 {
			continue
		}
		fd := &x.dims[d]
		i, _ := slices.BinarySearch(fd.room, n)
		if i == len(fd.room) {
			return false
		}
		if i > 0 || fd.room[0] < n {
			b.and(fd.bits[i])
		}
	}
	return !b.empty()
}

// allocatable is a type's room in the table's resources, volumes included.
func (t *resourceTable) allocatable(typ *InstanceType) vector {
	v := t.vectorOf(typ.Allocatable)
	for d, name := range t.names {
		if driver, ok := volumeDriver(name); ok {
			v[d] = unlimited
			if limit, ok := typ.VolumeLimits[driver]; ok {
				v[d] = int64(limit)
			}
		}
	}
	return v
}

func volumeDriver(name corev1.ResourceName) (string, bool) {
	const prefix = "volumes/"
	if len(name) > len(prefix) && name[:len(prefix)] == prefix {
		return string(name[len(prefix):]), true
	}
	return "", false
}
