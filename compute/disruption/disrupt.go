package disruption

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/automode-dev/automode/compute/solver"
)

// Disrupt decides which nodes to remove and which to create for them.
func Disrupt(s Snapshot) Plan {
	p := newPlanner(&s)
	p.removeEmpty()
	p.replaceStatic()
	p.replaceExpired()
	p.replaceDrifted()
	p.consolidate()
	return p.result()
}

// planner is a decision in the making.
type planner struct {
	s          *Snapshot
	pools      map[string]*Pool
	types      *typeIndex
	pdbs       *pdbIndex
	budgets    *budgets
	candidates []*candidate // by name
	totals     map[string]*poolTotals
	volumes    map[types.UID]map[string][]string
	kinds      *kindTable
	census     *solver.Census
	overlay    *overlay
	steps      []Step
	solves     int
	effort     float64
	work       int // what the search may still cost
}

func newPlanner(s *Snapshot) *planner {
	p := &planner{s: s, pools: map[string]*Pool{}, types: newTypeIndex(s.Pools), pdbs: newPDBIndex(s.PDBs), budgets: newBudgets(s),
		volumes: map[types.UID]map[string][]string{}, kinds: newKindTable(), census: solver.NewCensus()}
	for i := range s.Pools {
		p.pools[s.Pools[i].Name] = &s.Pools[i]
	}
	p.newCandidates()
	for i := range s.Pending {
		p.noteVolumes(&s.Pending[i])
	}
	for _, c := range p.candidates {
		for i := range c.moving {
			p.noteVolumes(&c.moving[i])
		}
	}
	p.totals = p.poolTotals()
	p.overlay = newOverlay(p)
	effort := s.Options.Effort
	if effort <= 0 {
		effort = 1
	}
	p.effort, p.work = effort, int(effort*searchWork)
	return p
}

func (p *planner) noteVolumes(pod *solver.Pod) {
	if len(pod.Volumes) > 0 {
		p.volumes[pod.UID] = pod.Volumes
	}
}

// whatIfEffort is how hard the solver tries per what-if: there are many of them.
const whatIfEffort = 0.1

// solve asks the solver, and counts.
func (p *planner) solve(pods []solver.Pod, nodes []solver.Node, pools []solver.Pool) solver.Plan {
	p.solves++
	p.work -= workPerSolve + len(nodes) + workPerPod*len(pods)
	options := p.s.Solver
	options.Stop = p.s.Options.Stop
	if options.Effort == 0 {
		options.Effort = whatIfEffort
	}
	return solver.Solve(solver.Snapshot{Pods: pods, Nodes: nodes, Pools: pools, DaemonSets: p.s.DaemonSets,
		Namespaces: p.s.Namespaces, Census: p.census, WellKnown: p.s.WellKnown, Options: options})
}

// tired tells whether the search has gone on for long enough.
func (p *planner) tired() bool {
	return p.work <= 0 || p.s.Options.Stop != nil && p.s.Options.Stop()
}

// room tells whether budgets and PDBs let a node go now, and says so where not.
func (p *planner) room(c *candidate, reason Reason) bool {
	if p.budgets.left(c.Pool, reason) == 0 {
		c.waits(reason, "No allowed disruptions for disruption reason %s due to blocking budget", reason)
		return false
	}
	if !c.demand.fits() {
		c.waits(reason, "Waiting for other nodes with pods of the same PodDisruptionBudget")
		return false
	}
	return true
}

// waits notes that a node could go for a reason but for a budget.
func (c *candidate) waits(reason Reason, format string, args ...any) {
	if reason == Underutilized {
		c.stay(Budgeted, format, args...)
	} else {
		c.stuck(Budgeted, format, args...)
	}
}

// hold reserves what a node takes of budgets and PDBs; release gives it back.
func (p *planner) hold(c *candidate) {
	p.budgets.take(c.Pool)
	c.demand.take()
}

func (p *planner) release(c *candidate) {
	p.budgets.release(c.Pool)
	c.demand.release()
}

// accept takes steps into the plan. Budgets must be held already.
func (p *planner) accept(steps []Step) {
	for i := range steps {
		for _, r := range steps[i].Nodes {
			p.candidate(r.Node).taken = true
		}
		for _, x := range steps[i].Placements {
			if c := p.candidate(x.Node); c != nil {
				c.receives = true
			}
		}
	}
	p.overlay.commit(steps)
	p.steps = append(p.steps, steps...)
}

func (p *planner) candidate(name string) *candidate {
	i, ok := slices.BinarySearchFunc(p.candidates, name, func(c *candidate, name string) int { return cmp.Compare(c.Name, name) })
	if !ok {
		return nil
	}
	return p.candidates[i]
}

func removal(c *candidate) Removal {
	return Removal{Node: c.Name, Claim: c.Claim, Pool: c.Pool, Price: c.price}
}

func (p *planner) result() Plan {
	out := Plan{Steps: p.steps, Solves: p.solves}
	for _, c := range p.candidates {
		if !c.Deleting {
			out.PriceBefore += c.price
		}
		if !c.taken && !c.Deleting && c.why != "" {
			out.Stays = append(out.Stays, Stay{c.Name, c.Claim, c.kind, c.why})
		}
	}
	out.PriceAfter = out.PriceBefore
	for i := range out.Steps {
		out.PriceAfter -= out.Steps[i].Saving()
	}
	out.Pools = p.blockedPools()
	out.prints = p.fingerprints(out.Steps)
	return out
}

// blockedPools lists pools whose budgets allow nothing at all.
func (p *planner) blockedPools() []BlockedPool {
	var out []BlockedPool
	for i := range p.s.Pools {
		b := p.budgets.pools[p.s.Pools[i].Name]
		if b.nodes == 0 {
			continue
		}
		for _, reason := range []Reason{Underutilized, Empty, Drifted} {
			if b.allowed(p.s.Now, reason) == 0 {
				out = append(out, BlockedPool{b.pool.Name, reason})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b BlockedPool) int { return cmp.Compare(a.Pool, b.Pool) })
	return out
}
