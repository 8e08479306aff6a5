package engine

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/automode-dev/automode/compute/disruption"
	"github.com/automode-dev/automode/compute/disruption/survey"
	"github.com/automode-dev/automode/compute/solver"
	"github.com/automode-dev/automode/compute/state"
)

// Engine is the project's engine with a cluster in its picture.
type Engine struct {
	cluster *Cluster
	picture *state.Picture
	types   []*solver.InstanceType
}

// translated keeps the lists of instance types in the solver's terms from one
// decision to the next, as the controllers do.
var translated state.Types

// NewEngine feeds the picture with the objects of a cluster.
func NewEngine(c *Cluster) *Engine {
	e := &Engine{cluster: c, picture: state.NewPicture(), types: translated.Translate(c.Types)}
	for _, p := range c.Pools {
		e.picture.Set(p)
	}
	for _, d := range c.DaemonSets {
		e.picture.Set(d)
	}
	for _, n := range c.Nodes {
		e.picture.Set(n.Node)
		e.picture.Set(n.Claim)
		for _, p := range n.Pods {
			e.picture.Set(p)
		}
	}
	for _, p := range c.Waiting {
		e.picture.Set(p)
	}
	return e
}

// Provision decides about the pods that wait, the snapshot of the picture included.
func (e *Engine) Provision() (Decision, error) {
	return fromPlan(solver.Solve(e.snapshot())), nil
}

func (e *Engine) snapshot() solver.Snapshot {
	s, _ := e.picture.Snapshot(state.Question{Pods: e.waiting(), Types: e.listTypes})
	return s
}

func (e *Engine) waiting() []*corev1.Pod {
	return e.picture.Waiting(func(*corev1.Pod) bool { return false })
}

func (e *Engine) listTypes(*v1.NodePool) []*solver.InstanceType { return e.types }

// Consolidate decides once which nodes to do without, the survey of the picture included.
func (e *Engine) Consolidate() (Decision, error) {
	s := survey.Take(survey.Question{Picture: e.picture, Clock: clock.RealClock{}, Pods: e.waiting(), PDBs: e.cluster.PDBs, Types: e.listTypes})
	plan := disruption.Disrupt(s.Snapshot)
	d := Decision{Place: map[string][]string{}}
	for i := range plan.Steps {
		step := &plan.Steps[i]
		for _, r := range step.Nodes {
			d.Remove = append(d.Remove, r.Node)
		}
		d.add(step.Placements, step.Claims)
	}
	return d, nil
}

func fromPlan(plan solver.Plan) Decision {
	d := Decision{Place: map[string][]string{}, LeftOut: len(plan.Unplaced), Bound: plan.Bound, WholeBound: plan.WholeBound}
	d.add(plan.Placements, plan.Claims)
	return d
}

func (d *Decision) add(placements []solver.Placement, claims []solver.Claim) {
	for _, x := range placements {
		d.Place[x.Node] = append(d.Place[x.Node], podNames(x.Pods)...)
	}
	for _, c := range claims {
		d.Launch = append(d.Launch, Launch{Pool: c.Pool, Type: c.Cheapest.Type, Zone: c.Cheapest.Zone, CapacityType: c.Cheapest.CapacityType,
			Price: c.Cheapest.Price, Pods: podNames(c.Pods)})
	}
}

func podNames(pods []*corev1.Pod) []string {
	out := make([]string, len(pods))
	for i, p := range pods {
		out[i] = p.Name
	}
	return out
}
