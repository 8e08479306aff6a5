package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/automode-dev/automode/cli/serve"
	"github.com/automode-dev/automode/cloud"
	"github.com/automode-dev/automode/internal/forward"
	"github.com/automode-dev/automode/internal/home"
	"github.com/automode-dev/automode/internal/supervise"
	"github.com/automode-dev/automode/localcloud/machine"
	"github.com/automode-dev/automode/localcloud/machine/simulate"
	"github.com/automode-dev/automode/node"
	"github.com/automode-dev/automode/operator"
)

// processCommands are the hidden verbs: nearly each is one of the long-lived processes of the product.
func (a *app) processCommands() []*cobra.Command {
	return []*cobra.Command{
		a.superviseProcessCommand(), a.serveProcessCommand(), a.forwardProcessCommand(), a.machineProcessCommand(), a.simulateProcessCommand(),
		a.controllerProcessCommand(), a.nodeProcessCommand(), a.referenceCommand(),
	}
}

// superviseProcessCommand keeps the local cloud running.
func (a *app) superviseProcessCommand() *cobra.Command {
	return a.homeProcess(superviseUnit, "Keep the local cloud running", func(ctx context.Context, dir home.Dir) error {
		unit, err := serveProcess(dir)
		if err != nil {
			return err
		}
		return keep(ctx, dir.Units(serveGroup), unit)
	})
}

// serveProcessCommand is the local cloud. It keeps the process running that keeps it running.
func (a *app) serveProcessCommand() *cobra.Command {
	return a.homeProcess(serveUnit, "Run the local cloud", func(ctx context.Context, dir home.Dir) error {
		s, err := readSettings(dir)
		if err != nil {
			return err
		}
		unit, err := superviseProcess(dir)
		if err != nil {
			return err
		}
		delay, err := time.ParseDuration(s.BootDelay)
		if err != nil {
			return fail(BadConfig, "reading the boot delay: %w", err)
		}
		log := a.logger()
		go func() {
			if err := keep(ctx, dir.Units(superviseGroup), unit); err != nil {
				log.Error("keeping the supervisor running", "error", err)
			}
		}()
		return serve.Run(ctx, serve.Options{Home: dir, Region: s.Region, Port: s.Port, Real: s.Machines == machinesReal, BootDelay: delay, Automode: unit.Path, Libexec: libexecBases()[0], Log: log})
	})
}

// keep runs a unit until the context ends, and leaves it running then.
func keep(ctx context.Context, units string, unit supervise.Unit) error {
	sup, err := supervise.New(units)
	if err != nil {
		return fmt.Errorf("keeping %s running: %w", unit.Name, err)
	}
	defer sup.Close()
	if err := sup.Ensure(unit); err != nil {
		return fmt.Errorf("keeping %s running: %w", unit.Name, err)
	}
	<-ctx.Done()
	return nil
}

// homeProcess makes the verb of a process that belongs to one home. It does not start while the home goes down.
func (a *app) homeProcess(verb, short string, run func(context.Context, home.Dir) error) *cobra.Command {
	return &cobra.Command{
		Use: verb, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := a.home()
			if err != nil {
				return err
			}
			if _, err := os.Stat(stoppingMarker(dir)); err == nil {
				return fail(HalfRemoved, "%s is being removed", dir)
			}
			return run(cmd.Context(), dir)
		},
	}
}

// forwardProcessCommand joins ports of network namespaces.
func (a *app) forwardProcessCommand() *cobra.Command {
	return &cobra.Command{
		Use: "forward LISTEN DIAL [LISTEN DIAL...]", Short: "Forward TCP ports between network namespaces", Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			rules, err := forward.Parse(args)
			if err != nil {
				return usage(err)
			}
			return forward.Run(cmd.Context(), rules)
		},
	}
}

// nodeProcessCommand is the init of a machine; its subcommand is the kubelet's credential plugin.
func (a *app) nodeProcessCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "node", Short: "Turn this machine into a node of its cluster", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return node.Run(cmd.Context(), node.Options{Metadata: cloud.NewMetadata(), Token: cloud.NodeToken, Log: a.logger()})
		},
	}
	var region, cluster string
	token := &cobra.Command{
		Use: "token", Short: "Print a token that proves this node's identity to its cluster", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return node.PrintToken(cmd.Context(), a.Out, cloud.NodeToken, region, cluster)
		},
	}
	token.Flags().StringVar(&region, "region", "", "region of the cluster")
	token.Flags().StringVar(&cluster, "cluster-name", "", "name of the cluster")
	cmd.AddCommand(token)
	return cmd
}

// machineProcessCommand supervises one real machine.
func (a *app) machineProcessCommand() *cobra.Command {
	var o machine.Options
	cmd := &cobra.Command{
		Use: "machine", Short: "Run a real machine of the local cloud", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Log = a.logger()
			return machine.Run(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.Dir, "dir", "", "the machine's directory")
	cmd.Flags().BoolVar(&o.Enter, "enter", false, "become the machine's init")
	return cmd
}

// simulateProcessCommand plays all simulated machines of a home.
func (a *app) simulateProcessCommand() *cobra.Command {
	return a.homeProcess("simulate", "Play the simulated machines of the local cloud", func(ctx context.Context, dir home.Dir) error {
		return simulate.Run(ctx, simulate.Options{Home: dir, Log: a.logger()})
	})
}

// controllerProcessCommand runs the Auto Mode controllers of one cluster.
func (a *app) controllerProcessCommand() *cobra.Command {
	var o operator.Options
	cmd := &cobra.Command{
		Use: "controller --config FILE [--settings FILE]", Short: "Run the Auto Mode controllers of a cluster", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Log = a.Err
			return operator.Run(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.ConfigFile, "config", "", "configuration file ("+operator.APIVersion+" "+operator.Kind+")")
	cmd.Flags().StringVar(&o.SettingsFile, "settings", "", "file laid over it ("+operator.APIVersion+" "+operator.SettingsKind+"); need not exist")
	return cmd
}

// logger writes the log of a process to standard error, which its supervisor keeps in a file.
func (a *app) logger() *slog.Logger {
	level := slog.LevelInfo
	if a.verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(a.Err, &slog.HandlerOptions{Level: level}))
}
