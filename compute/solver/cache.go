package solver

import (
	"encoding/binary"
	"slices"
	"strings"
	"sync"
)

// Bounds of what a cache keeps; what is oldest goes.
const (
	cacheMarkets = 8
	cacheIndexes = 64
)

// Cache keeps what Solve works out about instance types, for later calls with the same ones: it makes decisions about few
// pods faster and changes none of them. It may be shared by any number of calls at the same time. Instance types that a
// cache has seen must not be changed any more; a type whose price or availability changed is a new one.
type Cache struct {
	mu      sync.Mutex
	markets []*market // oldest first
}

// NewCache makes an empty cache.
func NewCache() *Cache { return &Cache{} }

// market finds or makes the market of the types of all pools.
func (c *Cache) market(pools []Pool) *market {
	types := typesOf(pools)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.markets {
		if slices.Equal(m.types, types) {
			return m
		}
	}
	m := newMarket(types)
	if len(c.markets) == cacheMarkets {
		c.markets = slices.Delete(c.markets, 0, 1)
	}
	c.markets = append(c.markets, m)
	return m
}

// typesOf lists the types of all pools, each once.
func typesOf(pools []Pool) []*InstanceType {
	var out []*InstanceType
	seen := map[*InstanceType]bool{}
	for p := range pools {
		if p > 0 && slices.Equal(pools[p].Types, pools[p-1].Types) {
			continue
		}
		for _, t := range pools[p].Types {
			if !seen[t] {
				seen[t] = true
				out = append(out, t)
			}
		}
	}
	return out
}

// allocatable is the room of each type in the resources of a table.
func (m *market) allocatable(res *resourceTable) []vector {
	var names strings.Builder
	for _, name := range res.names {
		names.WriteString(string(name))
		names.WriteByte(0)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	out, ok := m.rooms[names.String()]
	if !ok {
		if len(m.rooms) >= cacheIndexes {
			clear(m.rooms)
		}
		for _, t := range m.types {
			out = append(out, res.allocatable(t))
		}
		m.rooms[names.String()] = out
	}
	return out
}

// fitsIn finds or makes the index of the room on each type.
func (m *market) fitsIn(room []vector, dims int) *fitIndex {
	key := binary.AppendUvarint(nil, uint64(dims))
	for t, r := range room {
		if r == nil {
			continue
		}
		key = binary.AppendUvarint(key, uint64(t)+1)
		for _, n := range r {
			key = binary.AppendVarint(key, n)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	x, ok := m.fits[string(key)]
	if !ok {
		if len(m.fits) >= cacheIndexes {
			clear(m.fits)
		}
		x = newFitIndex(m, room, dims)
		m.fits[string(key)] = x
	}
	return x
}
