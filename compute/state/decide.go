package state

import "github.com/automode-dev/automode/compute/solver"

// Decide asks the solver about the present picture.
func (p *Picture) Decide(q Question) (solver.Snapshot, solver.Plan, []Rejected) {
	s, rejected := p.Snapshot(q)
	return s, solver.Solve(s), rejected
}
