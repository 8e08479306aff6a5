package engine

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"

	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/automode-dev/automode/compute/solver"
)

// prices compares what the nodes cost, for sets of real types that people
// allow, one DaemonSet on each node. Every plan of the engine is put before
// Karpenter's own rules.
func prices(w io.Writer, p params) error {
	mixes, allowed, err := p.chosen()
	if err != nil {
		return err
	}
	s := newSheet(w, "Prices: "+priceRegion+", list prices", "types       ", "mix           ", "pods", "bound $/h", "engine $/h", "above bound", "above whole", "nodes", "cpu    ",
		"Karpenter $/h", "above bound", "nodes", "cpu    ", "saved", "refused")
	var sums []summary
	for _, a := range allowed {
		sum := summary{name: a.Name}
		for _, mix := range mixes {
			for _, n := range p.pods {
				if !a.Suits(mix) {
					continue
				}
				c := priceCluster(a, mix, n, p.seed)
				if err := sum.compare(s, c, mix, p); err != nil {
					return fmt.Errorf("mix %s of %d pods, types %s: %w", mix.Name, n, a.Name, err)
				}
			}
		}
		sums = append(sums, sum)
	}
	s = newSheet(w, "In short", "types       ", "cases", "engine above bound, median", "worst", "above whole, median", "worst", "Karpenter above bound, median", "worst", "saved, mean", "least", "dearer than Karpenter", "refused")
	for _, sum := range sums {
		sum.print(s)
	}
	return nil
}

// priceCluster has one pool and a DaemonSet, and the pods of a mix that wait.
func priceCluster(a Allowed, mix Mix, pods int, seed uint64) *Cluster {
	c := NewCluster(a.Types(mix), 1)
	c.Require(v1.CapacityTypeLabelKey, a.CapacityTypes()...)
	c.AddDaemonSet(200, 400)
	c.Waiting = mix.Pods(rand.New(rand.NewPCG(seed, 1)), pods)
	return c
}

// summary gathers what the rows of a set of types say.
type summary struct {
	name                       string
	ours, whole, theirs, saved []float64
	dearer, refused            int
}

// compare adds a row.
func (sum *summary) compare(s *sheet, c *Cluster, mix Mix, p params) error {
	ours, theirs, err := p.both(c, len(c.Waiting), decider.Provision)
	if err != nil {
		return err
	}
	if ours.LeftOut > 0 || theirs.LeftOut > 0 {
		return fmt.Errorf("the engine leaves out %d pods, Karpenter %d", ours.LeftOut, theirs.LeftOut)
	}
	above := ours.Price()/ours.Bound - 1
	aboveWhole := ours.Price()/ours.WholeBound - 1
	sum.ours, sum.whole = append(sum.ours, above), append(sum.whole, aboveWhole)
	cells := []string{sum.name, mix.Name, count(len(c.Waiting)), dollars(ours.Bound), dollars(ours.Price()), percent(above), percent(aboveWhole), count(len(ours.Launch)), duration(ours.CPU)}
	if len(c.Waiting) <= p.most {
		above, saved := theirs.Price()/ours.Bound-1, 1-ours.Price()/theirs.Price()
		sum.theirs, sum.saved = append(sum.theirs, above), append(sum.saved, saved)
		if saved < -1e-6 {
			sum.dearer++
		}
		cells = append(cells, dollars(theirs.Price()), percent(above), count(len(theirs.Launch)), duration(theirs.CPU), percent(saved))
	}
	if err := c.Case().Check(solver.Solve(NewEngine(c).snapshot())); err != nil {
		sum.refused++
		cells = append(append(cells, make([]string, 14-len(cells))...), err.Error())
	}
	s.row(cells...)
	return nil
}

func (sum *summary) print(s *sheet) {
	if len(sum.ours) == 0 {
		return
	}
	cells := []string{sum.name, count(len(sum.ours)), percent(median(sum.ours)), percent(slices.Max(sum.ours)), percent(median(sum.whole)), percent(slices.Max(sum.whole))}
	if len(sum.theirs) > 0 {
		cells = append(cells, percent(median(sum.theirs)), percent(slices.Max(sum.theirs)), percent(mean(sum.saved)), percent(slices.Min(sum.saved)), count(sum.dearer))
	}
	cells = append(cells, make([]string, 11-len(cells))...)
	s.row(append(cells, count(sum.refused))...)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[len(sorted)/2] + sorted[(len(sorted)-1)/2]) / 2
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
