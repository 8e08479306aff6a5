package survey

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/automode-dev/automode/compute/state"
)

// Filling lists the replacements whose pods are on their way: the nodes that
// they replace are being drained. Those of steps that still wait are not among them.
func Filling(machines []*state.Machine) []*state.Machine {
	var list []*state.Machine
	waiting := replacements(machines, func(m *state.Machine) bool { return !m.Leaving() })
	for _, m := range machines {
		if _, ok := state.PlacesOf(m.Claim); ok && !waiting[m.Claim.Name] {
			list = append(list, m)
		}
	}
	return list
}

// Expected is the controllers of pods that replacements are kept for.
func Expected(machines []*state.Machine) map[types.UID]bool {
	controllers := map[types.UID]bool{}
	for _, m := range Filling(machines) {
		places, _ := state.PlacesOf(m.Claim)
		for uid := range places {
			controllers[uid] = true
		}
	}
	return controllers
}
