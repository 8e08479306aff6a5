package cli

import (
	"context"
	"fmt"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/automode-dev/automode/internal/home"
)

// adminKubeconfig asks the local cloud for a kubeconfig of the cluster's administrator: one cluster, user and context, all
// named like the cluster.
func adminKubeconfig(ctx context.Context, dir home.Dir, cluster string) (*clientcmdapi.Config, error) {
	var data []byte
	if err := internalGet(ctx, dir, "/_automode/clusters/"+cluster+"/kubeconfig", &data); err != nil {
		return nil, err
	}
	config, err := clientcmd.Load(data)
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig of cluster %q: %w", cluster, err)
	}
	return config, nil
}

// writeKubeconfig merges the administrator's access to the cluster into the user's kubeconfig, makes it the current context
// and returns the file. Other entries stay.
func writeKubeconfig(ctx context.Context, dir home.Dir, cluster string) (string, error) {
	admin, err := adminKubeconfig(ctx, dir, cluster)
	if err != nil {
		return "", err
	}
	access := clientcmd.NewDefaultPathOptions()
	config, err := access.GetStartingConfig()
	if err != nil {
		return "", fail(BadConfig, "reading the kubeconfig %s: %w", access.GetDefaultFilename(), err)
	}
	for name, c := range admin.Clusters {
		config.Clusters[name] = c
	}
	for name, u := range admin.AuthInfos {
		config.AuthInfos[name] = u
	}
	for name, c := range admin.Contexts {
		config.Contexts[name] = c
	}
	config.CurrentContext = cluster
	if err := clientcmd.ModifyConfig(access, *config, true); err != nil {
		return "", fmt.Errorf("writing the kubeconfig: %w", err)
	}
	return access.GetDefaultFilename(), nil
}

// forgetKubeconfig removes the cluster's entries from the user's kubeconfig and says whether there were any. Entries of
// that name which lead elsewhere than to this machine stay. Where its context was the current one, the next one is, if there
// is such a context.
func forgetKubeconfig(cluster, next string) (bool, error) {
	access := clientcmd.NewDefaultPathOptions()
	config, err := access.GetStartingConfig()
	if err != nil {
		return false, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	entry := config.Clusters[cluster]
	if entry == nil || !isLocal(entry.Server) {
		return false, nil
	}
	delete(config.Clusters, cluster)
	delete(config.AuthInfos, cluster)
	delete(config.Contexts, cluster)
	if config.CurrentContext == cluster {
		config.CurrentContext = ""
		if config.Contexts[next] != nil {
			config.CurrentContext = next
		}
	}
	return true, clientcmd.ModifyConfig(access, *config, true)
}
