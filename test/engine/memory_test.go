package engine

import (
	"io"
	"math/rand/v2"
	"runtime"
)

// memoryFleet has ten pods on each node, two of DaemonSets among them.
var memoryFleet = fleet{pools: 10, perNode: 8, daemons: 2, spreads: true, pdbs: true}

// memory is what a cluster takes: its objects as each side's informer cache has
// them, the side's own tables, and the peak while it decides, the snapshot
// included.
func memory(w io.Writer, p params) error {
	s := newSheet(w, "Memory, pods as an API server gives them out, 1,000 of them waiting", "nodes ", "pods  ", "side     ", "objects", "own tables", "peak of provisioning", "peak of consolidation", "most in all")
	for _, types := range p.types {
		for _, nodes := range p.nodes {
			base := liveHeap()
			c, err := memoryFleet.build(nodes, types, p.seed)
			if err != nil {
				return err
			}
			c.Waiting = generic(rand.New(rand.NewPCG(p.seed, 1)), min(1000, nodes))
			c.fillIn()
			sides := []struct {
				name string
				keep func(*Cluster)
				make func(*Cluster) (decider, error)
			}{{"Karpenter", func(*Cluster) {}, karpenterSide}, {"engine", (*Cluster).trim, ourSide}}
			if nodes > p.most {
				sides = sides[1:]
			}
			for _, side := range sides {
				side.keep(c)
				cells, err := footprint(c, side.make, liveHeap()-base)
				if err != nil {
					return err
				}
				s.row(append([]string{count(nodes), count(c.pods()), side.name}, cells...)...)
			}
		}
	}
	return nil
}

// footprint measures one side with a cluster.
func footprint(c *Cluster, side func(*Cluster) (decider, error), objects int64) ([]string, error) {
	before := liveHeap()
	d, err := side(c)
	if err != nil {
		return nil, err
	}
	tables := liveHeap() - before
	var peaks [2]int64
	for i, decide := range []func(decider) (Decision, error){decider.Provision, decider.Consolidate} {
		u, err := once(func() error {
			_, err := decide(d)
			return err
		})
		if err != nil {
			return nil, err
		}
		peaks[i] = u.Peak
	}
	runtime.KeepAlive(d)
	return []string{megabytes(objects), megabytes(tables), megabytes(peaks[0]), megabytes(peaks[1]), megabytes(objects + tables + max(peaks[0], peaks[1]))}, nil
}
