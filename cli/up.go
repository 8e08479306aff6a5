package cli

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/automode-dev/automode/cli/serve"
	"github.com/automode-dev/automode/cloud/clusters"
	"github.com/automode-dev/automode/internal/home"
)

func (a *app) upCommand() *cobra.Command {
	flagged := defaultConfig()
	var file string
	timeout := 5 * time.Minute
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start a cluster on this machine, or resume it",
		Long: `Starts the local cloud, creates a cluster with Auto Mode enabled in it and points kubectl at it. Returns when the cluster is
ready; it goes on running in the background. Running it again resumes whatever is stopped and changes nothing that runs.`,
		Example: `  automode up                               # cluster "automode", kubectl context "automode"
  automode up --machines simulated          # no containers; needs no root
  automode up --port 4600 --home /tmp/two   # a second one beside it
  automode up --config cluster.yaml         # everything from a file; - reads standard input`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var asked Config
			if file != "" {
				if err := readConfig(file, a.In, &asked); err != nil {
					return err
				}
			}
			overrideByFlags(cmd, &asked, flagged)
			if err := asked.over(a.defaultsHere()).validate(); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			return a.up(ctx, asked)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&file, "config", "f", "", "configuration file ("+configVersion+" "+configKind+"); flags win over it")
	flags.StringVar(&flagged.Name, "name", flagged.Name, "name of the cluster and of its kubectl context")
	flags.StringVar(&flagged.Region, "region", flagged.Region, "AWS region that the local cloud plays")
	flags.IntVar(&flagged.Port, "port", flagged.Port, "port of the local cloud on 127.0.0.1")
	flags.StringVar(&flagged.KubernetesVersion, "kubernetes-version", flagged.KubernetesVersion, "minor version of Kubernetes")
	flags.StringVar(&flagged.Machines, "machines", flagged.Machines, "real, simulated, or auto: real where the host allows it")
	flags.StringVar(&flagged.Network, "network", flagged.Network, "CIDR of the cluster's VPC")
	flags.StringSliceVar(&flagged.NodePools, "node-pools", flagged.NodePools, "built-in node pools to enable")
	flags.StringVar(&flagged.BootDelay, "boot-delay", flagged.BootDelay, "time an instance takes to boot, beyond what it really takes")
	flags.DurationVar(&timeout, "timeout", timeout, "how long to wait for the cluster to be ready")
	return cmd
}

// defaultsHere is what holds where neither file nor flags say anything: what an existing local cloud was started with.
func (a *app) defaultsHere() Config {
	config := defaultConfig()
	dir, err := a.home()
	if err != nil {
		return config // said where the home is needed
	}
	if existing, err := readSettings(dir); err == nil {
		config = existing.over(config)
	}
	return config
}

// overrideByFlags lets the flags that were given win over the file.
func overrideByFlags(cmd *cobra.Command, config *Config, flags Config) {
	for name, set := range map[string]func(){
		"name":               func() { config.Name = flags.Name },
		"region":             func() { config.Region = flags.Region },
		"port":               func() { config.Port = flags.Port },
		"kubernetes-version": func() { config.KubernetesVersion = flags.KubernetesVersion },
		"machines":           func() { config.Machines = flags.Machines },
		"network":            func() { config.Network = flags.Network },
		"node-pools":         func() { config.NodePools = flags.NodePools },
		"boot-delay":         func() { config.BootDelay = flags.BootDelay },
	} {
		if cmd.Flags().Changed(name) {
			set()
		}
	}
}

// up walks the steps from nothing to a ready cluster; each finds what an earlier run did, and refuses what was asked for
// and is otherwise.
func (a *app) up(ctx context.Context, asked Config) error {
	dir, err := a.home()
	if err != nil {
		return err
	}
	config := asked.over(a.defaultsHere())
	p := a.progress()
	var settings settings
	err = p.step("Checking this machine", func(func(string)) (string, error) {
		settings, err = preflight(ctx, dir, config)
		return "This machine can run " + settings.machinesText(), err
	})
	if err != nil {
		return err
	}
	err = p.step("Starting the local cloud", func(waiting func(string)) (string, error) {
		err := startCloud(ctx, dir, settings, waiting)
		return fmt.Sprintf("Local cloud answers on 127.0.0.1:%d (%s)", settings.Port, settings.Region), err
	})
	if err != nil {
		return err
	}
	client, err := localClient(ctx, dir, settings)
	if err != nil {
		return err
	}
	created, err := a.createCluster(ctx, p, client, asked, config)
	if err != nil {
		return err
	}
	err = p.step("Waiting until everything runs", func(waiting func(string)) (string, error) {
		return "Everything runs", a.waitHealthy(ctx, dir, waiting)
	})
	if err != nil {
		return err
	}
	err = p.step("Pointing kubectl at the cluster", func(func(string)) (string, error) {
		file, err := writeKubeconfig(ctx, dir, config.Name)
		return fmt.Sprintf("kubectl context %q in %s", config.Name, file), err
	})
	if err != nil {
		return err
	}
	state := "runs again"
	if created {
		state = "is ready. It has no node and no pod; nodes appear when pods need them"
	}
	p.say(nextSteps, config.Name, state)
	return nil
}

