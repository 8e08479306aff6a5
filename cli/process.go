package cli

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/automode-dev/automode/internal/home"
	"github.com/automode-dev/automode/internal/supervise"
)

// processCommands are the hidden verbs: each is one of the long-lived processes of the product.
func (a *app) processCommands() []*cobra.Command {
	return []*cobra.Command{a.serveProcessCommand(), a.superviseProcessCommand(), a.referenceCommand()}
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
