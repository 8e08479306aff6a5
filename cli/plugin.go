package cli

import "github.com/automode-dev/automode/network/cni"

// runsAsPlugin tells whether a container runtime called this binary as the CNI plugin.
func runsAsPlugin() bool { return cni.Called() }

// runPlugin does what the runtime asks for. It exits by itself when that fails.
func runPlugin() int {
	cni.Main()
	return 0
}