// waitHealthy waits until every condition holds. The function is told the first that does not.
func (a *app) waitHealthy(ctx context.Context, dir home.Dir, waiting func(string)) error {
	for {
		var conditions []serve.Condition
		err := internalGet(ctx, dir, serve.StatusPath, &conditions)
		if err == nil {
			err = unhealthy(conditions)
		}
		if err == nil {
			return nil
		}
		waiting(err.Error())
		select {
		case <-ctx.Done():
			return fail(TimedOut, "waiting until everything runs: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

const nextSteps = `
Cluster %q %s:

  kubectl create deployment nginx --image=nginx --replicas=3
  kubectl get pods -o wide --watch
  kubectl get nodes,nodeclaims

  automode status              health, condition by condition
  eval "$(automode env)"       point the aws command line and SDKs at the local cloud
  automode down                remove everything
`

// createCluster makes network, roles and cluster, waits until it is active, and says whether it is a new one.
func (a *app) createCluster(ctx context.Context, p *progress, client *clusters.Client, asked, config Config) (created bool, err error) {
	var network clusters.Network
	var roles clusters.Roles
	err = p.step("Making the network", func(func(string)) (_ string, err error) {
		network, err = client.EnsureNetwork(ctx, config.Name, netip.MustParsePrefix(config.Network))
		if err != nil {
			return "", cloudFailure(err)
		}
		text := fmt.Sprintf("Network %s, %d public and %d private subnets", network.CIDR, len(network.Public), len(network.Private))
		return text, asked.checkNetwork(config.Name, network)
	})
	if err != nil {
		return false, err
	}
	err = p.step("Making the roles", func(func(string)) (_ string, err error) {
		roles, err = client.EnsureRoles(ctx)
		return "Roles " + clusters.ClusterRole + ", " + clusters.NodeRole, cloudFailure(err)
	})
	if err != nil {
		return false, err
	}
	err = p.step("Creating the cluster", func(waiting func(string)) (string, error) {
		spec := clusters.Spec{Name: config.Name, Version: config.KubernetesVersion, Subnets: network.Private, Roles: roles, NodePools: config.NodePools}
		if created, err = client.Create(ctx, spec); err != nil {
			return "", cloudFailure(err)
		}
		cluster, err := client.WaitActive(ctx, config.Name, waiting)
		if err != nil {
			return "", cloudFailure(err)
		}
		return fmt.Sprintf("Cluster %s is active: Kubernetes %s, Auto Mode on", cluster.Name, cluster.Version), asked.checkCluster(cluster)
	})
	return created, err
}

// localClient talks to the home's local cloud as its user admin.
func localClient(ctx context.Context, dir home.Dir, s settings) (*clusters.Client, error) {
	key, err := readAdminKey(dir)
	if err != nil {
		return nil, err
	}
	return clusters.New(ctx, clusters.Endpoint{URL: s.endpoint(), Region: s.Region, AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey})
}

// cloudFailure gives an error of the cloud its kind.
func cloudFailure(err error) error {
	switch {
	case err == nil:
		return nil
	case clusters.IsAccessDenied(err):
		return &Failure{ID: AccessDenied, Err: err}
	case clusters.IsNotFound(err):
		return &Failure{ID: NotFound, Err: err}
	case clusters.IsInvalid(err):
		return &Failure{ID: BadConfig, Err: err}
	case isTimeout(err):
		return &Failure{ID: TimedOut, Err: err}
	case isRefused(err):
		return &Failure{ID: CloudUnreachable, Err: err}
	}
	return &Failure{ID: ClusterFailed, Err: err}
}
