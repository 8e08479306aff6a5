package engine

import (
	"fmt"
	"io"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
)

// diverse is upstream's own benchmark, with the set-up of topology on both sides.
func diverse(w io.Writer, p params) error {
	return provision(w, "Upstream's diverse mix", p, Diverse)
}

// preferences is upstream's benchmark of soft rules.
func preferences(w io.Writer, p params) error {
	return provision(w, "Soft rules: two that can be met, one that cannot", p, Soft)
}

func provision(w io.Writer, title string, p params, mix func(*rand.Rand, int) []*corev1.Pod) error {
	s := newSheet(w, title, "pods   ", "types", "pools", "engine cpu", "wall   ", "pods/s", "peak   ", "nodes ", "$/h     ", "above bound",
		"Karpenter cpu", "wall   ", "pods/s", "peak   ", "nodes ", "$/h     ", "cpu ratio")
	for _, n := range p.pods {
		for _, types := range p.types {
			for _, pools := range p.pools {
				c := NewCluster(FakeTypes(types), pools)
				c.Waiting = mix(rand.New(rand.NewPCG(p.seed, 1)), n)
				ours, theirs, err := p.both(c, n, decider.Provision)
				if err != nil {
					return err
				}
				cells := append([]string{count(n), count(types), count(pools)}, provisioned(ours, n)...)
				cells = append(cells, percent(ours.Price()/ours.Bound-1))
				if n <= p.most {
					cells = append(append(cells, provisioned(theirs, n)...), times(theirs.CPU.Seconds()/ours.CPU.Seconds()))
				}
				s.row(cells...)
				if ours.LeftOut > 0 || theirs.LeftOut > 0 {
					return fmt.Errorf("of %d pods the engine leaves out %d, Karpenter %d", n, ours.LeftOut, theirs.LeftOut)
				}
			}
		}
	}
	return nil
}

func provisioned(m measured, pods int) []string {
	return []string{duration(m.CPU), duration(m.Wall), fmt.Sprintf("%.0f", float64(pods)/m.CPU.Seconds()), megabytes(m.Peak), count(len(m.Launch)), dollars(m.Price())}
}

// existing puts generic pods behind full nodes, which both sides have to look at.
func existing(w io.Writer, p params) error {
	s := newSheet(w, "Pods behind full nodes", "pods   ", "nodes ", "types", "engine cpu", "wall   ", "peak   ", "$/h     ", "Karpenter cpu", "wall   ", "peak   ", "$/h     ", "cpu ratio")
	for _, n := range p.pods {
		for _, types := range p.types {
			for _, nodes := range p.nodes {
				c, err := fullNodes(nodes, types)
				if err != nil {
					return err
				}
				c.Waiting = generic(rand.New(rand.NewPCG(p.seed, 1)), n)
				ours, theirs, err := p.both(c, nodes, decider.Provision)
				if err != nil {
					return err
				}
				cells := []string{count(n), count(nodes), count(types), duration(ours.CPU), duration(ours.Wall), megabytes(ours.Peak), dollars(ours.Price())}
				if nodes <= p.most {
					cells = append(cells, duration(theirs.CPU), duration(theirs.Wall), megabytes(theirs.Peak), dollars(theirs.Price()), times(theirs.CPU.Seconds()/ours.CPU.Seconds()))
				}
				s.row(cells...)
				if ours.LeftOut > 0 || theirs.LeftOut > 0 {
					return fmt.Errorf("of %d pods behind %d nodes the engine leaves out %d, Karpenter %d", n, nodes, ours.LeftOut, theirs.LeftOut)
				}
			}
		}
	}
	return nil
}

// fullNodes are nodes of 4 cpus with ten pods each that take all of the cpu.
func fullNodes(nodes, types int) (*Cluster, error) {
	c := NewCluster(FakeTypes(types), 1)
	for i := range nodes {
		n, err := c.Add(fleetNode(i, c.Pools[0].Name))
		if err != nil {
			return nil, err
		}
		for j := range 10 {
			n.Run(waitingPod(1_000_000+10*i+j, fmt.Sprint("app-", (i+7*j)%60), n.Status.Allocatable.Cpu().MilliValue()/10, 512))
		}
	}
	return c, nil
}
