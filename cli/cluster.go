package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/automode-dev/automode/cloud/clusters"
	"github.com/automode-dev/automode/internal/home"
)

func (a *app) createCommand() *cobra.Command {
	parent := &cobra.Command{Use: "create", Short: "Create a cluster"}
	config := defaultConfig()
	timeout := 5 * time.Minute
	cmd := &cobra.Command{
		Use:     "cluster NAME",
		Short:   "Create one more cluster, with its own network, in the running local cloud",
		Example: "  automode create cluster two --network 10.10.0.0/16\n  kubectl --context two get nodepools",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			config.Name = args[0]
			if err := config.validate(); err != nil {
				return err
			}
			if _, err := libexec(config.KubernetesVersion); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			dir, client, err := a.localCloud(ctx)
			if err != nil {
				return err
			}
			var asked Config
			overrideByFlags(cmd, &asked, config)
			p := a.progress()
			if _, err := a.createCluster(ctx, p, client, asked, config); err != nil {
				return err
			}
			return p.step("Pointing kubectl at the cluster", func(func(string)) (string, error) {
				file, err := writeKubeconfig(ctx, dir, config.Name)
				return fmt.Sprintf("kubectl context %q in %s", config.Name, file), err
			})
		},
	}
	cmd.Flags().StringVar(&config.KubernetesVersion, "kubernetes-version", config.KubernetesVersion, "minor version of Kubernetes")
	cmd.Flags().StringVar(&config.Network, "network", "10.10.0.0/16", "CIDR of the cluster's VPC")
	cmd.Flags().StringSliceVar(&config.NodePools, "node-pools", config.NodePools, "built-in node pools to enable")
	cmd.Flags().DurationVar(&timeout, "timeout", timeout, "how long to wait for the cluster to be ready")
	parent.AddCommand(cmd)
	return parent
}

func (a *app) getCommand() *cobra.Command {
	parent := &cobra.Command{Use: "get", Short: "List clusters"}
	var out format
	cmd := &cobra.Command{
		Use:     "clusters",
		Aliases: []string{"cluster"},
		Short:   "List the clusters of the local cloud",
		Example: "  automode get clusters\n  automode get clusters -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, client, err := a.localCloud(cmd.Context())
			if err != nil {
				return err
			}
			list, err := client.List(cmd.Context())
			if err != nil {
				return cloudFailure(err)
			}
			return out.print(a.Out, clusterTable(list, time.Now()))
		},
	}
	out.addFlag(cmd)
	parent.AddCommand(cmd)
	return parent
}

func clusterTable(list []clusters.Cluster, now time.Time) table {
	t := table{doc: list, columns: []column{{name: "NAME"}, {name: "STATUS"}, {name: "VERSION"}, {name: "AUTO MODE"}, {name: "NODE POOLS"}, {name: "AGE"},
		{name: "ENDPOINT", wide: true}, {name: "VPC", wide: true}}}
	for _, c := range list {
		auto := "off"
		if c.AutoMode {
			auto = "on"
		}
		t.rows = append(t.rows, []string{c.Name, c.Status, c.Version, auto, orDash(strings.Join(c.NodePools, ",")), age(now.Sub(c.Created)), orDash(c.Endpoint), orDash(c.VPC)})
	}
	return t
}

// age prints a duration as kubectl does: the two largest units matter, mostly the largest alone.
func age(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 3*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

func (a *app) deleteCommand() *cobra.Command {
	parent := &cobra.Command{Use: "delete", Short: "Delete a cluster"}
	timeout := 5 * time.Minute
	cmd := &cobra.Command{
		Use:               "cluster NAME",
		Short:             "Delete a cluster, its nodes and the network that was made for it",
		Example:           "  automode delete cluster two",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			return a.deleteCluster(ctx, args[0])
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", timeout, "how long to wait until it is gone")
	parent.AddCommand(cmd)
	return parent
}

func (a *app) deleteCluster(ctx context.Context, name string) error {
	dir, client, err := a.localCloud(ctx)
	if err != nil {
		return err
	}
	s, err := readSettings(dir)
	if err != nil {
		return err
	}
	p := a.progress()
	err = p.step("Deleting the cluster", func(waiting func(string)) (string, error) {
		err := client.Delete(ctx, name, waiting)
		if clusters.IsNotFound(err) {
			return "", fail(NotFound, "there is no cluster %q", name)
		}
		return fmt.Sprintf("Cluster %s and its nodes are gone", name), cloudFailure(err)
	})
	if err != nil {
		return err
	}
	err = p.step("Removing its network", func(func(string)) (string, error) {
		removed, err := client.RemoveNetwork(ctx, name)
		return fmt.Sprintf("Network removed: %d parts", len(removed)), cloudFailure(err)
	})
	if err != nil {
		return err
	}
	_, err = forgetKubeconfig(name, s.Cluster)
	return err
}

// localCloud returns the home and a client of its running local cloud.
func (a *app) localCloud(ctx context.Context) (home.Dir, *clusters.Client, error) {
	dir, err := a.home()
	if err != nil {
		return "", nil, err
	}
	s, err := readSettings(dir)
	if err != nil {
		return "", nil, err
	}
	if err := cloudAnswers(ctx, dir); err != nil {
		return "", nil, err
	}
	client, err := localClient(ctx, dir, s)
	return dir, client, err
}

// completeClusters completes the names of clusters.
func (a *app) completeClusters(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	_, client, err := a.localCloud(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	list, err := client.List(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, c := range list {
		names = append(names, c.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
