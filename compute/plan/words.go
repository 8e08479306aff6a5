package plan

import (
	"fmt"
	"strings"

	"github.com/automode-dev/automode/compute/solver"
)

// Why tells in one line why a pod was left out: the text of FailedScheduling events and of explanations.
func Why(u solver.Unplaced) string {
	parts := make([]string, len(u.Reasons))
	for i, r := range u.Reasons {
		parts[i] = sentence(r.Pool, r.Message)
	}
	return strings.Join(parts, "; ")
}

func sentence(pool, message string) string {
	if pool == "" {
		return message
	}
	return fmt.Sprintf("NodePool %s: %s", pool, message)
}

// Fix names the least change that would let the pod be placed, empty where none is known.
func Fix(u solver.Unplaced) string {
	var near *solver.Reason
	for i := range u.Reasons {
		if r := &u.Reasons[i]; sentence(r.Pool, r.Message) == u.Nearest {
			near = r
		}
	}
	if near == nil {
		return u.Nearest
	}
	pool := near.Pool
	switch near.Kind {
	case solver.ReasonNoPool:
		return "create a NodePool, or enable a built-in one"
	case solver.ReasonStatic:
		return fmt.Sprintf("raise spec.replicas of NodePool %s", pool)
	case solver.ReasonLimits:
		return fmt.Sprintf("raise spec.limits of NodePool %s", pool)
	case solver.ReasonOfferings:
		return fmt.Sprintf("wait for capacity, or allow NodePool %s more instance types, zones or capacity types", pool)
	case solver.ReasonMinValues:
		return fmt.Sprintf("lower minValues of NodePool %s, or allow it more instance types", pool)
	case solver.ReasonTopology:
		return "loosen the pod's spread or (anti-)affinity rules, or allow more zones or nodes"
	case solver.ReasonHostPorts:
		return "use another host port"
	case solver.ReasonResources:
		return fmt.Sprintf("ask for less in the pod, or allow NodePool %s larger instance types", pool)
	case solver.ReasonLacking:
		_, resource, _ := strings.Cut(near.Message, " has ")
		resource, _, _ = strings.Cut(resource, ":")
		return fmt.Sprintf("create a NodePool whose instance types have %s", resource)
	case solver.ReasonTaints:
		_, taint, _ := strings.Cut(near.Message, "taint ")
		return fmt.Sprintf("let the pod tolerate %s of NodePool %s", taint, pool)
	case solver.ReasonRequirements:
		return fmt.Sprintf("change the pod's node selector or affinity, or the requirements of NodePool %s", pool)
	case solver.ReasonNoTypes:
		return fmt.Sprintf("correct the requirements of NodePool %s: no instance type meets them", pool)
	}
	return u.Nearest
}

// Message is Why with the nearest fix: the text of events.
func Message(u solver.Unplaced) string {
	text := Why(u)
	if fix := Fix(u); fix != "" {
		text += "; nearest fix: " + fix
	}
	return text
}
