package disruption

import "github.com/automode-dev/automode/internal/firstfit"

// stage is nodes that take pods while steps are carried out.
type stage struct {
	*screen
	nodes  []*screenNode
	free   *firstfit.Index // of the nodes, by the share that is free
	dims   int             // resources that the index knows
	placed []placed
	closed []int
}

// placed is a pod on a node, for the time of a rehearsal.
type placed struct {
	on   int // among the nodes
	kind *podKind
}

func (r *rehearsal) newStage(nodes []*screenNode) *stage {
	g := &stage{screen: r.screen, nodes: nodes, dims: len(r.names) + 1}
	g.free = firstfit.New(len(nodes), g.dims, screenCPU, screenMemory)
	for i := range nodes {
		g.note(i)
	}
	return g
}

// note takes over what a node has free.
func (g *stage) note(i int) {
	g.free.Set(i, g.nodes[i].free)
	g.free.Score(i, g.nodes[i].freeShare(g.screen))
}

// place puts a pod on the freest node that takes it, if one does; when spreading, on one that has none of its kind where there
// is one.
func (g *stage) place(k *podKind, spreading bool) bool {
	i := -1
	takes := func(i int) bool { return g.fits(k, g.nodes[i]) && g.allows(k, g.nodes[i]) }
	request := k.request[:min(len(k.request), g.dims)]
	if spreading {
		i = g.free.Best(request, func(i int) bool { return g.nodes[i].kinds[k] == 0 && takes(i) })
	}
	if i < 0 {
		i = g.free.Best(request, takes)
	}
	if i < 0 {
		return false
	}
	g.add(g.nodes[i], k, -1)
	g.placed = append(g.placed, placed{i, k})
	g.note(i)
	return true
}

// close lets a node take no pods.
func (g *stage) close(i int) {
	g.free.Close(i)
	g.closed = append(g.closed, i)
}

// clear takes all pods away again and opens the nodes that were closed.
func (g *stage) clear() {
	for _, p := range g.placed {
		g.add(g.nodes[p.on], p.kind, 1)
	}
	for _, p := range g.placed {
		g.note(p.on)
	}
	for _, i := range g.closed {
		g.note(i)
	}
	g.placed, g.closed = g.placed[:0], g.closed[:0]
}
