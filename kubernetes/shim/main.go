// Command shim is containerd-shim-runc-v2 on its own. One such process lives
// beside every pod, so it is kept out of the multi-call binary, whose packages
// would make each of them several times larger and slower to start (figures in
// docs/designs/). It never does more than the upstream shim.
package main

import (
	"context"

	"github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2/manager"
	"github.com/containerd/containerd/v2/pkg/shim"

	_ "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2/task/plugin"
)

func main() {
	shim.Run(context.Background(), manager.NewShimManager("io.containerd.runc.v2"))
}
