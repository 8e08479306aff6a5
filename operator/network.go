package operator

import "github.com/automode-dev/automode/network/controller"

// networkEventSource is the component that events about pod addresses come from.
const networkEventSource = "eks-auto-mode/networking"

func newNetworkController(p parts) *controller.Controller {
	recorder := p.manager.GetEventRecorderFor(networkEventSource) //nolint:staticcheck // The kind the controller takes.
	return controller.New(p.manager.GetClient(), p.network, recorder, p.clock)
}
