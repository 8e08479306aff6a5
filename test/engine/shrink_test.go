package engine

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"
)

// shrink starts nodes for a mix, deletes half of the pods by chance, and lets
// each side consolidate its own nodes until it finds no more. What the nodes
// then cost is compared with a fresh plan for the pods that are left. The
// engine also consolidates what Karpenter started.
func shrink(w io.Writer, p params) error {
	mixes, allowed, err := p.chosen()
	if err != nil {
		return err
	}
	s := newSheet(w, "Half of the pods deleted, then consolidated to the end", "types ", "mix           ", "pods", "bound $/h", "engine: fresh $/h", "before", "after", "above fresh", "decisions", "cpu    ",
		"Karpenter: fresh $/h", "before", "after", "above fresh", "decisions", "cpu    ", "engine on Karpenter's nodes", "above fresh")
	for _, a := range allowed {
		for _, mix := range mixes {
			for _, n := range p.pods {
				if !a.Suits(mix) {
					continue
				}
				cells, err := shrunk(priceCluster(a, mix, n, p.seed), p.seed, n <= p.most)
				if err != nil {
					return fmt.Errorf("mix %s of %d pods, types %s: %w", mix.Name, n, a.Name, err)
				}
				s.row(append([]string{a.Name, mix.Name, count(n)}, cells...)...)
			}
		}
	}
	return nil
}

func shrunk(c *Cluster, seed uint64, withKarpenter bool) ([]string, error) {
	doomed := half(c, seed)
	ours, err := settleDown(c, doomed, ourSide, ourSide)
	if err != nil {
		return nil, err
	}
	cells := append([]string{dollars(ours.fresh.Bound)}, ours.cells()...)
	if !withKarpenter {
		return cells, nil
	}
	theirs, err := settleDown(c, doomed, karpenterSide, karpenterSide)
	if err != nil {
		return nil, err
	}
	mended, err := settleDown(c, doomed, karpenterSide, ourSide)
	if err != nil {
		return nil, err
	}
	return append(append(cells, theirs.cells()...), dollars(mended.after), percent(mended.after/ours.fresh.Price()-1)), nil
}

// half draws half of the pods that wait.
func half(c *Cluster, seed uint64) map[string]bool {
	names := podNames(c.Waiting)
	slices.Sort(names)
	r := rand.New(rand.NewPCG(seed, 3))
	r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	out := map[string]bool{}
	for _, name := range names[:len(names)/2] {
		out[name] = true
	}
	return out
}

// settled is what a cluster cost on the way.
type settled struct {
	fresh         Decision
	before, after float64
	decisions     int
	cpu           time.Duration // of all decisions together, the last included
}

func (s *settled) cells() []string {
	return []string{dollars(s.fresh.Price()), dollars(s.before), dollars(s.after), percent(s.after/s.fresh.Price() - 1), count(s.decisions), duration(s.cpu)}
}

// mostDecisions stops a side that goes round in circles.
const mostDecisions = 500

// settleDown lets one side start the nodes and one consolidate them.
func settleDown(c *Cluster, doomed map[string]bool, starts, consolidates func(*Cluster) (decider, error)) (settled, error) {
	var out settled
	c = c.Clone()
	if err := start(c, starts); err != nil {
		return out, err
	}
	c.Delete(doomed)
	out.before = c.Price()
	for ; out.decisions < mostDecisions; out.decisions++ {
		side, err := consolidates(c)
		if err != nil {
			return out, err
		}
		cpu := cpuTime()
		d, err := side.Consolidate()
		out.cpu += cpuTime() - cpu
		if err != nil {
			return out, err
		}
		if len(d.Remove) == 0 {
			break
		}
		if err := c.Apply(d); err != nil {
			return out, err
		}
	}
	out.after = c.Price()
	if len(c.Waiting) > 0 {
		return out, fmt.Errorf("consolidation left %d pods without a node", len(c.Waiting))
	}
	side, err := consolidates(c.Fresh())
	if err == nil {
		out.fresh, err = side.Provision()
	}
	return out, err
}

// start starts the nodes that one side decides on.
func start(c *Cluster, starts func(*Cluster) (decider, error)) error {
	side, err := starts(c)
	if err != nil {
		return err
	}
	d, err := side.Provision()
	if err != nil {
		return err
	}
	if d.LeftOut > 0 {
		return fmt.Errorf("%d pods are left out", d.LeftOut)
	}
	return c.Apply(d)
}
