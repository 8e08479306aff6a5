package engine

import (
	"fmt"
	"io"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

// fleet is a cluster to consolidate: nodes of 4 cpus with pods of 60 apps, a
// quarter of the cpu free.
type fleet struct {
	name                    string
	pools, perNode, daemons int
	spreads, pdbs           bool
}

var fleets = []fleet{
	{name: "plain pods, 1 pool", pools: 1, perNode: 10},
	{name: "2 soft spreads per pod, 10 pools, 8 DaemonSets, 60 PDBs", pools: 10, perNode: 10, daemons: 8, spreads: true, pdbs: true},
}

const (
	fleetApps    = 60
	daemonCPU    = 20
	daemonMemory = 32
)

// consolidate is one decision over a whole cluster: nodes removed, money saved.
// Karpenter bounds itself to 101 nodes and a minute.
func consolidate(w io.Writer, p params) error {
	s := newSheet(w, "One consolidation decision, all nodes may go", "cluster                                                 ", "nodes ", "engine cpu", "wall   ", "peak   ", "removed", "launched", "saved $/h",
		"Karpenter cpu", "wall   ", "peak   ", "removed", "launched", "saved $/h", "cpu ratio")
	for _, f := range fleets {
		for _, types := range p.types {
			for _, nodes := range p.nodes {
				c, err := f.build(nodes, types, p.seed)
				if err != nil {
					return err
				}
				ours, theirs, err := p.both(c, nodes, decider.Consolidate)
				if err != nil {
					return err
				}
				cells := append([]string{f.name, count(nodes)}, consolidated(c, ours)...)
				if nodes <= p.most {
					cells = append(append(cells, consolidated(c, theirs)...), times(theirs.CPU.Seconds()/ours.CPU.Seconds()))
				}
				s.row(cells...)
			}
		}
	}
	return nil
}

func consolidated(c *Cluster, m measured) []string {
	saved := -m.Price()
	for _, n := range c.Nodes {
		for _, name := range m.Remove {
			if n.Name == name {
				saved += n.Price
			}
		}
	}
	return []string{duration(m.CPU), duration(m.Wall), megabytes(m.Peak), count(len(m.Remove)), count(len(m.Launch)), fmt.Sprintf("%s (%s)", dollars(saved), percent(saved/c.Price()))}
}

// build makes the fleet with a number of nodes out of made-up types.
func (f fleet) build(nodes, types int, seed uint64) (*Cluster, error) {
	r := rand.New(rand.NewPCG(seed, 2))
	c := NewCluster(FakeTypes(types), f.pools)
	for range f.daemons {
		c.AddDaemonSet(daemonCPU, daemonMemory)
	}
	for i := range nodes {
		n, err := c.Add(fleetNode(i, c.Pools[i%f.pools].Name))
		if err != nil {
			return nil, err
		}
		free := n.Status.Allocatable.Cpu().MilliValue() - int64(f.daemons)*daemonCPU
		for j := range f.perNode {
			cpu := int64(0.75 * float64(free) / float64(f.perNode) * (0.5 + r.Float64()))
			pod := waitingPod(f.perNode*i+j, fmt.Sprint("app-", (i+7*j)%fleetApps), cpu, int64(300+r.IntN(600)))
			if f.spreads {
				spread(pod, corev1.LabelTopologyZone, 1, corev1.ScheduleAnyway)
				spread(pod, corev1.LabelHostname, 1, corev1.ScheduleAnyway)
			}
			n.Run(pod)
		}
	}
	if f.pdbs {
		for i := range fleetApps {
			c.Guard(fmt.Sprint("app-", i), int32(nodes*f.perNode/fleetApps/2+1))
		}
	}
	return c, nil
}

// fleetNode is a node of 4 cpus and 8 GiB, in the zones in turn.
func fleetNode(i int, pool string) Launch {
	return Launch{Pool: pool, Type: "fake-it-3", Zone: fmt.Sprint("test-zone-", 1+i%3), CapacityType: v1.CapacityTypeOnDemand}
}
