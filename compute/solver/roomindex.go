package solver

import (
	"slices"

	"github.com/automode-dev/automode/internal/firstfit"
)

// roomIndex is a list of existing nodes in which the first with room is found
// without looking at the full ones before it.
type roomIndex struct {
	nodes []*nodeState
	tree  *firstfit.Index // nil where one by one is faster
	freed int             // how often room had been given back when the tree was made
	asked int
}

// How often nodes are looked at one by one before a tree is worth its time and memory, and of how many nodes.
const (
	roomIndexAfter = 4
	roomIndexNodes = 16
)

// prepare makes the tree where that is worth it, and anew after room was given
// back. Without that room only gets less: what the tree says is never too little.
func (x *roomIndex) prepare(p *problem) {
	x.asked++
	if len(x.nodes) < roomIndexNodes || x.asked < roomIndexAfter || x.tree != nil && x.freed == p.freed {
		return
	}
	x.tree, x.freed = firstfit.New(len(x.nodes), len(p.res.names), dimCPU, dimMemory), p.freed
	for i := range x.nodes {
		x.note(i)
	}
}

// first is the first node, from one on, that may have room; -1 when there is none.
func (x *roomIndex) first(from int, vec vector) int {
	if x.tree != nil {
		return x.tree.First(from, vec)
	}
	at := slices.IndexFunc(x.nodes[from:], func(n *nodeState) bool { return vec.fits(n.free) })
	if at < 0 {
		return -1
	}
	return from + at
}

// note takes over what a node has free now.
func (x *roomIndex) note(i int) {
	if x.tree != nil {
		x.tree.Set(i, x.nodes[i].free)
	}
}
