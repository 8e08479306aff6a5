package serve

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/automode-dev/automode/localcloud/eks/objects"
)

// simulatorUser is who plays the kubelets of simulated machines in a cluster.
const simulatorUser = "automode:simulator"

//go:embed simulator.yaml
var simulatorRights []byte

// serveSimulatorKubeconfig answers with a kubeconfig of the simulator's user, and gives that user its rights. Clusters
// without simulated machines have no such user.
func (c controlPlanes) serveSimulatorKubeconfig(w http.ResponseWriter, r *http.Request) {
	data, err := c.simulatorKubeconfig(r.Context(), r.PathValue("name"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write(data) // a client that went away does not matter
}

func (c controlPlanes) simulatorKubeconfig(ctx context.Context, name string) ([]byte, error) {
	admin, err := c.manager.Kubeconfig(name, adminUser, adminGroups, "", adminLifetime)
	if err != nil {
		return nil, err
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(admin)
	if err != nil {
		return nil, fmt.Errorf("reading kubeconfig: %w", err)
	}
	client, err := objects.NewClient(config)
	if err != nil {
		return nil, err
	}
	rights, err := objects.Parse(simulatorRights)
	if err != nil {
		return nil, err
	}
	if err := client.Apply(ctx, rights); err != nil {
		return nil, fmt.Errorf("giving the simulator its rights: %w", err)
	}
	return c.manager.Kubeconfig(name, simulatorUser, nil, "", adminLifetime)
}
